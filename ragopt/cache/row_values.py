"""Values of a batch, checked: whole numbers, ids and lists of ids, or the line that holds none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.cache.coder import key_of
from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.row_batches import RowBatch

SHOWN = 60
"""Characters of a bad value that a message shows."""


def bad_value(batch: RowBatch, row: int, field: str, value: Any, allowed: str) -> InputError:
    """Say what stands where, and what may stand there."""
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 3]}..."
    return InputError(
        f"{batch.place(row)}: {field!r} is {shown}",
        allowed=allowed,
        next_step="Correct that value, remove its line, or name another field",
    )


def whole_numbers(batch: RowBatch, field: str, most: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read a field of counts.

    Args:
        batch: rows.
        field: name.
        most: the largest that is no slip.

    Returns:
        int64 (n,), 0 where a row has none, and bool (n,): which rows have one.

    Raises:
        InputError: no number, a bool, NaN, infinite, not whole, negative or above `most`.
    """
    values = batch.columns[field]
    if set(map(type, values)) == {int}:
        try:
            numbers = np.array(values, dtype=np.int64)
        except OverflowError:
            numbers = np.full(len(values), -1)
        if not ((numbers < 0) | (numbers > most)).any():
            return numbers, np.ones(len(values), dtype=bool)
    allowed = f"a whole number from 0 to {most:,}"
    values = () if _all_none(values) else values
    found = np.zeros(len(batch.numbers), dtype=np.int64)
    has = np.zeros(len(batch.numbers), dtype=bool)
    for row, value in enumerate(values):
        if value is None:
            continue
        # Tables made by pandas hold whole numbers as floats where a row has none.
        is_whole = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value) and value.is_integer())
        if not is_whole or isinstance(value, bool) or not 0 <= value <= most:
            raise bad_value(batch, row, field, value, allowed)
        found[row], has[row] = value, True
    return found, has


def is_nothing(value: Any) -> bool:
    """Tell whether a value stands for none: null, an empty text, list or object."""
    return value is None or (isinstance(value, (str, bytes, list, dict)) and not value)


def ids(batch: RowBatch, field: str, *, required: bool = False) -> tuple[list[str], NDArray[np.intp]]:
    """Read a field of texts or ids, one per row.

    Args:
        batch: rows.
        field: name.
        required: every row must have one.

    Returns:
        Keys (`key_of`) of the rows that have one, and which rows these are.

    Raises:
        InputError: a value that is neither text nor a whole number; with `required`, an empty one, which includes a
            text of white space only.
    """
    values = batch.columns[field]
    if set(map(type, values)) == {str} and all(map(str.strip, values)):
        return list(values), np.arange(len(values))
    if not required and _all_none(values):
        return [], np.zeros(0, dtype=np.intp)
    keys, rows = [], []
    for row, value in enumerate(values):
        if is_nothing(value) or (isinstance(value, str) and not value.strip()):
            if required:
                raise _missing(batch, row, field)
            continue
        if not is_id(value):
            raise bad_value(batch, row, field, value, "a text or a whole number")
        keys.append(key_of(value))
        rows.append(row)
    return keys, np.array(rows, dtype=np.intp)


def structures(
    batch: RowBatch, field: str, nothing: Sequence[str] | set[str] = ()
) -> tuple[list[str], NDArray[np.intp]]:
    """Read a field of any JSON values, each coded as a whole.

    Args:
        batch: rows.
        field: name.
        nothing: keys of further values that stand for none.

    Returns:
        Keys of the rows that have one, and which rows these are.
    """
    values = batch.columns[field]
    keys, rows = [], []
    for row, value in enumerate(() if _all_none(values) else values):
        if is_nothing(value):
            continue
        key = key_of(value)
        if key not in nothing:
            keys.append(key)
            rows.append(row)
    return keys, np.array(rows, dtype=np.intp)


def id_lists(batch: RowBatch, field: str) -> tuple[list[str], NDArray[np.int64]]:
    """Read a field of lists of ids.

    Returns:
        Keys of all rows one after the other, and int64 (n,) how many each row has: none where it lacks the field.

    Raises:
        InputError: a value that is no list, or an element that is neither a text that is not empty nor a whole number.
    """
    keys: list[str] = []
    counts = np.zeros(len(batch.numbers), dtype=np.int64)
    for row, value in enumerate(batch.columns[field]):
        if value is None:
            continue
        if not isinstance(value, list):
            raise bad_value(batch, row, field, value, "a list of ids")
        counts[row] = len(value)
        for one in value:
            if type(one) is str and one:
                keys.append(one)
            elif is_id(one) and one != "":
                keys.append(key_of(one))
            else:
                raise bad_value(batch, row, field, value, "a list of ids, each a text or a whole number")
    return keys, counts


def is_id(value: Any) -> bool:
    """Tell whether a value can be an id: text, bytes or a whole number."""
    return isinstance(value, (str, bytes, int)) and not isinstance(value, bool)


def _all_none(values: Sequence[Any]) -> bool:
    """Tell, in a fraction of the time that a loop takes, whether a batch lacks a field."""
    return values.count(None) == len(values)


def _missing(batch: RowBatch, row: int, field: str) -> InputError:
    from ragopt.cache.log_fields import option_of  # noqa: PLC0415 - only for a message

    if field in batch.found or row:
        return InputError(
            f"{batch.place(row)}: {field!r} is {batch.columns[field][row]!r}: a request without a query",
            allowed="the query's text, or a hash of it, on every line",
            next_step="Write it or remove that line",
        )
    return InputError(
        f"{batch.place(row)}: there is no field {field!r} with the query",
        allowed=f"one of the fields found: {', '.join(map(repr, batch.found)) or 'none'}",
        next_step=f"Name the field with {option_of('query')}",
    )
