"""The sentences that rank the recommended caches by money, and the month without them and with them; pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.report.cache_words import GUESS, guess_text, name_of
from ragopt.report.words import usd_text
from ragopt.units import to_cents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.cache.advice import CacheAdvice, CachePlan


def ranked_sentence(advice: CacheAdvice) -> str:
    """The caches that are recommended, by what they save a month, and those not for money.

    A figure that is a guess is called one beside it. Of caches that are not for money, what their memory costs stands
    there where it is more than they save.
    """
    on = sorted((plan for plan in advice.plans if plan.on), key=lambda plan: -plan.saved.value)
    if not on:
        return "No cache is recommended."
    parts = [_money([plan for plan in on if plan.buys == "money"])]
    for buys, told in (("latency", "latency, not money"), ("nothing", "neither money nor latency")):
        parts.append(_other([plan for plan in on if plan.buys == buys], told))
    sentence = "; ".join(part for part in parts if part)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _money(plans: Sequence[CachePlan]) -> str:
    told = [f"{name_of(plan.name)} cache {usd_text(plan.saved.value)}{_guess(plan)}" for plan in plans]
    if told:
        first = plans[0]
        told[0] = f"{name_of(first.name)} cache saves USD {usd_text(first.saved.value)} a month{_guess(first)}"
    return ", ".join(told)


def _other(plans: Sequence[CachePlan], told: str) -> str:
    """Caches that are not for money; nothing where there are none."""
    if not plans:
        return ""
    several = len(plans) > 1
    usd = _and([f"{usd_text(plan.saved.value)}{_guess(plan)}" for plan in plans])
    saved, memory = (sum(kinds, Decimal(0)) for kinds in zip(
        *((plan.saved.value, plan.memory_usd_per_month) for plan in plans), strict=True))  # fmt: skip
    dearer = (
        f", {'their' if several else 'its'} memory {usd_text(memory)}" if to_cents(memory) > to_cents(saved) else ""
    )
    names = f"{_and([name_of(plan.name) for plan in plans])} cache{'s' * several}"
    return f"{names} {'buy' if several else 'buys'} {told}: USD {usd} a month{dearer}"


def _guess(plan: CachePlan) -> str:
    return f" ({guess_text(plan)})" if plan.guess else ""


def _and(words: Sequence[str]) -> str:
    """Words in a row: `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def sum_sentence(advice: CacheAdvice) -> str:
    """What the month's requests cost without the recommended caches and with them, their memory paid."""
    guessed = sum((plan.saved.value for plan in advice.recommended if plan.guess), Decimal(0))
    guess = f" (USD {usd_text(guessed)} of the saving is {GUESS})" if guessed else ""
    semantic = any(plan.name == "semantic" for plan in advice.recommended)
    memory = "the caches' memory" + ", but for the semantic cache's, which is not counted" * semantic
    return (
        f"USD {usd_text(advice.usd_before)} a month without them, USD {usd_text(advice.usd_after)} with them{guess}: "
        f"questions, searches, chunk reads and tokens of the log's requests, and {memory}."
    )
