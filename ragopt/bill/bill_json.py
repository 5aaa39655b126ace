"""A bill as JSON and back: one form in ``recommendation.json``, ``trials.parquet`` and ``ragopt bill --json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ragopt.records import Bill, BillLine


def bill_json(bill: Bill) -> dict[str, Any]:
    """Give a bill as JSON values; money and quantities as decimal strings."""
    return {
        "usd_per_month": str(bill.usd_per_month),
        "usd_before_minimum": None if bill.usd_before_minimum is None else str(bill.usd_before_minimum),
        "low": str(bill.low),
        "high": str(bill.high),
        "lines": lines_json(bill.lines),
        "notes": list(bill.notes),
    }


def lines_json(lines: Iterable[BillLine]) -> list[dict[str, Any]]:
    """Give bill lines as JSON values."""
    return [
        {
            "part": line.part,
            "item": line.item,
            "formula": line.formula,
            "quantity": str(line.quantity),
            "unit": line.unit,
            "usd_per_unit": str(line.usd_per_unit),
            "usd": str(line.usd),
            "source": line.source,
            "as_of": line.as_of,
            "caution": line.caution,
            "undated": line.undated,
        }
        for line in lines
    ]


def bill_of(target: str, value: Mapping[str, Any]) -> Bill:
    """Read back what `bill_json` gave. Raises KeyError, TypeError or ArithmeticError on anything else."""
    lines = tuple(
        BillLine(
            line["item"],
            Decimal(line["quantity"]),
            line["unit"],
            Decimal(line["usd_per_unit"]),
            Decimal(line["usd"]),
            line["source"],
            line["as_of"],
            line.get("part", "compute"),
            line.get("formula", ""),
            line.get("caution", ""),
            line.get("undated", False),
        )
        for line in value["lines"]
    )
    before = value.get("usd_before_minimum")
    return Bill(
        target,
        Decimal(value["usd_per_month"]),
        Decimal(value["low"]),
        Decimal(value["high"]),
        lines,
        None if before is None else Decimal(before),
        tuple(value.get("notes", ())),
    )
