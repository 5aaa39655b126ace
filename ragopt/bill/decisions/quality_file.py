"""Quality by k from a JSON file: figures that were measured elsewhere."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ragopt.errors import InputError
from ragopt.records import Quality

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = '{"recall_vs_qrels@5": {"value": 0.91, "low": 0.88, "high": 0.93, "n_queries": 300}}'


def read_quality(file: Path, *, metric: str) -> dict[int, Quality]:
    """Read quality by k: an object of the shape of `quality` in recommendation.json, or that file itself.

    Args:
        file: JSON.
        metric: name of the quality, without its @k; others in the file are passed over.

    Raises:
        InputError: a file that cannot be read, holds no such quality, or a figure that is none.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}", next_step="Name another file") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file} is not JSON: {error}", next_step=f"Write it like {SHAPE}") from error
    figures = content.get("quality", content) if isinstance(content, dict) else None
    if not isinstance(figures, dict):
        raise InputError(f"{file} holds no object", next_step=f"Write it like {SHAPE}")
    found = {}
    for name, figure in figures.items():
        this, at, k = name.rpartition("@")
        if at and this == metric and k.isdecimal():
            found[int(k)] = _quality(file, name, figure)
    if not found:
        raise InputError(f"{file} holds no {metric}@k", allowed=SHAPE, next_step="Add one entry for each k")
    return found


def _quality(file: Path, name: str, figure: Any) -> Quality:
    if isinstance(figure, dict):
        value, low, high, n_queries = (_number(figure.get(field)) for field in ("value", "low", "high", "n_queries"))
        if 0 <= low <= value <= high <= 1 and n_queries >= 1 and n_queries.is_integer():
            return Quality(value, low, high, int(n_queries))
    raise InputError(
        f"{name} in {file} is {figure!r}",
        allowed="value, low, high and n_queries with 0 <= low <= value <= high <= 1 and at least one query",
        next_step=f"Write it like {SHAPE}",
    )


def _number(value: Any) -> float:
    """The number, or NaN, which no comparison lets pass."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
