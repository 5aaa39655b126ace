"""What `verify="full"` checks beyond checksums: that the parts of a version are of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import IndexFormatError
from ragopt.serve.table import schema_of

if TYPE_CHECKING:
    from ragopt.serve.snapshot import Part, Snapshot


def check_consistency(snapshot: Snapshot) -> None:
    """Compare rows, lines, table, template and canaries of an opened version with its manifest.

    Raises:
        IndexFormatError: they do not fit together.
    """
    manifest = snapshot.manifest
    for segment, part in zip(manifest.segments, snapshot.parts, strict=True):
        if not _numbered(part):
            raise _unfit(snapshot, f"the lines in {segment.lines} are not those of its rows")
    if not _deleted_together(snapshot):
        raise _unfit(snapshot, "the deleted rows are not those whose lines are deleted")
    _check_table(snapshot)
    if manifest.engine == "faiss":
        snapshot.template()
    snapshot.added_errors()
    n, (rows, _) = len(snapshot.canaries()), snapshot.canary_neighbours()
    if len(rows) != n or (rows.size and rows.max() >= manifest.n_rows):
        raise _unfit(snapshot, f"neighbours of {len(rows):,} canaries, which are {n:,}")


def _numbered(part: Part) -> bool:
    """Whether the rows of a segment's lines ascend without a gap, each with a line or more."""
    rows = np.asarray(part.lines[:, 0])
    if not len(rows):
        return part.n_rows == 0
    steps = rows[1:] - rows[:-1]  # uint64: a step down is a huge one up
    return bool(
        int(rows[0]) == part.first_row and int(rows[-1]) == part.first_row + part.n_rows - 1 and (steps <= 1).all()
    )


def _deleted_together(snapshot: Snapshot) -> bool:
    """Whether the deleted rows, in order, are those of whose lines none is left, and every deleted line is there."""
    left = np.zeros(snapshot.manifest.n_rows, dtype=bool)
    n_found = 0
    for part in snapshot.parts:
        dead = np.isin(part.lines[:, 1], snapshot.dead_lines)
        left[part.lines[~dead, 0].astype(np.int64)] = True
        n_found += int(dead.sum())
    ascending = (snapshot.dead_lines[1:] > snapshot.dead_lines[:-1]).all()
    return bool(
        ascending and n_found == len(snapshot.dead_lines) and np.array_equal(np.flatnonzero(~left), snapshot.dead_rows)
    )


def _check_table(snapshot: Snapshot) -> None:
    manifest, table = snapshot.manifest, snapshot.table
    wanted = schema_of(manifest.columns, manifest.full_dim if manifest.with_vectors else 0)
    if {(one.name, one.type) for one in table.schema} != {(one.name, one.type) for one in wanted}:
        raise _unfit(snapshot, f"the table has the columns {', '.join(table.schema.names)}")
    n_lines = sum(len(part.lines) for part in snapshot.parts) - len(snapshot.dead_lines)
    if table.count_rows() != n_lines:
        raise _unfit(snapshot, f"the table has {table.count_rows():,} lines, not {n_lines:,}")


def _unfit(snapshot: Snapshot, what: str) -> IndexFormatError:
    return IndexFormatError(
        f"The files of {snapshot.root} do not fit together: {what}",
        allowed="files that one version was written with",
        next_step="Restore the folder from a copy, or build the index again",
    )
