"""Hits against size: one policy replayed at many sizes, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.block_bootstrap import share_of_sums
from ragopt.cache.hit_sums import HitSums
from ragopt.cache.item_sizes import PIECE, ItemSizes, item_sizes
from ragopt.cache.records import Curve, CurvePoint
from ragopt.cache.replay import check_size_and_ttl, replay
from ragopt.cache.stack_distance import block_reads, stack_distances
from ragopt.cache.time_bins import time_bins
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ragopt.cache.records import Policy, Reads

SMALLEST_GRID_ITEMS = 10
"""A grid begins at so many items of mean size: fewer hold not one request's chunks at the usual k of 10."""


def hit_curve(
    reads: Reads,
    policy: Policy,
    sizes_bytes: Sequence[int],
    *,
    warm_share: float = 0.5,
    ttl_s: float | None = None,
    seed: int = 0,
) -> Curve:
    """Replay a cache at each size, from empty.

    The first `warm_share` of the requests fills the cache and is not counted. It is a share of the requests and not of
    the time, so that a log without time, or one with little traffic in its second half, leaves as much to count.
    LRU over items of one size that do not expire takes one pass for all sizes; all else one replay a size.

    Args:
        reads: what is read; a key twice in a request hits the second time (see `replay`).
        policy: what is evicted.
        sizes_bytes: capacities; a repeated one is taken once.
        warm_share: from 0 (cold start) to below 1.
        ttl_s: see `replay`.
        seed: of the intervals.

    Raises:
        InputError: see `replay` and `time_bins`; no sizes, a share of warming outside its range, nothing read.
        MissingExtra: LFU, or LRU where it cannot take one pass, without cachebox.
    """
    sizes = sorted(set(sizes_bytes))
    if not sizes:
        raise InputError("A hit curve needs a size", next_step="Give one, or take those of size_grid")
    if not 0 <= warm_share < 1:
        raise InputError(f"{warm_share} of a log cannot warm", allowed="0 to below 1", next_step="Use 0.5")
    for size in (sizes[0], sizes[-1]):
        check_size_and_ttl(reads, size, ttl_s)
    n_requests = len(reads.starts) - 1
    warm = int(n_requests * warm_share)
    bins = time_bins(None if reads.times_s is None else reads.times_s[warm:], n_requests - warm)
    items = item_sizes(reads)
    sums = HitSums(bins, warm, len(sizes))
    if policy == "LRU" and ttl_s is None and items.each is None:
        _in_one_pass(reads, items, sizes, sums)
    else:
        for column, size in enumerate(sizes):
            _one_size(reads, replay(reads, policy, size_bytes=size, ttl_s=ttl_s), sums, column)
    too_large = _n_bypassed(reads, items, sizes, int(reads.starts[warm]))
    points = tuple(
        CurvePoint(
            size,
            share_of_sums(sums.hits[:, column], sums.reads, bins, seed=seed),
            share_of_sums(sums.all_hits[:, column], sums.requests, bins, seed=seed),
            too_large[column],
        )
        for column, size in enumerate(sizes)
    )
    return Curve(policy, points, items.n_distinct, items.all_bytes)


def size_grid(reads: Reads, n_sizes: int = 12) -> tuple[int, ...]:
    """Sizes in bytes, evenly spaced on a log scale, from `SMALLEST_GRID_ITEMS` items to all of them.

    Fewer where neighbours would hold the same number of items; none where nothing is read.

    Raises:
        InputError: fewer than 2 sizes; see `item_sizes`.
    """
    if n_sizes < 2:
        raise InputError(f"A grid cannot have {n_sizes} sizes", allowed="2 or more", next_step="Use 12")
    items = item_sizes(reads)
    if not items.n_distinct:
        return ()
    mean = items.all_bytes / items.n_distinct
    most = items.n_distinct
    counts = np.geomspace(min(SMALLEST_GRID_ITEMS, most), most, n_sizes)
    sizes = {round(count) * items.one if items.each is None else round(count * mean) for count in counts}
    return tuple(sorted(sizes | {items.all_bytes}))


def _in_one_pass(reads: Reads, items: ItemSizes, sizes: Sequence[int], sums: HitSums) -> None:
    capacities = np.array([size // items.one for size in sizes], dtype=np.int64)
    blocks = list(_request_blocks(reads.starts, block_reads(items.n_keys)))
    keys = (np.asarray(reads.keys[reads.starts[first] : reads.starts[stop]]) for first, stop in blocks)
    for (first, stop), distances in zip(blocks, stack_distances(keys, items.n_keys), strict=True):
        # The smallest cache that hits a read holds more items than were read in between.
        level = np.searchsorted(capacities, distances, side="right")
        level[distances < 0] = len(sizes)
        sums.add(first, np.asarray(reads.starts[first : stop + 1]), level)


def _one_size(reads: Reads, hits: NDArray[np.bool_], sums: HitSums, column: int) -> None:
    alone = sums.of_one_size()
    for first, stop in _request_blocks(reads.starts, PIECE):
        starts = np.asarray(reads.starts[first : stop + 1])
        alone.add(first, starts, np.where(hits[starts[0] : starts[-1]], 0, 1))
    sums.put(alone, column)


def _n_bypassed(reads: Reads, items: ItemSizes, sizes: Sequence[int], from_read: int) -> list[int]:
    """For each size, how many counted reads are of items larger than it."""
    n_reads = len(reads.keys) - from_read
    if items.each is None:
        return [n_reads if items.one > size else 0 for size in sizes]
    fitting = np.zeros(len(sizes) + 1, dtype=np.int64)
    for start in range(from_read, len(reads.keys), PIECE):
        bytes_read = items.each[reads.keys[start : start + PIECE]]
        fitting += np.bincount(np.searchsorted(sizes, bytes_read), minlength=len(sizes) + 1)
    return [n_reads - int(count) for count in np.cumsum(fitting)[:-1]]


def _request_blocks(starts: NDArray[np.int64], most_reads: int) -> Iterator[tuple[int, int]]:
    """Yield (first request, one past the last) of whole requests with at most so many reads, one request at least."""
    first, n_requests = 0, len(starts) - 1
    while first < n_requests:
        fitting = int(np.searchsorted(starts, starts[first] + most_reads, side="right")) - 1
        stop = min(max(fitting, first + 1), n_requests)
        yield first, stop
        first = stop
