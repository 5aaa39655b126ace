"""Remove what belongs to no version: older generations, and what a writer that died has left."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ragopt.errors import IndexBusy, StorageError
from ragopt.serve.layout import GENERATION_LOCK, MUTABLE, generation_name, safe_path
from ragopt.serve.locks import hold_writer, unread
from ragopt.serve.manifest_reading import read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from ragopt.serve.manifest import Manifest


def remove_other_generations(root: Path, keep: str) -> None:
    """Remove generations that are no longer current and that nobody reads; the writer's lock has to be held."""
    for folder in root.glob("gen-*"):
        if folder.name == keep or not folder.is_dir():
            continue
        lock = unread(folder)
        if lock is None and (folder / GENERATION_LOCK).exists():
            continue  # somebody reads it: the next writer removes it
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            lock.close()


def remove_leftovers(root: Path, manifest: Manifest) -> int:
    """Remove files of the current generation that its manifest does not name; the writer's lock has to be held.

    Those of the table have to go too: Lance opens its newest version before any other, and a machine that lost its
    power may have left half of one (lancedb 0.40, tried).

    Returns:
        Files removed.
    """
    folder, table = root / generation_name(manifest.generation), safe_path(root, manifest.table)
    found = [path for place in (root, folder) for path in place.glob(".*.tmp")]
    found += [path for ending in ("*.faiss", "*.npy") for path in folder.glob(ending)]
    found += [path for path in table.rglob("*") if path.name not in MUTABLE]
    n_removed = 0
    for path in found:
        if path.relative_to(root).as_posix() not in manifest.files and not path.is_dir():
            path.unlink(missing_ok=True)
            n_removed += 1
    return n_removed


def removed_leftovers(root: Path) -> bool:
    """Remove what a writer that died left, if none is at work; whether there was anything."""
    try:
        with hold_writer(root):
            return remove_leftovers(root, read_manifest(root)) > 0
    except (IndexBusy, StorageError):
        return False
