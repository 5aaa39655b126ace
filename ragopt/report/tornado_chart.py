"""The tornado chart: which inputs move a bill most, one bar each, from the low to the high end of what it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.errors import InputError
from ragopt.report import palette
from ragopt.report.chart_style import PIXELS_PER_CHARACTER
from ragopt.report.labels import CHARACTER_WIDTH
from ragopt.report.pictures import picture_writer
from ragopt.report.pixel_marks import Line, Mark, Rect, Words, cut, pixel_chart, title_of
from ragopt.report.tornado_frame import (
    HIGH_END,
    LABEL_GAP,
    LOW_END,
    bills_text,
    ends_of,
    on_one_side,
    tornado_caption,
    tornado_scale,
    tornado_title,
)
from ragopt.report.words import number_text, shown, usd_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.bill.monte_carlo import BillRange
    from ragopt.bill.tornado import Swing
    from ragopt.report.axes import AxisScale

ENDS = {LOW_END: palette.SERIES[0][0], HIGH_END: palette.SERIES[1][0]}
"""The blue and the orange that stay apart for every common colour blindness."""

HEAD = 26
"""Room above the bars for the words beside the line of the bill."""
AXIS = 44
LEGEND_ROW = 18


@dataclass(frozen=True, slots=True)
class Layout:
    """Where rows lie, in pixels.

    Attributes:
        width: of everything.
        left: where the axis begins; names lie to its left, or above each bar where there is no room.
        row: height of a row.
        middle: of the bar in its row.
        bar: height of a bar.
        n_ticks: about as many fit.
    """

    width: float
    left: float
    row: float
    middle: float
    bar: float
    n_ticks: int

    @property
    def beside(self) -> bool:
        """Whether names and labels stand beside the bars rather than above them."""
        return self is WIDE

    def across(self, usd: float, scale: AxisScale) -> float:
        """Pixel of a bill."""
        return self.left + scale.fraction(usd) * (self.right - self.left)

    @property
    def right(self) -> float:
        """Where the axis ends."""
        return self.width - (0 if self.beside else 6)


WIDE = Layout(940, 268, 46, 23, 20, 7)
NARROW = Layout(328, 6, 78, 58, 16, 4)


def tornado_chart(
    swings: Sequence[Swing],
    *,
    target: str,
    found: BillRange | None = None,
    narrow: bool = False,
    titled: bool = True,
) -> alt.LayerChart:
    """One bar per input around the bill, the widest on top, with the input's figure at each end.

    Args:
        swings: what `ragopt.bill.tornado.tornado` found, at least one.
        target: that the bill is for.
        found: the bill's range, drawn as a band behind the bars; None draws none.
        narrow: for a phone: at most 350 px wide, names and figures above each bar.
        titled: whether title and caption are drawn; a page says them in its own text.

    Raises:
        InputError: there is no swing to draw.
    """
    layout = NARROW if narrow else WIDE
    marks, height = tornado_marks(swings, found, layout)
    title = title_of(tornado_title(swings), tornado_caption(target, found), layout.width) if titled else None
    return pixel_chart(marks, layout.width, height, title)


def write_tornado_chart(swings: Sequence[Swing], path: Path, *, target: str, found: BillRange | None = None) -> None:
    """Draw what moves a bill most into a .png or .svg file, whole or not at all.

    Raises:
        InputError: the file has another suffix, or there is no swing to draw.
        StorageError: the file cannot be written.
    """
    picture_writer(path, "tornado.png")(tornado_chart(swings, target=target, found=found), path)


def tornado_marks(swings: Sequence[Swing], found: BillRange | None, layout: Layout) -> tuple[list[Mark], float]:
    """Place bars, figures, names, the bill, its range and the axis; returns the height in pixels that they take."""
    if not swings:
        raise InputError(
            "No input moves this bill", next_step="Draw a tornado chart only where ragopt.bill.tornado found a swing"
        )
    plot = layout.right - layout.left
    scale = tornado_scale(swings, found, plot, labelled=layout.beside, n_ticks=layout.n_ticks)
    bottom = HEAD + layout.row * len(swings)
    marks = [*_behind(swings, found, scale, layout, bottom)]
    for number, swing in enumerate(swings):
        top = HEAD + number * layout.row
        marks += _bars(swing, top + layout.middle, scale, layout)
        marks += _beside(swing, top, scale, layout) if layout.beside else _above(swing, top, layout)
    marks += _bill(swings, scale, layout, bottom)
    return [*marks, *_axis(scale, layout, bottom), *_legend(bottom + AXIS, layout)], bottom + AXIS + 2 * LEGEND_ROW


def _zones(n_rows: int, layout: Layout, bottom: float) -> list[tuple[float, float]]:
    """Where the grid, the range and the bill's line are drawn: everywhere, or beside the bars where words lie over."""
    if layout.beside:
        return [(HEAD, bottom)]
    middles = (HEAD + row * layout.row + layout.middle for row in range(n_rows))
    return [(middle - layout.bar / 2 - 3, middle + layout.bar / 2 + 3) for middle in middles]


def _behind(
    swings: Sequence[Swing], found: BillRange | None, scale: AxisScale, layout: Layout, bottom: float
) -> list[Mark]:
    marks: list[Mark] = []
    for top, end in _zones(len(swings), layout, bottom):
        if found is not None:
            low, high = (layout.across(float(usd), scale) for usd in (found.low, found.high))
            marks.append(Rect(low, top, high, end, palette.GRID))
        else:
            marks += [Line(layout.across(tick, scale), top, layout.across(tick, scale), end, palette.GRID)
                      for tick in scale.ticks]  # fmt: skip
    return marks


def _bars(swing: Swing, middle: float, scale: AxisScale, layout: Layout) -> list[Mark]:
    """A bar from the bill to each end; two ends on one side share the bar's height."""
    base = layout.across(float(swing.usd_per_month), scale)
    marks: list[Mark] = []
    for end in ends_of(swing):
        top, bottom = _height(swing, end.kind, middle, layout)
        x = layout.across(float(end.usd), scale)
        marks.append(Rect(min(base, x), top, max(base, x), bottom, ENDS[end.kind]))
    return marks


def _height(swing: Swing, kind: str, middle: float, layout: Layout) -> tuple[float, float]:
    half = layout.bar / 2
    if not on_one_side(swing):
        return middle - half, middle + half
    return (middle - half, middle - 1) if kind == LOW_END else (middle + 1, middle + half)


def _beside(swing: Swing, top: float, scale: AxisScale, layout: Layout) -> list[Mark]:
    """Name and bills left of the plot, the input's figure at each end of its bar."""
    middle, left = top + layout.middle, layout.left - 12
    marks: list[Mark] = [
        Words(cut(shown(swing.words), left), left, middle - 8, palette.INK, "right"),
        Words(cut(bills_text(swing), left), left, middle + 8, palette.MUTED, "right"),
    ]
    # Labels of two ends on one side are taller than their half bars: they move apart.
    apart = 8 if on_one_side(swing) else 0
    for end in ends_of(swing):
        y = middle + (-apart if end.kind == LOW_END else apart)
        gap = -LABEL_GAP if end.side == "left" else LABEL_GAP
        x = layout.across(float(end.usd), scale) + gap
        marks.append(Words(end.figure, x, y, palette.INK, "right" if end.side == "left" else "left"))
    return marks


def _above(swing: Swing, top: float, layout: Layout) -> list[Mark]:
    """Name, then the input's figure and the bill at each end, above the bar."""
    marks: list[Mark] = [Words(cut(shown(swing.words), layout.width), 0, top + 6, palette.INK, bold=True)]
    ends = ((swing.at_low, swing.usd_at_low, LOW_END), (swing.at_high, swing.usd_at_high, HIGH_END))
    for row, (figure, usd, kind) in enumerate(ends):
        y = top + 21 + 15 * row
        told = "refused" if usd is None else f"USD {usd_text(usd)}"
        room = layout.width - 14 - (len(told) + 2) * CHARACTER_WIDTH
        marks += [
            Rect(0, y - 4, 8, y + 4, ENDS[kind]),
            Words(f"{cut(shown(figure), room)}: {told}", 14, y, palette.INK),
        ]
    return marks


def _bill(swings: Sequence[Swing], scale: AxisScale, layout: Layout, bottom: float) -> list[Mark]:
    base = swings[0].usd_per_month
    x, told = layout.across(float(base), scale), f"bill: USD {usd_text(base)}"
    lines: list[Mark] = [Line(x, top, x, end, palette.INK, 1.6) for top, end in _zones(len(swings), layout, bottom)]
    if not layout.beside:
        return [*lines, Words(told, 0, 8, palette.INK, bold=True)]
    left = x + LABEL_GAP + len(told) * CHARACTER_WIDTH <= layout.right
    return [
        *lines,
        Line(x, 4, x, HEAD, palette.INK, 1.6),
        Words(told, x + (LABEL_GAP if left else -LABEL_GAP), 11, palette.INK, "left" if left else "right", bold=True),
    ]


def _axis(scale: AxisScale, layout: Layout, bottom: float) -> list[Mark]:
    marks: list[Mark] = [Line(layout.left, bottom, layout.right, bottom, palette.MUTED)]
    for tick in scale.ticks:
        x = layout.across(tick, scale)
        marks += [Line(x, bottom, x, bottom + 4, palette.MUTED),
                  Words(number_text(tick), x, bottom + 13, palette.INK, "center")]  # fmt: skip
    middle = (layout.left + layout.right) / 2
    return [*marks, Words("USD per month", middle, bottom + 31, palette.INK, "center")]


def _legend(top: float, layout: Layout) -> list[Mark]:
    marks: list[Mark] = []
    x, y = layout.left, top + LEGEND_ROW / 2
    for kind, colour in ENDS.items():
        marks += [Rect(x, y - 5, x + 10, y + 5, colour), Words(kind, x + 15, y, palette.INK)]
        if layout.beside:
            x += 15 + len(kind) * PIXELS_PER_CHARACTER + 20
        else:
            y += LEGEND_ROW
    return marks
