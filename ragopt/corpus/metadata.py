"""What else a source says of a document, as flat values that a filter can compare, and the columns they fill."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from ragopt.artifacts import canonical_json
from ragopt.corpus.text_files import clean
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.corpus.records import MetadataValue

NESTED = "metadata"
"""BEIR keeps a document's metadata in an object of this name; its keys count like the row's own."""

MAX_KEY_CHARACTERS = 255
"""A key becomes a column's name; 255 is what Linux gives a file name (NAME_MAX), and more than anyone types."""

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
"""Bounds of the whole numbers that a column of Arrow, and so of Parquet and LanceDB, holds."""

LONGEST_SHOWN_BITS = 256
"""A longer whole number is named by its length: Python refuses to print one of more than 4,300 digits."""

KEY_RULE = f"any text of 1 to {MAX_KEY_CHARACTERS} characters"

VALUE_RULE = "text, finite numbers, whole numbers of 64 bits with sign, true, false, dates, lists and objects of these"

ColumnKind = Literal["string", "int64", "float64", "bool"]


def metadata_of(value: Mapping[str, object], place: str) -> dict[str, MetadataValue]:
    """Flatten what a row holds beside id, title and text.

    An object under the key `metadata` (BEIR's form) is merged into the row. None is dropped. Dates, times and moments
    become ISO 8601 text, durations seconds, decimals their digits as text, UUIDs text; lists and deeper objects become
    JSON text with sorted keys and no spaces.

    Args:
        value: key to anything that JSON or Parquet can hold.
        place: where the row stands, for errors.

    Raises:
        InputError: a key that is no text of 1 to 255 characters, a key with two different values, NaN or infinity, a
            whole number beyond 64 bits with sign, text that UTF-8 cannot hold, or a value of another type.

    >>> metadata_of({"year": 2020, "tags": ["a", "b"], "metadata": {"url": "https://example.org"}}, "line 1")
    {'year': 2020, 'tags': '["a","b"]', 'url': 'https://example.org'}
    """
    nested = value.get(NESTED)
    pairs: list[tuple[Any, object]] = list(value.items())
    if isinstance(nested, Mapping):
        pairs = [pair for pair in pairs if pair[0] != NESTED] + list(nested.items())
    found: dict[str, MetadataValue] = {}
    for name, raw in pairs:
        key = _key_of(name, place)
        flat = _flat(raw, key, place)
        if flat is None:
            continue
        first = found.setdefault(key, flat)
        # True == 1 == 1.0 in Python, but not in a column.
        if type(first) is not type(flat) or first != flat:
            raise InputError(
                f"{place}: the key {key!r} has two values: {_shown(first)} in the row and {_shown(flat)} in its"
                f" {NESTED!r} object",
                allowed="one value for each key",
                next_step="Rename or remove one of the two",
            )
    return found


def without_vectors(row: Mapping[str, object]) -> dict[str, object]:
    """Leave out lists of numbers, also nested ones and those in BEIR's `metadata` object: vectors fit no filter.

    >>> without_vectors({"year": 2020, "embedding": [0.25, 1], "metadata": {"tags": ["a"], "dense": [[1.0], [2.0]]}})
    {'year': 2020, 'metadata': {'tags': ['a']}}
    """
    kept = {key: value for key, value in row.items() if not _is_vector(value)}
    nested = kept.get(NESTED)
    if isinstance(nested, Mapping):
        kept[NESTED] = {key: value for key, value in nested.items() if not _is_vector(value)}
    return kept


def _is_vector(value: object) -> bool:
    if not isinstance(value, list):
        return False
    level = value
    # Level by level, as a line of JSON may nest lists deeper than Python's calls can go.
    while level and all(isinstance(one, list) for one in level):
        level = [inner for one in level for inner in one]
    return bool(level) and all(type(one) in {int, float} for one in level)


def _key_of(name: object, place: str) -> str:
    if isinstance(name, str) and 0 < len(name) <= MAX_KEY_CHARACTERS:
        return clean(name, name, place)
    shown = f"of {len(name):,} characters" if isinstance(name, str) and name else repr(name)
    raise InputError(
        f"{place}: the metadata key {shown} cannot be used", allowed=KEY_RULE, next_step="Rename or remove that key"
    )


def _flat(value: object, key: str, place: str) -> MetadataValue | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean(value, key, place)
    if isinstance(value, int | float):
        if not _is_storable(value):
            raise _refused(key, value, place)
        return value
    try:
        if isinstance(value, list | tuple | Mapping):
            text = canonical_json(value, _json_form)
        else:
            return _simple(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise _refused(key, value, place) from error
    return clean(text, key, place)


def _is_storable(value: float) -> bool:
    return MIN_INT64 <= value <= MAX_INT64 if isinstance(value, int) else math.isfinite(value)


def _json_form(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else _simple(value)


def _simple(value: object) -> str | float:
    """Give what JSON has no form for as text or number; TypeError where there is none."""
    if isinstance(value, date | time):  # datetime is a date
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > LONGEST_SHOWN_BITS:
        return f"a whole number of {value.bit_length():,} bits"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refused(key: str, value: object, place: str) -> InputError:
    shown = _shown(value) if isinstance(value, int | float) else f"a {type(value).__name__}"
    return InputError(
        f"{place}: the metadata key {key!r} holds {shown}",
        allowed=VALUE_RULE,
        next_step="Correct or remove that value",
    )


def columns_of_metadata(documents_metadata: Iterable[Mapping[str, MetadataValue]]) -> dict[str, ColumnKind]:
    """Infer the kind of one column per key, in one pass over the documents, whatever their order.

    `bool` when every value is one; `int64` when all are whole; `float64` when all are numbers and each whole one among
    them has an equal float64 (so has every one up to 2^53); else `string`.

    Args:
        documents_metadata: of each document, as `metadata_of` gives it; a key may be missing from some.

    Returns:
        Key to kind, sorted by key.
    """
    seen: dict[str, set[str]] = {}
    for metadata in documents_metadata:
        for key, value in metadata.items():
            seen.setdefault(key, set()).add(_kind_of(value))
    return {key: _common_kind(seen[key]) for key in sorted(seen)}


def _kind_of(value: MetadataValue) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if float(value) == value else "inexact int64"
    return "float64" if isinstance(value, float) else "string"


def _common_kind(kinds: set[str]) -> ColumnKind:
    if kinds == {"bool"}:
        return "bool"
    if kinds <= {"int64", "inexact int64"}:
        return "int64"
    return "float64" if kinds <= {"int64", "float64"} else "string"


def column_value(value: MetadataValue, kind: ColumnKind, *, column: str = "") -> MetadataValue:
    """Convert a value to its column's kind, without loss.

    Args:
        value: as `metadata_of` gives it.
        kind: as `columns_of_metadata` infers it.
        column: the column's name, for errors.

    Returns:
        For `string` the text itself, else the value's JSON: `true`, `7`, `0.5`. For `float64` a float, also of a whole
        number. For `int64` and `bool` the value itself.

    Raises:
        InputError: the value does not fit the column.
    """
    if isinstance(value, int | float) and not _is_storable(value):
        raise _misfit(value, kind, column)
    if kind == "string":
        return value if isinstance(value, str) else json.dumps(value)
    found = _kind_of(value)
    if kind == "float64" and found in {"int64", "float64"}:
        return float(value)
    if kind == found or (kind == "int64" and found == "inexact int64"):
        return value
    raise _misfit(value, kind, column)


def _misfit(value: MetadataValue, kind: ColumnKind, column: str) -> InputError:
    allowed = {
        "string": "text, finite numbers, whole numbers of 64 bits with sign, true, false",
        "bool": "true, false",
        "int64": "whole numbers of 64 bits with sign",
        "float64": "finite numbers that float64 holds without loss",
    }
    where = f"the column {column!r}" if column else "a column"
    return InputError(
        f"{_shown(value)} does not fit {where} of kind {kind}",
        allowed=allowed[kind],
        next_step="Correct that value, or use another key for it",
    )
