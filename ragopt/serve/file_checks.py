"""Check the files of a served folder against its manifest before any of them is opened."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ragopt.artifacts import fsync_file
from ragopt.errors import IndexFormatError
from ragopt.serve.layout import MUTABLE, safe_path
from ragopt.serve.manifest import FileEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Verify = Literal["quick", "full"]
HASH_BLOCK = 1 << 20
"""Bytes hashed at a time: enough for SHA-256 at full speed, little beside an index."""
SMALL_BYTES = 1 << 16
"""Files up to this length are hashed by `quick` too: a manifest of Lance, tombstones, canaries of a small index."""
MOST_SMALL = 200
"""`quick` hashes at most so many files, some 10 ms: the rest is compared by length."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_files(
    root: Path, files: Mapping[str, FileEntry], *, verify: Verify, hashed: dict[tuple[object, ...], str] | None = None
) -> None:
    """Compare every file with its entry: length and, for `full`, SHA-256; `quick` hashes small files only.

    Args:
        root: the folder.
        files: by name, what each has to be.
        verify: how much is hashed.
        hashed: what this opening has hashed before, by name, file, length and time of change; completed here.

    Raises:
        IndexFormatError: a name that leaves the folder, a link, a file that is missing or is another one.
    """
    n_small, known = 0, {} if hashed is None else hashed
    for name, entry in files.items():
        path = safe_path(root, name)
        try:
            status = path.stat()
        except OSError as error:
            raise _changed(path, "is missing") from error
        if not stat.S_ISREG(status.st_mode):
            raise _changed(path, "is no file")
        if status.st_size != entry.size_bytes:
            raise _changed(path, f"has {status.st_size:,} bytes, not {entry.size_bytes:,}")
        small = status.st_size <= SMALL_BYTES and n_small < MOST_SMALL
        n_small += small
        if verify == "full" or small:
            # The status is of before the hashing: a file that is changed meanwhile has another one next time.
            stamp = (name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp not in known:
                known[stamp] = sha256_of(path)
            if known[stamp] != entry.sha256:
                raise _changed(path, "was changed: its SHA-256 is another")


def _changed(path: Path, how: str) -> IndexFormatError:
    return IndexFormatError(
        f"{path} {how}",
        allowed="the files that the manifest names, unchanged",
        next_step="Restore the folder from a copy, or build the index again",
    )


def files_under(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of every file below a folder that a manifest has to name, in order of names."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in MUTABLE:
            yield path.relative_to(root).as_posix(), path


def entries_of(named: Iterable[tuple[str, Path]], known: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    """Hash and flush the files that are new; those that are known are never written again and keep their entry."""
    entries = {}
    for name, path in named:
        if name in known:
            entries[name] = known[name]
            continue
        fsync_file(path)
        entries[name] = FileEntry(sha256_of(path), path.stat().st_size)
    return entries
