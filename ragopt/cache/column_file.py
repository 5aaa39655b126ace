"""A column of numbers that grows on disk: memory does not grow with its length."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_ROWS = 1 << 18
"""Rows that passes over a column take at a time: 1 to 2 MB each of int32 and int64."""


class ColumnFile:
    """Numbers of one kind, appended to a file without a name and then read in place.

    The file has no name on the disk, so nothing is left behind however the process ends.

    Args:
        dtype: of every number.
    """

    def __init__(self, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self._n = 0
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `finish` or below
        except OSError as error:
            raise _no_room(error) from error
        # A log that is given up at a bad line leaves its columns without a word: each closes its file as it goes.
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        """How many numbers were appended."""
        return self._n

    def append(self, values: Any) -> None:
        """Add an array or a sequence at the end.

        Raises:
            StorageError: the disk is full.
        """
        block = np.ascontiguousarray(values, dtype=self._dtype)
        try:
            self._file.write(block.data)
        except OSError as error:
            raise _no_room(error) from error
        self._n += block.size

    def finish(self) -> NDArray[Any]:
        """Give the column as a read-only array that lies in the file; nothing can be appended afterwards.

        Raises:
            StorageError: the disk is full.
        """
        try:
            self._file.flush()
            if self._n == 0:  # an empty file cannot be mapped
                found: NDArray[Any] = np.empty(0, self._dtype)
                found.flags.writeable = False
            else:
                found = np.memmap(self._file, dtype=self._dtype, mode="r", shape=(self._n,))
            self._file.close()
        except OSError as error:
            raise _no_room(error) from error
        return found


def blocks(n: int) -> Iterator[slice]:
    """Slices that cover n rows, `BLOCK_ROWS` at a time.

    >>> list(blocks(3))
    [slice(0, 3, None)]
    """
    for start in range(0, n, BLOCK_ROWS):
        yield slice(start, min(n, start + BLOCK_ROWS))


def _no_room(error: OSError) -> StorageError:
    return StorageError(
        f"A column of the log cannot be kept in {tempfile.gettempdir()}: {error.strerror}",
        next_step="Free some space, or name another folder in the environment variable TMPDIR",
    )
