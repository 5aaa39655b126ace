import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit
from scipy.stats import beta

from ragopt.cache.block_bootstrap import Mean, mean_with_interval, share_of_sums, share_with_interval
from ragopt.cache.time_bins import BIN_S, DAY_S, HOUR_S, time_bins
from ragopt.errors import InputError


def evenly(days, n):
    return np.linspace(0, days * DAY_S, n)


@pytest.mark.parametrize(
    ("days", "block_bins"),
    # 144 bins a day; below 3.5 days 2/7 of the span, from there a seventh in whole days.
    [(30, 4 * 144), (14, 2 * 144), (13.9, 144), (7, 144), (3.5, 144), (1.75, 72), (0.125, 6), (2 / 24, 6)],
)
def test_blocks_by_the_span(days, block_bins):
    """A block is 2/7 of a short log but at least an hour, and whole days of a long one, a seventh at most."""
    bins = time_bins(evenly(days, 1000), 1000)
    assert (bins.n_bins, bins.block_bins) == (round(days * 144), block_bins)


def test_bins_hold_ten_minutes_each():
    """Requests of 0 s, 599 s and 600 s fall into bins 0, 0 and 1; the last request into the last bin."""
    times = np.array([50.0, 649.0, 650.0, 50 + 3 * HOUR_S])
    bins = time_bins(times, 4)
    assert bins.n_bins == 18
    assert bins.of(0, 4).tolist() == [0, 0, 1, 17]
    assert bins.of(2, 4).tolist() == [1, 17]
    assert bins.sums(np.array([1.0, 2.0, 4.0, 8.0])).tolist() == [3.0, 4.0] + [0.0] * 15 + [8.0]


def test_a_log_without_time_has_bins_of_requests():
    """Up to 1,008 bins of equally many requests, blocks of 2/7 of them."""
    few, many = time_bins(None, 70), time_bins(None, 1_008_000)
    assert (few.n_bins, few.block_bins, many.n_bins, many.block_bins) == (70, 20, 1008, 288)
    assert few.of(0, 70).tolist() == list(range(70))
    assert np.bincount(many.of(0, 1_008_000)).tolist() == [1000] * 1008


def test_under_two_hours_are_cut_like_a_log_without_times():
    """Half an hour of 70 requests has the 70 bins of a log without times; at two hours bins of ten minutes begin."""
    short = time_bins(np.linspace(0, 1800, 70), 70)
    assert (short.n_bins, short.block_bins, short.times_s) == (70, 20, None)
    assert time_bins(np.linspace(0, 7200, 70), 70).n_bins == 12


@pytest.mark.parametrize("times", [None, np.linspace(0, 60, 6)])
def test_under_two_blocks_is_refused(times):
    """Six requests cannot have an interval, and the error says why."""
    with pytest.raises(InputError, match="6 requests"):
        share_with_interval(np.zeros(6), np.ones(6), times)


def test_the_standard_error_is_that_of_overlapping_blocks():
    """The drawn standard error is the closed form of the moving-block bootstrap: spread of all block sums over a week.

    With a mean the bootstrap's variance is exactly 7 block sums' (7 blocks of a day are drawn); 2,000 draws leave 5 %.
    """
    rng = np.random.default_rng(3)
    values = np.cumsum(rng.standard_normal(1008)) / 10
    found = mean_with_interval(values, np.arange(1008) * BIN_S, seed=1)
    # 1,008 requests at bin starts span 1,007 bins.
    off = values - values.mean()
    off = np.append(off[:1006], off[1006:].sum())
    counts = np.append(np.ones(1006), 2.0)
    totals = np.array([off[i : i + 144].sum() for i in range(1007 - 144 + 1)])
    assert counts.sum() == 1008
    exact = np.sqrt(1007 / 144 * totals.var()) / 1008
    reach = stdtrit(1.5 * (1007 / 144 - 1), 0.975) * np.sqrt(1007 / (1007 - 144)) * exact
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(reach, rel=0.07)


def test_intervals_are_seeded():
    """One seed gives one interval, another seed another."""
    rng = np.random.default_rng(0)
    hits, times = rng.random(5000) < 0.3, evenly(5, 5000)
    again = [share_with_interval(hits, np.ones(5000), times, seed=seed) for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_or_nothing_has_a_width(value):
    """Without a hit, or without a miss, each hour counts once: Clopper and Pearson at 84 hours of 3.5 days, 4.3 %."""
    share = share_with_interval(np.full(5000, value), np.ones(5000), evenly(3.5, 5000))
    limit = float(beta.ppf(0.975, 1, 84))
    assert limit == pytest.approx(0.0430, abs=5e-5)
    assert (share.low, share.high) == pytest.approx((0, limit) if value == 0 else (1 - limit, 1))


def test_hours_without_requests_are_no_observations():
    """Two busy hours in ten days say less than ten busy days: only hours with requests count."""
    times = np.concatenate([np.linspace(0, 1800, 500), np.linspace(10 * DAY_S - 1800, 10 * DAY_S, 500)])
    share = share_with_interval(np.zeros(1000), np.ones(1000), times)
    assert share.high == pytest.approx(float(beta.ppf(0.975, 1, 2)))


def test_a_share_weighs_by_what_is_read():
    """2 of 2 and 1 of 8 are 3 of 10, not the mean of 1 and 1/8; n is what was read."""
    share = share_with_interval([2.0, 1.0] * 500, [2.0, 8.0] * 500, evenly(5, 1000))
    assert (share.value, share.n) == (0.3, 5000)
    assert share.low < 0.3 < share.high


@settings(deadline=None)
@given(
    hits=st.lists(st.integers(0, 5), min_size=20, max_size=60),
    days=st.floats(0.1, 40),
    data=st.data(),
)
def test_every_interval_holds_its_value_and_stays_a_share(hits, days, data):
    """0 <= low <= value <= high <= 1, and never without a width, whatever hits."""
    reads = [hit + data.draw(st.integers(0, 5)) for hit in hits]
    if not sum(reads):
        reads[0] = 1
    share = share_with_interval(hits, reads, evenly(days, len(hits)))
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.low < share.high


def ar_logs(rng, days, n_logs):
    """Hits and requests per bin: log-odds autoregressive over 2 hours, hits and traffic with a daily cycle."""
    n = round(days * 144)
    kept = np.exp(-1 / 12)
    slow = np.empty((n_logs, n))
    slow[:, 0] = rng.standard_normal(n_logs)
    for at in range(1, n):
        slow[:, at] = kept * slow[:, at - 1] + np.sqrt(1 - kept**2) * rng.standard_normal(n_logs)
    day = np.sin(2 * np.pi * (np.arange(n) / 144 + rng.random((n_logs, 1))))
    requests = rng.poisson(30 * (1 + 0.8 * day))
    return rng.binomial(requests, 1 / (1 + np.exp(-0.7 * slow - 0.5 * day))), requests


@pytest.mark.parametrize("days", [3.5, 30])
def test_intervals_hold_the_true_share(days):
    """Of 300 logs that depend on the hour and the day, 93 to 97 % have the true share in their interval.

    The count of 300 strays by 2.5 points (two standard errors), hence 90.5 to 99.5 here; eval/bootstrap_coverage.py has
    more processes and 1,500 logs of each. Requests taken as independent would hold it in about 15 %.
    """
    rng = np.random.default_rng(11)
    hits, requests = ar_logs(rng, 365, 60)
    true = hits.sum() / requests.sum()
    n = round(days * 144)
    bins = time_bins(np.arange(n + 1) * BIN_S, n + 1)
    shares = [
        share_of_sums(*pair, bins, seed=seed) for seed, pair in enumerate(zip(*ar_logs(rng, days, 300), strict=True))
    ]
    assert 0.905 <= np.mean([share.low <= true <= share.high for share in shares]) <= 0.995


def test_a_mean_of_equal_values_has_no_width():
    """What always costs the same has its mean for both ends."""
    assert mean_with_interval(np.full(500, 0.25), evenly(4, 500)) == Mean(0.25, 0.25, 0.25, 500)


def test_a_mean_may_be_of_any_sign():
    """Means of money are not held within 0 and 1: equal gains and losses of 5 have 0 inside."""
    values = np.random.default_rng(0).choice([-5.0, 5.0], 4000)
    found = mean_with_interval(values, evenly(6, 4000))
    assert found.low < 0 < found.high
    assert found.n == 4000


@pytest.mark.parametrize(
    ("part", "whole", "failed"),
    [([2.0] * 99, [1.0] * 99, "counts 2.0 of 1.0"), ([-1.0] * 99, [1.0] * 99, "counts -1.0"),
     ([float("nan")] * 99, [1.0] * 99, "request 0 is nan"), ([0.0] * 99, [0.0] * 99, "no request reads anything")],
)  # fmt: skip
def test_what_is_no_share_is_refused(part, whole, failed):
    """More hits than reads, fewer than none, not-a-number and nothing read are errors that name the value."""
    with pytest.raises(InputError, match=failed):
        share_with_interval(part, whole, evenly(5, 99))
