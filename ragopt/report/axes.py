"""Where a number lies on a chart: domains, ticks and pixels, worked out before anything is drawn.

Labels are placed from these pixels, so every chart states its domains instead of leaving them to the renderer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LOG_FROM_RATIO = 4.0
"""A cost axis is logarithmic once its largest value is more than this many times the smallest."""

PADDING = 0.05
"""Free share of the axis on each side, so that no mark sits on the frame."""

STEPS = (1.0, 2.0, 5.0)
"""Multiples of a power of ten that read as round numbers."""


@dataclass(frozen=True, slots=True)
class AxisScale:
    """A domain with its ticks; `fraction` gives a value's place on it."""

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]

    def fraction(self, value: float) -> float:
        """Place of `value` from 0 (low end) to 1 (high end).

        >>> AxisScale(1.0, 100.0, log=True, ticks=()).fraction(10.0)
        0.5
        """
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def linear_ticks(low: float, high: float, n_ticks: int) -> tuple[float, ...]:
    """Round numbers between `low` and `high`, at most about `n_ticks`.

    >>> linear_ticks(0.31, 1.01, 6)
    (0.4, 0.6, 0.8, 1.0)
    """
    rough = (high - low) / n_ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * factor for factor in (*STEPS, 10.0) if power * factor >= rough), power * 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return tuple(round(step * index, digits) for index in range(first, last + 1))


def log_ticks(low: float, high: float, n_ticks: int, *, binary: bool = False) -> tuple[float, ...]:
    """Round numbers between `low` and `high` for a log axis: powers of two, or 1-2-5 in every decade.

    >>> log_ticks(7.0, 1100.0, 9, binary=True)
    (8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
    """
    if binary:
        values = [2.0**power for power in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)]
    else:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        values = [factor * 10.0**decade for decade in decades for factor in STEPS]
    inside = [value for value in values if low <= value <= high]
    stride = max(1, math.ceil(len(inside) / n_ticks))
    return tuple(inside[::stride])


def cost_scale(values: Iterable[float], *, n_ticks: int, binary: bool = False) -> AxisScale:
    """The cost axis of positive values: logarithmic when they are wide apart.

    Args:
        values: costs, at least one.
        n_ticks: about the number of ticks that fit.
        binary: ticks at powers of two (bytes) instead of 1-2-5 (money).
    """
    known = list(values)
    smallest, largest = min(known), max(known)
    if smallest > 0 and largest / smallest > LOG_FROM_RATIO:
        stretch = (largest / smallest) ** PADDING
        low, high = smallest / stretch, largest * stretch
        return AxisScale(low, high, log=True, ticks=log_ticks(low, high, n_ticks, binary=binary))
    # Values that are equal, or nearly, still need an axis to stand on: a hundredth of them on each side.
    span = max(largest - smallest, abs(largest) / 10) or 1.0
    low, high = smallest - 2 * PADDING * span, largest + 2 * PADDING * span
    return AxisScale(low, high, log=False, ticks=linear_ticks(low, high, n_ticks))


def quality_scale(values: Iterable[float], *, n_ticks: int) -> AxisScale:
    """The quality axis: linear, around the interval ends, with no tick above 1."""
    known = list(values)
    smallest, largest = min(known), max(known)
    # Equal qualities still need room to draw in: a hundredth, the size of a difference that matters.
    span = max(largest - smallest, 0.01)
    low, high = max(0.0, smallest - PADDING * span), largest + PADDING * span
    ticks = tuple(tick for tick in linear_ticks(low, high, n_ticks) if tick <= 1)
    return AxisScale(low, high, log=False, ticks=ticks)
