"""A decision's record as JSON: money and exact figures as decimal strings."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def decision_json(decision: DataclassInstance) -> str:
    """Write a frozen record for people and programs: two spaces, no NaN, Decimals as plain digits in quotes."""
    return json.dumps(_plain(asdict(decision)), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value
