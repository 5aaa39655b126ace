"""Hits against size, cache by cache and policy by policy: the numbers behind the figure `cache_hits`; no drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ragopt.cache.records import DEPLOYABLE
from ragopt.report.cache_words import FIRST_TURNS, NO_LOG, name_of, policy_text, share_text, titled
from ragopt.report.figure import Column, Table
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice, CachePlan
    from ragopt.cache.records import CurvePoint, Policy, Share

SEVERAL_READS = ("chunk",)
"""Caches that one request reads several times: only there do all its reads hit less often than each of them."""

OF_FIRST_TURNS = ("answer", "semantic")
"""Caches that are asked for questions that begin a conversation only."""

Field = Literal["hits", "all_hits"]

COLUMNS = (
    Column("Cache"),
    Column("Policy"),
    Column("Size", numeric=True),
    Column("Share of reads that hit [95 %]", numeric=True),
    Column("Requests that read, with every read a hit [95 %]", numeric=True),
    Column("Reads of items too large to keep", numeric=True),
)


@dataclass(frozen=True, slots=True)
class HitLine:
    """One policy's line in a panel.

    Attributes:
        policy: what is evicted.
        points: size in bytes and share, sizes rising.
    """

    policy: Policy
    points: tuple[tuple[int, Share], ...]

    @property
    def is_reference(self) -> bool:
        """Whether no service can deploy it."""
        return self.policy not in DEPLOYABLE


@dataclass(frozen=True, slots=True)
class HitPanel:
    """One cache's hits against size.

    Attributes:
        title: of the panel.
        lines: one per policy.
        size_bytes: the recommended size; None where the cache is off or has none.
    """

    title: str
    lines: tuple[HitLine, ...]
    size_bytes: int | None


def hit_panels(advice: CacheAdvice) -> tuple[HitPanel, ...]:
    """The chunk cache first, share of reads and share of requests whose every read hits; then the other caches."""
    drawn = [plan for plan in advice.plans if any(curve.points for curve in plan.curves)]
    ordered = sorted(drawn, key=lambda plan: plan.name not in SEVERAL_READS)
    return tuple(panel for plan in ordered for panel in _panels(plan))


def _panels(plan: CachePlan) -> list[HitPanel]:
    several = plan.name in SEVERAL_READS
    asked = "reads" if several else "first turns" if plan.name in OF_FIRST_TURNS else "requests"
    found = [_panel(plan, "hits", f"{titled(plan.name)}: {asked} that hit")]
    if several:
        found.append(_panel(plan, "all_hits", f"{titled(plan.name)}: requests with every read a hit"))
    return found


def _panel(plan: CachePlan, field: Field, title: str) -> HitPanel:
    lines = tuple(
        HitLine(curve.policy, tuple((point.size_bytes, _share(point, field)) for point in _sized(curve.points)))
        for curve in plan.curves
        if curve.points
    )
    return HitPanel(title, lines, plan.size_bytes if plan.on else None)


def _sized(points: tuple[CurvePoint, ...]) -> list[CurvePoint]:
    """Points that a log axis has a place for."""
    return [point for point in points if point.size_bytes > 0]


def _share(point: CurvePoint, field: Field) -> Share:
    return point.hits if field == "hits" else point.all_hits


def policies_of(panels: tuple[HitPanel, ...]) -> tuple[Policy, ...]:
    """Every policy of any panel, once, in the order of the curves, those that can be deployed first."""
    found = dict.fromkeys(line.policy for panel in panels for line in panel.lines)
    return tuple(sorted(found, key=lambda policy: policy not in DEPLOYABLE))


def hits_table(advice: CacheAdvice) -> Table:
    """One row per cache, policy and size."""
    rows = tuple(
        (
            titled(plan.name),
            policy_text(curve.policy),
            format_bytes(point.size_bytes),
            share_text(point.hits),
            share_text(point.all_hits),
            f"{point.n_bypassed:,}",
        )
        for plan in advice.plans
        for curve in plan.curves
        for point in curve.points
    )
    return Table(COLUMNS, rows)


def hits_caption(advice: CacheAdvice, panels: tuple[HitPanel, ...]) -> str:
    """What is drawn, what the lines mean and how the intervals were made."""
    words = (
        "Share of a cache's reads that hit against its size, with no other cache before it, the first half of the log "
        "warming it. For the chunk cache, which a request reads several times, also the share of requests with every "
        "read a hit: only they wait for nothing. "
    )
    if any(plan.name in OF_FIRST_TURNS and plan.curves for plan in advice.plans):
        words += f"Exact answers are looked up for {FIRST_TURNS} only: theirs are shares of those. "
    known = policies_of(panels)
    references = [policy_text(policy).removesuffix(" (reference)") for policy in known if policy not in DEPLOYABLE]
    if references:
        words += (
            f"Dashed: reference lines ({', '.join(references)}), which no cache that a service can put in place evicts "
            "by; Belady's would have to know the future. "
        )
    sized = [name_of(plan.name) for plan in advice.plans if plan.on and plan.size_bytes is not None and plan.curves]
    if sized:
        words += "Red: the recommended size. "
    return f"{words}Whiskers: 95 % intervals of blocks of the log; the reference lines' are in the table."


def why_no_hits(advice: CacheAdvice | None) -> str:
    """Why nothing can be drawn, in one sentence; empty when something can."""
    if advice is None:
        return NO_LOG
    return "" if hit_panels(advice) else "No cache was replayed at several sizes."
