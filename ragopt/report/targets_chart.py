"""The figure `targets`: every target's bill as a dot on its range, cheapest first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ragopt.report import palette
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.pixel_marks import Dot, Line, Mark, Words, cut, pixel_chart, title_of
from ragopt.report.pixel_plot import usd_axis
from ragopt.report.target_bars import marked_name, targets_caption, targets_table, usd_scale
from ragopt.report.words import usd_text
from ragopt.sweep.kept_everywhere import everywhere_in_run

if TYPE_CHECKING:
    from decimal import Decimal

    import altair as alt

    from ragopt.records import Run
    from ragopt.report.axes import AxisScale
    from ragopt.sweep.kept_everywhere import Everywhere, TargetUsd

NAME = "targets"
TITLE = "The same vectors at every target"
OLD_RUN = "This run does not keep it: sweep again, with the same command (what was measured is taken from the cache)."
AXIS = 40
"""Pixels for ticks and title below the rows."""
COLOUR = palette.SERIES[0][0]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where rows lie, in pixels.

    Attributes:
        width: of everything.
        left: where the axis begins.
        right: where it ends.
        row: height of a row.
        mark: place of the dot in its row.
        text: place of the words in their row.
        n_ticks: about as many fit.
    """

    width: float
    left: float
    right: float
    row: float
    mark: float
    text: float
    n_ticks: int


WIDE = Layout(940, 210, 850, 24, 12, 12, 9)
NARROW = Layout(328, 6, 322, 40, 29, 12, 4)


def targets_figure(run: Run) -> Figure | NoFigure:
    """Every target's bill with its range."""
    everywhere = everywhere_in_run(run)
    if everywhere is None or not everywhere.targets:
        return NoFigure(NAME, TITLE, OLD_RUN)
    caption, target = targets_caption(run, everywhere), run.recommendation.target
    return Figure(NAME, TITLE, caption, targets_table(everywhere), partial(_draw, everywhere, target, caption))


def _draw(everywhere: Everywhere, recommended: str, caption: str, *, narrow: bool, titled: bool) -> alt.LayerChart:
    layout = NARROW if narrow else WIDE
    marks, height = target_marks(everywhere, recommended, layout)
    return pixel_chart(marks, layout.width, height, title_of(TITLE, caption, layout.width) if titled else None)


def target_marks(everywhere: Everywhere, recommended: str, layout: Layout) -> tuple[list[Mark], float]:
    """Place every target's mark, range, name and bill, and the axis; returns the height in pixels that they take."""
    scale = usd_scale(everywhere, layout.n_ticks)
    bottom = layout.row * len(everywhere.targets) + 4
    marks = _axis(scale, layout, bottom, len(everywhere.targets))
    for number, target in enumerate(everywhere.targets):
        marks += _row(target, number * layout.row, scale, layout, is_recommended=target.name == recommended)
    return marks, bottom + AXIS


def _across(usd: Decimal, scale: AxisScale, layout: Layout) -> float:
    """Pixel of a bill; one below the axis, as 0 is on a log axis, lies at its edge."""
    fraction = scale.fraction(max(float(usd), scale.low)) if scale.log else scale.fraction(float(usd))
    return layout.left + max(0.0, fraction) * (layout.right - layout.left)


def _row(target: TargetUsd, top: float, scale: AxisScale, layout: Layout, *, is_recommended: bool) -> list[Mark]:
    colour = palette.ACCENT if is_recommended else COLOUR
    words = palette.ACCENT if is_recommended else palette.INK
    low, at, high = (_across(usd, scale, layout) for usd in (target.low, target.usd_per_month, target.high))
    y = top + layout.mark
    narrow = layout is NARROW
    name_x, align = (0.0, "left") if narrow else (layout.left - 14, "right")
    name = cut(marked_name(target), (layout.right if narrow else layout.left) - (80 if narrow else 14))
    return [
        Line(low, y, high, y, colour, 2.0),
        Line(low, y - 4, low, y + 4, colour, 2.0),
        Line(high, y - 4, high, y + 4, colour, 2.0),
        Dot(at, y, colour, colour if target.serves_the_index else palette.PAPER),
        Words(name, name_x, top + layout.text, words, "right" if align == "right" else "left", bold=is_recommended),
        Words(usd_text(target.usd_per_month), layout.width, top + layout.text, words, "right", bold=is_recommended),
    ]


def _axis(scale: AxisScale, layout: Layout, bottom: float, n_rows: int) -> list[Mark]:
    places = (row * layout.row + layout.mark for row in range(n_rows))
    grid = [(place - 8, place + 8) for place in places] if layout is NARROW else [(0, bottom)]
    told = "USD per month, log scale" if scale.log else "USD per month"
    title = Words(told, (layout.left + layout.right) / 2, bottom + 30, palette.INK, "center")
    return usd_axis(scale, (layout.left, layout.right), bottom, grid, title)
