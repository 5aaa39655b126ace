"""Give resident pages of a mapped file back to the system: they are read again when they are needed."""

from __future__ import annotations

import ctypes

MADV_DONTNEED = 4
"""Of madvise(2) on Linux (include/uapi/asm-generic/mman-common.h)."""


def advise_dont_need(start: int, stop: int) -> None:
    """Tell the system that addresses from `start`, the start of a page, up to `stop` need not stay resident.

    Only for a shared read-only mapping of a file: of other memory the content would be lost. Nothing happens where the
    system has no madvise(2).
    """
    if stop <= start:
        return
    try:
        advise = ctypes.CDLL(None, use_errno=True).madvise
    except (OSError, AttributeError):
        return
    advise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), MADV_DONTNEED)
