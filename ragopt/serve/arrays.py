"""Arrays of a served folder: one per .npy file, never pickled, checked as they are read."""

from __future__ import annotations

import io
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import write_atomically
from ragopt.errors import IndexFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray


UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, TokenError, OverflowError, MemoryError, RecursionError)
"""What numpy raises over a header, which it reads as a literal of Python (numpy/lib/_format_impl.py, 2.4)."""


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array whole or not at all, flushed to the disk. Raises StorageError: the disk is full."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_atomically(path, buffer.getvalue())


def read_array(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...], *, mapped: bool = False) -> NDArray[Any]:
    """Read an array of an expected type and shape.

    The file is mapped before its content is used: a shape in its header that the file's length does not hold is an
    error, not an allocation.

    Args:
        path: a .npy file.
        dtype: of its values.
        shape: None where any length may stand.
        mapped: whether to leave it mapped instead of copying it.

    Raises:
        IndexFormatError: it is no such array, or would need pickle.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        raise _other(path, "no array that can be read", dtype, shape) from error
    fits = isinstance(found, np.memmap) and found.dtype == np.dtype(dtype) and len(found.shape) == len(shape)
    if not fits or any(want not in (None, has) for want, has in zip(shape, found.shape, strict=True)):
        raise _other(path, f"{getattr(found, 'dtype', '?')} {getattr(found, 'shape', '?')}", dtype, shape)
    return found if mapped else np.array(found)


def _other(path: Path, has: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> IndexFormatError:
    wanted = ", ".join("any" if size is None else str(size) for size in shape)
    return IndexFormatError(f"{path} holds {has}", allowed=f"{np.dtype(dtype)} ({wanted})",
                            next_step="Build the index again, or restore the folder from a copy")  # fmt: skip
