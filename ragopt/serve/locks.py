"""Locks of a served folder: one writer, and readers that keep a generation from being removed."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from ragopt.artifacts import storage_errors
from ragopt.errors import IndexBusy
from ragopt.serve.layout import GENERATION_LOCK, WRITER_LOCK

if TYPE_CHECKING:
    from pathlib import Path

OWN_FILE = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""How a lock's file is opened: no link is followed, and a pipe in its place does not block (open(2))."""


def file_of(status: os.stat_result) -> tuple[int, int]:
    """Device and inode: what a file is, wherever it is moved to, as long as somebody has it open (stat(2))."""
    return status.st_dev, status.st_ino


class HeldLock:
    """An open file with an flock(2) on it; the lock goes when it is closed or the process ends, however it ends.

    Attributes:
        file: device and inode of the locked file.
    """

    def __init__(self, descriptor: int) -> None:
        """Take over an open descriptor that holds the lock."""
        self._descriptor: int | None = descriptor
        self.file = file_of(os.fstat(descriptor))

    def is_at(self, path: Path) -> bool:
        """Whether the locked file is the one that lies at a path now."""
        try:
            return file_of(path.stat()) == self.file
        except OSError:
            return False

    def close(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        """Give the lock back when nobody holds this any more."""
        self.close()

    def __enter__(self) -> Self:
        """Hold the lock for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.close()


def hold_writer(root: Path) -> HeldLock:
    """Become the one writer of a folder.

    Raises:
        IndexBusy: another writer is at work; names its process.
        StorageError: the folder cannot be written.
    """
    path = root / WRITER_LOCK
    with storage_errors(path):
        # Without following a link: the lock's file is emptied and written.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | OWN_FILE, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise IndexBusy(
            f"{root} is being changed by another writer (process {holder})",
            allowed="one writer at a time; any number of readers",
            next_step="Wait until it has closed the index, or write through that process",
        ) from error
    held = HeldLock(descriptor)
    try:
        with storage_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        held.close()  # the error's traceback keeps `held`: whoever handles it may want to write again
        raise
    return held


def hold_generation(generation: Path) -> HeldLock:
    """Keep a generation's files from being removed while they are read; shared among readers.

    Raises:
        OSError: the generation is gone.
    """
    descriptor = os.open(generation / GENERATION_LOCK, os.O_RDONLY | OWN_FILE)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return HeldLock(descriptor)


def unread(generation: Path) -> HeldLock | None:
    """Hold a generation alone, so that it can be removed; None while somebody reads it."""
    try:
        descriptor = os.open(generation / GENERATION_LOCK, os.O_RDONLY | OWN_FILE)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return HeldLock(descriptor)
