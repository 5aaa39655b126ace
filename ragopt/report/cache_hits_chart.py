"""The figure `cache_hits`: what each cache hits at every size, policy by policy, in small plots with one legend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ragopt.report import palette
from ragopt.report.cache_hits_info import (
    HitLine,
    HitPanel,
    hit_panels,
    hits_caption,
    hits_table,
    policies_of,
    why_no_hits,
)
from ragopt.report.cache_words import policy_text
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.pixel_marks import Mark, pixel_chart, title_of
from ragopt.report.pixel_plot import (
    FOOT,
    HEAD,
    Key,
    Plot,
    axes_of,
    bytes_tick,
    joined,
    legend,
    log_scale,
    marked_place,
    percent_tick,
    share_scale,
    whisker,
)
from ragopt.sweep.kept_cache import cache_of
from ragopt.units import format_bytes

if TYPE_CHECKING:
    import altair as alt

    from ragopt.cache.records import Policy
    from ragopt.records import Run

NAME, TITLE = "cache_hits", "What a cache hits at every size"

COLOURS = [light for light, _ in palette.SERIES]
STYLES: dict[str, tuple[str, float]] = {
    "LRU": (COLOURS[0], 2.2),
    "LFU": (COLOURS[1], 2.2),
    "SIEVE": (COLOURS[2], 1.3),
    "S3-FIFO": (COLOURS[3], 1.3),
    "Belady": (COLOURS[7], 1.3),
}
"""Colour and width of each policy's line: those that can be deployed are heavy."""
OTHER_STYLE = (COLOURS[5], 1.3)
RIGHT = 20
"""Pixels right of the last plot: half of a tick's words."""
DODGE = 3.0
"""Pixels between the whiskers of two policies at one size."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where plots stand, in pixels.

    Attributes:
        width: of everything.
        n_columns: plots beside each other.
        height: of a plot area.
        left: room for the ticks of the upright axis.
        between: from a plot to the next column's ticks.
        n_ticks: about as many fit under a plot.
    """

    width: float
    n_columns: int
    height: float
    left: float
    between: float
    n_ticks: int


WIDE = Layout(940, 2, 170, 48, 44, 7)
NARROW = Layout(328, 1, 140, 48, 0, 4)


def hits_figure(run: Run) -> Figure | NoFigure:
    """Hit shares of every cache that was replayed at several sizes."""
    advice = cache_of(run)
    reason = why_no_hits(advice)
    if advice is None or reason:
        return NoFigure(NAME, TITLE, reason)
    panels = hit_panels(advice)
    caption = hits_caption(advice, panels)
    return Figure(NAME, TITLE, caption, hits_table(advice), partial(_draw, panels, caption))


def _draw(panels: tuple[HitPanel, ...], caption: str, *, narrow: bool, titled: bool) -> alt.LayerChart:
    layout = NARROW if narrow else WIDE
    marks, height = hits_marks(panels, layout)
    return pixel_chart(marks, layout.width, height, title_of(TITLE, caption, layout.width) if titled else None)


def hits_marks(panels: tuple[HitPanel, ...], layout: Layout) -> tuple[list[Mark], float]:
    """Place every plot and the legend; returns the height in pixels that they take."""
    marks: list[Mark] = []
    row = HEAD + layout.height + FOOT
    column = (layout.width - RIGHT + layout.between) / layout.n_columns
    for number, panel in enumerate(panels):
        down, across = divmod(number, layout.n_columns)
        left, top = across * column + layout.left, down * row + HEAD
        marks += _plot(panel, layout, (left, top, (across + 1) * column - layout.between, top + layout.height))
    bottom = row * -(-len(panels) // layout.n_columns)
    keys = [_key(policy) for policy in policies_of(panels)]
    below, height = legend(keys, 3, bottom, layout.width - 3)
    return [*marks, *below], bottom + height


def _key(policy: Policy) -> Key:
    colour, width = STYLES.get(policy, OTHER_STYLE)
    return Key(policy_text(policy), colour, width, dashed=HitLine(policy, ()).is_reference)


def _plot(panel: HitPanel, layout: Layout, box: tuple[float, float, float, float]) -> list[Mark]:
    sizes = [size for line in panel.lines for size, _ in line.points]
    sizes += [panel.size_bytes] if panel.size_bytes else []
    shares = [share for line in panel.lines for _, share in line.points]
    plot = Plot(*box, log_scale(sizes, layout.n_ticks), share_scale([share.high for share in shares]))
    marks = axes_of(plot, panel.title, "size, log scale", x_text=bytes_tick, y_text=percent_tick)
    if panel.size_bytes:
        marks += marked_place(plot, panel.size_bytes, f"recommended: {format_bytes(panel.size_bytes)}")
    # Reference lines lie below those that can be had.
    for line in sorted(panel.lines, key=lambda one: not one.is_reference):
        colour, width = STYLES.get(line.policy, OTHER_STYLE)
        points = [(size, share.value) for size, share in line.points]
        marks += joined(plot, points, colour, width, dashed=line.is_reference)
    deployed = [line for line in panel.lines if not line.is_reference]
    for number, line in enumerate(deployed):
        shift = DODGE * (number - (len(deployed) - 1) / 2)
        for size, share in line.points:
            ends = plot.down(share.low), plot.down(min(share.high, plot.y.high))
            marks += whisker(plot.across(size) + shift, *ends, STYLES.get(line.policy, OTHER_STYLE)[0])
    return marks
