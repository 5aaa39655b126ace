"""When each request came, in seconds, from numbers, ISO 8601 texts or Parquet's moments."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.cache.row_batches import Moment
from ragopt.cache.row_values import bad_value
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ragopt.cache.row_batches import RowBatch

UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")

UNIT_FROM = (1e11, 1e14, 1e17)
"""Numbers from here on are milliseconds, microseconds, nanoseconds: in seconds since 1970, 1e11 is the year 5138; in
milliseconds it is March 1973, and a thousand times each for the next."""

ALLOWED = (
    "seconds since 1970 or since the log's start, milliseconds to nanoseconds since 1970, or an ISO 8601 text such as "
    "2026-01-31T12:00:00Z, from 1970 on"
)

NO_TIME = (
    "The log has no time: requests are taken in the order of its lines, and neither expiry (TTL) nor the prompt-prefix "
    "cache, whose entries live for minutes, can be replayed. Name the field with the time to have both"
)
"""Why the parts that need a time refuse, and the warning of a log without."""


class TimeReader:
    """Times of one log: every line has one, of one kind and one unit, or none has.

    Args:
        field: of the log.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._kind = ""
        self._first = ""

    def read(self, batch: RowBatch, rows: Sequence[int]) -> NDArray[np.float64]:
        """Read the times of some rows of a batch, all of which have one.

        Returns:
            float64 (n,) seconds.

        Raises:
            InputError: a value that is no time, is NaN, infinite or before 1970, or is of another kind than the first.
        """
        values = batch.columns[self._field]
        numbers = self._plain_numbers(values)
        if numbers is None:
            return np.array([self._seconds(batch, row, values[row]) for row in rows], dtype=np.float64)
        units = np.searchsorted(UNIT_FROM, numbers, side="right")
        if self._kind == "":
            self._set_kind(UNITS[units[0]], batch, 0)
        wrong = np.flatnonzero(units != UNITS.index(self._kind)) if self._kind in UNITS else np.array([0])
        if wrong.size:
            row = int(wrong[0])
            raise self._other_kind(batch, row, values[row], UNITS[units[row]])
        return np.asarray(numbers / 1000.0 ** UNITS.index(self._kind))

    def warnings(self) -> tuple[str, ...]:
        """What was decided about the times, where a reader could have meant something else."""
        if self._kind in UNITS[1:]:
            return (f"Times were read as {self._kind} since 1970, by their size",)
        if self._kind == "moments without a zone":
            return ("Times carry no zone and were read as UTC",)
        return ()

    def _plain_numbers(self, values: Sequence[Any]) -> NDArray[np.float64] | None:
        """All values as an array, where every one is a number that may be a time."""
        if not set(map(type, values)) <= {int, float}:
            return None
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:
            return None
        return numbers if bool((np.isfinite(numbers) & (numbers >= 0)).all()) else None

    def _seconds(self, batch: RowBatch, row: int, value: Any) -> float:
        seconds, kind = self._parsed(batch, row, value)
        if not math.isfinite(seconds) or seconds < 0:
            raise bad_value(batch, row, self._field, value, ALLOWED)
        if kind in UNITS:
            kind = UNITS[int(np.searchsorted(UNIT_FROM, seconds, side="right"))]
        if self._kind == "":
            self._set_kind(kind, batch, row)
        if kind != self._kind:
            raise self._other_kind(batch, row, value, kind)
        return seconds / 1000.0 ** UNITS.index(kind) if kind in UNITS else seconds

    def _parsed(self, batch: RowBatch, row: int, value: Any) -> tuple[float, str]:
        """A value as a number and its kind; the unit of plain numbers is not yet settled."""
        if isinstance(value, Moment):
            return value.seconds, _moment_kind(has_zone=value.has_zone)
        try:
            if isinstance(value, str):
                moment = datetime.fromisoformat(value)
                has_zone = moment.tzinfo is not None
                # Digits alone could be a count as well as a date: 20260131.
                if "-" in value[1:]:
                    return (moment if has_zone else moment.replace(tzinfo=UTC)).timestamp(), _moment_kind(
                        has_zone=has_zone
                    )
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                return float(value), UNITS[0]
        except (ValueError, OverflowError) as error:
            raise bad_value(batch, row, self._field, value, ALLOWED) from error
        raise bad_value(batch, row, self._field, value, ALLOWED)

    def _set_kind(self, kind: str, batch: RowBatch, row: int) -> None:
        self._kind, self._first = kind, batch.place(row)

    def _other_kind(self, batch: RowBatch, row: int, value: Any, kind: str) -> InputError:
        return InputError(
            f"{batch.place(row)}: the time {value!r} is in {kind}, that of {self._first} in {self._kind}",
            allowed="one kind of time in a log",
            next_step="Write every time in seconds",
        )


def _moment_kind(*, has_zone: bool) -> str:
    return "moments with a zone" if has_zone else "moments without a zone"
