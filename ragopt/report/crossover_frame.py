"""Where everything lies on the crossover chart: scales, line ends, names beside them, notes of changes; in pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ragopt.bill.decisions.target import count_text
from ragopt.report.axes import AxisScale, log_ticks
from ragopt.report.labels import LINE_HEIGHT, Box, Label, label_size
from ragopt.report.words import usd_text

if TYPE_CHECKING:
    from ragopt.bill.decisions.crossovers import Crossover, Crossovers

NOTE_ROWS = 34
"""Pixels from one note of a change to the next: two lines and some air."""

NOTE_GAP = 7
"""Pixels between a note and its dashed line."""


@dataclass(frozen=True, slots=True)
class CrossoverFrame:
    """The plot area: two log scales and their size in pixels."""

    x: AxisScale
    y: AxisScale
    width: int
    height: int

    def across(self, size: float) -> float:
        """Pixel of a number of vectors or queries."""
        return self.width * self.x.fraction(size)

    def line(self, result: Crossovers, name: str) -> list[tuple[float, float]]:
        """Pixels of a target's bills; where it has none, or one of nothing, the line has no point."""
        billed = [(point.at, float(point.usd[name])) for point in result.points if point.usd.get(name, 0) > 0]
        return [(self.across(at), self.height * (1 - self.y.fraction(usd))) for at, usd in billed]


@dataclass(frozen=True, slots=True)
class ChangeNote:
    """What is written at a change of the lowest bill.

    Attributes:
        lines: what changes, and where at which bill.
        x: pixel of the dashed line.
        box: where the lines are written.
        side: the side of the box that is at the dashed line; text is aligned to it.
    """

    lines: tuple[str, str]
    x: float
    box: Box
    side: Literal["left", "right"]


def frame_of(result: Crossovers, width: int, height: int) -> CrossoverFrame:
    """Scales that hold every bill above nothing, with some air above and below."""
    usd = [float(value) for point in result.points for value in point.usd.values() if value > 0]
    low, high = min(usd) / 1.5, max(usd) * 1.3
    x = AxisScale(result.low, result.high, log=True, ticks=ticks(result.low, result.high))
    return CrossoverFrame(x, AxisScale(low, high, log=True, ticks=ticks(low, high)), width, height)


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten where there are three or more, else 1-2-5.

    >>> ticks(100, 1_000_000), ticks(3, 40)
    ((100.0, 1000.0, 10000.0, 100000.0, 1000000.0), (5.0, 10.0, 20.0))
    """
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    return tuple(10.0**power for power in powers) if len(powers) > 2 else log_ticks(low, high, 7)


def change_notes(changes: Sequence[Crossover], frame: CrossoverFrame, by: str) -> list[ChangeNote]:
    """One note per change, each in a row of its own from the top, on the side of its line that has more room."""
    notes = []
    for row, change in enumerate(changes):
        what = f"from {change.source} to {change.to}" if change.source else f"{change.to} begins"
        lines = (what, f"at {count_text(change.at)} {by}, USD {usd_text(change.usd_to)}")
        x, top = frame.across(change.at), 6.0 + row * NOTE_ROWS
        long, high = label_size(Label(lines, 0, 0))
        if x < frame.width / 2:
            box = Box(x + NOTE_GAP, top, x + NOTE_GAP + long, top + high)
            notes.append(ChangeNote(lines, x, box, "left"))
        else:
            box = Box(x - NOTE_GAP - long, top, x - NOTE_GAP, top + high)
            notes.append(ChangeNote(lines, x, box, "right"))
    return notes


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
