"""From the requests of a log to the reads of a cache, and from its hits back to requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.records import Reads
from ragopt.cache.replay import replay
from ragopt.cache.runs import kept_runs, run_sums
from ragopt.cache.stack_distance import block_reads, stack_distances

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ragopt.cache.records import Policy

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]


def one_read_each(keys: NDArray[np.int32], asking: Bools, times_s: Floats | None, item_bytes: int) -> Reads:
    """Reads of a cache that each asking request reads once.

    Args:
        keys: int32 (n_requests,).
        asking: bool (n_requests,): which of them get as far as this cache.
        times_s: of the requests.
        item_bytes: of an entry.
    """
    starts, kept = kept_runs(np.arange(len(asking) + 1), asking)
    return Reads(np.asarray(keys)[kept], starts, times_s, item_bytes)


def of_requests(reads: Reads, asking: Bools) -> Reads:
    """The reads of some requests alone; the others read nothing."""
    starts, kept = kept_runs(reads.starts, asking)
    return Reads(np.asarray(reads.keys)[kept], starts, reads.times_s, reads.item_bytes)


def per_request(reads: Reads, values: Bools | Floats) -> Floats:
    """Sum a value per read over each request: float64 (n_requests,)."""
    return run_sums(reads.starts, values, np.float64)


def n_reads(reads: Reads) -> Floats:
    """Reads of each request: float64 (n_requests,)."""
    return np.diff(reads.starts).astype(np.float64)


def hits_at_sizes(
    reads: Reads, policy: Policy, sizes_bytes: Sequence[int], ttl_s: float | None
) -> Iterator[tuple[int, Bools]]:
    """Yield each size with which reads hit, bool (n_reads,); LRU over items of one size takes one pass for all."""
    if policy != "LRU" or ttl_s is not None or not isinstance(reads.item_bytes, int) or not len(reads.keys):
        for size in sizes_bytes:
            yield size, replay(reads, policy, size_bytes=size, ttl_s=ttl_s)
        return
    n_keys = int(reads.keys.max()) + 1
    step = block_reads(n_keys)
    pieces = (reads.keys[first : first + step] for first in range(0, len(reads.keys), step))
    distances = np.concatenate(list(stack_distances(pieces, n_keys)))
    for size in sizes_bytes:
        yield size, (distances >= 0) & (distances < size // reads.item_bytes)


def writer_of(reads: Reads, hits: Bools) -> NDArray[np.int64]:
    """The read that wrote what each hit is served: int64 (n_reads,), of a miss the read itself."""
    order = np.argsort(reads.keys, kind="stable")
    at = np.arange(len(order))
    wrote = np.maximum.accumulate(np.where(~hits[order], at, 0))
    found = np.empty(len(order), np.int64)
    found[order] = order[wrote]
    return found
