"""The month without caches, what each saves, their memory, the month with them: the numbers behind `cache_savings`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ragopt.report.cache_words import GUESS, NO_LOG, guess_text, log_sentence, titled
from ragopt.report.figure import Column, Table
from ragopt.report.words import shown, usd_text
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice

MINUS = "\N{MINUS SIGN}"

Kind = Literal["total", "saving", "memory"]

COLUMNS = (
    Column("Step"),
    Column("USD a month", numeric=True),
    Column("2.5 % point", numeric=True),
    Column("97.5 % point", numeric=True),
    Column("Left, USD a month", numeric=True),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the waterfall.

    Attributes:
        name: what it is.
        kind: a month, what a cache takes off it, or what memory puts on it.
        before, after: USD a month left before and after it; a total is after alone, from nothing.
        usd: what it adds; negative where it saves.
        low, high: ends of the 95 % interval of `usd`; None where there is none.
        guess: whether it rests on something that nobody measured.
    """

    name: str
    kind: Kind
    before: Decimal
    after: Decimal
    usd: Decimal
    low: Decimal | None = None
    high: Decimal | None = None
    guess: bool = False

    @property
    def mark(self) -> str:
        """What stands behind the name of a guess."""
        return f" ({GUESS})" if self.guess else ""


def savings_steps(advice: CacheAdvice) -> tuple[Step, ...]:
    """The month without caches, each recommended one in the order in which a request meets them, memory, the month."""
    zero, left = Decimal(0), advice.usd_before
    steps = [Step("Without caches", "total", zero, left, left)]
    for plan in advice.recommended:
        after = left - plan.saved.value
        saved = plan.saved
        steps.append(Step(titled(plan.name), "saving", left, after, -saved.value, -saved.high, -saved.low,
                          guess=bool(plan.guess)))  # fmt: skip
        left = after
    memory = sum((plan.memory_usd_per_month for plan in advice.recommended), zero)
    steps.append(Step("Their memory", "memory", left, left + memory, memory))
    return (*steps, Step("With caches", "total", zero, advice.usd_after, advice.usd_after))


def signed(usd: Decimal) -> str:
    """Money with its sign, a true minus or a plus; what rounds to nothing has none.

    >>> [signed(Decimal(usd)) for usd in ("-1.11", "0.02", "-0.004")]
    ['\u22121.11', '+0.02', '0.00']
    """
    return sign_of(usd) + usd_text(abs(usd))


def sign_of(usd: Decimal) -> str:
    """A true minus, a plus, or nothing where it rounds to no cent."""
    cents = to_cents(usd)
    return MINUS if cents < 0 else "+" if cents > 0 else ""


def savings_table(advice: CacheAdvice) -> Table:
    """One row per step."""
    rows = tuple(
        (
            one.name + one.mark,
            usd_text(one.usd) if one.kind == "total" else signed(one.usd),
            "" if one.low is None else signed(one.low),
            "" if one.high is None else signed(one.high),
            usd_text(one.after),
        )
        for one in savings_steps(advice)
    )
    return Table(COLUMNS, rows)


def savings_caption(advice: CacheAdvice) -> str:
    """What is drawn, for how many requests, and why nothing is counted twice."""
    return (
        "USD a month for the log's requests: questions embedded, searches, chunk reads and tokens. Each recommended "
        "cache takes off what it saves of what the caches before it let through, in the order in which a request meets "
        f"them, so that nothing is counted twice; black lines are 95 % intervals of each saving. {log_sentence(advice)}"
        f"{_not_counted(advice)}{_guesses(advice)}"
    )


def _not_counted(advice: CacheAdvice) -> str:
    semantic = any(plan.name == "semantic" for plan in advice.recommended)
    return " The semantic cache's memory is not counted." * semantic


def _guesses(advice: CacheAdvice) -> str:
    """Which savings, and with them the month with caches, rest on something that nobody measured."""
    return "".join(f" {titled(plan.name)} and the month with caches: {guess_text(plan)}."
                   for plan in advice.recommended if plan.guess)  # fmt: skip


def why_no_savings(advice: CacheAdvice | None) -> str:
    """Why nothing can be drawn, in one sentence; empty when something can."""
    if advice is None:
        return NO_LOG
    if advice.recommended:
        return ""
    more = f": {shown(advice.insufficient)}" if advice.insufficient else "."
    return f"No cache is recommended{more}"
