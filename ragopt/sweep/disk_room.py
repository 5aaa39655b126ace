"""Whether a disk has room for what is going to be written, asked before the work starts."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ragopt.artifacts import storage_errors
from ragopt.errors import StorageError
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from pathlib import Path


def require_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Compare what is going to be written with what is free, before costly work starts.

    Args:
        folder: where to write; it need not be there yet.
        needed_bytes: of all files together, those that are removed later included.
        what: the work, for the message.

    Raises:
        StorageError: the disk has less.
    """
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    with storage_errors(folder):
        free_bytes = shutil.disk_usage(there).free
    if free_bytes < needed_bytes:
        raise StorageError(
            f"{what} writes {format_bytes(needed_bytes)} to {folder}, where {format_bytes(free_bytes)} are free",
            allowed=f"at least {needed_bytes:,} free bytes",
            next_step="Free some space or choose another disk with --cache-dir; finished steps are kept",
        )
