"""Threads that build indexes side by side, each with one FAISS thread.

FAISS's own parallel training is many small parallel regions, which crawl as soon as another process wants a core:
PQ64np of 16,384 x 256 took 136 s that way on two busy cores. One thread per index keeps every core at work, and gives
the same codes whatever the number of cores.
"""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def n_workers() -> int:
    """Threads that work side by side: one per core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def worker_pool(most: int = 0) -> Iterator[ThreadPoolExecutor]:
    """Give one thread per core; what has not begun is cancelled when the block is left by an error or Ctrl-C.

    Args:
        most: threads at most, where memory leaves room for no more; 0 is no limit.
    """
    pool = ThreadPoolExecutor(min(n_workers(), most or n_workers()))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
