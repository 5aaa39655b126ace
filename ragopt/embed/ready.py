"""Ready vectors: checked and converted once into the vector store; and the ids that belong to them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.embed.ready_ids import read_ids
from ragopt.embed.ready_sources import ReadySource, open_source
from ragopt.embed.store import Vectors
from ragopt.embed.stored_rows import stored_rows
from ragopt.embed.vector_file import HASH_READ_BYTES, Progress, write_vectors
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.records import Metric

__all__ = ["open_ready_vectors", "read_ids"]


def open_ready_vectors(
    store: ArtifactStore, path: str, *, column: str | None, metric: Metric, progress: Progress | None = None
) -> Vectors:
    """Open vectors that exist already, converting them on the first use of these bytes under this metric.

    Args:
        store: where the converted copy lies, keyed by the SHA-256 of the source's bytes, the column and the metric.
        path: an ``.npy`` file of (n, d), a ``.parquet`` file or a ``.lance`` folder with a column of lists; values
            are float16, float32, float64 or int8.
        column: the column of a Parquet file or Lance folder; None when it has only one that can hold vectors.
        metric: `cosine` stores every row at unit length.
        progress: called with (rows done, rows to do); each row counts twice, for checking the bytes and converting.

    Returns:
        The stored vectors.

    Raises:
        InputError: the source is missing, damaged, of a wrong shape or type, or a row is NaN, infinite, of another
            length or (cosine) zero; the message names file and row.
        StorageError: the disk is full or cannot be written.
    """
    source = open_source(Path(path).expanduser(), column)
    report = progress or (lambda _done, _total: None)
    total = 2 * source.n
    recipe = {
        "kind": "ready-vectors",
        "format": 1,
        "source_sha256": _source_hash(source, lambda done, of: report(source.n * done // max(of, 1), total)),
        "suffix": source.path.suffix.lower(),
        "column": source.column,
        "metric": metric,
    }

    def blocks_from(first_row: int) -> Iterator[NDArray[np.float32]]:
        for first, block in _stored_blocks(source, first_row, metric):
            yield block
            report(source.n + first + len(block), total)

    vectors = Vectors.open(write_vectors(store, recipe, dim=source.dim, blocks_from=blocks_from))
    if vectors.n != source.n:
        raise InputError(
            f"{path} gave {vectors.n} vectors instead of {source.n}: it changed while it was read",
            next_step=f"Delete the folder {vectors.path.parent} and run again",
        )
    report(total, total)
    return vectors


def _stored_blocks(source: ReadySource, skip: int, metric: Metric) -> Iterator[tuple[int, NDArray[np.float32]]]:
    first = 0
    for block in source.blocks():
        start = max(0, skip - first)
        if start < len(block):
            row_0 = first + start

            def describe(row: int, row_0: int = row_0) -> str:
                return f"row {row_0 + row} (counting from 0) of {source.path}"

            yield row_0, stored_rows(block[start:], metric, describe=describe)
        first += len(block)


def _source_hash(source: ReadySource, progress: Progress) -> str:
    """SHA-256 over the bytes of a file, or over names and bytes of a folder's files."""
    paths = sorted(file for file in source.path.rglob("*") if file.is_file()) if source.path.is_dir() else [source.path]
    total = sum(path.stat().st_size for path in paths)
    digest, done = hashlib.sha256(), 0
    for path in paths:
        if source.path.is_dir():
            digest.update(f"{path.relative_to(source.path).as_posix()}\0{path.stat().st_size}\0".encode())
        try:
            with path.open("rb") as handle:
                while piece := handle.read(HASH_READ_BYTES):
                    digest.update(piece)
                    done += len(piece)
                    progress(done, total)
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror}", next_step="Check the file") from error
    return digest.hexdigest()
