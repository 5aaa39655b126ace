"""The segment that is still growing: appended rows, in memory for the writer, rewritten with every change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.serve.arrays import write_array
from ragopt.serve.generation import Names, write_faiss
from ragopt.serve.layout import generation_name, safe_path
from ragopt.serve.manifest import Segment
from ragopt.serve.snapshot import open_faiss
from ragopt.serve.table import ROW, batch_of, filterable, lines_where, rows_and_ids

if TYPE_CHECKING:
    import faiss
    from numpy.typing import NDArray

    from ragopt.corpus.metadata import ColumnKind
    from ragopt.serve.manifest import Manifest
    from ragopt.serve.new_rows import NewRows
    from ragopt.serve.snapshot import Snapshot

MOST_ROWS = 4_096
"""Rows of a segment before the next one begins: rewriting it stays below some megabytes, and a hundred thousand added
rows make 25 segments, each some tens of microseconds of a search."""


@dataclass
class OpenSegment:
    """The last segment of a folder, if it may still grow.

    Attributes:
        index: owned FAISS index; None when the next rows begin a segment.
        lines: uint64 (n, 2), row and row id.
    """

    index: faiss.Index | None
    lines: NDArray[np.uint64]

    @classmethod
    def of(cls, snapshot: Snapshot) -> OpenSegment:
        """Read the last segment into memory, unless it is the base or full."""
        manifest, last = snapshot.manifest, snapshot.parts[-1]
        if len(snapshot.parts) == 1 or last.n_rows >= MOST_ROWS:
            return cls(None, np.empty((0, 2), np.uint64))
        path = safe_path(snapshot.root, manifest.segments[-1].index)
        return cls(open_faiss(path, manifest, last.n_rows, mapped=False), np.array(last.lines))

    def added(self, before: Snapshot, new: NewRows, table: Any, version: int) -> Manifest:
        """Append rows to the table and to this segment, or to a new one; the manifest with its files named."""
        manifest = before.manifest
        if self.index is not None and self.index.ntotal >= MOST_ROWS:
            self.index, self.lines = None, np.empty((0, 2), np.uint64)
        grows = self.index is not None
        if self.index is None:
            self.index = before.template()
        self.index.add(new.projected)
        columns = append_lines(table, manifest, new)
        found = lines_where(table, f"{ROW} >= {manifest.n_rows}")
        self.lines = np.concatenate([self.lines, rows_and_ids(found)])
        names = Names(generation_name(manifest.generation))
        index, lines = names.of(f"segment-{version:06d}.faiss"), names.of(f"lines-{version:06d}.npy")
        write_faiss(self.index, before.root / index)
        write_array(before.root / lines, self.lines)
        kept = manifest.segments[:-1] if grows else manifest.segments
        return replace(manifest, segments=(*kept, Segment(index, lines, int(self.index.ntotal))), columns=columns)


def append_lines(table: Any, manifest: Manifest, new: NewRows) -> dict[str, ColumnKind]:
    """Append lines, with a new column for every new key of metadata; the columns there are now."""
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    from ragopt.corpus.metadata import columns_of_metadata  # noqa: PLC0415 - beside its use

    columns = dict(manifest.columns)
    kinds = columns_of_metadata(line.metadata for line in new.lines)
    fresh = {name: kinds[name] for name in filterable({**columns, **kinds}) if name not in columns}
    if fresh:
        table.add_columns([pa.field(name, pa.type_for_alias(kind)) for name, kind in fresh.items()])
        columns |= fresh
    batch = batch_of(new.lines, columns, new.vectors if manifest.with_vectors else None)
    # By name: a column that came later stands behind the vectors.
    names = [one.name for one in table.schema]
    table.add(pa.table({name: batch.column(name) for name in names}, schema=table.schema))
    return columns
