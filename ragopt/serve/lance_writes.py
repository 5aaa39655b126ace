"""A disk that is full or cannot be written, as Lance tells of it: in the text of a bare error, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

from ragopt.artifacts import NO_SPACE, storage_errors
from ragopt.errors import IndexFormatError, RagoptError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOLD = (*NO_SPACE, errno.EACCES, errno.EROFS, errno.EPERM)


@contextlib.contextmanager
def lance_writes(table: Path) -> Iterator[None]:
    """Write to a table and read back what was written, inside this block.

    Reading back is no luxury: on a full disk Lance may write a part of a data file and report success (lancedb 0.40,
    tried with a limited file size); the first read of it fails.

    Raises:
        StorageError: the disk is full or the folder cannot be written; what was written cannot be read.
    """
    try:
        with storage_errors(table):
            yield
    except IndexFormatError as error:
        raise _not_written(table, "what was written cannot be read back") from error
    except (RuntimeError, ValueError, OSError) as error:
        if isinstance(error, RagoptError):
            raise
        for number in TOLD:
            if os.strerror(number) in str(error):
                with storage_errors(table):
                    raise OSError(number, os.strerror(number)) from error
        if "LanceError(IO)" in str(error):
            raise _not_written(table, first_line(error)) from error
        raise


def _not_written(table: Path, why: str) -> StorageError:
    return StorageError(f"Cannot write {table}: {why}",
                        next_step="Check the free space and the disk, then try again")  # fmt: skip


def first_line(error: Exception) -> str:
    """The reason that Lance gives, without the place in its source that it adds."""
    return re.sub(r",?\s*/?\S*\.rs:\d+.*", "", str(error).splitlines()[0] if str(error) else type(error).__name__)
