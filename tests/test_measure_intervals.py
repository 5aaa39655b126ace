import importlib.util
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragopt.errors import InputError
from ragopt.measure.intervals import (
    few_queries_warning,
    independent_difference,
    mean_interval,
    paired_difference,
    quality,
)
from ragopt.records import Quality

SHARED = os.environ.get("RAGOPT_SHARED")
TOO_COARSE = {("beta-binomial 1", mean, 100) for mean in (0.99, 0.995)}
"""All-or-nothing recall with a few lost queries: no interval of whole counts comes closer (docs/method-measure.md)."""

WITHIN = (0.93, 0.97)
NOISE = 0.006
"""Three standard errors of a coverage of .95 over 10,000 samples."""


@pytest.fixture(scope="module")
def populations():
    path = Path(__file__).parents[1] / "eval/interval_coverage.py"
    spec = importlib.util.spec_from_file_location("interval_coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def coverage_misses(module, cells, limits):
    misses = {}
    for i, ((name, mean), (levels, law)) in enumerate(cells.items()):
        for n in module.SIZES:
            covered = module.coverage(law, levels, limits, n, seed=1000 * i + n)["coverage"]
            if not WITHIN[0] - NOISE <= covered <= WITHIN[1] + NOISE:
                misses[name, mean, n] = covered
    return misses


def test_covers_synthetic_recall(populations):
    """At n = 100, 300, 1,000 and means .95-.997, 93-97 % of intervals hold the mean, however errors clump."""
    cells = {key: (populations.TENTHS, law) for key, law in populations.recall_populations({}).items()}
    misses = coverage_misses(populations, cells, populations.mean_limits)
    assert set(misses) <= TOO_COARSE
    assert all(covered > 0.9 for covered in misses.values())


def test_differences_of_two_means_cover_what_they_say():
    """Of two samples of recalls with means .9 and .95, 93-97 % of intervals hold the difference of the true means."""
    rng, n_samples, sizes = np.random.default_rng(0), 1_500, (300, 200)
    draws = [rng.binomial(10, mean, (n_samples, n)) / 10 for mean, n in zip((0.9, 0.95), sizes, strict=True)]
    found = [independent_difference(*map(quality, pair)) for pair in zip(*draws, strict=True)]
    covered = np.mean([one.low <= -0.05 <= one.high for one in found])
    assert WITHIN[0] <= covered <= WITHIN[1]
    assert {one.n for one in found} == {200}


@pytest.mark.skipif(SHARED is None, reason="RAGOPT_SHARED is not set")
def test_covers_recall_of_real_searches(populations):
    """The same holds for the recalls of real compressed searches, tilted and mixed to the true means."""
    populations.SEARCHES = (("PQ96x4fs", "", 100), ("IVF256,Flat", "nprobe=32", 10))
    laws = {name: populations.recall_law(exact, found) for name, exact, found in populations.searched(Path(SHARED))}
    real = {key: law for key, law in populations.recall_populations(laws).items() if "beta" not in key[0]}
    assert len(real) == 17
    cells = {key: (populations.TENTHS, law) for key, law in real.items()}
    assert coverage_misses(populations, cells, populations.mean_limits) == {}


def test_covers_scores_spread_over_the_range(populations):
    """The mean of reciprocal ranks and of Beta-shaped scores is held 93-97 % of the time too."""
    ranks = np.array([1, 1 / 2, 1 / 3, 1 / 5, 1 / 10, 0])
    cells = {
        ("reciprocal", i): (ranks, np.array(law)) for i, law in enumerate([[5, 2, 1, 1, 0, 1], [1, 1, 1, 1, 1, 5]])
    }
    cells = {key: (levels, law / law.sum()) for key, (levels, law) in cells.items()}
    even = np.arange(21) / 20
    cells["bowl", 0] = (even, (even - 0.5) ** 2 / ((even - 0.5) ** 2).sum())
    cells["low", 0] = (even, np.exp(-8 * even) / np.exp(-8 * even).sum())
    assert coverage_misses(populations, cells, populations.mean_limits) == {}


def test_paired_differences_never_cover_too_little(populations):
    """Where few or many queries differ, at least 93 % of intervals hold the mean difference."""
    cells = {(name, 0): cell for name, cell in populations.sparse_differences().items()}
    misses = coverage_misses(populations, cells, populations.pair_limits)
    assert [key for key, covered in misses.items() if covered < WITHIN[0] - NOISE] == []


def test_the_vectorised_form_is_the_public_one(populations):
    """The coverage is that of `mean_interval` and `paired_difference` themselves: same limits on the same samples."""
    rng = np.random.default_rng(0)
    levels = np.array([-1, -0.5, 0, 0.5, 1.0])
    for n in (2, 9, 300):
        counts = rng.multinomial(n, [0.05, 0.05, 0.8, 0.05, 0.05], size=20)
        for limits, share in ((populations.mean_limits, levels / 2 + 0.5), (populations.pair_limits, levels)):
            low, high = limits(counts, share)
            for i, count in enumerate(counts):
                sample = np.repeat(share, count)
                ours = (
                    mean_interval(sample)
                    if share[0] == 0
                    else paired_difference(np.maximum(sample, 0), np.maximum(-sample, 0))
                )
                assert (ours.low, ours.high) == (pytest.approx(low[i], abs=1e-9), pytest.approx(high[i], abs=1e-9))


def test_an_all_perfect_sample_by_hand():
    """1,000 perfect queries leave 1.96^2 / (1000 + 1.96^2) of doubt, and 1,000 failures the same above 0."""
    doubt = 3.841459 / 1003.841459
    perfect, failed = mean_interval(np.ones(1000, np.float32)), mean_interval([0.0] * 1000)
    assert (perfect.value, perfect.high, perfect.n) == (1, 1, 1000)
    assert perfect.low == pytest.approx(1 - doubt, abs=1e-8)
    assert (failed.low, failed.high) == (0, pytest.approx(doubt, abs=1e-8))


def test_no_difference_is_not_certainty():
    """Trials that agree on all of 1,000 queries differ by at most 0.0038, not by [0, 0]."""
    same = paired_difference([1.0] * 1000, [1.0] * 1000)
    assert (same.value, same.high) == (0, pytest.approx(3.841459 / 1003.841459, abs=1e-8))
    assert same.low == -same.high


@settings(max_examples=200, deadline=None)
@example([0.0, 2.4196684339434922e-139], 0.95)
@example([0.0, 3e-17, 2e-16, 1e-15], 0.95)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_limits_are_ordered_and_mirrored(values, confidence):
    """Limits hold the value within [0, 1], some width always, and 1 - values mirrors it."""
    interval = mean_interval(values, confidence=confidence)
    mirrored = mean_interval(1 - np.array(values), confidence=confidence)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high
    # At 1/2 neither boundary is the nearer one, so the two sides are not mirrored there.
    if abs(interval.value - 0.5) > 1e-9:
        assert mirrored.low == pytest.approx(1 - interval.high, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40))
def test_differences_change_sign_with_their_order(pairs):
    """Swapped trials have mirrored limits, around the mean difference."""
    a, b = np.array(pairs).T
    forward, backward = paired_difference(a, b), paired_difference(b, a)
    assert -1 <= forward.low <= forward.value + 1e-12
    assert forward.value - 1e-12 <= forward.high <= 1
    assert (forward.low, forward.high) == (pytest.approx(-backward.high), pytest.approx(-backward.low))


def test_more_confidence_is_wider():
    """99 % holds 95 %, which holds 80 %."""
    values = [1.0] * 95 + [0.9] * 4 + [0.5]
    widths = [mean_interval(values, confidence=c) for c in (0.8, 0.95, 0.99)]
    assert widths[2].low < widths[1].low < widths[0].low
    assert widths[2].high >= widths[1].high >= widths[0].high


def test_quality_is_the_record_of_the_interval():
    """The record carries the interval, the number of queries and the estimate."""
    values = np.array([1.0, 0.5, 0.9, 1.0])
    interval = mean_interval(values)
    assert quality(values, estimated=0.8) == Quality(0.85, interval.low, interval.high, 4, 0.8)
    assert values.tolist() == [1.0, 0.5, 0.9, 1.0]


@pytest.mark.parametrize("values", [[], [1.0], [[1.0, 1.0]], [0.5, np.nan], [0.5, 1.1], [-0.1, 0.5]])
def test_refuses_what_is_no_sample(values):
    """Under two queries, NaN and scores outside [0, 1] are errors."""
    with pytest.raises(InputError):
        mean_interval(values)


def test_refuses_unequal_pairs_and_impossible_confidence():
    """Pairs need equal lengths, and confidence lies between 0 and 1."""
    with pytest.raises(InputError, match="2 scores with 3"):
        paired_difference([1, 1], [1, 1, 1])
    with pytest.raises(InputError, match="confidence 95"):
        mean_interval([1, 1], confidence=95)


def test_few_queries_are_said():
    """99 queries are few and 100 are not."""
    assert "99 queries" in few_queries_warning(99)
    assert few_queries_warning(100) is None


def test_is_fast_enough_for_a_sweep():
    """An interval of 1,000 queries takes under 5 ms."""
    values = np.random.default_rng(0).random(1000)
    mean_interval(values)
    start = time.thread_time()
    for _ in range(20):
        mean_interval(values)
    assert (time.thread_time() - start) / 20 < 0.005
