"""Rows in FAISS files: the base, appended segments, and the trained empty index that rows are encoded with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.coding_error import coding_errors
from ragopt.index.compacted import compacted
from ragopt.serve.generation import write_faiss
from ragopt.serve.layout import INDEX_FILE, safe_path
from ragopt.serve.nearest import nearest_rows
from ragopt.serve.open_segment import OpenSegment
from ragopt.serve.snapshot import open_faiss

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.serve.snapshot import Snapshot


class FaissRows:
    """The `RowStore` of the engine `faiss`."""

    def nearest(
        self,
        snapshot: Snapshot,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | None = None,  # noqa: ARG002 - FAISS takes the rows that it lets through
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Search every segment."""
        return nearest_rows(snapshot, queries, k, allowed)

    def coding_errors(self, snapshot: Snapshot, projected: NDArray[np.float32]) -> NDArray[np.float64]:
        """Encode and decode with the template."""
        return coding_errors(snapshot.template(), projected)

    def growing_segment(self, snapshot: Snapshot) -> OpenSegment:
        """The last segment, in memory."""
        return OpenSegment.of(snapshot)

    def write_base(self, before: Snapshot, folder: Path, table: Any) -> str:  # noqa: ARG002 - codes are in files
        """Copy the codes of every segment, rescoring tier included, through memory.

        Raises:
            IndexFormatError: codes would not come out as they are.
        """
        write_faiss(compacted(_parts(before)), folder / INDEX_FILE)
        return INDEX_FILE


def _parts(before: Snapshot) -> list[tuple[Any, NDArray[np.bool_]]]:
    dead = np.zeros(before.manifest.n_rows, dtype=bool)
    dead[before.dead_rows] = True
    return [
        (open_faiss(safe_path(before.root, segment.index), before.manifest, part.n_rows, mapped=False),
         dead[part.first_row : part.first_row + part.n_rows])
        for segment, part in zip(before.manifest.segments, before.parts, strict=True)
    ]  # fmt: skip
