"""Write the files of a generation and say what they are; nobody sees them before the manifest names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import fsync_folder, write_atomically
from ragopt.serve.arrays import write_array
from ragopt.serve.file_checks import entries_of, files_under
from ragopt.serve.lance_writes import lance_writes
from ragopt.serve.layout import GENERATION_LOCK, TABLE_FOLDER
from ragopt.serve.manifest import State
from ragopt.serve.table import create_table, lines_where, rows_and_ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    import faiss
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ragopt.serve.manifest import FileEntry

BASE_LINES = "lines-base.npy"


@dataclass(frozen=True, slots=True)
class Names:
    """Turns names of files in a generation into names from the root of the folder."""

    generation: str

    def of(self, name: str) -> str:
        """Name of a file of this generation."""
        return f"{self.generation}/{name}"


def write_faiss(index: faiss.Index, path: Path) -> None:
    """Write a FAISS index whole, flushed. Raises StorageError: the disk is full."""
    import faiss  # noqa: PLC0415 - loaded when first used

    # Through memory: FAISS only prints an error of its last buffer (faiss/impl/io.cpp, 1.15.1).
    # By renaming: a reader may have mapped a file of this name.
    write_atomically(path, faiss.serialize_index(index).data)


def write_table(folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> tuple[Any, NDArray[np.uint64]]:
    """Write the table and the file of its lines; the table and uint64 (n, 2), row and row id, sorted by row.

    Raises:
        StorageError: the disk is full.
        RagoptError: of `batches`.
    """
    with lance_writes(folder / TABLE_FOLDER):
        table = create_table(folder, schema, batches)
        pairs = rows_and_ids(lines_where(table, None))
    write_array(folder / BASE_LINES, pairs)
    return table, pairs


def write_state(
    root: Path,
    names: Names,
    version: int,
    *,
    dead: tuple[NDArray[np.int64], NDArray[np.uint64]],
    canaries: tuple[NDArray[np.int64], NDArray[np.float64]],
    added_errors: NDArray[np.float64],
) -> State:
    """Write the files of what changes with a version, in the order of a `State`."""
    arrays: dict[str, NDArray[Any]] = {
        "dead-rows": dead[0],
        "dead-lines": dead[1],
        "canary-rows": canaries[0],
        "canary-scores": canaries[1],
        "added-errors": added_errors,
    }
    written = []
    for name, array in arrays.items():
        file = names.of(f"{name}-{version:06d}.npy")
        write_array(root / file, array)
        written.append(file)
    return State(*written)


def flushed_entries(root: Path, generation: str) -> dict[str, FileEntry]:
    """Make a generation's lock file, flush everything of it to the disk and hash it."""
    folder = root / generation
    (folder / GENERATION_LOCK).touch()
    entries = entries_of(((name, path) for name, path in files_under(folder, root) if path.name != GENERATION_LOCK), {})
    for path in (*(one for one in folder.rglob("*") if one.is_dir()), folder, root):
        fsync_folder(path)
    return entries


def table_name(generation: str) -> str:
    """Name of a generation's table."""
    return f"{generation}/{TABLE_FOLDER}"
