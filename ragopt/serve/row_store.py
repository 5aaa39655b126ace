"""Where a served folder keeps the vectors of its rows, and what a reader and a writer need of that place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.serve.manifest import Engine, Manifest
    from ragopt.serve.new_rows import NewRows
    from ragopt.serve.snapshot import Snapshot


class GrowingSegment(Protocol):
    """The last segment of a folder, held by its writer while it grows."""

    def added(self, before: Snapshot, new: NewRows, table: Any, version: int) -> Manifest:
        """Append rows to the table and to this segment, or to a new one; the manifest with its files named."""
        ...


class RowStore(Protocol):
    """FAISS files beside the table, or LanceDB's index in it."""

    def nearest(
        self,
        snapshot: Snapshot,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | None = None,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest rows of full-dimension queries.

        Args:
            snapshot: what to search.
            queries: float32 (m, full dimension) from `query_vectors`.
            k: results per query.
            where: SQL condition; None for all.
            allowed: bool (n_rows,), the rows that it lets through; None exactly where `where` is.

        Returns:
            float32 (m, k) scores, higher is nearer, and int64 (m, k) rows; -1 with score -inf behind the last row.
        """
        ...

    def coding_errors(self, snapshot: Snapshot, projected: NDArray[np.float32]) -> NDArray[np.float64]:
        """Relative squared coding error of each vector in the trial's space; empty where nothing is coded for good."""
        ...

    def growing_segment(self, snapshot: Snapshot) -> GrowingSegment:
        """The segment that rows are appended to."""
        ...

    def write_base(self, before: Snapshot, folder: Path, table: Any) -> str:
        """Write all rows that are not deleted as one segment into a new generation's folder, or its table.

        Returns:
            Name of the file in that folder; empty for one that lives in the table.
        """
        ...


def row_store(engine: Engine) -> RowStore:
    """Where the rows of an engine are."""
    if engine == "lancedb":
        from ragopt.serve.lance_rows import LanceRows  # noqa: PLC0415 - loaded when first used

        return LanceRows()
    from ragopt.serve.faiss_rows import FaissRows  # noqa: PLC0415 - loaded when first used

    return FaissRows()
