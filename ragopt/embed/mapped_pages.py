"""Give resident pages of a mapped file back to the system: they are read again when they are needed."""

from __future__ import annotations

import ctypes
import mmap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

MADV_DONTNEED = 4
"""Of madvise(2) on Linux (include/uapi/asm-generic/mman-common.h)."""


def give_back_pages(array: NDArray[Any], mapping: tuple[int, int]) -> None:
    """Give back the whole pages that an array covers, if it lies in a mapped file.

    Args:
        array: in any memory order.
        mapping: first address of a read-only mapping, and the one behind its last. An array outside it, a copy or what
            a file held compressed, is left alone: its pages would come back as zeros.

    Nothing happens where the system has no madvise(2).
    """
    start, stop = byte_bounds(array)
    if mapping[0] <= start and stop <= mapping[1]:
        advise_dont_need(-(-start // mmap.PAGESIZE) * mmap.PAGESIZE, stop // mmap.PAGESIZE * mmap.PAGESIZE)


def byte_bounds(array: NDArray[Any]) -> tuple[int, int]:
    """First address of an array's values and the one behind the last."""
    import numpy as np  # noqa: PLC0415 - loaded when first used

    first, last = np.lib.array_utils.byte_bounds(array)
    return int(first), int(last)


def advise_dont_need(start: int, stop: int) -> None:
    """Tell the system that addresses from `start`, the start of a page, up to `stop` need not stay resident."""
    if stop <= start:
        return
    try:
        advise = ctypes.CDLL(None, use_errno=True).madvise
    except (OSError, AttributeError):
        return
    advise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), MADV_DONTNEED)
