"""A comparison as JSON: what `ragopt compare --json` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragopt.bill.bill_json import lines_json

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.compare.records import BillChange, Comparison, QualityChange, Side
    from ragopt.records import BillLine

SCHEMA = 1


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Give a comparison as JSON values; money and other decimals as strings."""
    return {
        "schema": SCHEMA,
        "exit_code": found.exit_code,
        "failures": list(found.failures),
        "a": _side(found.a),
        "b": _side(found.b),
        "pairing": asdict(found.pairing),
        "quality": [_quality(one) for one in found.quality],
        "bytes": [asdict(one) for one in found.sizes],
        "bill": _bill(found.bill),
        "recommendation": [asdict(one) for one in found.recommendation],
        "inputs": [asdict(one) for one in found.inputs],
    }


def _side(side: Side) -> dict[str, Any]:
    decision = side.decision
    return {
        "folder": side.folder,
        "ragopt_version": side.ragopt_version,
        "billed_on": side.billed_on,
        "cpu": side.cpu,
        "status": decision.status,
        "trial": str(decision.trial),
        "target": decision.target,
        "confirmed": decision.confirmed,
        "synthetic_queries": decision.synthetic_queries,
        "latency_ms": asdict(decision.latency) if decision.latency else None,
    }


def _quality(one: QualityChange) -> dict[str, Any]:
    return {
        "name": one.name,
        "a": asdict(one.a) if one.a else None,
        "b": asdict(one.b) if one.b else None,
        "difference": asdict(one.difference) if one.difference else None,
        "paired": one.paired,
        "over_all": asdict(one.over_all) if one.over_all else None,
        "comparable": one.comparable,
        "reason": one.reason,
        "notes": list(one.notes),
        "fell": one.fell,
    }


def _bill(bill: BillChange) -> dict[str, Any]:
    return {
        "a": str(bill.a),
        "b": str(bill.b),
        "increase": str(bill.increase),
        "max_increase": None if bill.limit is None else str(bill.limit),
        "allowed_increase": _text(bill.allowed),
        "rose": bill.rose,
        "saving_a": str(bill.saving_a),
        "saving_b": str(bill.saving_b),
        "shared_a": _text(bill.shared_a),
        "shared_b": _text(bill.shared_b),
        "parts": [{"part": one.part, "a": str(one.a), "b": str(one.b)} for one in bill.parts],
        "lines": [
            {"part": one.part, "item": one.item, "a": _line(one.a), "b": _line(one.b)} for one in bill.lines
        ],
        "prices": [
            {"target": one.target, "item": one.item, "a": _line(one.a), "b": _line(one.b)} for one in bill.prices
        ],
        "workload": [asdict(one) for one in bill.workload],
    }  # fmt: skip


def _line(line: BillLine | None) -> dict[str, Any] | None:
    return None if line is None else lines_json([line])[0]


def _text(usd: Decimal | None) -> str | None:
    return None if usd is None else f"{usd:f}"
