"""The content-addressed store: every costly result, keyed by what made it.

An artifact is a folder named by the SHA-256 of its recipe. It is written under a temporary name beside its
place, flushed to the disk and renamed, so that a kill at any moment leaves either the whole artifact or none.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.errors import ArtifactError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

RECIPE_FILE = "recipe.json"

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The ways an operating system says that a file cannot grow (errno(3))."""


def canonical_json(value: object, default: Callable[[object], object] | None = None) -> str:
    """Write a value as JSON with one possible form: sorted keys, no spaces, no NaN.

    Args:
        value: what json.dumps takes.
        default: gives a value of another type as one that it takes.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=default
    )


def key_of(recipe: Mapping[str, Any]) -> str:
    """SHA-256 of a recipe's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(recipe).encode()).hexdigest()


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut. Raises StorageError: a disk full or broken."""
    with storage_errors(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Flush a file's bytes to the disk. Raises StorageError: the disk is full or broken."""
    with storage_errors(path), path.open("rb") as handle:
        os.fsync(handle.fileno())


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a StorageError that names `path` and the free space."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        if error.errno in NO_SPACE:
            raise StorageError(
                f"Cannot write {path}: {os.strerror(error.errno or 0)}",
                next_step="Free some space or choose another disk with --cache-dir or --out; finished steps are kept",
            ) from error
        if error.errno in (
            errno.EACCES,
            errno.EROFS,
            errno.EPERM,
            errno.EIO,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.ENOENT,
            errno.ELOOP,
        ):
            raise StorageError(
                f"Cannot write {path}: {os.strerror(error.errno)}",
                next_step="Choose a folder that you may write to with --cache-dir or --out",
            ) from error
        raise


@contextlib.contextmanager
def prepared(path: Path, data: bytes | memoryview | str) -> Iterator[Callable[[], None]]:
    """Write a file's next content beside it, flushed; the function that is given puts it in the file's place.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")

    def put() -> None:
        with storage_errors(path):
            temporary.replace(path)
            fsync_folder(path.parent)

    try:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as handle:
                handle.write(data.encode() if isinstance(data, str) else data)
                handle.flush()
                os.fsync(handle.fileno())
        yield put
    finally:
        with contextlib.suppress(OSError):  # the error that counts is the one before: not there, or no folder at all
            temporary.unlink()


def write_atomically(path: Path, data: bytes | memoryview | str) -> None:
    """Write a whole file or nothing: temporary name in the same folder, flush, rename.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    with prepared(path, data) as put:
        put()


def whole_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder with all that `fill(path)` writes into it, flushed, or none at all.

    What a killed attempt left beside it is thrown away, so that the caller must be its only writer.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    temporary = folder.with_name(f"{folder.name}.tmp")
    with storage_errors(folder):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        fill(temporary)
        _flush_files(temporary)
        temporary.rename(folder)
        fsync_folder(folder.parent)


def _flush_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            fsync_file(path)
    fsync_folder(folder)


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder alone; a second process waits. The lock dies with its process, whatever killed it.

    Raises:
        StorageError: the file system has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            raise StorageError(
                f"Cannot lock {folder}: {os.strerror(error.errno)}",
                next_step="Choose a folder on a local disk with --cache-dir",
            ) from error
        yield
    finally:
        os.close(descriptor)


class ArtifactStore:
    """A folder of finished results, shared by runs; each is found by the recipe that made it."""

    def __init__(self, root: Path) -> None:
        """Use `root`, which is made when the first artifact is written."""
        self.root = Path(root)

    def path_of(self, recipe: Mapping[str, Any]) -> Path:
        """Where the artifact of this recipe lies or would lie."""
        key = key_of(recipe)
        return self.root / str(recipe["kind"]) / key[:2] / key

    def work_path_of(self, recipe: Mapping[str, Any]) -> Path:
        """A stable folder for an artifact that is written piece by piece and can be resumed."""
        return self.path_of(recipe).with_suffix(".part")

    def has(self, recipe: Mapping[str, Any]) -> bool:
        """Tell whether the finished artifact is there."""
        return (self.path_of(recipe) / RECIPE_FILE).is_file()

    def get_or_make(self, recipe: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """Return the artifact's folder, calling `make(folder)` to fill it when it is not there yet.

        Args:
            recipe: what makes the artifact: `kind` and everything that its content depends on.
            make: fills an empty folder; what it leaves half-written is thrown away.

        Returns:
            The finished folder; never change anything in it.

        Raises:
            StorageError: the disk is full or cannot be written.
            ArtifactError: a finished artifact under this key has another recipe.
        """
        final = self.path_of(recipe)
        if self.has(recipe):
            self._check(final, recipe)
            return final
        with storage_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary = final.with_name(f"{final.name}.{uuid.uuid4().hex}.tmp")
            temporary.mkdir()
            try:
                make(temporary)
                self._seal(temporary, final, recipe)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return final

    def resume_or_make(self, recipe: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """Return the artifact's folder, calling `make(folder)` to fill it when it is not there yet, or not wholly.

        Args:
            recipe: what makes the artifact: `kind` and everything that its content depends on.
            make: fills a folder that may hold what an earlier call left, however that ended; it sorts out what is
                whole. No other process writes there meanwhile: a second one waits, and then finds the artifact.

        Returns:
            The finished folder; never change anything in it.

        Raises:
            StorageError: the disk is full or cannot be written, or its file system has no locks.
            ArtifactError: a finished artifact under this key has another recipe.
        """
        final, work = self.path_of(recipe), self.work_path_of(recipe)
        if self.has(recipe):
            self._check(final, recipe)
            return final
        with storage_errors(work):
            work.mkdir(parents=True, exist_ok=True)
        with only_writer(work):
            if self.has(recipe):  # another process finished it while this one waited
                with contextlib.suppress(OSError):
                    work.rmdir()
                return final
            make(work)
            return self.finish(recipe)

    def finish(self, recipe: Mapping[str, Any]) -> Path:
        """Turn the resumable folder of this recipe into the finished artifact."""
        final = self.path_of(recipe)
        with storage_errors(final):
            self._seal(self.work_path_of(recipe), final, recipe)
        return final

    @staticmethod
    def _seal(folder: Path, final: Path, recipe: Mapping[str, Any]) -> None:
        write_atomically(folder / RECIPE_FILE, canonical_json(recipe))
        _flush_files(folder)
        try:
            folder.rename(final)
        except OSError as error:
            # Another process finished the same artifact first: the content is equal by construction.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(folder, ignore_errors=True)
        fsync_folder(final.parent)

    @staticmethod
    def _check(final: Path, recipe: Mapping[str, Any]) -> None:
        found = (final / RECIPE_FILE).read_text(encoding="utf-8")
        if found != canonical_json(recipe):
            raise ArtifactError(
                f"The stored result {final} was made by another recipe",
                next_step=f"Delete that folder: rm -r {final}",
            )
