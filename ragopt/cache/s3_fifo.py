"""S3-FIFO: a small queue that most items leave unread, a main queue, and a ghost queue of keys that left the small one.

Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023, algorithm 1. Where
the paper counts items, this counts their sizes. What algorithm 1 leaves open is as in the paper's text and the authors'
own code: the counter is cleared when an item moves to the main queue, a key read again leaves the ghost queue.
"""

from __future__ import annotations

from collections import OrderedDict

SMALL_TENTHS = 1
"""The small queue has a tenth of the cache, the ghost queue the size of the main one (section 4.1 of the paper)."""

MOST_COUNTED = 3
"""A counter of two bits (algorithm 1)."""


class S3Fifo:
    """An S3-FIFO cache of items of any size: it evicts until the new item fits."""

    def __init__(self, capacity: int) -> None:
        """Hold items of `capacity` together, in the unit of the sizes given to `read`."""
        self._capacity = capacity
        # The first key is the tail of the queue. A plain dict keeps order too, but looks for its first key through all
        # that were taken out before it: evictions from a large cache would take as long as the cache is large.
        self._small: OrderedDict[int, int] = OrderedDict()
        self._main: OrderedDict[int, int] = OrderedDict()
        self._ghost: OrderedDict[int, int] = OrderedDict()
        self._counts: dict[int, int] = {}
        self._small_size = self._main_size = self._ghost_size = 0

    def read(self, key: int, size: int) -> bool:
        """Read an item that is no larger than the cache, put it in if it was not there; True when it was."""
        count = self._counts.get(key)
        if count is not None:
            if count < MOST_COUNTED:
                self._counts[key] = count + 1
            return True
        while self._small_size + self._main_size + size > self._capacity:
            self._evict()
        if key in self._ghost:
            self._ghost_size -= self._ghost.pop(key)
            self._main[key] = size
            self._main_size += size
        else:
            self._small[key] = size
            self._small_size += size
        self._counts[key] = 0
        return False

    def drop(self, key: int) -> None:
        """Take an expired item out, if it is there."""
        if self._counts.pop(key, None) is None:
            return
        if key in self._small:
            self._small_size -= self._small.pop(key)
        else:
            self._main_size -= self._main.pop(key)

    def _evict(self) -> None:
        # A small queue below its tenth can be all there is when a large item needs the room.
        if 10 * self._small_size >= SMALL_TENTHS * self._capacity or not self._main:
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        while self._small:
            key, size = self._small.popitem(last=False)
            self._small_size -= size
            if self._counts[key] <= 1:
                del self._counts[key]
                self._remember(key, size)
                return
            self._counts[key] = 0
            self._main[key] = size
            self._main_size += size
            while self._over_main(self._main_size):
                self._evict_main()

    def _over_main(self, size: int) -> bool:
        return 10 * size > (10 - SMALL_TENTHS) * self._capacity

    def _evict_main(self) -> None:
        while self._main:
            key, size = self._main.popitem(last=False)
            count = self._counts[key]
            if count == 0:
                del self._counts[key]
                self._main_size -= size
                return
            self._main[key] = size
            self._counts[key] = count - 1

    def _remember(self, key: int, size: int) -> None:
        self._ghost[key] = size
        self._ghost_size += size
        while self._over_main(self._ghost_size):
            self._ghost_size -= self._ghost.popitem(last=False)[1]
