"""A whole bill as JSON: what `ragopt bill --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.bill.bill_json import bill_json, lines_json
from ragopt.bill.targets import TARGETS

if TYPE_CHECKING:
    from ragopt.bill.projection import MonthBill
    from ragopt.bill.tornado import Swing
    from ragopt.bill.whole_bill import WholeBill
    from ragopt.records import Bill

SCHEMA = 1


def whole_bill_json(
    whole: WholeBill, months: Mapping[str, Sequence[MonthBill]] | None = None, swings: Sequence[Swing] = ()
) -> dict[str, Any]:
    """Give a whole bill as JSON values: money and other decimals as strings.

    Args:
        whole: the bill.
        months: by target, the bill of every month of the horizon; left out when there is none.
        swings: the inputs that move the explained bill most; with its target left out when there are none.
    """
    shared = whole.shared_usd_per_month
    return {
        "schema": SCHEMA,
        "workload": whole.workload.as_json(),
        "n_vectors_billed": whole.workload.at_average().n_vectors,
        "index": {"dim": whole.footprint.dim, "scalar": whole.footprint.scalar,
                  "n_vectors_measured": whole.footprint.n_vectors_measured,
                  "cpu_ms_per_query": whole.footprint.cpu_ms_per_query, **asdict(whole.footprint.index_bytes)},
        "targets": [_target_json(whole, bill) for bill in whole.targets],
        "shared": {"usd_per_month": str(shared), "lines": lines_json(whole.shared), "notes": list(whole.shared_notes)},
        "not_billed": [{"name": name, "reason": reason} for name, reason in whole.not_billed.items()],
        **({} if whole.cache is None else {"cache": whole.cache}),
        "notes": list(whole.notes),
        "warnings": list(whole.warnings),
        **({"by_month": _months_json(months)} if months else {}),
        **({"explained": _explained_json(whole), "tornado": [_swing_json(one) for one in swings]} if swings else {}),
    }  # fmt: skip


def _target_json(whole: WholeBill, bill: Bill) -> dict[str, Any]:
    target, both = TARGETS[bill.target], whole.with_shared[bill.target]
    return {
        "name": bill.target,
        "summary": target.summary,
        "serves_the_index": target.serves_the_index,
        **bill_json(bill),
        "usd_per_month_with_shared": str(both.usd_per_month),
        "with_shared": {"usd_per_month": str(both.usd_per_month), "low": str(both.low), "high": str(both.high)},
    }


def _months_json(months: Mapping[str, Sequence[MonthBill]]) -> dict[str, Any]:
    return {
        name: [
            {
                "month": one.month,
                "n_vectors": one.n_vectors,
                "usd_per_month": None if one.usd_per_month is None else str(one.usd_per_month),
                "reason": one.reason,
            }
            for one in bills
        ]
        for name, bills in months.items()
    }


def _explained_json(whole: WholeBill) -> dict[str, str]:
    """The target whose bill the tornado turns, and why that one."""
    bill, why = whole.explained
    return {"target": bill.target, "why": why}


def _swing_json(swing: Swing) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(swing).items()}
