"""A decision as plain JSON: every field by its name, money and other decimals as strings in plain notation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def plain(value: Any) -> Any:
    """Turn a record, and what is in it, into what JSON holds.

    >>> plain((Decimal("1E-7"), {"usd": Decimal("4.70")}, None))
    ['0.0000001', {'usd': '4.70'}, None]
    """
    if isinstance(value, Decimal):
        return f"{value:f}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def decision_json(decision: Any) -> str:
    """The text of a decision: indented JSON with a line end."""
    return json.dumps(plain(decision), indent=2, ensure_ascii=False) + "\n"
