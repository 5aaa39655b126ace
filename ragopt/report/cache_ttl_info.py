"""What the answer cache hits under each TTL: the numbers behind the figure `cache_ttl`; no drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.cache_words import FIRST_TURNS, NO_LOG, counted, share_text, ttl_text
from ragopt.report.figure import Column, Table

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice, CachePlan, TtlPoint

COLUMNS = (
    Column("TTL"),
    Column("Share of first turns that hit [95 %]", numeric=True),
    Column("First turns", numeric=True),
    Column("Recommended"),
)


def answer_plan(advice: CacheAdvice) -> CachePlan | None:
    """The plan of the cache of exact answers; None where the advice has none."""
    return next((plan for plan in advice.plans if plan.name == "answer"), None)


def ttl_points(plan: CachePlan) -> tuple[TtlPoint, ...]:
    """TTLs rising, the one without an end last."""
    return tuple(sorted(plan.ttls, key=lambda one: (one.ttl_s is None, one.ttl_s or 0.0)))


def endless(plan: CachePlan) -> TtlPoint | None:
    """The point of a cache whose entries never expire: every repeat in the log hits."""
    return next((one for one in plan.ttls if one.ttl_s is None), None)


def is_recommended(plan: CachePlan, point: TtlPoint) -> bool:
    """Whether this is the TTL that is recommended."""
    return plan.on and plan.ttl_s == point.ttl_s


def ttl_table(plan: CachePlan) -> Table:
    """One row per TTL."""
    rows = tuple(
        (ttl_text(one.ttl_s), share_text(one.hits), f"{one.hits.n:,}", "recommended" * is_recommended(plan, one))
        for one in ttl_points(plan)
    )
    return Table(COLUMNS, rows)


def ttl_caption(plan: CachePlan) -> str:
    """What is drawn, and what share of the first turns repeats an earlier one at all."""
    words = (
        f"Share of the {FIRST_TURNS} that a cache of exact answers serves against the time after which it forgets an "
        "answer, without a limit on its size, the first half of the log warming it; lines are 95 % intervals."
    )
    never = endless(plan)
    if never is not None:
        words += (
            f" Repeats of an earlier first turn, however old, are {share_text(never.hits)} of "
            f"{counted(never.hits.n, 'first turn')}: no cache of exact answers hits more."
        )
    if plan.on:
        words += f" Red: the recommended TTL, {ttl_text(plan.ttl_s)}."
    return words


def why_no_ttl(advice: CacheAdvice | None) -> str:
    """Why nothing can be drawn, in one sentence; empty when something can."""
    if advice is None:
        return NO_LOG
    plan = answer_plan(advice)
    return "" if plan is not None and plan.ttls else "The answer cache was not replayed under TTLs: that takes times."
