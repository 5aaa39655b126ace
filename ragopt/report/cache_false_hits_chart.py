"""The figure `cache_false_hits`: the upper bound of a semantic cache's false-hit rate at each threshold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ragopt.report import palette
from ragopt.report.axes import AxisScale, linear_ticks
from ragopt.report.cache_false_hits_info import (
    false_hit_points,
    false_hits_caption,
    false_hits_table,
    observed,
    why_no_false_hits,
)
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.pixel_marks import Dot, Mark, pixel_chart, title_of
from ragopt.report.pixel_plot import (
    FOOT,
    SHORT_HEAD,
    Key,
    Plot,
    axes_of,
    joined,
    legend,
    percent_tick,
    share_scale,
)
from ragopt.report.words import number_text
from ragopt.sweep.kept_cache import cache_of

if TYPE_CHECKING:
    import altair as alt

    from ragopt.cache.advice import FalseHitPoint
    from ragopt.records import Run

NAME, TITLE = "cache_false_hits", "What a semantic cache's threshold risks"

BOUND, RATE = palette.SERIES[0][0], palette.SERIES[1][0]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the plot stands, in pixels: width of everything, height of the plot, about how many ticks fit below."""

    width: float
    height: float
    n_ticks: int


WIDE, NARROW = Layout(720, 190, 8), Layout(328, 160, 5)


def false_hits_figure(run: Run) -> Figure | NoFigure:
    """Upper bound and observed rate of false hits against the threshold."""
    advice = cache_of(run)
    reason = why_no_false_hits(advice)
    if advice is None or reason:
        return NoFigure(NAME, TITLE, reason)
    caption = false_hits_caption(advice)
    return Figure(NAME, TITLE, caption, false_hits_table(advice), partial(_draw, false_hit_points(advice), caption))


def _draw(points: tuple[FalseHitPoint, ...], caption: str, *, narrow: bool, titled: bool) -> alt.LayerChart:
    layout = NARROW if narrow else WIDE
    marks, height = false_hit_marks(points, layout)
    return pixel_chart(marks, layout.width, height, title_of(TITLE, caption, layout.width) if titled else None)


def false_hit_marks(points: tuple[FalseHitPoint, ...], layout: Layout) -> tuple[list[Mark], float]:
    """Place the plot, bounds, rates and the legend; returns the height in pixels that they take."""
    plot = Plot(48, SHORT_HEAD, layout.width - 20, SHORT_HEAD + layout.height,
                _threshold_scale(points, layout.n_ticks), share_scale([one.high for one in points]))  # fmt: skip
    marks = axes_of(plot, "hits that are wrong", "least similarity that is served", x_text=number_text,
                    y_text=percent_tick, head=SHORT_HEAD)  # fmt: skip
    marks += joined(plot, [(one.threshold, one.high) for one in points], BOUND, 2.2, dashed=False)
    for one in points:
        marks.append(Dot(*plot.at(one.threshold, one.high), BOUND, BOUND))
        rate = observed(one)
        if rate is not None:
            marks.append(Dot(*plot.at(one.threshold, rate), RATE, palette.PAPER))
    keys = (Key("upper bound, 95 %", BOUND, dot=True), Key("observed rate", RATE, dot=True, fill=palette.PAPER))
    below, height = legend(keys, 3, plot.bottom + FOOT, layout.width - 3)
    return [*marks, *below], plot.bottom + FOOT + height


def _threshold_scale(points: tuple[FalseHitPoint, ...], n_ticks: int) -> AxisScale:
    """A linear axis around the thresholds; one alone still needs an axis to stand on."""
    low, high = points[0].threshold, points[-1].threshold
    room = 0.05 * (high - low) or 0.01
    return AxisScale(low - room, high + room, log=False, ticks=linear_ticks(low - room, high + room, n_ticks))
