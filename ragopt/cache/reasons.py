"""Why a cache is on or off, in one sentence with its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.cache.plan_setting import TIE, UNNOTICED_USD
from ragopt.units import format_bytes, format_seconds, to_cents

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.cache.advice import CachePlan, UsdRange
    from ragopt.cache.records import CacheName, Share


@dataclass(frozen=True, slots=True)
class Work:
    """What a cache is asked for, and what a hit for latency need not wait for, in words."""

    asked: str
    spared: str = ""


WORK: dict[CacheName, Work] = {
    "answer": Work("questions that begin a conversation", "the model call and the search"),
    "embedding": Work("questions", "the embedding"),
    "result": Work("searches", "the search and its chunks' reads"),
    "chunk": Work("chunk reads", "the read"),
    "prefix": Work("input tokens"),
}


def reason_of(plan: CachePlan, usd_before: Decimal) -> str:
    """Say what a replayed cache does, and why it is on or off.

    Args:
        plan: with its figures.
        usd_before: the bill of a month without caches.
    """
    work = WORK[plan.name]
    if plan.hits is None:
        return f"off: no {work.asked} got this far."
    hits = f"{percent(plan.hits)} of the {work.asked} hit"
    within = f" within {format_seconds(plan.ttl_s)}" if plan.ttl_s is not None else ""
    size = f" at {format_bytes(plan.size_bytes)}" if plan.size_bytes is not None else ""
    saved = f"USD {usd_range(plan.saved)} a month"
    if plan.buys == "money":
        paid = f", its memory costs {to_cents(plan.memory_usd_per_month)}" if plan.size_bytes is not None else ""
        return f"saves {saved}{paid}: {hits}{within}{size}."
    share = too_little(plan.net.value, usd_before)
    if plan.buys == "latency":
        spared = f"{hits}{within}{size} and need not wait for {work.spared}"
        return f"for latency, not for money: {spared}; saves {saved}, {share}."
    if not plan.hits.value:
        return f"off: none of the {work.asked} hit{within}."
    return f"off: {hits}{within}{size}, which saves {saved}, {share}."


def too_little(saved: Decimal, usd_before: Decimal) -> str:
    """Why a saving, less its memory, is no reason to run a cache for money, as a clause.

    >>> from decimal import Decimal
    >>> too_little(Decimal("0.05"), Decimal(411)), too_little(Decimal("0.5"), Decimal(2))
    ('under 1 % of the bill of USD 411.00', 'under USD 1')
    >>> too_little(Decimal(85), Decimal(411))  # enough, but its interval reaches to nothing
    'perhaps at a loss'
    """
    if not usd_before:
        return "and nothing else is billed"
    if saved < TIE * usd_before:
        return f"under 1 % of the bill of USD {to_cents(usd_before):,}"
    return "under USD 1" if saved < UNNOTICED_USD else "perhaps at a loss"


def percent(share: Share) -> str:
    """A share with its interval: 11.5 % [10.2, 12.9].

    >>> from ragopt.cache.records import Share
    >>> percent(Share(0.115, 0.102, 0.129, 100))
    '11.5 % [10.2, 12.9]'
    """
    return f"{100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def usd_range(usd: UsdRange) -> str:
    """Money with its interval: 17.20 [14.10, 20.90].

    >>> from decimal import Decimal
    >>> from ragopt.cache.advice import UsdRange
    >>> usd_range(UsdRange(Decimal("17.2"), Decimal("14.1"), Decimal("20.9")))
    '17.20 [14.10, 20.90]'
    """
    value, low, high = (f"{to_cents(one):,.2f}" for one in (usd.value, usd.low, usd.high))
    return f"{value} [{low}, {high}]"
