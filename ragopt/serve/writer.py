"""The one writer of a served folder: each change is a new version, durable before the caller is told."""

from __future__ import annotations

import contextlib
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ragopt.corpus.records import Document
from ragopt.errors import IndexFormatError, InputError, StorageError
from ragopt.serve.canaries import exact_scores, with_rows
from ragopt.serve.commit import commit, table_at
from ragopt.serve.generation import Names, write_state
from ragopt.serve.lance_writes import lance_writes
from ragopt.serve.layout import MANIFEST_FILE, WRITER_LOCK, generation_name
from ragopt.serve.leftovers import remove_leftovers, remove_other_generations
from ragopt.serve.locks import file_of, hold_writer
from ragopt.serve.manifest_reading import read_manifest
from ragopt.serve.new_rows import NewRows, check_ids, prepared
from ragopt.serve.row_store import row_store
from ragopt.serve.snapshot import open_snapshot
from ragopt.serve.table import DOCUMENT, ID, ROW, ROWID, id_filters, lines_where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

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
        # The index holds the writer: a cycle would keep the lock until the garbage collector finds it.
        self._index_ref = weakref.ref(index)
        self._lock = hold_writer(index.folder)
        self._segment: GrowingSegment | None = None
        self._failed = False
        self._last = index.manifest  # as this writer left it; `refresh` may serve another
        self._seen: tuple[int, ...] = ()
        try:
            self._follow()
            remove_other_generations(index.folder, generation_name(index.manifest.generation))
            remove_leftovers(index.folder, index.manifest)
        except BaseException:
            self._lock.close()
            raise

    @property
    def _index(self) -> Index:
        """The index that is written through, which is there while it calls."""
        index = self._index_ref()
        if index is None:
            raise ReferenceError("the index of this writer is gone")
        return index

    def _follow(self) -> None:
        """Serve what the folder's manifest says now: a change that failed behind its commit point has come about."""
        newest = open_snapshot(self._index.folder, "quick")
        self._last = newest.manifest
        self._index.serve(newest)

    def _check_place(self) -> None:
        """Refuse to write where another folder lies now: the lock is of the folder, the files are found by path.

        Raises:
            IndexFormatError: the folder was moved away, or is at a version that this writer did not write.
        """
        root, served = self._index.folder, self._index.manifest
        if not (
            self._lock.is_at(root / WRITER_LOCK)
            and served == self._last
            and self._is_last_written(root / MANIFEST_FILE)
        ):
            raise IndexFormatError(
                f"{root} was replaced by another folder, or is no longer the version {self._last.version} that this "
                "process wrote last",
                allowed="the folder that was opened, as its one writer left it",
                next_step="Close the index and open it again, then repeat the change",
            )

    def _is_last_written(self, path: Path) -> bool:
        """Whether the manifest is as this writer left it; one that was read before is not read again."""
        try:
            status = path.stat()
        except OSError:
            return False
        # A manifest is never rewritten in place: a new one is a new file.
        stamp = (*file_of(status), status.st_size, status.st_mtime_ns, self._last.version)
        if stamp != self._seen:
            if read_manifest(path.parent) != self._last:
                return False
            self._seen = stamp
        return True

    def _clean(self) -> None:
        """Remove what a change that failed has left."""
        remove_leftovers(self._index.folder, self._index.manifest)
        self._failed = False

    def close(self) -> None:
        """Give the lock back."""
        self._lock.close()

    def add(self, documents: Iterable[Document], *, split: bool) -> Changed:
        """Add documents whose ids are new."""
        given = [documents] if isinstance(documents, Document) else list(documents)
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
        given = [documents] if isinstance(documents, Document) else list(documents)
        check_ids(given)
        # Documents only: one that is named like a chunk of another must not take that chunk's place.
        replaced = self._lines_of([document.id for document in given], (DOCUMENT,))
        self._refuse_taken({document.id for document in given}, replaced)
        return self._change(given, replaced, split=split)

    def delete(self, ids: Iterable[str]) -> Changed:
        """Delete documents or chunks by id."""
        # A text is an iterable of characters: "12" would delete the documents 1 and 2.
        wanted = [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
        dead = self._lines_of(wanted)
        missing = tuple(name for name in wanted if name not in dead.named)
        return replace(self._change([], dead, split=True), missing=missing)

    def compact(self) -> Changed:
        """Rewrite the folder as one segment without what is deleted."""
        from ragopt.serve.compaction import compacted_version  # noqa: PLC0415 - only here

        self._check_place()
        before = self._index.snapshot
        manifest = compacted_version(before)
        self._segment = None
        commit(before.root, manifest, still_ours=self._check_place)
        self._follow()
        del before
        remove_other_generations(self._index.folder, generation_name(manifest.generation))
        return Changed(manifest.version)

    def _lines_of(self, ids: Sequence[str], columns: tuple[str, ...] = (DOCUMENT, ID)) -> Dead:
        """Lines of documents, or of chunks, with these ids."""
        for name in ids:
            if not isinstance(name, str):
                raise InputError(f"{name!r} is no id", allowed="text", next_step="Give ids as text")
        if not ids:
            return Dead.none()
        table, wanted = self._index.snapshot.table, set(ids)
        row_ids, rows, named = [], [], set()
        for where in id_filters(ids, columns):
            found = lines_where(table, where, (ROW, ID, DOCUMENT))
            row_ids.append(found[ROWID].to_numpy().astype(np.uint64))
            rows.append(found[ROW].to_numpy().astype(np.int64))
            named |= wanted & {name for column in columns for name in found[column].to_pylist()}
        # An id of a document and one of its chunks may stand in two parts of a long list.
        unique, first = np.unique(np.concatenate(row_ids), return_index=True)
        return Dead(unique, np.concatenate(rows)[first], frozenset(named))

    def _refuse_taken(self, ids: set[str], dead: Dead) -> None:
        """Refuse ids that other lines have than those that the same change deletes. Raises InputError."""
        there = self._lines_of(sorted(ids))
        left = np.setdiff1d(there.row_ids, dead.row_ids)
        if not len(left):
            return
        first = lines_where(self._index.snapshot.table, next(iter(_row_id_filters(left))), (ID, DOCUMENT))
        taken = ids & {*first[ID].to_pylist(), *first[DOCUMENT].to_pylist()}
        raise InputError(
            f"The chunk {min(taken)!r} of the documents would have an id that the index has already",
            allowed="documents whose chunks, numbered id#0, id#1 ..., have new ids",
            next_step="Rename the document, delete what has that id, or add it with split=False",
        )

    def _change(self, documents: Sequence[Document], dead: Dead, *, split: bool) -> Changed:
        self._check_place()
        before = self._index.snapshot
        new = prepared(self._index, documents, split=split)
        self._refuse_taken({line.id for line in new.lines if line.id != line.document}, dead)
        if not new.lines and not len(dead.row_ids):
            return Changed(before.manifest.version)
        self._check_place()  # again: embedding may have taken hours
        if self._failed:
            self._clean()
        try:
            manifest = self._written(before, new, dead)
            commit(before.root, manifest, before=before.manifest, still_ours=self._check_place)
        except BaseException:
            self._segment, self._failed = None, True  # what it holds in memory may not be what is on the disk
            if self._lock.is_at(before.root / WRITER_LOCK):
                self._follow()
                with contextlib.suppress(StorageError):  # the next change tries again
                    self._clean()
            raise
        self._follow()
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
        rows, scores = before.canary_neighbours
        if len(new.vectors):
            first = old.n_rows
            found = exact_scores(before.canaries(), new.vectors, old.metric)
            rows, scores = with_rows(rows, scores, np.arange(first, first + len(new.vectors)), found)
        names = Names(generation_name(old.generation))
        errors = np.concatenate([before.added_errors, new.errors])
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
