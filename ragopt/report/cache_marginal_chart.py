"""The figure `cache_marginal`: what another GB of each cache would save against what it costs, on log axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ragopt.report import palette
from ragopt.report.cache_marginal_info import (
    MarginalLine,
    marginal_caption,
    marginal_lines,
    marginal_table,
    price_text,
    why_no_marginal,
)
from ragopt.report.cache_words import NAMES, titled
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.pixel_marks import Dot, Line, Mark, pixel_chart, title_of
from ragopt.report.pixel_plot import (
    FOOT,
    SHORT_HEAD,
    Key,
    Plot,
    axes_of,
    bytes_tick,
    joined,
    legend,
    log_scale,
    short_number,
)
from ragopt.sweep.kept_cache import cache_of

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

NAME, TITLE = "cache_marginal", "What another GB would save"

COLOURS = dict(zip(NAMES, (light for light, _ in palette.SERIES), strict=False))
"""Of each cache, in the order in which a request meets them."""

WIDEST, THINNER = 3.6, 0.5
"""Width of the first line, and by how much each next one is thinner: two that lie on each other are both seen."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the plot stands, in pixels: width of everything, height of the plot, room for ticks left of it."""

    width: float
    height: float
    left: float
    n_ticks: int


WIDE = Layout(940, 260, 62, 9)
NARROW = Layout(328, 220, 56, 4)


def marginal_figure(run: Run) -> Figure | NoFigure:
    """Marginal savings of every cache whose savings grow with its size."""
    advice = cache_of(run)
    reason = why_no_marginal(advice)
    if advice is None or reason:
        return NoFigure(NAME, TITLE, reason)
    caption = marginal_caption(advice)
    draw = partial(
        _draw, marginal_lines(advice), float(advice.memory.usd_per_gb_month), price_text(advice), caption=caption
    )
    return Figure(NAME, TITLE, caption, marginal_table(advice), draw)


def _draw(
    lines: tuple[MarginalLine, ...], price: float, told: str, *, caption: str, narrow: bool, titled: bool
) -> alt.LayerChart:
    layout = NARROW if narrow else WIDE
    marks, height = marginal_marks(lines, price, told, layout)
    return pixel_chart(marks, layout.width, height, title_of(TITLE, caption, layout.width) if titled else None)


def marginal_marks(
    lines: tuple[MarginalLine, ...], price: float, told: str, layout: Layout
) -> tuple[list[Mark], float]:
    """Place the plot and its legend; returns the height in pixels that they take."""
    usd = [usd for line in lines for _, usd in line.points] + ([price] if price > 0 else [])
    sizes, top = [size for line in lines for size, _ in line.points], SHORT_HEAD
    plot = Plot(layout.left, top, layout.width - 20, top + layout.height,
                log_scale(sizes, layout.n_ticks), log_scale(usd, 6))  # fmt: skip
    marks = axes_of(plot, "USD per GB-month, log scale", "size, log scale", x_text=bytes_tick, y_text=short_number,
                    head=SHORT_HEAD)  # fmt: skip
    keys = []
    if price > 0:
        y = plot.down(price)
        marks.append(Line(plot.left, y, plot.right, y, palette.INK, 1.6, dashed=True))
        keys.append(Key(told, palette.INK, 1.6, dashed=True))
    for number, line in enumerate(lines):
        colour, width = _colour(line.name), WIDEST - THINNER * number
        marks += joined(plot, line.points, colour, width, dashed=False)
        keys.append(Key(titled(line.name), colour, width))
    marks += [Dot(*plot.at(*line.chosen), _colour(line.name), _colour(line.name)) for line in lines if line.chosen]
    if any(line.chosen for line in lines):
        keys.append(Key("recommended size", palette.INK, dot=True))
    below, height = legend(keys, 3, plot.bottom + FOOT, layout.width - 3)
    return [*marks, *below], plot.bottom + FOOT + height


def _colour(name: str) -> str:
    return {str(key): colour for key, colour in COLOURS.items()}.get(name, palette.SERIES[-1][0])
