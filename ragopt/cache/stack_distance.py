"""LRU at every size in one exact pass: how many different items were read since an item was read last.

Among items of one size an LRU cache of n items hits a read if its stack distance is below n (Mattson, Gecsei, Slutz,
Traiger, "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970). With prev(i) the previous
read of the item of read i,

    distance(i) = (i - prev(i) - 1) - #{j < i: prev(j) > prev(i)}

because each read j between the two that repeats an item also read between them counts it twice. A block of reads is
worked off at once: the items read before it stand ahead of it, in the order of their last reads, as if each had been
read once. So memory depends on the block and on how many different items there are, not on how long the log is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Longs = NDArray[np.int64]

FIRST_READ = -1
"""Distance of the first read of an item."""

ROW_BITS = 4
"""Rows of 16 are compared pair by pair: partitioning them further bit by bit costs more (measured on 2 cores)."""


def stack_distances(blocks: Iterable[NDArray[np.int32]], n_keys: int) -> Iterator[NDArray[np.int32]]:
    """Distances of the reads of a log, block by block.

    Args:
        blocks: int32 (n,) keys of consecutive reads, each 0 <= key < `n_keys`; blocks of `block_reads` reads are fast.
        n_keys: memory is 5 bytes for each, and about 100 bytes for each read of a block.

    Yields:
        int32 (n,) for each block: different items read since the item was read last, `FIRST_READ` where it never was.

    >>> [distances.tolist() for distances in stack_distances([np.array([0, 1, 0]), np.array([2, 2, 1])], 3)]
    [[-1, -1, 1], [-1, 0, 2]]
    """
    place = np.full(n_keys, FIRST_READ, dtype=np.int32)
    stack = np.zeros(0, dtype=np.int32)
    for keys in blocks:
        previous, last = _previous_reads(keys, place, len(stack))
        yield _distances(previous, len(stack))
        place[keys] = FIRST_READ
        stack = np.concatenate([stack[place[stack] != FIRST_READ], keys[last]])
        place[stack] = np.arange(len(stack), dtype=np.int32)


def block_reads(n_keys: int) -> int:
    """Reads in a block that keep both its own work and that of the items ahead of it low.

    >>> block_reads(1000), block_reads(1_000_000)
    (65536, 500000)
    """
    return max(65_536, n_keys // 2)


def _previous_reads(keys: NDArray[np.int32], place: NDArray[np.int32], n_ahead: int) -> tuple[Longs, NDArray[np.bool_]]:
    """Where each item stood last, counted from the bottom of the stack, and which reads are their item's last here."""
    n = len(keys)
    # One sort of key and position together is several times faster than a stable sort of keys (numpy's SIMD sort).
    order = np.sort((keys.astype(np.int64) << 32) | np.arange(n))
    sorted_keys, position = order >> 32, order & 0xFFFFFFFF
    same = sorted_keys[1:] == sorted_keys[:-1]
    previous = place[keys].astype(np.int64)
    previous[position[1:][same]] = position[:-1][same] + n_ahead
    last = np.ones(n, dtype=np.bool_)
    last[position[:-1][same]] = False
    return previous, last


def _distances(previous: Longs, n_ahead: int) -> NDArray[np.int32]:
    distances = np.full(len(previous), FIRST_READ, dtype=np.int32)
    again = np.flatnonzero(previous >= 0)
    if not len(again):
        return distances
    back = previous[again]
    # Each place is the previous one of at most one read, so that marking and counting ranks them without a sort.
    marked = np.zeros(n_ahead + len(previous), dtype=np.int32)
    marked[back] = 1
    ranks = np.cumsum(marked, dtype=np.int32)[back] - 1
    distances[again] = n_ahead + again - back - 1 - _greater_before(ranks)
    return distances


def _greater_before(ranks: NDArray[np.int32]) -> Longs:
    """For each element of a permutation of 0 to n - 1, how many of those before it are greater.

    Parts the elements by their highest bit, keeping their order, and each part by its next bit, and so on: a 0 stands
    behind as many greater ones of its part as there were 1s before it. The parts are rows of equal, known length,
    because the permutation is filled up to a power of two behind its end, where that changes no count.
    """
    n = len(ranks)
    bits = max(int(n - 1).bit_length(), ROW_BITS)
    # A rank in the low half of each word and its count in the high half move together.
    words = np.arange(1 << bits, dtype=np.int64)
    words[:n] = ranks
    for bit in range(bits - 1, ROW_BITS - 1, -1):
        ones = (words >> bit) & 1 == 1
        at = np.flatnonzero(~ones)
        # The k-th 0 stands at at[k], so at[k] - k ones stand before it, and those of earlier rows do not count.
        k = np.arange(len(at))
        zeros = words[at] + ((at - k - (k >> bit << bit)) << 32)
        parted = np.empty((len(at) >> bit, 2, 1 << bit), dtype=np.int64)
        parted[:, 0] = zeros.reshape(-1, 1 << bit)
        parted[:, 1] = words[ones].reshape(-1, 1 << bit)
        words = parted.reshape(-1)
    counts = np.empty(1 << bits, dtype=np.int64)
    counts[words & 0xFFFFFFFF] = (words >> 32) + _greater_before_in_rows(words)
    return counts[ranks]


def _greater_before_in_rows(words: Longs) -> Longs:
    columns = np.ascontiguousarray((words & ((1 << ROW_BITS) - 1)).astype(np.int8).reshape(-1, 1 << ROW_BITS).T)
    found = np.zeros(columns.shape, dtype=np.int8)
    for at in range(1, 1 << ROW_BITS):
        found[at] = (columns[:at] > columns[at]).sum(axis=0, dtype=np.int8)
    return found.T.reshape(-1).astype(np.int64)
