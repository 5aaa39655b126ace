"""A decision on targets as JSON and back: bills as one column for each target, money as decimal strings."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from ragopt.bill.decisions.as_json import plain
from ragopt.bill.decisions.crossovers import Crossover, Crossovers, Point
from ragopt.bill.decisions.target import Skipped, TargetDecision

MOST_USD = Decimal(10) ** 15
"""More than anybody pays in a month: ten times what the world produces in a year, and still exact to the dollar in a
float."""


def target_decision_json(decision: TargetDecision) -> dict[str, Any]:
    """Give a decision as JSON values; a target that has no bill at a size has null there."""
    points = decision.result.points
    names = dict.fromkeys(name for point in points for name in point.usd)
    return {
        "by": decision.by,
        "low": decision.result.low,
        "high": decision.result.high,
        "sizes": [point.at for point in points],
        "usd": {name: [plain(point.usd.get(name)) for point in points] for name in names},
        "leaders": [point.leader for point in points],
        "barred": [list(point.barred) for point in points],
        "changes": plain(decision.result.changes),
        "skipped": plain(decision.skipped),
        "notes": list(decision.notes),
        "sentence": decision.sentence,
    }


def target_decision_of(value: Mapping[str, Any]) -> TargetDecision:
    """Read back what `target_decision_json` gave.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: it is anything else; the message names the key.
    """
    if value["by"] not in ("vectors", "queries"):
        raise ValueError(f"by is {value['by']!r}")
    changes = tuple(
        Crossover(
            text(one, "source"),
            text(one, "to"),
            count(one["at"]),
            None if one["usd_source"] is None else usd_of(one["usd_source"]),
            usd_of(one["usd_to"]),
        )
        for one in value["changes"]
    )
    skipped = tuple(
        Skipped(text(one, "target"), count(one["low"]), count(one["high"]), text(one, "reason"))
        for one in value["skipped"]
    )
    notes = tuple(text({"notes": note}, "notes") for note in value["notes"])
    result = Crossovers(count(value["low"]), count(value["high"]), _points(value), changes)
    return TargetDecision(value["by"], result, skipped, notes, text(value, "sentence"))


def _points(value: Mapping[str, Any]) -> tuple[Point, ...]:
    sizes = [count(size) for size in value["sizes"]]
    ends = (value["low"], value["high"])
    if len(sizes) < 2 or (sizes[0], sizes[-1]) != ends or not all(one < two for one, two in pairwise(sizes)):
        raise ValueError(f"sizes do not grow from low {ends[0]} to high {ends[1]}")
    bills: list[dict[str, Decimal]] = [{} for _ in sizes]
    for name, column in value["usd"].items():
        for bill, usd in zip(bills, column, strict=True):
            if usd is not None:
                bill[name] = usd_of(usd)
    points = []
    for size, bill, leader, barred in zip(sizes, bills, value["leaders"], value["barred"], strict=True):
        if (leader != "" and leader not in bill) or not set(barred) <= set(bill):
            raise ValueError(f"leader {leader!r} or barred {barred} at {size} has no bill there")
        points.append(Point(size, bill, leader, tuple(barred)))
    if not any(point.leader for point in points):
        raise ValueError("leaders are all empty")
    return tuple(points)


def usd_of(value: object) -> Decimal:
    """Read money, a decimal string from 0 to MOST_USD. Raises TypeError, ValueError or ArithmeticError: it is none."""
    if not isinstance(value, str):
        raise TypeError(f"money is {value!r}, not a string")
    usd = Decimal(value)
    if not (usd.is_finite() and 0 <= usd <= MOST_USD):
        raise ValueError(f"money is {value!r}")
    return usd


def count(value: object) -> int:
    """Read a whole number of 1 or more. Raises TypeError or ValueError: it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a count is {value!r}")
    if value < 1:
        raise ValueError(f"a count is {value}")
    return value


def text(values: Mapping[str, Any], key: str) -> str:
    """Read a text by its key. Raises KeyError or TypeError: it is none."""
    if not isinstance(values[key], str):
        raise TypeError(f"{key} is {values[key]!r}, not text")
    return str(values[key])
