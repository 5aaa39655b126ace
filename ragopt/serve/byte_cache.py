"""A cache with a capacity in bytes, whose entries belong to one version of what they were computed from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from ragopt.errors import MissingExtra
from ragopt.serve.cache_counts import CacheCounts

if TYPE_CHECKING:
    from ragopt.cache.settings import RunTimePolicy

Clock = Callable[[], float]
"""Seconds that never go back; tests turn its hands themselves."""

ENTRY_BYTES = 336
"""What an entry takes beside its key and its value: cachebox's table, and the objects that hold version, time and size.
Measured as growth of resident memory in a fresh process: 301 at most with LFU and 277 with LRU, over 58,000 to 231,000
entries, and 32 for a size that Python keeps no small integer of (cachebox 6.2.10, CPython 3.11, x86-64, 2026-11-26)."""


def cachebox() -> Any:
    """The library, loaded when a cache is asked for. Raises MissingExtra: it is not installed."""
    try:
        import cachebox as library  # noqa: PLC0415 - only who asks for a cache needs it
    except ImportError as error:
        raise MissingExtra.for_extra("A cache in front of an index", "cache") from error
    return library


class ByteCache:
    """Values by key, as many as the capacity holds; threads may share it.

    Every entry belongs to a version, a number that its owner gives: `begin` names the one that counts from now on and
    drops all others, and what is looked up or put under another one is not there and is not kept.

    Values are handed out as they were put in: who puts in what can be changed hands out copies.

    Args:
        capacity_bytes: above 0.
        policy: what goes first where it is full.
        ttl_s: seconds from when an entry was written until it is not served any more; None for no end.
        clock: what tells the time.

    Raises:
        MissingExtra: cachebox is not installed.
    """

    def __init__(
        self, capacity_bytes: int, *, policy: RunTimePolicy, ttl_s: float | None, clock: Clock = time.monotonic
    ) -> None:
        kind = {"LRU": cachebox().LRUCache, "LFU": cachebox().LFUCache}[policy]
        # A capacity of 0 would be none at all (cachebox 6.2.10).
        self._entries: Any = kind(capacity_bytes, getsizeof=_size_of)
        self._capacity_bytes, self._ttl_s, self._clock = capacity_bytes, ttl_s, clock
        self._lock = threading.Lock()
        self._version = 0
        self._hits = self._misses = self._evictions = self._expired = self._bypassed = 0

    def begin(self, version: int) -> None:
        """Drop every entry; from now on only what is computed from this version is kept."""
        with self._lock:
            self._version = version
            self._entries.clear()

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self._entries.clear()

    def get(self, version: int, key: Hashable) -> Any | None:
        """What was put under a key, unless it has gone; None where there is nothing."""
        with self._lock:
            kept = self._entries.get((version, key)) if version == self._version else None
            if kept is not None and self._ttl_s is not None and self._clock() - kept[1] >= self._ttl_s:
                self._entries.pop((version, key))
                self._expired += 1
                kept = None
            if kept is None:
                self._misses += 1
                return None
            self._hits += 1
            return kept[0]

    def put(self, version: int, key: Hashable, value: Any, size_bytes: int) -> None:
        """Keep a value, unless it is larger than the cache or of a version that does not count any more.

        Args:
            version: that it was computed from.
            key: found again by its equality; its hash must not change.
            value: not None.
            size_bytes: of key and value, without overhead.
        """
        size = size_bytes + ENTRY_BYTES
        with self._lock:
            if version != self._version:
                return
            if size > self._capacity_bytes:  # cachebox would raise OverflowError
                self._bypassed += 1
                return
            n_before = len(self._entries)
            written = 0.0 if self._ttl_s is None else self._clock()
            replaced = self._entries.insert((version, key), (value, written, size))
            self._evictions += n_before + (replaced is None) - len(self._entries)

    def counts(self) -> CacheCounts:
        """What it has done so far, and what it holds."""
        with self._lock:
            return CacheCounts(
                self._hits,
                self._misses,
                self._evictions,
                self._expired,
                self._bypassed,
                len(self._entries),
                int(self._entries.current_size()),
                self._capacity_bytes,
            )


def _size_of(_: object, kept: tuple[Any, float, int]) -> int:
    return kept[2]
