"""Columns of a log while it is read: each takes a batch at a time and ends as an array in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.coded_log import MISSING
from ragopt.cache.coder import Coder
from ragopt.cache.column_file import ColumnFile
from ragopt.cache.log_times import TimeReader
from ragopt.cache.row_values import is_nothing, whole_numbers
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ragopt.cache.row_batches import RowBatch

    Reader = Callable[[RowBatch, str], tuple[list[str], NDArray[np.intp]]]

MOST_TOKENS = 10**7
"""As in `ragopt/bill/workload_fields.py`: the longest context on sale is 10 million tokens."""


class KeyColumn:
    """A field of values that are only compared, such as a session; lines may lack it.

    Args:
        field: of the log.
        reader: gives the keys of a batch and the rows that have one.
        coder: that numbers them.
    """

    def __init__(self, field: str, reader: Reader, coder: Coder | None = None) -> None:
        self.field = field
        self.coder = Coder() if coder is None else coder
        self._reader = reader
        self._file = ColumnFile(np.int32)

    def add(self, batch: RowBatch) -> None:
        """Read the next batch. Raises InputError with the line of a value that cannot be one."""
        codes = np.full(len(batch.numbers), MISSING, dtype=np.int32)
        keys, rows = self._reader(batch, self.field)
        codes[rows] = self.coder.encode(keys, np.asarray(batch.numbers, dtype=np.int64)[rows])
        self._file.append(codes)

    def finish(self, *, is_there: bool = False) -> NDArray[np.int32] | None:
        """int32 (n_requests,), MISSING where a line has none; None where no line has one, unless `is_there`."""
        return self._file.finish() if is_there or len(self.coder) else None


class AllOrNone:
    """Refuses a field that some lines have and others lack, where no value could stand for its absence.

    Args:
        field: of the log.
        advice: what to do about it.
    """

    def __init__(self, field: str, advice: str) -> None:
        self._field = field
        self._advice = advice
        self._with = ""
        self._without = ""

    def check(self, batch: RowBatch, has: NDArray[np.bool_]) -> bool:
        """Tell whether the rows have it. Raises InputError with the lines, where some do and others do not."""
        if not self._with and has.any():
            self._with = batch.place(int(np.argmax(has)))
        if not self._without and not has.all():
            self._without = batch.place(int(np.argmin(has)))
        if self._with and self._without:
            raise InputError(
                f"{self._without} has no {self._field!r}, but {self._with} has",
                allowed="a field that every line has, or none",
                next_step=self._advice,
            )
        return bool(self._with)


class CountColumn:
    """A field of whole numbers, which every line has or none: tokens.

    Args:
        field: of the log.
    """

    def __init__(self, field: str) -> None:
        self.field = field
        self._rule = AllOrNone(field, "Write 0 where the model was not called, or remove these lines")
        self._file = ColumnFile(np.int32)

    def add(self, batch: RowBatch) -> NDArray[np.int64] | None:
        """Read the next batch: int64 (n,) where the log has the field. Raises InputError with the line."""
        numbers, has = whole_numbers(batch, self.field, MOST_TOKENS)
        if not self._rule.check(batch, has):
            return None
        self._file.append(numbers)
        return numbers

    def finish(self) -> NDArray[np.int32] | None:
        """int32 (n_requests,), or None where the log has no such field."""
        return self._file.finish() if len(self._file) else None


class TimeColumn:
    """When each request came, which every line says or none.

    Args:
        field: of the log.

    Attributes:
        n_late: lines whose time is before that of an earlier line.
        first, last: places of the earliest and the latest time.
    """

    def __init__(self, field: str) -> None:
        self.field = field
        self.n_late = 0
        self.first, self.last = "", ""
        self._earliest = np.inf
        self._reader = TimeReader(field)
        self._rule = AllOrNone(field, "Write the time of every request, or remove these lines")
        self._file = ColumnFile(np.float64)
        self._latest = -np.inf

    def add(self, batch: RowBatch) -> None:
        """Read the next batch. Raises InputError with the line."""
        values = batch.columns[self.field]
        has = np.fromiter((not is_nothing(value) for value in values), dtype=bool, count=len(values))
        if not self._rule.check(batch, has):
            return
        seconds = self._reader.read(batch, range(len(values)))
        latest = np.maximum.accumulate(np.concatenate(([self._latest], seconds)))
        self.n_late += int((seconds < latest[:-1]).sum())
        if latest[-1] > self._latest:
            self.last = batch.place(int(np.argmax(seconds)))
        if seconds.min() < self._earliest:
            self._earliest, self.first = float(seconds.min()), batch.place(int(np.argmin(seconds)))
        self._latest = latest[-1]
        self._file.append(seconds)

    def warnings(self) -> tuple[str, ...]:
        """What was decided about the times."""
        return self._reader.warnings()

    def finish(self) -> NDArray[np.float64] | None:
        """float64 (n_requests,) seconds in the order of the lines, or None where the log has no time."""
        return self._file.finish() if len(self._file) else None
