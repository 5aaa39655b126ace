"""Requests to reads of a cache and back."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache.records import Reads
from ragopt.cache.replay import replay
from ragopt.cache.requests import hits_at_sizes, n_reads, of_requests, one_read_each, per_request, writer_of


def reads(lists, item_bytes=1):
    """Reads of requests with these keys each."""
    starts = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)
    return Reads(np.array([key for one in lists for key in one], np.int32), starts, None, item_bytes)


def test_only_asking_requests_read():
    """Of keys 5, 6, 5 with the second not asking, two are read, by the first and the third request."""
    found = one_read_each(np.array([5, 6, 5], np.int32), np.array([True, False, True]), None, 10)
    assert found.keys.tolist() == [5, 5]
    assert found.starts.tolist() == [0, 1, 1, 2]
    assert per_request(found, np.array([False, True])).tolist() == [0, 0, 1]


def test_reads_of_some_requests_leave_the_others_empty():
    """Without the first request's two reads, the second's one and the third's two are left."""
    found = of_requests(reads([[1, 2], [3], [1, 3]]), np.array([False, True, True]))
    assert found.keys.tolist() == [3, 1, 3]
    assert n_reads(found).tolist() == [0, 1, 2]


def test_values_per_read_add_up_by_request():
    """0.5 and 1 of the first request are 1.5, a request without reads has 0."""
    assert per_request(reads([[1, 2], [], [3]]), np.array([0.5, 1.0, 4.0])).tolist() == [1.5, 0.0, 4.0]


def test_a_hit_was_written_by_the_last_miss_of_its_key():
    """Keys 7 7 8 7 7 with a miss at 0, 2 and 3: the hits at 1 and 4 were written at 0 and 3."""
    found = writer_of(reads([[7], [7], [8], [7], [7]]), np.array([False, True, False, False, True]))
    assert found.tolist() == [0, 0, 2, 3, 3]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), max_size=4), min_size=1, max_size=40), st.integers(1, 3))
def test_all_sizes_at_once_hit_what_each_size_alone_does(lists, item_bytes):
    """LRU over items of one size in one pass is the replay of each size, read by read."""
    one = reads(lists, item_bytes)
    if not len(one.keys):
        return
    sizes = [item_bytes, 2 * item_bytes, 5 * item_bytes, 20 * item_bytes]
    for size, hits in hits_at_sizes(one, "LRU", sizes, None):
        assert hits.tolist() == replay(one, "LRU", size_bytes=size).tolist()
