"""The band of hit ratios without a log: Che's approximation, right against sums and against a simulated LRU."""

import time
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache import zipf_model
from ragopt.cache.zipf_model import MODEL_LABEL, zipf_band
from ragopt.errors import InputError


def lru_hit_ratio(requests, size, warm):
    """Share of the requests from `warm` on that an LRU cache of `size` items holds."""
    cache, hits = OrderedDict(), 0
    for number, item in enumerate(requests.tolist()):
        if item in cache:
            cache.move_to_end(item)
            hits += number >= warm
        else:
            cache[item] = None
            if len(cache) > size:
                cache.popitem(last=False)
    return hits / (len(requests) - warm)


def test_equal_popularities_by_hand():
    """Without skew a cache of a quarter of the items hits a quarter of the requests; of all or none, all or none."""
    points = zipf_band(1000, [0, 250, 1000, 5000], alpha_low=0, alpha_high=0)
    assert [one.low for one in points] == pytest.approx([0, 0.25, 1, 1], abs=1e-12)
    assert [one.high for one in points] == [one.low for one in points]
    assert [one.size_items for one in points] == [0, 250, 1000, 5000]


def test_two_items_by_hand():
    """Items asked for at 2:1 and a cache of one: with x = exp(-T/3), x + x^2 = 1, and the hits are 1 - (2x^2 + x)/3."""
    (point,) = zipf_band(2, [1], alpha_low=1, alpha_high=1)
    x = (np.sqrt(5) - 1) / 2
    assert point.low == pytest.approx(1 - (2 * x**2 + x) / 3, abs=1e-12)


@pytest.mark.parametrize("n_items", [5_000, 100_000])
def test_bins_against_the_direct_sum(monkeypatch, n_items):
    """Integrating the ranks behind the first 4,096 changes no hit ratio by 1e-9."""
    sizes = [1, n_items // 20, n_items - 1]
    binned = zipf_band(n_items, sizes)
    monkeypatch.setattr(zipf_model, "EXACT_RANKS", n_items)
    for one, direct in zip(binned, zipf_band(n_items, sizes), strict=True):
        assert (one.low, one.high) == pytest.approx((direct.low, direct.high), abs=1e-9)


@pytest.mark.parametrize("alpha", [0.6, 1.1])
def test_against_a_simulated_lru(alpha):
    """At 10,000 items the model is within a point of an LRU cache that is fed such requests."""
    rng = np.random.default_rng(11)
    popularity = np.arange(1, 10_001) ** -alpha
    requests = rng.choice(10_000, size=300_000, p=popularity / popularity.sum())
    sizes = [100, 1_000, 3_000]
    for size, point in zip(sizes, zipf_band(10_000, sizes, alpha, alpha), strict=True):
        assert point.low == pytest.approx(lru_hit_ratio(requests, size, warm=100_000), abs=0.01)


@given(
    st.integers(1, 10**9),
    st.lists(st.floats(0, 1), min_size=2, max_size=5),
    st.tuples(st.floats(0, 2), st.floats(0, 2)),
)
@settings(max_examples=40, deadline=None)
def test_more_room_and_more_skew_hit_more(n_items, shares, skews):
    """Hit ratios rise with the size and with the skew, lie between size / n and 1, and come in the order asked for."""
    sizes = sorted(round(share * n_items) for share in shares)
    points = zipf_band(n_items, sizes, *sorted(skews))
    for one in points:
        assert one.size_items / n_items - 1e-6 <= one.low <= one.high + 1e-9 <= 1 + 2e-9
    for ends in ([one.low for one in points], [one.high for one in points]):
        assert all(left <= right + 1e-9 for left, right in pairwise(ends))


def test_a_hundred_million_items_take_no_time():
    """10^8 items and nine sizes take well under a second."""
    start = time.process_time()
    points = zipf_band(10**8, [10**power for power in range(9)])
    assert time.process_time() - start < 1
    assert points[6].low == pytest.approx(0.0605, abs=5e-5)
    assert points[6].high == pytest.approx(0.8620, abs=5e-5)


def test_the_label():
    """The words that stand beside every figure of the model."""
    assert MODEL_LABEL == "model, not measured"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, [1]), "No cache holds any of 0 items"),
        ((10, [1, -2]), "A cache of -2 items"),
        ((10, [1], 1.1, 0.6), r"The skews 1\.1 to 0\.6 are no band"),
        ((10, [1], -0.1, 0.6), "are no band"),
        ((10, [1], 0.6, float("nan")), "are no band"),
        ((10, [1], 0.6, 9.0), "are no band"),
    ],
)
def test_what_has_no_band(arguments, message):
    """No items, negative sizes and skews in the wrong order are refused."""
    with pytest.raises(InputError, match=message):
        zipf_band(*arguments)
