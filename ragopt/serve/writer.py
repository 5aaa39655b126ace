"""The one writer of a served folder: each change is a new version, durable before the caller is told."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError, StorageError
from ragopt.serve.canaries import exact_scores, with_rows
from ragopt.serve.commit import commit, table_at
from ragopt.serve.generation import Names, write_state
from ragopt.serve.lance_writes import lance_writes
from ragopt.serve.layout import generation_name
from ragopt.serve.leftovers import remove_leftovers, remove_other_generations
from ragopt.serve.locks import hold_writer
from ragopt.serve.new_rows import NewRows, check_ids, prepared
from ragopt.serve.row_store import row_store
from ragopt.serve.snapshot import open_snapshot
from ragopt.serve.table import DOCUMENT, ID, ROW, ROWID, id_filters, lines_where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ragopt.corpus.records import Document
    from ragopt.serve.manifest import Manifest, State
    from ragopt.serve.opened import Index
    from ragopt.serve.row_store import GrowingSegment
    from ragopt.serve.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did.

    Attributes:
        version: of the index afterwards. n_added: chunks added. n_deleted: lines deleted, a chunk per document.
        missing: ids that were to be deleted and are not there.
    """

    version: int
    n_added: int = 0
    n_deleted: int = 0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dead:
    """Lines that a change deletes: uint64 row ids, their rows, and the ids by which they were named."""

    row_ids: NDArray[np.uint64]
    rows: NDArray[np.int64]
    named: frozenset[str]

    @classmethod
    def none(cls) -> Dead:
        """Nothing is deleted."""
        return cls(np.empty(0, np.uint64), np.empty(0, np.int64), frozenset())


class Writer:
    """Holds the writer's lock from the first change until `close`."""

    def __init__(self, index: Index) -> None:
        """Become the writer. Raises IndexBusy: another process is."""
        self._index = index
        self._lock = hold_writer(index.folder)
        self._segment: GrowingSegment | None = None
        self._failed = False
        try:
            self._follow()
            remove_other_generations(index.folder, generation_name(index.manifest.generation))
            remove_leftovers(index.folder, index.manifest)
        except BaseException:
            self._lock.close()
            raise

    def _follow(self) -> None:
        """Serve what the folder's manifest says now: a change that failed behind its commit point has come about."""
        newest = open_snapshot(self._index.folder, "quick")
        if newest.manifest.version != self._index.version:
            self._index.serve(newest)

    def _clean(self) -> None:
        """Remove what a change that failed has left."""
        remove_leftovers(self._index.folder, self._index.manifest)
        self._failed = False

    def close(self) -> None:
        """Give the lock back."""
        self._lock.close()

    def add(self, documents: Iterable[Document], *, split: bool) -> Changed:
        """Add documents whose ids are new."""
        given = list(documents)
        check_ids(given)
        there = self._lines_of([document.id for document in given])
        if there.named:
            raise InputError(
                f"{len(there.named)} of the documents are in the index already: {', '.join(sorted(there.named)[:3])}",
                allowed="ids that the index does not have",
                next_step="Replace them with index.update(documents)",
            )
        return self._change(given, Dead.none(), split=split)

    def update(self, documents: Iterable[Document], *, split: bool) -> Changed:
        """Put documents in the place of those with the same ids."""
        given = list(documents)
        check_ids(given)
        return self._change(given, self._lines_of([document.id for document in given]), split=split)

    def delete(self, ids: Iterable[str]) -> Changed:
        """Delete documents or chunks by id."""
        wanted = list(dict.fromkeys(ids))
        dead = self._lines_of(wanted)
        missing = tuple(name for name in wanted if name not in dead.named)
        return replace(self._change([], dead, split=True), missing=missing)

    def compact(self) -> Changed:
        """Rewrite the folder as one segment without what is deleted."""
        from ragopt.serve.compaction import compacted_version  # noqa: PLC0415 - only here

        before = self._index.snapshot
        manifest = compacted_version(before)
        self._segment = None
        commit(before.root, manifest)
        self._index.serve(open_snapshot(before.root, "quick"))
        del before
        remove_other_generations(self._index.folder, generation_name(manifest.generation))
        return Changed(manifest.version)

    def _lines_of(self, ids: Sequence[str]) -> Dead:
        """Lines of documents, or of chunks, with these ids."""
        for name in ids:
            if not isinstance(name, str):
                raise InputError(f"{name!r} is no id", allowed="text", next_step="Give ids as text")
        if not ids:
            return Dead.none()
        table, wanted = self._index.snapshot.table, set(ids)
        row_ids, rows, named = [], [], set()
        for where in id_filters(ids, (DOCUMENT, ID)):
            found = lines_where(table, where, (ROW, ID, DOCUMENT))
            row_ids.append(found[ROWID].to_numpy().astype(np.uint64))
            rows.append(found[ROW].to_numpy().astype(np.int64))
            named |= wanted & {*found[ID].to_pylist(), *found[DOCUMENT].to_pylist()}
        # An id of a document and one of its chunks may stand in two parts of a long list.
        unique, first = np.unique(np.concatenate(row_ids), return_index=True)
        return Dead(unique, np.concatenate(rows)[first], frozenset(named))

    def _change(self, documents: Sequence[Document], dead: Dead, *, split: bool) -> Changed:
        before = self._index.snapshot
        new = prepared(self._index, documents, split=split)
        if not new.lines and not len(dead.row_ids):
            return Changed(before.manifest.version)
        if self._failed:
            self._clean()
        try:
            manifest = self._written(before, new, dead)
            commit(before.root, manifest, before=before.manifest)
        except BaseException:
            self._segment, self._failed = None, True  # what it holds in memory may not be what is on the disk
            self._follow()
            with contextlib.suppress(StorageError):  # the next change tries again
                self._clean()
            raise
        self._index.serve(open_snapshot(before.root, "quick"))
        return Changed(manifest.version, len(new.lines), len(dead.row_ids))

    def _written(self, before: Snapshot, new: NewRows, dead: Dead) -> Manifest:
        """Write every file of the next version; nobody sees them before the manifest names them."""
        old = before.manifest
        version = old.version + 1
        manifest = old
        if new.lines and self._segment is None:
            self._segment = row_store(old.engine).growing_segment(before)
        with lance_writes(before.root / old.table):
            table = table_at(before)
            if len(dead.row_ids):
                for where in _row_id_filters(dead.row_ids):
                    table.delete(where)
            if new.lines and self._segment is not None:
                manifest = self._segment.added(before, new, table, version)
        state = self._state(before, new, dead, version)
        return replace(
            manifest,
            version=version,
            state=state,
            table_version=table.version,
        )

    @staticmethod
    def _state(before: Snapshot, new: NewRows, dead: Dead, version: int) -> State:
        old = before.manifest
        dead_lines = np.union1d(before.dead_lines, dead.row_ids).astype(np.uint64)
        dead_rows = before.dead_rows
        if len(dead.rows):
            dead_rows = np.union1d(dead_rows, _rows_without_lines(before, np.unique(dead.rows), dead_lines))
        rows, scores = before.canary_neighbours()
        if len(new.vectors):
            first = old.n_rows
            found = exact_scores(before.canaries(), new.vectors, old.metric)
            rows, scores = with_rows(rows, scores, np.arange(first, first + len(new.vectors)), found)
        names = Names(generation_name(old.generation))
        errors = np.concatenate([before.added_errors(), new.errors])
        return write_state(before.root, names, version, dead=(dead_rows.astype(np.int64), dead_lines),
                           canaries=(rows, scores), added_errors=errors)  # fmt: skip


def _rows_without_lines(before: Snapshot, rows: NDArray[np.int64], dead_lines: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows none of whose lines is left: others still stand for a document with the same text."""
    from ragopt.serve.hits import row_ids_of  # noqa: PLC0415 - beside its use

    lines = row_ids_of(before, rows)
    left = lines[~np.isin(lines[:, 1], dead_lines), 0].astype(np.int64)
    return rows[~np.isin(rows, left)]


def _row_id_filters(row_ids: NDArray[np.uint64]) -> Iterable[str]:
    for first in range(0, len(row_ids), 1000):
        yield f"{ROWID} IN ({', '.join(map(str, row_ids[first : first + 1000].tolist()))})"
