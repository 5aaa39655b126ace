"""The rows that a condition over the table lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.serve.lance_reads import unreadable
from ragopt.serve.table import lines_where, rows_and_ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.serve.snapshot import Snapshot


def allowed_rows(snapshot: Snapshot, where: str | None) -> tuple[NDArray[np.bool_] | None, NDArray[np.uint64] | None]:
    """Rows that a condition lets through, bool (n_rows,), and uint64 row ids of its lines; None for both without one.

    Raises:
        InputError: the condition cannot be read.
        IndexFormatError: the table cannot be read, or names a row that the index does not have.
    """
    if where is None:
        return None, None
    pairs = rows_and_ids(lines_where(snapshot.table, where))
    n_rows = snapshot.manifest.n_rows
    if len(pairs) and pairs[-1, 0] >= n_rows:
        raise unreadable(f"it has a line of row {pairs[-1, 0]}, of {n_rows:,}")
    allowed = np.zeros(n_rows, dtype=bool)
    allowed[pairs[:, 0].astype(np.int64)] = True
    return allowed, pairs[:, 1]
