"""Write a vectors file block by block so that a kill loses at most one block.

The work folder holds ``vectors.f32`` (rows appended, flushed) and ``vectors.json`` (rows that count, dimension and
their SHA-256, replaced atomically after each block). On resume a longer file is cut back to what counts.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ragopt.artifacts import canonical_json, storage_errors, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from ragopt.artifacts import ArtifactStore

VECTORS_FILE = "vectors.f32"
INFO_FILE = "vectors.json"
BYTES_PER_VALUE = 4  # float32, little-endian
HASH_READ_BYTES = 1 << 22  # large enough that reading, not the loop, takes the time

Blocks = Callable[[int], Iterator[NDArray[np.float32]]]
Progress = Callable[[int, int], None]


def write_vectors(
    store: ArtifactStore,
    recipe: Mapping[str, Any],
    *,
    dim: int,
    blocks_from: Blocks,
) -> Path:
    """Write the artifact of this recipe, going on where an earlier attempt stopped.

    Args:
        store: where artifacts lie.
        recipe: what makes these vectors.
        dim: columns of every block.
        blocks_from: yields the float32 (any, dim) blocks that follow a given row, to the end.

    Returns:
        The finished artifact's folder.

    Raises:
        StorageError: the disk is full, read-only or cannot lock files.
    """
    return store.resume_or_make(recipe, lambda work: _append_blocks(work, dim, blocks_from))


def _append_blocks(work: Path, dim: int, blocks_from: Blocks) -> None:
    path = work / VECTORS_FILE
    rows, digest = _what_counts(work, dim)
    with storage_errors(path):
        path.touch()
        os.truncate(path, rows * dim * BYTES_PER_VALUE)
    # Unbuffered: a buffer that a full disk refused would be written again, and fail again, on closing.
    with path.open("ab", buffering=0) as handle:
        for block in blocks_from(rows):
            data = np.ascontiguousarray(block, dtype="<f4")
            with storage_errors(path):
                write_all(handle, data)
                os.fsync(handle.fileno())
            digest.update(data.data)
            rows += len(data)
            write_atomically(work / INFO_FILE, canonical_json({"n": rows, "dim": dim, "sha256": digest.hexdigest()}))


def write_all(handle: io.FileIO, data: NDArray[Any]) -> None:
    """Write a whole array at the end of an unbuffered file."""
    view = data.data.cast("B")
    while view.nbytes:  # one call may write less, at most 2 GiB on Linux (write(2))
        view = view[handle.write(view) :]


def _what_counts(work: Path, dim: int) -> tuple[int, Any]:
    """Rows of an earlier attempt that are whole and intact, and the running hash over them."""
    info = work / INFO_FILE
    if info.is_file():
        recorded = json.loads(info.read_text(encoding="utf-8"))
        length = recorded["n"] * dim * BYTES_PER_VALUE
        path = work / VECTORS_FILE
        if recorded["dim"] == dim and path.is_file() and path.stat().st_size >= length:
            digest = _hash_of_start(path, length)
            if digest.hexdigest() == recorded["sha256"]:
                return recorded["n"], digest
    return 0, hashlib.sha256()


def _hash_of_start(path: Path, length: int) -> Any:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while length > 0:
            piece = handle.read(min(HASH_READ_BYTES, length))
            digest.update(piece)
            length -= len(piece)
    return digest
