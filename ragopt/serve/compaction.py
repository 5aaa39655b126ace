"""Rewrite a served index as one segment without what is deleted, in a new generation beside the old one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import storage_errors
from ragopt.errors import IndexFormatError
from ragopt.serve.canaries import DELETED
from ragopt.serve.generation import (
    BASE_LINES,
    Names,
    flushed_entries,
    table_name,
    write_state,
    write_table,
)
from ragopt.serve.layout import generation_name, safe_path
from ragopt.serve.manifest import Manifest, Segment
from ragopt.serve.row_store import row_store
from ragopt.serve.table import BATCH_LINES, ROW

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from ragopt.serve.snapshot import Snapshot

COPIED = ("template", "rotation", "canaries", "questions")
"""Files that a new generation takes over as they are."""


def compacted_version(before: Snapshot) -> Manifest:
    """Write the next generation and say what it is; the caller commits it.

    The codes of every FAISS segment are read into memory, rescoring tier included; an index of LanceDB is made anew.

    Raises:
        StorageError: the disk is full.
        IndexFormatError: codes would not come out as they are.
    """
    old = before.manifest
    number, version = old.generation + 1, old.version + 1
    name = generation_name(number)
    names, folder = Names(name), before.root / name
    with storage_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)  # a killed compaction's: no manifest names it
        folder.mkdir()
    new_rows = _new_rows(before)
    n_alive = int((new_rows >= 0).sum())
    table, _ = write_table(folder, before.table.schema, _renumbered(before.table, new_rows))
    index = row_store(old.engine).write_base(before, folder, table)
    copied = {part: names.of(Path(getattr(old, part)).name) for part in COPIED if getattr(old, part)}
    for part, target in copied.items():
        with storage_errors(before.root / target):
            shutil.copyfile(safe_path(before.root, getattr(old, part)), before.root / target)
    rows, scores = before.canary_neighbours
    nothing = (np.empty(0, np.int64), np.empty(0, np.uint64))
    state = write_state(before.root, names, version, dead=nothing, canaries=(renumbered(rows, new_rows), scores),
                        added_errors=_alive_errors(before, new_rows))  # fmt: skip
    segment = Segment(names.of(index) if index else "", names.of(BASE_LINES), n_alive)
    of_copies = {part: copied.get(part, "") for part in COPIED}
    return replace(
        old,
        version=version,
        generation=number,
        segments=(segment,),
        state=state,
        table=table_name(name),
        table_version=table.version,
        files=flushed_entries(before.root, name),
        template=of_copies["template"],
        rotation=of_copies["rotation"],
        canaries=of_copies["canaries"],
        questions=of_copies["questions"],
    )


def _alive_errors(before: Snapshot, new_rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Coding errors of the added rows that are not deleted: they stay the last ones, in their order."""
    errors = before.added_errors
    return errors[new_rows[len(new_rows) - len(errors) :] >= 0]


def _new_rows(before: Snapshot) -> NDArray[np.int64]:
    """New number of every row; `DELETED` for those that are."""
    alive = np.ones(before.manifest.n_rows, dtype=bool)
    alive[before.dead_rows] = False
    return np.where(alive, np.cumsum(alive) - 1, DELETED)


def _renumbered(table: Any, new_rows: NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    """The lines of a table with the new numbers of their rows."""
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    for batch in table.search().select(table.schema.names).limit(None).to_batches(BATCH_LINES):
        place = batch.schema.get_field_index(ROW)
        rows = new_rows[batch.column(place).to_numpy()]
        if (rows < 0).any():
            raise IndexFormatError("The table has lines of rows that are deleted", next_step="Build the index again")
        yield batch.select(table.schema.names).set_column(place, table.schema.field(place), pa.array(rows, pa.int64()))


def renumbered(rows: NDArray[np.int64], new_rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Neighbours with their new numbers; a deleted one keeps its place, so that what lies behind it stays known."""
    if not len(new_rows):
        return rows  # an index that was emptied and compacted before: nobody has a number
    return np.where(rows < 0, rows, new_rows[np.maximum(rows, 0)])
