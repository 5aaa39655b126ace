import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache.curves import hit_curve, size_grid
from ragopt.cache.entry_bytes import (
    answer_entry_bytes,
    chunk_entry_bytes,
    embedding_entry_bytes,
    entry_bytes,
    result_entry_bytes,
)
from ragopt.cache.replay import replay
from ragopt.errors import InputError
from tests.cache_logs import needs_ragpulse, ragpulse, reads_of, single_reads

POLICIES = ("LRU", "LFU", "SIEVE", "S3-FIFO", "Belady")

logs = st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=20, max_size=60).filter(
    lambda requests: any(requests[len(requests) // 2 :])
)


def counted(reads, hits, warm):
    """Shares of reads and of whole requests that hit, request by request."""
    bounds = list(zip(reads.starts[warm:-1].tolist(), reads.starts[warm + 1 :].tolist(), strict=True))
    whole = [all(hits[start:stop]) for start, stop in bounds if stop > start]
    return float(np.mean(hits[bounds[0][0] :])), float(np.mean(whole)), len(whole)


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None)
@given(requests=logs, unequal=st.booleans(), ttl=st.sampled_from([None, 7200.0]), warm_share=st.sampled_from([0, 0.5]))
def test_a_curve_is_its_replays(policy, requests, unequal, ttl, warm_share):
    """Every point has the shares of a replay at its size, also where LRU takes all sizes in one pass."""
    times = np.linspace(0, 86_400, len(requests))
    reads = reads_of(requests, item_bytes=[2, 3, 4, 5, 6, 7, 8, 2, 3, 4] if unequal else 4, times_s=times)
    curve = hit_curve(reads, policy, [30, 3, 12, 12], warm_share=warm_share, ttl_s=ttl)
    assert [point.size_bytes for point in curve.points] == [3, 12, 30]
    for point in curve.points:
        hits = replay(reads, policy, size_bytes=point.size_bytes, ttl_s=ttl)
        warm = int(len(requests) * warm_share)
        assert (point.hits.value, point.all_hits.value, point.all_hits.n) == pytest.approx(counted(reads, hits, warm))
        sizes = np.broadcast_to(reads.item_bytes, 10)[reads.keys[reads.starts[warm] :]]
        assert (point.n_bypassed, point.hits.n) == ((sizes > point.size_bytes).sum(), len(sizes))


def test_the_first_half_of_the_requests_warms():
    """Of ten requests for a b c d e and again a b c d e the second five hit; a cold start counts all ten."""
    reads = single_reads([0, 1, 2, 3, 4] * 20, times_s=np.linspace(0, 86_400, 100))
    (warm,) = hit_curve(reads, "LRU", [5]).points
    (cold,) = hit_curve(reads, "LRU", [5], warm_share=0).points
    assert (warm.hits.value, warm.hits.n, cold.hits.value, cold.hits.n) == (1.0, 50, 0.95, 100)


def test_a_request_hits_whole_or_not():
    """A request of a hit and a miss counts half its reads and none of itself; one that reads nothing does not count."""
    reads = reads_of([[0], [], [0, 1], [0, 0]] * 5, times_s=np.linspace(0, 86_400, 20))
    (point,) = hit_curve(reads, "LRU", [1], warm_share=0).points
    # One place, 5 rounds: 0 hits but the first time; then 0 hits and 1 misses; then 0 misses, and hits again at once.
    assert (point.hits.value, point.hits.n) == ((4 + 5 + 5) / 25, 25)
    assert (point.all_hits.value, point.all_hits.n) == (4 / 15, 15)


def test_a_curve_says_what_it_is_of():
    """Distinct items and all their bytes stand in the curve."""
    reads = single_reads([0, 2, 0, 2] * 5, item_bytes=[5, 99, 7])
    curve = hit_curve(reads, "SIEVE", [7])
    assert (curve.policy, curve.n_distinct, curve.all_bytes) == ("SIEVE", 2, 12)


@pytest.mark.parametrize(
    ("sizes", "options", "failed"),
    [([], {}, "needs a size"), ([-5], {}, "-5 bytes"), ([5], {"warm_share": 1.0}, "1.0 of a log"),
     ([5], {"warm_share": float("nan")}, "nan of a log"), ([5], {"ttl_s": 60.0}, "has no time")],
)  # fmt: skip
def test_a_curve_refuses_what_it_cannot_replay(sizes, options, failed):
    """No size, a negative one, no counted part and a TTL without time are errors that name the value."""
    with pytest.raises(InputError, match=failed):
        hit_curve(single_reads([0, 1] * 20), "LRU", sizes, **options)


def test_a_grid_runs_from_ten_items_to_all():
    """Sizes are evenly spaced on a log scale: 10, 100 and 1,000 items; unequal ones by their mean."""
    assert size_grid(single_reads(range(1000), item_bytes=8), 3) == (80, 800, 8000)
    unequal = single_reads(range(1000), item_bytes=[7, 9] * 500)
    assert size_grid(unequal, 3) == (80, 800, 8000)
    assert size_grid(single_reads([0, 1, 2], item_bytes=8)) == (24,)
    assert size_grid(reads_of([[], []])) == ()
    with pytest.raises(InputError, match="1 sizes"):
        size_grid(single_reads([0]), 1)


@settings(deadline=None)
@given(keys=st.lists(st.integers(0, 40), min_size=1, max_size=80), n_sizes=st.integers(2, 20))
def test_the_last_size_of_a_grid_holds_everything(keys, n_sizes):
    """A grid rises to the bytes of all items, where only first reads miss."""
    reads = single_reads(keys, item_bytes=[3 + key % 5 for key in range(41)])
    grid = size_grid(reads, n_sizes)
    assert list(grid) == sorted(set(grid))
    assert (~replay(reads, "LRU", size_bytes=grid[-1])).sum() == len(set(keys))


@needs_ragpulse
def test_ragpulse_from_a_cold_start():
    """LRU of 1,000 passages hits 75.2 % of 33,255 reads; of 415, 55 %, and every read of 18 % of 5,641 requests."""
    small, large = hit_curve(ragpulse(), "LRU", [415, 1000], warm_share=0).points
    assert (large.hits.value, large.hits.n) == (pytest.approx(0.752, abs=0.002), 33_255)
    assert (small.hits.value, small.all_hits.value) == pytest.approx((0.5527, 0.1824), abs=5e-5)
    assert small.all_hits.n == 5_641
    assert small.hits.low < 0.5527 < small.hits.high


def test_bytes_of_entries_by_hand():
    """Payload, 16 bytes of key and 200 of overhead; arrays as numbers; 4 bytes a token; objects of `ragopt.open`."""
    assert entry_bytes(1000) == 1216
    assert entry_bytes(np.array([0, 50])).tolist() == [216, 266]
    assert result_entry_bytes(10, text_bytes_per_hit=500.5) == 216 + 144 + 312 + 4400 + 5005
    assert result_entry_bytes(2, text_bytes_per_hit=10, metadata_bytes=5) == 216 + 144 + 312 + 2 * (440 + 15)
    assert chunk_entry_bytes(np.array([100]), metadata_bytes=7).tolist() == [216 + 144 + 440 + 107]
    assert embedding_entry_bytes(256) == 216 + 144 + 288 + 1024
    assert answer_entry_bytes(np.array([100])).tolist() == [616]
    with pytest.raises(InputError, match="-4 bytes"):
        answer_entry_bytes(-1)
