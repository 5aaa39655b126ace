"""A cache within bytes: eviction, expiry, versions and counts, worked out by hand."""

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.serve.byte_cache import ENTRY_BYTES, ByteCache
from ragopt.serve.cache_counts import CacheCounts
from tests.cached import Hands

ONE = ENTRY_BYTES + 100
"""An entry whose key and value take 100 bytes."""


def cache_of(n_entries, **settings):
    return ByteCache(n_entries * ONE, **{"policy": "LRU", "ttl_s": None, **settings})


@pytest.mark.parametrize(("policy", "left"), [("LRU", {"b", "c"}), ("LFU", {"a", "c"})])
def test_what_goes_first(policy, left):
    """Of a (read three times, then b once) LRU drops a, the longest unused, and LFU b, the least often used."""
    cache = cache_of(2, policy=policy)
    cache.put(0, "a", "A", 100)
    cache.put(0, "b", "B", 100)
    for key in "aaab":
        assert cache.get(0, key) == key.upper()
    cache.put(0, "c", "C", 100)
    assert {key for key in "abc" if cache.get(0, key)} == left
    assert cache.counts() == CacheCounts(6, 1, 1, 0, 0, 2, 2 * ONE, 2 * ONE)


def test_what_is_larger_than_the_cache_is_not_kept():
    """It is counted, drops nothing, and leaves a smaller entry of the same key as it was."""
    cache = cache_of(2)
    cache.put(0, "a", "small", 100)
    cache.put(0, "a", "large", 2 * ONE)
    assert cache.get(0, "a") == "small"
    assert cache.counts() == CacheCounts(1, 0, 0, 0, 1, 1, ONE, 2 * ONE)
    cache.put(0, "a", "just", 2 * ONE - ENTRY_BYTES)
    assert cache.get(0, "a") == "just"
    assert cache.counts() == CacheCounts(2, 0, 0, 0, 1, 1, 2 * ONE, 2 * ONE)


def test_an_entry_expires_by_when_it_was_written():
    """Reading does not prolong it, writing again does; at exactly its time it is gone, and counted once."""
    hands = Hands()
    cache = cache_of(2, ttl_s=10.0, clock=hands)
    cache.put(0, "a", "A", 100)
    hands.now_s = 9.5
    assert cache.get(0, "a") == "A"
    hands.now_s = 10.0
    assert cache.get(0, "a") is None
    assert cache.get(0, "a") is None
    cache.put(0, "a", "again", 100)
    hands.now_s = 19.5
    cache.put(0, "a", "once more", 100)
    hands.now_s = 29.0
    assert cache.get(0, "a") == "once more"
    assert cache.counts() == CacheCounts(2, 2, 0, 1, 0, 1, ONE, 2 * ONE)


def test_a_version_that_was_replaced_is_neither_found_nor_kept():
    """Its entries go at once, and what is computed from it later is dropped."""
    cache = cache_of(3)
    cache.begin(1)
    cache.put(1, "a", "old", 100)
    cache.begin(2)
    assert cache.counts().size_bytes == 0
    cache.put(1, "b", "late", 100)
    assert [cache.get(version, key) for version in (1, 2) for key in "ab"] == [None] * 4
    cache.put(2, "a", "new", 100)
    assert (cache.get(2, "a"), cache.get(1, "a"), cache.counts().n_entries) == ("new", None, 1)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 900)), max_size=60), st.sampled_from(["LRU", "LFU"]))
def test_sizes_and_counts_add_up(puts, policy):
    """Bytes are those of the entries that are there; what was put in is there, evicted, replaced or bypassed."""
    capacity = 2_000
    cache = ByteCache(capacity, policy=policy, ttl_s=None)
    sizes, n_new = {}, 0
    for key, size in puts:
        there = cache.get(0, key) is not None
        cache.put(0, key, "value", size)
        if size + ENTRY_BYTES <= capacity:
            sizes[key] = size + ENTRY_BYTES
            n_new += not there
        assert cache.counts().size_bytes <= capacity
    there = [key for key in sizes if cache.get(0, key) is not None]
    counts = cache.counts()
    assert counts.n_entries == len(there) == n_new - counts.evictions
    assert counts.size_bytes == sum(sizes[key] for key in there)


def test_eight_threads_share_a_cache():
    """Every get gives the value of its key and version, and the counts are those of all calls."""
    cache, n_calls, wrong = cache_of(20, ttl_s=1e6), 4_000, []

    def work(seed):
        rng = random.Random(seed)
        for _ in range(n_calls):
            key = rng.randrange(40)
            value = cache.get(0, key)
            if value is None:
                cache.put(0, key, (key,), 100)
            elif value != (key,):
                wrong.append((key, value))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = cache.counts()
    assert wrong == []
    assert counts.hits + counts.misses == 8 * n_calls
    assert (counts.n_entries, counts.size_bytes) == (20, 20 * ONE)
