"""Plots with axes and a legend out of marks at given pixels: several of them make one chart of a few layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ragopt.report import palette
from ragopt.report.axes import AxisScale, linear_ticks, log_ticks
from ragopt.report.chart_style import PIXELS_PER_CHARACTER
from ragopt.report.pixel_marks import Dot, Line, Mark, Path, Words, cut
from ragopt.report.words import number_text

HEAD, SHORT_HEAD = 38, 22
"""Pixels above a plot: its title, and below that the words of a marked place, or the title alone."""
FOOT = 44
"""Pixels below a plot: ticks and the axis title."""
LEGEND_ROW = 20
SAMPLE = 26
"""Pixels of a legend's line."""
DECADES = 3
"""Powers of ten from which a log axis has a tick at every one (or every n-th) instead of at 1, 2 and 5."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot's place in pixels and its two scales.

    Attributes:
        left, top, right, bottom: of the plot area, y downwards.
        x, y: scales of the axes.
    """

    left: float
    top: float
    right: float
    bottom: float
    x: AxisScale
    y: AxisScale

    def across(self, value: float) -> float:
        """Pixel of a value on the horizontal axis."""
        return self.left + self.x.fraction(value) * (self.right - self.left)

    def down(self, value: float) -> float:
        """Pixel of a value on the upright axis."""
        return self.bottom - self.y.fraction(value) * (self.bottom - self.top)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixel of a point."""
        return self.across(x), self.down(y)


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: a line, or a dot where `dot` is set; `fill` is its inside."""

    name: str
    colour: str
    width: float = 2.0
    dashed: bool = False
    dot: bool = False
    fill: str = ""


def axes_of(
    plot: Plot,
    title: str,
    across: str,
    *,
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
    head: float = HEAD,
) -> list[Mark]:
    """Grid, ticks, the title above and the words of the horizontal axis below.

    Args:
        plot: where it stands.
        title: what the upright axis shows, along the top.
        across: what the horizontal axis shows; empty leaves the words out.
        x_text: how a tick of the horizontal axis is written.
        y_text: how a tick of the upright axis is written.
        head: pixels above the plot.
    """
    marks: list[Mark] = []
    for tick in plot.y.ticks:
        y = plot.down(tick)
        marks += [Line(plot.left, y, plot.right, y, palette.GRID),
                  Words(y_text(tick), plot.left - 6, y, palette.INK, "right")]  # fmt: skip
    for tick in plot.x.ticks:
        x = plot.across(tick)
        marks += [
            Line(x, plot.top, x, plot.bottom, palette.GRID),
            Line(x, plot.bottom, x, plot.bottom + 4, palette.MUTED),
            Words(x_text(tick), x, plot.bottom + 14, palette.INK, "center"),
        ]
    marks.append(Line(plot.left, plot.bottom, plot.right, plot.bottom, palette.MUTED))
    start = max(0.0, plot.left - 44)
    words = Words(cut(title, plot.right - start), start, plot.top - head + 8, palette.INK, bold=True)
    foot = [Words(across, (plot.left + plot.right) / 2, plot.bottom + 32, palette.INK, "center")] if across else []
    return [*marks, words, *foot]


def usd_axis(
    scale: AxisScale, ends: tuple[float, float], bottom: float, grid: Sequence[tuple[float, float]], title: Words
) -> list[Mark]:
    """An axis of money below rows that lie one under the other.

    Args:
        scale: of the axis.
        ends: pixels where it begins and ends.
        bottom: pixel that it lies on.
        grid: pieces that each grid line is drawn in, from pixel to pixel: whole, or beside the marks of each row only,
            where names lie over the axis.
        title: its words.
    """
    left, right = ends
    marks: list[Mark] = [Line(left, bottom, right, bottom, palette.MUTED)]
    for tick in scale.ticks:
        x = left + scale.fraction(tick) * (right - left)
        marks += [Line(x, top, x, end, palette.GRID) for top, end in grid]
        marks += [
            Line(x, bottom, x, bottom + 4, palette.MUTED),
            Words(number_text(tick), x, bottom + 13, palette.INK, "center"),
        ]
    return [*marks, title]


def marked_place(plot: Plot, x: float, told: str) -> list[Mark]:
    """An upright line at a value of the horizontal axis, with words above the plot; nothing outside the axis."""
    if not plot.x.low <= x <= plot.x.high:
        return []
    at = plot.across(x)
    half = len(told) * PIXELS_PER_CHARACTER / 2
    middle = min(max(at, plot.left + half), plot.right - half)
    return [Line(at, plot.top - 4, at, plot.bottom, palette.ACCENT, 1.6),
            Words(told, middle, plot.top - 12, palette.ACCENT, "center")]  # fmt: skip


def joined(plot: Plot, points: Iterable[tuple[float, float]], colour: str, width: float, *, dashed: bool) -> list[Mark]:
    """A line through points; a single point is a dot."""
    pixels = tuple(plot.at(x, y) for x, y in points)
    if len(pixels) == 1:
        return [Dot(*pixels[0], colour, colour)]
    return [Path(pixels, colour, width, dashed)] if pixels else []


def whisker(x: float, low: float, high: float, colour: str) -> list[Mark]:
    """An interval at a pixel across, from one pixel down to another, with a short bar at each end."""
    return [Line(x, low, x, high, colour, 1.3), *(Line(x - 3, y, x + 3, y, colour, 1.3) for y in (low, high))]


def legend(keys: Sequence[Key], left: float, top: float, width: float) -> tuple[list[Mark], float]:
    """Entries in rows below plots; returns the pixels that they take downwards."""
    marks: list[Mark] = []
    x, y = left, top + LEGEND_ROW / 2
    for key in keys:
        name = cut(key.name, width - SAMPLE - 8)
        room = SAMPLE + 8 + len(name) * PIXELS_PER_CHARACTER + 18
        if x > left and x + room > left + width:
            x, y = left, y + LEGEND_ROW
        if key.dot:
            marks.append(Dot(x + SAMPLE / 2, y, key.colour, key.fill or key.colour))
        else:
            marks.append(Line(x, y, x + SAMPLE, y, key.colour, key.width, key.dashed))
        marks.append(Words(name, x + SAMPLE + 8, y, palette.INK))
        x += room
    return marks, y + LEGEND_ROW / 2 - top


def log_scale(values: Iterable[float], n_ticks: int) -> AxisScale:
    """A log axis for values above 0, at least one; one value alone stands in the middle of a decade."""
    known = list(values)
    smallest, largest = min(known), max(known)
    stretch = (largest / smallest) ** 0.04 if largest > smallest else math.sqrt(10)
    low, high = smallest / stretch, largest * stretch
    if high / low < 10**DECADES:
        return AxisScale(low, high, log=True, ticks=log_ticks(low, high, n_ticks))
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    stride = max(1, math.ceil(len(powers) / n_ticks))
    return AxisScale(low, high, log=True, ticks=tuple(10.0**power for power in powers[::stride]))


def share_scale(values: Iterable[float], n_ticks: int = 5) -> AxisScale:
    """A linear axis of shares from 0 to a little over the largest, at most 1."""
    top = min(1.0, 1.08 * max(values, default=1.0)) or 1.0
    return AxisScale(0.0, top, log=False, ticks=linear_ticks(0.0, top, n_ticks))


def percent_tick(share: float) -> str:
    """A tick of an axis of shares: `12.5 %`."""
    return f"{number_text(round(100 * share, 6))} %"


def bytes_tick(size_bytes: float) -> str:
    """A round size with its decimal unit.

    >>> bytes_tick(20_000), bytes_tick(1e9), bytes_tick(500)
    ('20 kB', '1 GB', '500 B')
    """
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if round(size, 6) < 1000:
            return f"{size:g} {unit}"
        size /= 1000
    return f"{size:g} TB"


def short_number(value: float) -> str:
    """A round number that stays short however large it is.

    >>> short_number(0.001), short_number(500.0), short_number(2e6)
    ('0.001', '500', '2 M')
    """
    for power, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")):
        if value >= power * 0.999999:
            return f"{value / (1e3 if unit == ' k' else power):g}{unit}"
    return number_text(value)
