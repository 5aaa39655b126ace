"""A table that cannot be read, as Lance tells of it where a quick check did not notice: a panic, or lines that miss."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ragopt.errors import IndexFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

PANIC = "RustPanic"
"""Class of the error that a panic of Lance becomes; no module exports it (lancedb 0.40, pyo3_async_runtimes)."""


def unreadable(why: str) -> IndexFormatError:
    """The error of a table that cannot be read, or does not hold what the index says."""
    return IndexFormatError(f"The table of the index is damaged: {why}",
                            next_step="Restore the folder from a copy, or build the index again")  # fmt: skip


@contextlib.contextmanager
def lance_reads() -> Iterator[None]:
    """Read from a table inside this block. Raises IndexFormatError: Lance panicked over what it read."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ != PANIC:
            raise
        raise unreadable("Lance cannot make sense of a file") from error
