"""A built index on disk: the FAISS file, its rotation if it has one, and a manifest with checksums."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from ragopt.artifacts import NO_SPACE, canonical_json, storage_errors, write_atomically
from ragopt.embed.spaces import Rotation
from ragopt.errors import IndexFormatError, StorageError
from ragopt.index.build import use_reservoirs
from ragopt.records import IndexBytes, Metric, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import faiss

INDEX_FILE = "index.faiss"
ROTATION_FILE = "rotation.npz"
MANIFEST_FILE = "manifest.json"
SCHEMA = 1
HASH_BLOCK = 1 << 20
MANIFEST_KEYS = {"trial", "metric", "n", "index_bytes", "files"}
"""What opening needs; the rest is for people."""


@dataclass(frozen=True, slots=True)
class SavedIndex:
    """An opened index.

    Attributes:
        index: the FAISS index, memory-mapped.
        trial: what it was built as; its search parameters are not applied yet.
        metric: cosine expects unit queries.
        n: vectors in it.
        index_bytes: where its bytes live.
        rotation: of a `pca` space; None for others.
        manifest: all of ``manifest.json``.
    """

    index: Any
    trial: Trial
    metric: Metric
    n: int
    index_bytes: IndexBytes
    rotation: Rotation | None
    manifest: Mapping[str, Any]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _disk_full(path: Path) -> StorageError:
    return StorageError(
        f"Cannot write {path}: the disk is full",
        next_step="Free some space or choose another disk with --cache-dir; finished steps are kept",
    )


def _write_faiss(index: faiss.Index, path: Path, size_bytes: int) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        # FAISS puts the operating system's reason into the message of a bare RuntimeError.
        if any(os.strerror(number) in str(error) for number in NO_SPACE):
            raise _disk_full(path) from error
        raise
    # FAISS only prints an error of the last buffer, which is written on closing (faiss/impl/io.cpp, 1.15.1).
    written = path.stat().st_size
    if written < size_bytes:
        raise _disk_full(path)
    if written > size_bytes:
        raise IndexFormatError(f"{path} has {written} bytes, its index_bytes say {size_bytes}",
                               next_step="Give the bytes that checked_bytes returns for this index")  # fmt: skip


def save_index(  # noqa: PLR0913 - the parts of one manifest
    folder: Path,
    index: faiss.Index,
    *,
    trial: Trial,
    metric: Metric,
    index_bytes: IndexBytes,
    rotation: Rotation | None,
    seconds: Mapping[str, float],
) -> None:
    """Write an index and its manifest into an existing folder; the manifest comes last.

    Args:
        folder: existing folder.
        index: filled FAISS index.
        trial: what it was built as.
        metric: of its vectors.
        index_bytes: where its bytes live, from `checked_bytes`.
        rotation: needed for a `pca` space, None otherwise.
        seconds: wall time of `train` and `build`.

    Raises:
        StorageError: the disk is full.
        IndexFormatError: `index_bytes` is of another index.
    """
    _write_faiss(index, folder / INDEX_FILE, index_bytes.file_bytes)
    save_manifest(folder, int(index.ntotal), trial=trial, metric=metric, index_bytes=index_bytes, rotation=rotation,
                  seconds=seconds)  # fmt: skip


def save_manifest(  # noqa: PLR0913 - the parts of one manifest
    folder: Path,
    n: int,
    *,
    trial: Trial,
    metric: Metric,
    index_bytes: IndexBytes,
    rotation: Rotation | None,
    seconds: Mapping[str, float],
) -> None:
    """Write rotation and manifest of an index whose file lies in the folder already; the manifest comes last.

    Args:
        folder: with `INDEX_FILE` in it.
        n: vectors in the index.
        trial: see `save_index`, here and below.
        metric: of its vectors.
        index_bytes: from `checked_file`.
        rotation: needed for a `pca` space.
        seconds: wall time of `train` and `build`.

    Raises:
        StorageError: the disk is full.
    """
    import faiss  # noqa: PLC0415 - loaded when first used
    import numpy as np  # noqa: PLC0415 - loaded when first used

    if rotation is not None:
        with storage_errors(folder / ROTATION_FILE):
            np.savez(folder / ROTATION_FILE, matrix=rotation.matrix, explained=rotation.explained)
    files = [path for path in (folder / INDEX_FILE, folder / ROTATION_FILE) if path.exists()]
    manifest = {
        "schema": SCHEMA,
        "trial": str(trial),
        "metric": metric,
        "n": n,
        "index_bytes": asdict(index_bytes),
        "faiss": faiss.__version__,
        "seconds": dict(seconds),
        "files": {path.name: {"sha256": _sha256(path), "size_bytes": path.stat().st_size} for path in files},
    }
    write_atomically(folder / MANIFEST_FILE, canonical_json(manifest))


def _check_file(path: Path, expected: Mapping[str, Any], verify: str) -> None:
    size = path.stat().st_size if path.exists() else None
    if size != expected["size_bytes"] or (verify == "full" and _sha256(path) != expected["sha256"]):
        raise IndexFormatError(
            f"{path} is not the file that its manifest names ({size} bytes, {expected['size_bytes']} expected)",
            next_step="Build the index again",
        )


def open_index(folder: Path, *, verify: Literal["quick", "full"] = "quick") -> SavedIndex:
    """Open a saved index memory-mapped.

    Args:
        folder: where `save_index` wrote.
        verify: `quick` compares file sizes, `full` also checksums.

    Raises:
        IndexFormatError: a file is missing, cut, changed, or of a newer schema.
    """
    import faiss  # noqa: PLC0415 - loaded when first used
    import numpy as np  # noqa: PLC0415 - loaded when first used

    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise IndexFormatError(
            f"{folder} holds no readable {MANIFEST_FILE}", next_step="Build the index again"
        ) from error
    if not isinstance(manifest, dict):
        raise IndexFormatError(f"{folder / MANIFEST_FILE} is no JSON object", next_step="Build the index again")
    if manifest.get("schema") != SCHEMA:
        raise IndexFormatError(f"{folder} has schema {manifest.get('schema')!r}", allowed=f"{SCHEMA}",
                               next_step="Open it with the version of ragopt that wrote it")  # fmt: skip
    if missing := MANIFEST_KEYS - set(manifest):
        raise IndexFormatError(
            f"{folder / MANIFEST_FILE} lacks {', '.join(sorted(missing))}", next_step="Build the index again"
        )
    for name, expected in manifest["files"].items():
        _check_file(folder / name, expected, verify)
    try:
        index = faiss.read_index(str(folder / INDEX_FILE), faiss.IO_FLAG_MMAP_IFC)
    except (RuntimeError, MemoryError) as error:
        raise IndexFormatError(f"FAISS cannot read {folder / INDEX_FILE}", next_step="Build the index again") from error
    use_reservoirs(index)
    rotation = None
    if ROTATION_FILE in manifest["files"]:
        with np.load(folder / ROTATION_FILE, allow_pickle=False) as stored:
            rotation = Rotation(stored["matrix"], stored["explained"])
    return SavedIndex(
        index,
        Trial.parse(manifest["trial"]),
        manifest["metric"],
        manifest["n"],
        IndexBytes(**manifest["index_bytes"]),
        rotation,
        manifest,
    )
