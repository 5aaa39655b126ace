"""Belady's MIN: evict what is read again last, known from the rest of the log.

A line above every policy that keeps each item it reads, for items of one size; with unequal sizes, or with entries that
expire, it is a good rule and no optimum (the optimum is then a hard packing problem). As all policies here it keeps
every item it reads (demand paging, no bypass): an optimum that may decline to keep one can hit more.

Source: Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).max
"""Position of the next read of an item that is not read again."""


def next_reads(keys: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where each key is read next.

    Args:
        keys: int32 (n_reads,).

    Returns:
        int64 (n_reads,), `NEVER` where it is not.
    """
    order = np.argsort(keys, kind="stable")
    following = np.full(len(keys), NEVER, dtype=np.int64)
    same = keys[order[1:]] == keys[order[:-1]]
    following[order[:-1][same]] = order[1:][same]
    return following


class Belady:
    """A cache of items of any size that knows the future: it evicts until the new item fits."""

    def __init__(self, capacity: int, following: NDArray[np.int64]) -> None:
        """Hold items of `capacity` together.

        Args:
            capacity: in the unit of the sizes given to `read`.
            following: int64 (n_reads,) where the item of each call of `read` is read next; `NEVER` where it is not.
        """
        self._free = capacity
        self._following = following
        self._read = 0
        self._sizes: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []

    def read(self, key: int, size: int) -> bool:
        """Read an item that is no larger than the cache, put it in if it was not there; True when it was."""
        found = key in self._sizes
        if not found:
            while self._free < size:
                self._evict()
            self._sizes[key] = size
            self._free -= size
        following = int(self._following[self._read])
        self._read += 1
        self._next[key] = following
        heapq.heappush(self._heap, (-following, key))
        # Entries of reads that are past lie at the heap's bottom: without this it would grow with the log.
        if len(self._heap) > 64 + 2 * len(self._sizes):
            self._heap = [(-position, one) for one, position in self._next.items()]
            heapq.heapify(self._heap)
        return found

    def drop(self, key: int) -> None:
        """Take an expired item out, if it is there."""
        if key in self._sizes:
            self._free += self._sizes.pop(key)
            del self._next[key]

    def _evict(self) -> None:
        while True:
            position, key = heapq.heappop(self._heap)
            if self._next.get(key) == -position:
                self.drop(key)
                return
