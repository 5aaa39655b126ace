"""Float32 rows in a file, read by plain reads: mapped pages would count as this process's resident memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import ArtifactError
from ragopt.units import MIB

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VALUE_BYTES = 4
"""Float32."""

GAP_BYTES = 16_384
"""Rows so near each other are read together, and those between them dropped: a call takes about as long as copying so
much (2.5 microseconds; 2 shared AMD EPYC cores, page cache, 2026-11-26)."""

SPAN_BYTES = 4 * MIB
"""Most bytes read by one call where rows between are dropped."""


def read_exactly(descriptor: int, into: NDArray[np.float32], offset: int, path: Path) -> None:
    """Fill an array from a place of a file. Raises ArtifactError: the file ends before that."""
    view = into.data.cast("B")
    while view.nbytes:
        # One call moves at most 2 GiB on Linux (read(2)), so a short read is ordinary.
        got = os.preadv(descriptor, [view], offset)
        if got == 0:
            raise ArtifactError(
                f"The stored vectors {path} end too early", next_step=f"Delete that folder: rm -r {path.parent}"
            )
        view = view[got:]
        offset += got


def read_rows(descriptor: int, dim: int, rows: NDArray[np.int64], path: Path) -> NDArray[np.float32]:
    """Read some rows of a file.

    Args:
        descriptor: of the open file.
        dim: values per row.
        rows: int64 (m,) distinct and ascending, all within the file; never changed.
        path: of the file, for the message.

    Returns:
        float32 (m, dim).

    Raises:
        ArtifactError: the file ends too early.
    """
    row_bytes = dim * VALUE_BYTES
    found = np.empty((len(rows), dim), dtype=np.float32)
    near, most = 1 + GAP_BYTES // row_bytes, max(1, SPAN_BYTES // row_bytes)
    # A span ends where the next row is far, or lies in another stretch of `most` rows.
    stretch = rows // most
    gaps, same = np.diff(rows), np.diff(stretch) == 0
    ends = np.flatnonzero((gaps != 1) & ((gaps > near) | ~same)) + 1
    edges = np.concatenate([[0], ends, [len(rows)]]) if len(rows) else np.zeros(1, np.int64)
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        first, last = int(rows[start]), int(rows[end - 1]) + 1
        if last - first == end - start:
            read_exactly(descriptor, found[start:end], first * row_bytes, path)
        else:
            span = np.empty((last - first, dim), dtype=np.float32)
            read_exactly(descriptor, span, first * row_bytes, path)
            found[start:end] = span[rows[start:end] - first]
    return found
