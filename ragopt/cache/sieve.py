"""SIEVE: one queue in order of arrival, and a hand that passes over what was read since it last came by.

Source: Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is Simpler than LRU", NSDI 2024, algorithm 1.
"""

from __future__ import annotations

NOBODY = -1


class Sieve:
    """A SIEVE cache of items of any size: it evicts until the new item fits."""

    def __init__(self, capacity: int) -> None:
        """Hold items of `capacity` together, in the unit of the sizes given to `read`."""
        self._free = capacity
        self._sizes: dict[int, int] = {}
        self._visited: set[int] = set()
        self._newer: dict[int, int] = {}
        self._older: dict[int, int] = {}
        self._newest = self._oldest = self._hand = NOBODY

    def read(self, key: int, size: int) -> bool:
        """Read an item that is no larger than the cache, put it in if it was not there; True when it was."""
        if key in self._sizes:
            self._visited.add(key)
            return True
        while self._free < size:
            self._evict()
        self._newer[key], self._older[key] = NOBODY, self._newest
        if self._newest == NOBODY:
            self._oldest = key
        else:
            self._newer[self._newest] = key
        self._newest = key
        self._sizes[key] = size
        self._free -= size
        return False

    def drop(self, key: int) -> None:
        """Take an expired item out, if it is there; a hand that points at it moves on as after an eviction."""
        if key in self._sizes:
            self._remove(key)

    def _evict(self) -> None:
        hand = self._oldest if self._hand == NOBODY else self._hand
        while hand in self._visited:
            self._visited.remove(hand)
            hand = self._newer[hand]
            if hand == NOBODY:
                hand = self._oldest
        self._hand = hand
        self._remove(hand)

    def _remove(self, key: int) -> None:
        newer, older = self._newer.pop(key), self._older.pop(key)
        if self._hand == key:
            self._hand = newer
        if newer == NOBODY:
            self._newest = older
        else:
            self._older[newer] = older
        if older == NOBODY:
            self._oldest = newer
        else:
            self._newer[older] = newer
        self._visited.discard(key)
        self._free += self._sizes.pop(key)
