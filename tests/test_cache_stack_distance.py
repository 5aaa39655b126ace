import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache.curves import hit_curve
from ragopt.cache.records import Reads
from ragopt.cache.replay import replay
from ragopt.cache.stack_distance import block_reads, stack_distances
from tests.cache_logs import needs_ragpulse, ragpulse, single_reads


def in_blocks(keys, n_keys, size):
    keys = np.asarray(keys, dtype=np.int32)
    return np.concatenate(list(stack_distances((keys[i : i + size] for i in range(0, len(keys), size)), n_keys)))


def by_list(keys):
    """Mattson's own way: look the item up in the stack, and put it on top."""
    stack, distances = [], []
    for key in keys:
        distances.append(len(stack) - 1 - stack.index(key) if key in stack else -1)
        if key in stack:
            stack.remove(key)
        stack.append(key)
    return distances


@settings(deadline=None)
@given(keys=st.lists(st.integers(0, 30), min_size=1, max_size=300), size=st.integers(1, 310))
def test_distances_are_those_of_mattsons_stack(keys, size):
    """Whatever the blocks, each distance is the item's depth in a list of items by last read."""
    assert in_blocks(keys, 31, size).tolist() == by_list(keys)


def test_distances_worked_by_hand():
    """Reads a b b c a: b again at once has 0, a again after b and c has 2, first reads have none."""
    assert in_blocks([0, 1, 1, 2, 0], 3, 5).tolist() == [-1, -1, 0, -1, 2]
    assert in_blocks([0, 1, 1, 2, 0], 3, 2).tolist() == [-1, -1, 0, -1, 2]


@pytest.mark.parametrize("size", [257, 4096, 100_000])
def test_rows_of_many_bits_count_alike(size):
    """Blocks past a row of 16 give the distances of one block, over 20,000 reads of 3,000 items."""
    keys = np.random.default_rng(1).zipf(1.2, 20_000) % 3_000
    assert in_blocks(keys, 3_000, size).tolist() == by_list(keys.tolist())


@settings(deadline=None)
@given(keys=st.lists(st.integers(0, 12), min_size=1, max_size=150))
def test_distances_are_cachebox_at_every_size(keys):
    """A read hits cachebox's LRU of n items exactly if its distance is below n, for every n."""
    distances = in_blocks(keys, 13, 40)
    for capacity in range(15):
        hits = replay(single_reads(keys), "LRU", size_bytes=capacity)
        assert hits.tolist() == ((distances >= 0) & (distances < capacity)).tolist()


@needs_ragpulse
def test_ragpulse_distances_are_cachebox_at_many_sizes():
    """On a real log too, at 9 sizes, in blocks of any length."""
    reads = ragpulse()
    distances = in_blocks(reads.keys, int(reads.keys.max()) + 1, 5_000)
    for capacity in (1, 10, 100, 415, 1000, 1660, 2500, 3000, 3235):
        hits = replay(reads, "LRU", size_bytes=capacity)
        np.testing.assert_array_equal(hits, (distances >= 0) & (distances < capacity))


def peak_bytes(n_reads, folder):
    """Peak of the heap while a curve is made of reads that lie in a file."""
    path = folder / f"{n_reads}.keys"
    keys = np.memmap(path, dtype=np.int32, mode="w+", shape=(n_reads,))
    rng = np.random.default_rng(0)
    for start in range(0, n_reads, 1 << 16):
        keys[start : start + (1 << 16)] = rng.integers(0, 20_000, min(1 << 16, n_reads - start))
    starts = np.memmap(folder / f"{n_reads}.starts", dtype=np.int64, mode="w+", shape=(n_reads // 4 + 1,))
    starts[:] = np.arange(0, n_reads + 1, 4)
    times = np.memmap(folder / f"{n_reads}.times", dtype=np.float64, mode="w+", shape=(n_reads // 4,))
    times[:] = np.linspace(0, 4 * 86_400, n_reads // 4)
    reads = Reads(keys, starts, times, 1000)
    tracemalloc.start()
    try:
        hit_curve(reads, "LRU", [10**6, 5 * 10**6, 10**7])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_log(tmp_path):
    """A log eight times as long over the same items takes no more memory: the peak stays within 2 %."""
    peak_bytes(1 << 18, tmp_path)  # imports, which the first run would count
    short, long = peak_bytes(1 << 18, tmp_path), peak_bytes(1 << 21, tmp_path)
    assert long <= 1.02 * short


def test_blocks_grow_with_the_items_only():
    """Blocks are 65,536 reads, and half as many as there are items where those are more than 131,072."""
    assert [block_reads(n) for n in (1, 131_072, 400_000)] == [65_536, 65_536, 200_000]
