"""One version of a served index, opened: immutable, so that threads may search it while a writer works."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.embed.spaces import Rotation
from ragopt.errors import IndexBusy, IndexFormatError, SpecError
from ragopt.index.build import faiss_metric, set_search, use_reservoirs
from ragopt.serve.arrays import read_array
from ragopt.serve.consistency import check_consistency
from ragopt.serve.file_checks import Verify, check_files
from ragopt.serve.filters import KnownFilters
from ragopt.serve.layout import generation_name, safe_path
from ragopt.serve.leftovers import removed_leftovers
from ragopt.serve.locks import HeldLock, hold_generation
from ragopt.serve.manifest_reading import read_manifest
from ragopt.serve.table import open_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.serve.manifest import Manifest

TRIES = 10
"""Openings that meet a writer's commit in the middle try again: a commit takes milliseconds, so ten in a row do not."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment, opened.

    Attributes:
        index: FAISS index, memory-mapped, with the trial's search parameters; None for vectors that LanceDB searches.
        first_row: number of its first row. n_rows: vectors in it.
        lines: uint64 (n_lines, 2), row and row id of the table, sorted by row.
    """

    index: Any
    first_row: int
    n_rows: int
    lines: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version.

    Attributes:
        root: the folder. manifest: of this version. parts: base first.
        dead_rows: int64, ascending. dead_lines: uint64, ascending.
        alive: bool (n_rows,), None where nothing is deleted.
        canary_neighbours: exact neighbours of the canaries among all rows, deleted ones included: int64 rows and
            float64 scores (n_canaries, depth). Read at opening: a writer removes the files of a former version.
        added_errors: float64 (n_added,) coding errors of the last rows, those added since the build, deleted ones
            included; read at opening likewise.
        rotation: of a pca or joint space.
        lease: keeps the generation's files: what does not change with a version is read from them when needed.
        filters: conditions that were asked for.
    """

    root: Path
    manifest: Manifest
    parts: tuple[Part, ...]
    dead_rows: NDArray[np.int64]
    dead_lines: NDArray[np.uint64]
    alive: NDArray[np.bool_] | None
    canary_neighbours: tuple[NDArray[np.int64], NDArray[np.float64]]
    added_errors: NDArray[np.float64]
    rotation: Rotation | None
    lease: HeldLock
    filters: KnownFilters = field(default_factory=KnownFilters)
    _table: list[Any] = field(default_factory=list)
    _table_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def n_alive(self) -> int:
        """Vectors that are not deleted."""
        return self.manifest.n_rows - len(self.dead_rows)

    def same_as(self, other: Snapshot) -> bool:
        """Whether both are one version of one folder; two folders may have the same number, or the same manifest."""
        return self.lease.file == other.lease.file and self.manifest == other.manifest

    def template(self) -> Any:
        """A trained, empty index of this trial, in memory: the caller's own to fill."""
        return open_faiss(safe_path(self.root, self.manifest.template), self.manifest, 0, mapped=False)

    def canaries(self) -> NDArray[np.float32]:
        """Float32 (n_canaries, full dimension) query vectors."""
        return read_array(safe_path(self.root, self.manifest.canaries), np.float32, (None, self.manifest.full_dim))

    @property
    def table(self) -> Any:
        """The table at this version, opened when first needed."""
        with self._table_lock:
            if not self._table:
                self._table.append(self._opened_table())
            return self._table[0]

    def _opened_table(self) -> Any:
        folder = safe_path(self.root, self.manifest.table).parent
        try:
            return open_table(folder, self.manifest.table_version)
        except IndexFormatError:
            # Lance reads its newest version first, which may be half of one that never was this index's.
            if not removed_leftovers(self.root):
                raise
            return open_table(folder, self.manifest.table_version)


def open_snapshot(root: Path, verify: Verify) -> Snapshot:
    """Open the current version of a folder.

    Raises:
        IndexFormatError: the folder is damaged.
        IndexBusy: a writer made another version during every try.
    """
    hashed: dict[tuple[object, ...], str] = {}
    for _ in range(TRIES):
        manifest = read_manifest(root)
        try:
            lease = hold_generation(safe_path(root, generation_name(manifest.generation)))
            check_files(root, manifest.files, verify=verify, hashed=hashed)
            return _checked(opened_version(root, manifest, lease), verify)
        except (OSError, IndexFormatError) as error:
            # A writer that committed meanwhile has removed files of the version that was being opened.
            if read_manifest(root) != manifest:
                continue
            if isinstance(error, IndexFormatError):
                raise
            raise IndexFormatError(
                f"{root} cannot be opened: {error}",
                next_step="Restore the folder from a copy, or build the index again",
            ) from error
    raise IndexBusy(f"{root} was changed by its writer during each of {TRIES} tries to open it",
                    allowed="a moment without a change: what was hashed before is not hashed again",
                    next_step="Open it again when the writer is less busy")  # fmt: skip


def _checked(snapshot: Snapshot, verify: Verify) -> Snapshot:
    if verify == "full":
        check_consistency(snapshot)
    return snapshot


def opened_version(root: Path, manifest: Manifest, lease: HeldLock) -> Snapshot:
    """Open the files that a manifest names; they have been checked."""
    parts, first_row = [], 0
    for segment in manifest.segments:
        index = open_faiss(safe_path(root, segment.index), manifest, segment.n_rows) if segment.index else None
        lines = read_array(safe_path(root, segment.lines), np.uint64, (None, 2), mapped=True)
        parts.append(Part(index, first_row, segment.n_rows, lines))
        first_row += segment.n_rows
    dead_rows = read_array(safe_path(root, manifest.state.dead_rows), np.int64, (None,))
    dead_lines = read_array(safe_path(root, manifest.state.dead_lines), np.uint64, (None,))
    if len(dead_rows) and not (dead_rows.min() >= 0 and dead_rows.max() < first_row):
        raise IndexFormatError(f"{root} has deleted rows beyond its {first_row:,}", next_step="Build the index again")
    alive = None
    if len(dead_rows):
        alive = np.ones(first_row, dtype=bool)
        alive[dead_rows] = False
    canaries, errors = _canary_neighbours(root, manifest), _added_errors(root, manifest)
    rotation = _rotation(root, manifest)
    return Snapshot(root, manifest, tuple(parts), dead_rows, dead_lines, alive, canaries, errors, rotation, lease)


def _canary_neighbours(root: Path, manifest: Manifest) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rows = read_array(safe_path(root, manifest.state.canary_rows), np.int64, (None, None))
    return rows, read_array(safe_path(root, manifest.state.canary_scores), np.float64, rows.shape)


def _added_errors(root: Path, manifest: Manifest) -> NDArray[np.float64]:
    """Read them. Raises IndexFormatError: more of them than rows, fewer than in appended segments, or they are none."""
    file = manifest.state.added_errors
    errors = read_array(safe_path(root, file), np.float64, (None,))
    n_appended = sum(segment.n_rows for segment in manifest.segments[1:]) if manifest.engine == "faiss" else 0
    is_error = (errors >= 0) & np.isfinite(errors)
    if not n_appended <= len(errors) <= manifest.n_rows or not is_error.all():
        raise IndexFormatError(f"{root / file} holds {len(errors):,} values that are no coding errors of rows added "
                               f"to an index of {manifest.n_rows:,}",
                               next_step="Restore the folder from a copy, or build the index again")  # fmt: skip
    return errors


def _rotation(root: Path, manifest: Manifest) -> Rotation | None:
    if not manifest.rotation:
        return None
    dim = manifest.full_dim
    matrix = read_array(safe_path(root, manifest.rotation), np.float32, (dim, dim))
    return Rotation(matrix, np.zeros(dim))


def open_faiss(path: Path, manifest: Manifest, n_rows: int, *, mapped: bool = True) -> Any:
    """Read a FAISS file and set the trial's search parameters.

    Args:
        path: checked against its checksum by the caller.
        manifest: whose space, metric and trial it has to have.
        n_rows: vectors that it has to hold.
        mapped: False reads it into memory, as whoever changes it must: FAISS ends the process otherwise.

    Raises:
        IndexFormatError: FAISS cannot read it, or it is another index than the manifest says.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except (RuntimeError, MemoryError) as error:
        raise IndexFormatError(f"FAISS cannot read {path}", next_step="Build the index again") from error
    trial = manifest.parsed_trial
    found = (index.d, index.ntotal, index.metric_type)
    wanted = (trial.space.dim, n_rows, faiss_metric(manifest.metric))
    if found != wanted:
        raise IndexFormatError(
            f"{path} has dimension, vectors and metric {found}",
            allowed=f"{wanted}, as the manifest says",
            next_step="Build the index again",
        )
    use_reservoirs(index)
    try:
        set_search(index, trial.search)
    except SpecError as error:
        raise IndexFormatError(f"{path} cannot be searched as the manifest says: {error.failed}",
                               allowed=error.allowed, next_step="Build the index again") from error  # fmt: skip
    return index
