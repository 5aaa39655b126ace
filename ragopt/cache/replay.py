"""A cache of one size under one policy, replayed read by read."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ragopt.cache.belady import NEVER, Belady, next_reads
from ragopt.cache.deployed import Deployed
from ragopt.cache.item_sizes import PIECE, ItemSizes, item_sizes
from ragopt.cache.s3_fifo import S3Fifo
from ragopt.cache.sieve import Sieve
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ragopt.cache.records import Policy, Reads

    Bools = NDArray[np.bool_]


class Evicting(Protocol):
    """A cache of limited size."""

    def read(self, key: int, size: int) -> bool:
        """Read an item that is no larger than the cache, put it in if it was not there; True when it was."""

    def drop(self, key: int) -> None:
        """Take an expired item out, if it is there."""


def replay(reads: Reads, policy: Policy, *, size_bytes: int, ttl_s: float | None = None) -> Bools:
    """Which reads hit a cache that starts empty.

    Every item that is read is kept, and others are evicted until it fits; an item larger than the whole cache is passed
    by and never hits (`bypassed` counts its reads). Reads of one request follow each other: a key that stands twice in
    a request hits the second time. An expired entry leaves the cache the moment it expires.

    Args:
        reads: what is read; memory beyond the result grows with its distinct items only, but for Belady's future.
        policy: LRU and LFU are cachebox's own; SIEVE, S3-FIFO and Belady see their modules.
        size_bytes: capacity; from the bytes of all items on nothing is ever evicted, and no policy is run.
        ttl_s: seconds after it was written at which an entry is gone; hits do not prolong it, as with EX in Redis and
            a TTLCache of cachebox. None: it stays.

    Returns:
        bool (n_reads,).

    Raises:
        InputError: a negative size, a TTL that is no positive number, a TTL for a log without time, bad keys or sizes.
        MissingExtra: LRU or LFU without cachebox.
    """
    check_size_and_ttl(reads, size_bytes, ttl_s)
    sizes = item_sizes(reads)
    if size_bytes >= sizes.all_bytes:
        return _first_reads_miss(reads, sizes) if ttl_s is None else _expiring(reads, _Everything(), None, 1, ttl_s)
    if sizes.each is None:
        each, capacity = None, size_bytes // sizes.one
    else:
        each, capacity = sizes.each, size_bytes
    if capacity == 0:
        return np.zeros(len(reads.keys), dtype=np.bool_)
    cache = _cache_for(policy, capacity, reads, ttl_s, size_bytes=size_bytes)
    if ttl_s is not None:
        return _expiring(reads, cache, each, capacity, ttl_s)
    return _lasting(reads, cache, each, capacity)


def bypassed(reads: Reads, size_bytes: int) -> Bools:
    """Which reads are of items larger than the whole cache: bool (n_reads,)."""
    if isinstance(reads.item_bytes, np.ndarray):
        return np.asarray(reads.item_bytes[reads.keys] > size_bytes)
    return np.full(len(reads.keys), reads.item_bytes > size_bytes)


def check_size_and_ttl(reads: Reads, size_bytes: int, ttl_s: float | None) -> None:
    """Refuse what cannot be replayed.

    Raises:
        InputError: see `replay`.
    """
    if size_bytes < 0:
        raise InputError(f"A cache cannot have {size_bytes} bytes", allowed="0 or more", next_step="Give a size")
    if ttl_s is None:
        return
    if not (math.isfinite(ttl_s) and ttl_s > 0):
        raise InputError(f"Entries cannot expire after {ttl_s} s", allowed="more than 0 s", next_step="Give a TTL")
    if reads.times_s is None:
        raise InputError(
            f"A TTL of {ttl_s:g} s needs to know when each request came, and this log has no time",
            next_step="Name the log's time field, or leave the TTL out",
        )


class _Everything:
    """A cache without a limit."""

    def __init__(self) -> None:
        self._kept: set[int] = set()

    def read(self, key: int, size: int) -> bool:  # noqa: ARG002 - of any size
        if key in self._kept:
            return True
        self._kept.add(key)
        return False

    def drop(self, key: int) -> None:
        self._kept.discard(key)


def _cache_for(policy: Policy, capacity: int, reads: Reads, ttl_s: float | None, *, size_bytes: int) -> Evicting:
    if policy in ("LRU", "LFU"):
        return Deployed(policy, capacity)
    if policy == "SIEVE":
        return Sieve(capacity)
    if policy == "S3-FIFO":
        return S3Fifo(capacity)
    if policy == "Belady":
        return Belady(capacity, _future(reads, ttl_s, size_bytes))
    raise InputError(
        f"No eviction policy is called {policy!r}",
        allowed="LRU, LFU, SIEVE, S3-FIFO or Belady",
        next_step="Name one of these",
    )


def _future(reads: Reads, ttl_s: float | None, size_bytes: int) -> NDArray[np.int64]:
    """Next reads of what the cache gets to see; a read later than the TTL after this one cannot be served."""
    following = next_reads(reads.keys)
    if ttl_s is not None and reads.times_s is not None:
        when = np.repeat(reads.times_s, np.diff(reads.starts))
        again = following < NEVER
        late = when[following[again]] - when[again] >= ttl_s
        following[np.flatnonzero(again)[late]] = NEVER
    return following[~bypassed(reads, size_bytes)]


def _first_reads_miss(reads: Reads, sizes: ItemSizes) -> Bools:
    hits = np.ones(len(reads.keys), dtype=np.bool_)
    seen = np.zeros(sizes.n_keys, dtype=np.bool_)
    for start in range(0, len(hits), PIECE):
        keys = np.asarray(reads.keys[start : start + PIECE])
        new, first = np.unique(keys, return_index=True)
        hits[start + first[~seen[new]]] = False
        seen[new] = True
    return hits


def _pieces(reads: Reads, each: NDArray[np.int64] | None) -> Iterator[tuple[int, list[int], list[int]]]:
    """Yield (first read, keys, sizes) of pieces of the log as plain numbers, which a loop reads fastest."""
    for start in range(0, len(reads.keys), PIECE):
        keys = np.asarray(reads.keys[start : start + PIECE])
        yield start, keys.tolist(), [1] * len(keys) if each is None else each[keys].tolist()


def _lasting(reads: Reads, cache: Evicting, each: NDArray[np.int64] | None, capacity: int) -> Bools:
    hits = np.zeros(len(reads.keys), dtype=np.bool_)
    read = cache.read
    for start, keys, sizes in _pieces(reads, each):
        hits[start : start + len(keys)] = [
            size <= capacity and read(key, size) for key, size in zip(keys, sizes, strict=True)
        ]
    return hits


def _expiring(reads: Reads, cache: Evicting, each: NDArray[np.int64] | None, capacity: int, ttl_s: float) -> Bools:
    hits = np.zeros(len(reads.keys), dtype=np.bool_)
    # In order of writing, and so of expiry; what was evicted and written again stands in it twice.
    due: deque[tuple[float, int]] = deque()
    written: dict[int, float] = {}
    for start, keys, sizes in _pieces(reads, each):
        found = [False] * len(keys)
        for at, (key, size, now) in enumerate(zip(keys, sizes, _times(reads, start, len(keys)), strict=True)):
            while due and now - due[0][0] >= ttl_s:
                when, expired = due.popleft()
                if written[expired] == when:
                    cache.drop(expired)
            if size > capacity:
                continue
            if cache.read(key, size):
                found[at] = True
            else:
                written[key] = now
                due.append((now, key))
        hits[start : start + len(keys)] = found
    return hits


def _times(reads: Reads, start: int, n: int) -> list[float]:
    """When each of `n` reads came, from read `start` on."""
    times = reads.times_s
    if times is None:  # check_size_and_ttl has refused this
        return []
    requests = np.searchsorted(reads.starts, np.arange(start, start + n), side="right") - 1
    return [float(time) for time in times[requests]]
