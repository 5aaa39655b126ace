"""Which of several bills is lowest as one size grows, and where the lead changes.

A bill is any function of a whole number. Some are steps (one VM more), so the lead may change hands more than once
between the same two; every change that the grid can see is reported. Between two neighbouring points of the grid with
the same leader none is looked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from ragopt.errors import InputError

Bills = Mapping[str, Decimal]

POINTS_PER_DECADE = 16
"""Neighbouring points are 15 % apart, less than from one VM to two of the next smaller type."""

TOLERANCE = 0.01
"""Relative width to which a crossover is located: well inside what a forecast of growth knows."""


@dataclass(frozen=True, slots=True)
class Point:
    """The bills at one size.

    Attributes:
        at: the size.
        usd: USD by name.
        leader: the lowest of those that may lead; empty where there is none.
        barred: names that are billed but may not lead.
    """

    at: int
    usd: Bills
    leader: str
    barred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Crossover:
    """A change of the lowest bill.

    Attributes:
        source: lowest below.
        to: lowest from here on.
        at: smallest size, within the tolerance, at which `to` is lowest.
        usd_source: bill of `source` there; None where it cannot be billed, or may not lead, any more.
        usd_to: bill of `to` there.
    """

    source: str
    to: str
    at: int
    usd_source: Decimal | None
    usd_to: Decimal


@dataclass(frozen=True, slots=True)
class Crossovers:
    """The lower envelope of the bills.

    Attributes:
        low, high: the range that was looked at.
        points: the grid, from low to high.
        changes: every change of the lead, from low to high.
    """

    low: int
    high: int
    points: tuple[Point, ...]
    changes: tuple[Crossover, ...]

    @property
    def leaders(self) -> tuple[str, ...]:
        """Names that are lowest somewhere, in the order in which they take the lead."""
        return tuple(dict.fromkeys(point.leader for point in self.points if point.leader))


def crossovers(
    bill_at: Callable[[int], Bills],
    low: int,
    high: int,
    *,
    may_lead: Callable[[str, int], bool] = lambda _name, _at: True,
    points_per_decade: int = POINTS_PER_DECADE,
    tolerance: float = TOLERANCE,
) -> Crossovers:
    """Find the lowest bill over a range and locate each change of it by bisection.

    Args:
        bill_at: USD by name at a size; a name that cannot be billed there is left out. Of equal bills the first leads.
        low: smallest size, 1 or more.
        high: largest size, above `low`.
        may_lead: whether a name that was billed at a size may be the lowest there; if not, its bill is kept.
        points_per_decade: grid points in a factor of ten.
        tolerance: relative width at which the bisection stops.

    Raises:
        InputError: a range or a grid that holds nothing.
    """
    if not 1 <= low < high:
        raise InputError(f"The range is {low:,} to {high:,}", allowed="1 or more, to more than that",
                         next_step="Give a range that grows")  # fmt: skip
    if points_per_decade < 1 or not 0 < tolerance < 1:
        raise InputError(f"points_per_decade is {points_per_decade} and tolerance {tolerance}",
                         allowed="1 or more, and a share", next_step="Leave them at their defaults")  # fmt: skip
    known: dict[int, Point] = {}

    def point_at(at: int) -> Point:
        if at not in known:
            usd = bill_at(at)
            leading = [name for name in usd if may_lead(name, at)]
            leader = min(leading, key=lambda name: usd[name], default="")
            known[at] = Point(at, usd, leader, tuple(name for name in usd if name not in leading))
        return known[at]

    grid = [point_at(at) for at in log_grid(low, high, points_per_decade)]
    changes: list[Crossover] = []
    for left, right in pairwise(grid):
        changes += _between(point_at, left, right, tolerance)
    return Crossovers(low, high, tuple(grid), tuple(changes))


def log_grid(low: int, high: int, points_per_decade: int) -> tuple[int, ...]:
    """Whole numbers from low to high, evenly spaced on a log axis.

    >>> log_grid(10, 1000, 2)
    (10, 32, 100, 316, 1000)
    """
    n_steps = max(1, math.ceil(round(math.log10(high / low) * points_per_decade, 9)))
    inner = (round(low * (high / low) ** (step / n_steps)) for step in range(1, n_steps))
    return tuple(sorted({low, high, *inner}))


def _between(point_at: Callable[[int], Point], left: Point, right: Point, tolerance: float) -> list[Crossover]:
    """Every change of the lead between two points with different leaders, a third one's turn included."""
    if left.leader == right.leader:
        return []
    middle = math.isqrt(left.at * right.at)
    if right.at <= left.at * (1 + tolerance) or middle in (left.at, right.at):
        if not right.leader:
            return []
        source = None if left.leader in right.barred else right.usd.get(left.leader)
        return [Crossover(left.leader, right.leader, right.at, source, right.usd[right.leader])]
    point = point_at(middle)
    return _between(point_at, left, point, tolerance) + _between(point_at, point, right, tolerance)
