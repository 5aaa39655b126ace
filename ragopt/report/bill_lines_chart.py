"""The figure `bill_lines`: both bills as one bar each, stacked by what they pay for, with a key below each bar."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ragopt.report import palette
from ragopt.report.bill_parts import PARTS, StackedBill, lines_table, name_of, stacked_bills
from ragopt.report.chart_style import PIXELS_PER_CHARACTER
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.labels import CHARACTER_WIDTH
from ragopt.report.pixel_marks import Mark, Rect, Words, cut, pixel_chart, title_of
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

NAME = "bill_lines"
TITLE = "What each bill pays for"
WIDE, NARROW = 940, 328
"""Pixels of the plot: with the chart's padding at most 1,000 and 350."""
HEAD = 18
BAR = 26
KEY_ROW = 20
SWATCH = 10
BETWEEN = 22
SUM_GAP = 7
SEAM = 1.5
"""Paper between two segments that are wide enough for it."""
COLOURS = {part: palette.SERIES[number % len(palette.SERIES)][0] for number, part in enumerate(PARTS)}
"""The first eight parts, which a target's own bill can have, are told apart."""


def bill_lines_figure(run: Run) -> Figure | NoFigure:
    """Both bills, part by part."""
    bars = stacked_bills(run)
    if not any(bar.segments for bar in bars):
        return NoFigure(NAME, TITLE, "Neither bill has a line that costs anything.")
    ours, theirs = bars
    caption = (
        f"USD per month of an average month, each bar one bill from its first part to its sum: USD "
        f"{usd_text(ours.bill.usd_per_month)} on {shown(ours.bill.target)} above, "
        f"USD {usd_text(theirs.bill.usd_per_month)} on {shown(theirs.bill.target)} for "
        f"{shown(run.recommendation.baseline_label)} below. Both bars have one scale from 0; the key below a bar has "
        "its parts in their order."
    )
    return Figure(NAME, TITLE, caption, lines_table(bars), partial(_draw, bars, caption))


def _draw(bars: tuple[StackedBill, ...], caption: str, *, narrow: bool, titled: bool) -> alt.LayerChart:
    width = NARROW if narrow else WIDE
    marks, height = bill_marks(bars, width)
    return pixel_chart(marks, width, height, title_of(TITLE, caption, width) if titled else None)


def bill_marks(bars: tuple[StackedBill, ...], width: float) -> tuple[list[Mark], float]:
    """Place both bars with their names, sums and keys; returns the height in pixels that they take."""
    largest = max(float(bar.bill.usd_per_month) for bar in bars)
    room = max(len(_sum(bar)) for bar in bars) * CHARACTER_WIDTH + SUM_GAP
    per_usd = (width - room) / largest
    marks: list[Mark] = []
    y = 0.0
    for bar in bars:
        marks.append(Words(cut(name_of(bar), width), 0, y + HEAD / 2 - 2, palette.INK, bold=True))
        y += HEAD
        for segment in bar.segments:
            start, end = (float(usd) * per_usd for usd in (segment.start, segment.start + segment.usd))
            seam = SEAM if segment.start and end - start > 2 * SEAM else 0
            marks.append(Rect(start + seam, y, end, y + BAR, COLOURS[segment.part]))
        end = float(bar.bill.usd_per_month) * per_usd
        marks.append(Words(_sum(bar), end + SUM_GAP, y + BAR / 2, palette.INK, bold=True))
        y += BAR + 6
        y = _key(bar, marks, y, width) + BETWEEN
    return marks, y - BETWEEN


def _sum(bar: StackedBill) -> str:
    return f"USD {usd_text(bar.bill.usd_per_month)}"


def _key(bar: StackedBill, marks: list[Mark], y: float, width: float) -> float:
    """Write a bar's parts in rows; returns where the last one ends."""
    x = 0.0
    for segment in bar.segments:
        told = f"{segment.part} {usd_text(segment.usd)}"
        needs = SWATCH + 5 + len(told) * PIXELS_PER_CHARACTER
        if x and x + needs > width:
            x, y = 0.0, y + KEY_ROW
        middle = y + KEY_ROW / 2
        marks.append(Rect(x, middle - SWATCH / 2, x + SWATCH, middle + SWATCH / 2, COLOURS[segment.part]))
        marks.append(Words(told, x + SWATCH + 5, middle, palette.INK))
        x += needs + 18
    return y + KEY_ROW
