"""The figure `cache_savings`: a waterfall from the month without caches to the month with the recommended ones."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from ragopt.report import palette
from ragopt.report.axes import AxisScale, linear_ticks
from ragopt.report.cache_savings_info import (
    Step,
    savings_caption,
    savings_steps,
    savings_table,
    sign_of,
    signed,
    why_no_savings,
)
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.labels import CHARACTER_WIDTH
from ragopt.report.pixel_marks import Line, Mark, Rect, Words, cut, pixel_chart, title_of
from ragopt.report.pixel_plot import usd_axis
from ragopt.report.words import usd_text
from ragopt.sweep.kept_cache import cache_of

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

NAME, TITLE = "cache_savings", "What the recommended caches take off the month"

COLOURS = {"total": palette.SERIES[7][0], "saving": palette.SERIES[0][0], "memory": palette.SERIES[1][0]}

AXIS = 42
"""Pixels for ticks and title below the rows."""
LEAST_BAR = 1.5
"""Pixels of a bar that would be narrower: it is there all the same."""
WHOLE_DOLLARS = 100
"""USD from which ends of an interval are written without cents."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where rows lie, in pixels.

    Attributes:
        width: of everything.
        left, right: ends of the axis; names lie to its left and figures to its right, or both above each bar.
        row: height of a row.
        middle: of the bar in its row.
        bar: height of a bar.
        text: place of the words in their row.
        n_ticks: about as many fit.
    """

    width: float
    left: float
    right: float
    row: float
    middle: float
    bar: float
    text: float
    n_ticks: int


WIDE = Layout(940, 210, 740, 30, 15, 16, 15, 8)
NARROW = Layout(328, 6, 322, 44, 31, 12, 11, 4)


def savings_figure(run: Run) -> Figure | NoFigure:
    """The month without caches, each saving with its interval, memory, the month with caches."""
    advice = cache_of(run)
    reason = why_no_savings(advice)
    if advice is None or reason:
        return NoFigure(NAME, TITLE, reason)
    caption = savings_caption(advice)
    return Figure(NAME, TITLE, caption, savings_table(advice), partial(_draw, savings_steps(advice), caption))


def _draw(steps: tuple[Step, ...], caption: str, *, narrow: bool, titled: bool) -> alt.LayerChart:
    layout = NARROW if narrow else WIDE
    marks, height = savings_marks(steps, layout)
    return pixel_chart(marks, layout.width, height, title_of(TITLE, caption, layout.width) if titled else None)


def savings_marks(steps: tuple[Step, ...], layout: Layout) -> tuple[list[Mark], float]:
    """Place bars, intervals, names, figures and the axis; returns the height in pixels that they take."""
    scale = _scale(steps, layout.n_ticks)
    bottom = layout.row * len(steps) + 4
    marks = _axis(scale, layout, bottom, len(steps))
    for number, step in enumerate(steps):
        marks += _row(step, number * layout.row, scale, layout)
        if number + 1 < len(steps):
            x, top = _across(step.after, scale, layout), number * layout.row + layout.middle + layout.bar / 2
            if layout is WIDE:  # the thread from one bar's end to the next; on a phone words lie between them
                marks.append(Line(x, top, x, top + layout.row - layout.bar, palette.MUTED))
    return marks, bottom + AXIS


def _scale(steps: tuple[Step, ...], n_ticks: int) -> AxisScale:
    """From nothing, so that the lengths of months compare, to the largest of them."""
    known = [float(usd) for one in steps for usd in (one.before, one.after)]
    known += [float(one.before + end) for one in steps for end in (one.low, one.high) if end is not None]
    low, high = min(0.0, *known), max(known) or 1.0
    return AxisScale(low, high + 0.02 * (high - low), log=False, ticks=linear_ticks(low, high, n_ticks))


def _across(usd: Decimal, scale: AxisScale, layout: Layout) -> float:
    return layout.left + scale.fraction(float(usd)) * (layout.right - layout.left)


def _row(step: Step, top: float, scale: AxisScale, layout: Layout) -> list[Mark]:
    ends = sorted((_across(step.before, scale, layout), _across(step.after, scale, layout)))
    y, half = top + layout.middle, layout.bar / 2
    bold = step.kind == "total"
    marks: list[Mark] = [
        Rect(ends[0], y - half, max(ends[1], ends[0] + LEAST_BAR), y + half, COLOURS[step.kind]),
        Words(figure_text(step), layout.width, top + layout.text, palette.INK, "right", bold=bold),
    ]
    if step.low is not None and step.high is not None:
        low, high = (_across(step.before + end, scale, layout) for end in (step.low, step.high))
        marks += [Line(low, y, high, y, palette.INK, 1.6), Line(low, y - 4, low, y + 4, palette.INK, 1.6),
                  Line(high, y - 4, high, y + 4, palette.INK, 1.6)]  # fmt: skip
    if layout is WIDE:
        name = _name(step, layout.left - 14)
        return [*marks, Words(name, layout.left - 14, top + layout.text, palette.INK, "right", bold=bold)]
    name = _name(step, layout.width - len(figure_text(step)) * CHARACTER_WIDTH - 8)
    return [*marks, Words(name, 0, top + layout.text, palette.INK, bold=bold)]


def _name(step: Step, room: float) -> str:
    """A step's name in so many pixels; what says that it is a guess is never cut."""
    return cut(step.name, room - len(step.mark) * CHARACTER_WIDTH) + step.mark


def figure_text(step: Step) -> str:
    """What a step adds, with the interval of a saving; a month is its sum."""
    if step.kind == "total":
        return f"USD {usd_text(step.usd)}"
    if step.low is None or step.high is None:
        return signed(step.usd)
    return f"{signed(step.usd)} [{_end(step.low)}, {_end(step.high)}]"


def _end(usd: Decimal) -> str:
    return f"{sign_of(usd)}{abs(usd):,.0f}" if abs(usd) >= WHOLE_DOLLARS else signed(usd)


def _axis(scale: AxisScale, layout: Layout, bottom: float, n_rows: int) -> list[Mark]:
    middles = (row * layout.row + layout.middle for row in range(n_rows))
    grid = [(middle - 9, middle + 9) for middle in middles] if layout is NARROW else [(0, bottom)]
    title = Words("USD a month", (layout.left + layout.right) / 2, bottom + 31, palette.INK, "center")
    return usd_axis(scale, (layout.left, layout.right), bottom, grid, title)
