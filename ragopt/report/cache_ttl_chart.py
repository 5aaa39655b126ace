"""The figure `cache_ttl`: what the cache of exact answers hits under each TTL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ragopt.report import palette
from ragopt.report.axes import AxisScale
from ragopt.report.cache_ttl_info import (
    answer_plan,
    endless,
    is_recommended,
    ttl_caption,
    ttl_points,
    ttl_table,
    why_no_ttl,
)
from ragopt.report.cache_words import percent_text, ttl_text
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.pixel_marks import Dot, Line, Mark, Words, pixel_chart, title_of
from ragopt.report.pixel_plot import (
    FOOT,
    HEAD,
    Plot,
    axes_of,
    joined,
    log_scale,
    marked_place,
    percent_tick,
    share_scale,
    whisker,
)
from ragopt.sweep.kept_cache import cache_of

if TYPE_CHECKING:
    import altair as alt

    from ragopt.cache.advice import CachePlan, TtlPoint
    from ragopt.records import Run

NAME, TITLE = "cache_ttl", "What a TTL costs the answer cache"
COLOUR = palette.SERIES[0][0]

NICE_S = (1.0, 10.0, 60.0, 300.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0, 31_536_000.0)
"""TTLs that people write: 1 s, 10 s, 1 min, 5 min, 1 h, 6 h, 1 day, 7 and 30 days, a year of 365."""

TICK_GAP = 46
"""Pixels between two ticks with words."""
ENDLESS_ROOM = 64
"""Pixels right of the plot for the cache that forgets nothing."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the plot stands, in pixels: width of everything, height of the plot."""

    width: float
    height: float


WIDE, NARROW = Layout(720, 190), Layout(328, 160)


def ttl_figure(run: Run) -> Figure | NoFigure:
    """Hits of the answer cache against its TTL."""
    advice = cache_of(run)
    reason = why_no_ttl(advice)
    plan = None if advice is None else answer_plan(advice)
    if plan is None or reason:
        return NoFigure(NAME, TITLE, reason)
    caption = ttl_caption(plan)
    return Figure(NAME, TITLE, caption, ttl_table(plan), partial(_draw, plan, caption))


def _draw(plan: CachePlan, caption: str, *, narrow: bool, titled: bool) -> alt.LayerChart:
    layout = NARROW if narrow else WIDE
    marks, height = ttl_marks(plan, layout)
    return pixel_chart(marks, layout.width, height, title_of(TITLE, caption, layout.width) if titled else None)


def ttl_marks(plan: CachePlan, layout: Layout) -> tuple[list[Mark], float]:
    """Place the plot, its points and the point without an end; returns the height in pixels that they take."""
    points, never = ttl_points(plan), endless(plan)
    right = layout.width - (ENDLESS_ROOM if never else 24)
    ttls = [one.ttl_s for one in points if one.ttl_s]
    plot = Plot(48, HEAD, right, HEAD + layout.height, _ttl_scale(ttls, right - 48),
                share_scale([one.hits.high for one in points]))  # fmt: skip
    marks = axes_of(plot, "first turns that hit", "TTL, log scale", x_text=ttl_text, y_text=percent_tick)
    if plan.on and plan.ttl_s:
        marks += marked_place(plot, plan.ttl_s, f"recommended: {ttl_text(plan.ttl_s)}")
    known = [(one.ttl_s, one.hits.value) for one in points if one.ttl_s]
    marks += joined(plot, known, COLOUR, 2.2, dashed=False)
    for one in points:
        if one.ttl_s:
            marks += _point(one, plot.across(one.ttl_s), plot, is_chosen=is_recommended(plan, one))
    if never:
        x = right + ENDLESS_ROOM / 2
        marks += [Line(right, plot.bottom, x + 16, plot.bottom, palette.MUTED),
                  *_point(never, x, plot, is_chosen=is_recommended(plan, never)),
                  Words(percent_text(never.hits.value), x, plot.top - 12, palette.INK, "center"),
                  Words("no end", x, plot.bottom + 14, palette.INK, "center")]  # fmt: skip
    return marks, plot.bottom + FOOT


def _ttl_scale(ttls: list[float], width: float) -> AxisScale:
    """A log axis with a tick at every TTL that people write and that has room beside the one before it."""
    scale = log_scale(ttls or [86_400.0], 2)
    ticks: list[float] = []
    for one in NICE_S:
        inside = scale.low <= one <= scale.high
        if inside and (not ticks or (scale.fraction(one) - scale.fraction(ticks[-1])) * width >= TICK_GAP):
            ticks.append(one)
    return AxisScale(scale.low, scale.high, log=True, ticks=tuple(ticks))


def _point(point: TtlPoint, x: float, plot: Plot, *, is_chosen: bool) -> list[Mark]:
    colour = palette.ACCENT if is_chosen else COLOUR
    ends = plot.down(point.hits.low), plot.down(min(point.hits.high, plot.y.high))
    return [*whisker(x, *ends, colour), Dot(x, plot.down(point.hits.value), colour, colour)]
