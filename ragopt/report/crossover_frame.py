"""Where everything lies on the crossover chart: scales, lines, names beside them, numbers of changes; in pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ragopt.bill.decisions.target import count_text
from ragopt.report.axes import AxisScale, log_ticks
from ragopt.report.labels import LINE_HEIGHT, Box, Label, label_size, n_inside
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from ragopt.bill.decisions.crossovers import Crossover, Crossovers

Pixels = tuple[tuple[float, float], ...]

STEP_PIXELS = 4
"""Lines are followed in steps of so many pixels when names are kept off them."""


@dataclass(frozen=True, slots=True)
class CrossoverFrame:
    """The plot area: two log scales, and where it lies in pixels."""

    x: AxisScale
    y: AxisScale
    plot: Box

    def across(self, size: float) -> float:
        """Pixel of a number of vectors or queries."""
        return self.plot.left + (self.plot.right - self.plot.left) * self.x.fraction(size)

    def down(self, usd: float) -> float:
        """Pixel of a bill above nothing."""
        return self.plot.bottom - (self.plot.bottom - self.plot.top) * self.y.fraction(usd)

    def line(self, result: Crossovers, name: str) -> Pixels:
        """Pixels of a target's bills; where it has none, or one of nothing, the line has no point."""
        billed = ((point.at, float(point.usd[name])) for point in result.points if point.usd.get(name, 0) > 0)
        return tuple((self.across(at), self.down(usd)) for at, usd in billed)

    def lowest(self, result: Crossovers) -> Pixels:
        """Pixels of the lowest bill."""
        led = ((point.at, float(point.usd[point.leader])) for point in result.points if point.leader)
        return tuple((self.across(at), self.down(usd)) for at, usd in led if usd > 0)


def frame_of(result: Crossovers, plot: Box) -> CrossoverFrame:
    """Scales that hold every bill above nothing, with some air above and below."""
    usd = [float(value) for point in result.points for value in point.usd.values() if value > 0]
    low, high = min(usd, default=1.0) / 1.5, max(usd, default=1.0) * 1.3
    x = AxisScale(result.low, result.high, log=True, ticks=ticks(result.low, result.high))
    return CrossoverFrame(x, AxisScale(low, high, log=True, ticks=ticks(low, high)), plot)


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten where there are three or more, else 1-2-5.

    >>> ticks(100, 1_000_000), ticks(3, 40)
    ((100.0, 1000.0, 10000.0, 100000.0, 1000000.0), (5.0, 10.0, 20.0))
    """
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    return tuple(10.0**power for power in powers) if len(powers) > 2 else log_ticks(low, high, 7)


def names_of(result: Crossovers) -> list[str]:
    """Targets with a bill above nothing somewhere."""
    return list(dict.fromkeys(name for point in result.points for name in point.usd if point.usd[name] > 0))


def change_text(change: Crossover, by: str) -> str:
    """What changes, where, and at which bill."""
    source, to = shown(change.source), shown(change.to)
    what = f"from {source} to {to}" if source else f"{to} begins"
    return f"{what} at {count_text(change.at)} {by}, USD {usd_text(change.usd_to)}"


def end_box(text: str, end: tuple[float, float], lines: Sequence[Pixels], taken: Sequence[Box], plot: Box) -> Box:
    """A place for a name at a line's end that the fewest lines cross: right, above, below, left, nearest first."""
    across, high = label_size(Label((text,), *end))
    points = [point for line in lines for point in followed(line)]
    best, best_cost = None, math.inf
    for gap in (0, 14, 28, 42, 60, 80):
        for left, top in (
            (end[0] + 9 + gap / 4, end[1] - high / 2 - gap),
            (end[0] + 9 + gap / 4, end[1] - high / 2 + gap),
            (end[0] - across / 2, end[1] - high - 9 - gap),
            (end[0] - across / 2, end[1] + 9 + gap),
            (end[0] - across - 9 - gap / 4, end[1] - high / 2 - gap),
            (end[0] - across - 9 - gap / 4, end[1] - high / 2 + gap),
        ):
            box = Box(left, top, left + across, top + high)
            outside = left < plot.left or left + across > plot.right or top < plot.top or top + high > plot.bottom
            over = sum(box.overlap(other) for other in taken)
            cost = 1e6 * outside + 1e3 * over + 20 * n_inside(points, [box]) + gap
            if cost < best_cost:
                best, best_cost = box, cost
    if best is None:
        raise ValueError(f"no place for {text}")
    return best


def followed(line: Pixels) -> list[tuple[float, float]]:
    """Pixels along a line, STEP_PIXELS apart across."""
    points = list(line[:1])
    for (x, y), (x2, y2) in pairwise(line):
        n_steps = max(1, math.ceil(max(abs(x2 - x), abs(y2 - y)) / STEP_PIXELS))
        points += [(x + (x2 - x) * step / n_steps, y + (y2 - y) * step / n_steps) for step in range(1, n_steps + 1)]
    return points


def spread(wanted: Sequence[float], height: float, gap: float = LINE_HEIGHT) -> list[float]:
    """Move sorted places along a side apart until neighbours are `gap` away, as little as it takes, inside the side.

    >>> spread([10.0, 12.0, 100.0], 200.0, 14.0)
    [4.0, 18.0, 100.0]
    """
    groups: list[list[float]] = []  # places that touch are kept together around their mean
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and _start(groups[-1], gap, height) < _end(groups[-2], gap, height) + gap:
            last = groups.pop()
            groups[-1] += last
    return [_start(group, gap, height) + gap * i for group in groups for i in range(len(group))]


def _start(group: Sequence[float], gap: float, height: float) -> float:
    length = gap * (len(group) - 1)
    return min(max(sum(group) / len(group) - length / 2, 0.0), max(0.0, height - length))


def _end(group: Sequence[float], gap: float, height: float) -> float:
    return _start(group, gap, height) + gap * (len(group) - 1)
