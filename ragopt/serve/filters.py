"""The rows that a condition over the table lets through, kept for the next search with the same condition."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from ragopt.serve.lance_reads import unreadable
from ragopt.serve.table import lines_where, rows_and_ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.serve.snapshot import Snapshot

    Allowed = tuple[NDArray[np.bool_], NDArray[np.uint64]]

KEPT_BYTES = 1 << 26
"""Of masks and row ids that a snapshot keeps: hundreds of conditions over 100,000 rows, some over ten million. Reading
the table anew takes 20 to 90 ms at 100,000 rows where a search takes 3 (2 cores, 2026-11-26)."""


class KnownFilters:
    """Conditions of one version, which does not change, and what they let through. The oldest are forgotten first."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[str, Allowed] = {}
        self._lock = threading.Lock()

    def get(self, where: str) -> Allowed | None:
        """What is known of a condition."""
        with self._lock:
            return self._known.get(where)

    def keep(self, where: str, found: Allowed) -> None:
        """Remember, as far as there is room."""
        for array in found:
            array.flags.writeable = False
        with self._lock:
            self._known[where] = found
            while sum(one.nbytes for pair in self._known.values() for one in pair) > KEPT_BYTES:
                self._known.pop(next(iter(self._known)))


def allowed_rows(snapshot: Snapshot, where: str | None) -> tuple[NDArray[np.bool_] | None, NDArray[np.uint64] | None]:
    """Rows that a condition lets through, bool (n_rows,), and uint64 row ids of its lines; None for both without one.

    Raises:
        InputError: the condition cannot be read.
        IndexFormatError: the table cannot be read, or names a row that the index does not have.
    """
    if where is None:
        return None, None
    known = snapshot.filters.get(where) if isinstance(where, str) else None
    if known is not None:
        return known
    pairs = rows_and_ids(lines_where(snapshot.table, where))
    n_rows = snapshot.manifest.n_rows
    if len(pairs) and pairs[-1, 0] >= n_rows:
        raise unreadable(f"it has a line of row {pairs[-1, 0]}, of {n_rows:,}")
    allowed = np.zeros(n_rows, dtype=bool)
    allowed[pairs[:, 0].astype(np.int64)] = True
    found = allowed, np.ascontiguousarray(pairs[:, 1])
    snapshot.filters.keep(where, found)
    return found
