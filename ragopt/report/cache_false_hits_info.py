"""What a semantic cache's threshold risks: the numbers behind the figure `cache_false_hits`; no drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.cache_words import NO_LOG, percent_text
from ragopt.report.figure import Column, Table
from ragopt.report.words import number_text, shown

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice, FalseHitPoint

COLUMNS = (
    Column("Threshold"),
    Column("Labelled hits", numeric=True),
    Column("Wrong ones", numeric=True),
    Column("Observed rate", numeric=True),
    Column("Upper bound, 95 %", numeric=True),
)


def false_hit_points(advice: CacheAdvice) -> tuple[FalseHitPoint, ...]:
    """Thresholds rising."""
    return tuple(sorted(advice.false_hits, key=lambda one: one.threshold))


def observed(point: FalseHitPoint) -> float | None:
    """Share of the labelled hits that were wrong; None where nothing was labelled."""
    return point.n_wrong / point.n_labelled if point.n_labelled else None


def false_hits_table(advice: CacheAdvice) -> Table:
    """One row per threshold, the strictest first, as the threshold is stepped down."""
    rows = []
    for one in reversed(false_hit_points(advice)):
        rate = observed(one)
        rows.append((number_text(one.threshold), f"{one.n_labelled:,}", f"{one.n_wrong:,}",
                     "" if rate is None else percent_text(rate), percent_text(one.high)))  # fmt: skip
    return Table(COLUMNS, tuple(rows))


def false_hits_caption(advice: CacheAdvice) -> str:
    """What is drawn, and why the bound decides and not the rate."""
    reason = next((plan.reason for plan in advice.plans if plan.name == "semantic"), "")
    words = (
        "Share of a semantic cache's hits that serve a wrong answer, against the least similarity that it serves: the "
        "one-sided 95 % Clopper-Pearson upper bound from labelled hits, which decides, and hollow the rate that was "
        "observed, which does not: with few labels it may be far too low."
    )
    return f"{words} Semantic cache: {shown(reason)}" if reason else words


def why_no_false_hits(advice: CacheAdvice | None) -> str:
    """Why nothing can be drawn, in one sentence; empty when something can."""
    if advice is None:
        return NO_LOG
    return "" if advice.false_hits else "No hit of a semantic cache is labelled: its false-hit rate is unknown."
