"""Rows in the table itself, searched with LanceDB's index; rows that came after it are compared one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.serve.arrays import write_array
from ragopt.serve.generation import Names
from ragopt.serve.lance_index import create_lance_index
from ragopt.serve.lance_search import TableSearch
from ragopt.serve.layout import generation_name
from ragopt.serve.manifest import Segment
from ragopt.serve.nearest import NOTHING
from ragopt.serve.open_segment import MOST_ROWS, append_lines
from ragopt.serve.table import ROW, lines_where, rows_and_ids

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.serve.lance_index import LanceIndex
    from ragopt.serve.manifest import Manifest
    from ragopt.serve.new_rows import NewRows
    from ragopt.serve.snapshot import Snapshot


class LanceRows:
    """The `RowStore` of the engine `lancedb`."""

    def nearest(
        self,
        snapshot: Snapshot,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | None = None,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Search the table; as many results as the run asked for even for a smaller k, as `nearest_rows` does."""
        manifest = snapshot.manifest
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), NOTHING, np.int64)
        n_there = snapshot.n_alive if allowed is None else int(allowed.sum())
        wanted = min(max(k, manifest.n_results), n_there)
        if wanted and len(queries):
            asked = TableSearch(snapshot.table, manifest.metric, lance_of(manifest).search, where)
            found_scores, found_rows = asked.nearest(queries, wanted)
            n = min(k, wanted)
            scores[:, :n], rows[:, :n] = found_scores[:, :n], found_rows[:, :n]
        return scores, rows

    def coding_errors(self, snapshot: Snapshot, projected: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: ARG002
        """None: added rows stay whole until the next compaction trains anew."""
        return np.empty(0, np.float64)

    def growing_segment(self, snapshot: Snapshot) -> TableSegment:
        """The last segment's lines."""
        return TableSegment.of(snapshot)

    def write_base(self, before: Snapshot, folder: Path, table: Any) -> str:
        """Train the index anew, with the same parameters, over the rewritten table."""
        manifest = before.manifest
        lance = lance_of(manifest)
        create_lance_index(table, folder, lance.index_type, lance.build, manifest.metric)
        return ""


def lance_of(manifest: Manifest) -> LanceIndex:
    """The index of a manifest of this engine."""
    if manifest.lance is None:
        raise ValueError("a manifest of FAISS")
    return manifest.lance


@dataclass
class TableSegment:
    """Appended rows: their vectors are in the table, which line has which row in a file.

    Attributes:
        n_rows: vectors in it; 0 where the next rows begin a segment.
        lines: uint64 (n, 2), row and row id.
    """

    n_rows: int
    lines: NDArray[np.uint64]

    @classmethod
    def of(cls, snapshot: Snapshot) -> TableSegment:
        """Take the last segment, unless it is the base or full."""
        last = snapshot.parts[-1]
        if len(snapshot.parts) == 1 or last.n_rows >= MOST_ROWS:
            return cls(0, np.empty((0, 2), np.uint64))
        return cls(last.n_rows, np.array(last.lines))

    def added(self, before: Snapshot, new: NewRows, table: Any, version: int) -> Manifest:
        """Append rows to the table; the manifest with the file of their lines named."""
        manifest = before.manifest
        if self.n_rows >= MOST_ROWS:
            self.n_rows, self.lines = 0, np.empty((0, 2), np.uint64)
        kept = manifest.segments[:-1] if self.n_rows else manifest.segments
        columns = append_lines(table, manifest, new)
        found = lines_where(table, f"{ROW} >= {manifest.n_rows}")
        self.lines = np.concatenate([self.lines, rows_and_ids(found)])
        self.n_rows += len(new.lines)
        file = Names(generation_name(manifest.generation)).of(f"lines-{version:06d}.npy")
        write_array(before.root / file, self.lines)
        return replace(manifest, segments=(*kept, Segment("", file, self.n_rows)), columns=columns)
