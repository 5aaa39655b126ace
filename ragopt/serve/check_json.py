"""A check as JSON and back: the printed form is the parsed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from ragopt.measure.intervals import Interval
from ragopt.serve.check_records import (
    Checked,
    CodingDrift,
    EmbedderReplay,
    OtherBill,
    Reason,
    RecallNow,
    Repriced,
)

SCHEMA = 1

MONEY = ("kept_usd_per_month", "same_size_usd_per_month", "usd_per_month")


def check_json(checked: Checked) -> dict[str, Any]:
    """Give a check as JSON values; money as decimal strings, the exit code beside the word."""
    values = asdict(checked)
    if checked.bill is not None:
        values["bill"] |= {name: _money(values["bill"][name]) for name in MONEY}
        values["bill"]["others"] = [{**one, "usd_per_month": str(one["usd_per_month"])}
                                    for one in values["bill"]["others"]]  # fmt: skip
    for name in ("reasons", "notes"):
        values[name] = list(values[name])
    first = {"schema": SCHEMA, "word": values.pop("word"), "exit_code": checked.exit_code}
    return {**first, **values}


def checked_of(value: Mapping[str, Any]) -> Checked:
    """Read back what `check_json` gave. Raises KeyError, TypeError or ArithmeticError on anything else."""
    own = {name: one for name, one in value.items() if name not in ("schema", "exit_code")}
    embedder, bill = own["embedder"], own["bill"]
    return Checked(**{
        **own,
        "embedder": None if embedder is None else EmbedderReplay(**embedder),
        **{name: _recall_of(own[name]) for name in ("canaries", "queries")},
        **{name: _drift_of(own[name]) for name in ("added", "documents")},
        "bill": None if bill is None else _bill_of(bill),
        "reasons": tuple(Reason(**one) for one in own["reasons"]),
        "notes": tuple(own["notes"]),
    })  # fmt: skip


def _money(usd: Decimal | None) -> str | None:
    return None if usd is None else str(usd)


def _recall_of(value: Mapping[str, Any] | None) -> RecallNow | None:
    if value is None:
        return None
    intervals = {name: None if value[name] is None else Interval(**value[name]) for name in ("at_build", "change")}
    return RecallNow(**{**value, "now": Interval(**value["now"]), **intervals})


def _drift_of(value: Mapping[str, Any] | None) -> CodingDrift | None:
    return None if value is None else CodingDrift(**{**value, "ratio": Interval(**value["ratio"])})


def _bill_of(value: Mapping[str, Any]) -> Repriced:
    money = {name: None if value[name] is None else Decimal(value[name]) for name in MONEY}
    others = tuple(OtherBill(one["trial"], one["target"], Decimal(one["usd_per_month"])) for one in value["others"])
    return Repriced(**{**value, **money, "others": others})
