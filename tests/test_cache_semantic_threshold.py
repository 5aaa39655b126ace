"""The threshold of a semantic cache keeps its budget with confidence, and says why where it cannot."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache.semantic_threshold import (
    choose_threshold,
    clopper_pearson_upper,
    least_labelled_hits,
    percent,
    usd_saved_per_wrong_answer,
)
from ragopt.errors import InputError

BUDGET = 0.05
N_LABELLED = 300
N_DRAWS = 2000
LEAST, MOST = 0.7, 1.0
"""Scores of the simulation are spread evenly between these."""

CURVES = {
    "a hair over the budget everywhere": lambda score: np.full_like(score, 1.02 * BUDGET),
    "rising from nothing": lambda score: (MOST - score) / (MOST - LEAST) * 6 * BUDGET,
    "good above 0.9, bad below": lambda score: np.where(score > 0.9, BUDGET / 2, 5 * BUDGET),
    "rising slowly": lambda score: BUDGET / 4 + (MOST - score) / (MOST - LEAST) * 4 * BUDGET,
}
"""True chance that a hit of a similarity is wrong."""


def descending(n):
    """So many similarities, the most similar first, no two alike."""
    return np.linspace(0.99, 0.5, n)


def true_rates(curve):
    """False-hit rate of each threshold, by a fine grid."""
    grid = np.linspace(LEAST, MOST, 30_001)
    from_above = np.cumsum(CURVES[curve](grid)[::-1]) / np.arange(1, len(grid) + 1)
    return grid, from_above[::-1]


def breaches(curve, seed):
    """Share of draws whose threshold breaks the budget: as certified, and by the point estimate."""
    rng = np.random.default_rng(seed)
    grid, rates = true_rates(curve)
    certified = estimated = 0
    for _ in range(N_DRAWS):
        scores = rng.uniform(LEAST, MOST, N_LABELLED)
        wrong = rng.random(N_LABELLED) < CURVES[curve](scores)
        found = choose_threshold(scores, wrong, max_false_hit_rate=BUDGET)
        if found.threshold is not None:
            certified += np.interp(found.threshold, grid, rates) > BUDGET
        inside = np.flatnonzero(found.wrong_above <= BUDGET * found.n_above)
        if len(inside):
            estimated += np.interp(found.taus[inside[-1]], grid, rates) > BUDGET
    return certified / N_DRAWS, estimated / N_DRAWS


@pytest.mark.parametrize(
    ("curve", "certified", "estimated"),
    [
        ("a hair over the budget everywhere", 0.043, 0.993),
        ("rising from nothing", 0.014, 0.595),
        ("good above 0.9, bad below", 0.008, 0.516),
        ("rising slowly", 0.013, 0.612),
    ],
)
def test_the_budget_is_broken_in_at_most_one_draw_of_twenty(curve, certified, estimated):
    """Repeated draws break the budget as often as the docstring says: at most 5 %, by point estimate more than half."""
    found = breaches(curve, seed=7)
    assert found == pytest.approx((certified, estimated), abs=0.002)
    assert found[0] <= 0.05
    assert found[1] > 0.5


@pytest.mark.parametrize(("budget", "n"), [(0.05, 59), (0.02, 149), (0.01, 299)])
def test_labelled_hits_that_a_budget_needs(budget, n):
    """59, 149 and 299 hits without an error are the fewest for 5, 2 and 1 %, and one fewer leaves the cache off."""
    assert least_labelled_hits(budget) == n
    on = choose_threshold(descending(n), np.zeros(n, bool), max_false_hit_rate=budget)
    assert (on.threshold, on.n_hits, on.reason) == (pytest.approx(0.5), n, "")
    assert on.upper_bound == pytest.approx(1 - 0.05 ** (1 / n))
    off = choose_threshold(descending(n - 1), np.zeros(n - 1, bool), max_false_hit_rate=budget)
    assert (off.threshold, off.upper_bound, off.n_hits) == (None, None, 0)
    assert off.reason == f"{n - 1} labelled hits, {n} without any error are needed for {percent(budget)}"


@given(st.integers(1, 400), st.integers(0, 400), st.floats(0.5, 0.999))
@settings(deadline=None)  # SciPy loads in the first example
def test_upper_bound_against_scipy(n, wrong, confidence):
    """The bound is SciPy's one-sided Clopper-Pearson interval, and the tail that defines it."""
    from scipy.stats import binom, binomtest  # noqa: PLC0415 - slow to load

    wrong = min(wrong, n)
    upper = float(clopper_pearson_upper(wrong, n, confidence))
    oracle = binomtest(wrong, n, alternative="less").proportion_ci(confidence_level=confidence, method="exact").high
    assert upper == pytest.approx(oracle, abs=1e-9)
    if wrong < n:
        assert binom.cdf(wrong, n, upper) == pytest.approx(1 - confidence, abs=1e-7)


def test_an_error_among_the_first_ends_it():
    """One wrong hit among the 59 most similar leaves the cache off at 5 %, however clean the rest is."""
    wrong = np.zeros(1000, bool)
    wrong[30] = True
    found = choose_threshold(descending(1000), wrong, max_false_hit_rate=0.05)
    assert found.threshold is None
    assert found.reason == (
        "1 of the 59 most similar labelled hits are wrong: up to 7.79 % of such hits may be, more than 5 %"
    )


def test_each_step_bears_one_more_error():
    """With one error behind the first 59 the next step, 93 hits, is kept; a third error before 124 stops there."""
    wrong = np.zeros(130, bool)
    wrong[[60, 100, 110]] = True
    scores = descending(130)
    found = choose_threshold(scores, wrong, max_false_hit_rate=0.05)
    assert found.n_above[found.tested].tolist() == [59, 93, 124]
    assert (found.threshold, found.n_hits, found.n_wrong_hits) == (pytest.approx(scores[92]), 93, 1)
    assert (found.n_labelled, found.n_wrong) == (130, 3)


def test_hits_of_equal_similarity_stand_together():
    """A threshold never cuts through equal similarities: 58 better ones and 40 equal ones are one step of 98."""
    scores = np.concatenate([np.linspace(0.99, 0.95, 58), np.full(40, 0.9)])
    found = choose_threshold(scores, np.zeros(98, bool), max_false_hit_rate=0.05)
    assert (found.threshold, found.n_hits) == (0.9, 98)
    assert found.n_above[found.tested].tolist() == [98]


@given(st.integers(0, 300), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_order_does_not_matter_and_the_bound_is_kept(n, random):
    """The order of the labelled hits changes nothing; a chosen threshold's own bound is inside the budget."""
    generator = np.random.default_rng(random.getrandbits(32))
    scores = np.round(generator.uniform(0.5, 1, n), 2)
    wrong = generator.random(n) < 0.02
    found = choose_threshold(scores, wrong, max_false_hit_rate=0.1)
    shuffled = generator.permutation(n)
    again = choose_threshold(scores[shuffled], wrong[shuffled], max_false_hit_rate=0.1)
    assert (again.threshold, again.n_hits, again.n_wrong_hits) == (found.threshold, found.n_hits, found.n_wrong_hits)
    assert (found.threshold is None) == bool(found.reason)
    if found.threshold is not None:
        above = scores >= found.threshold
        assert (found.n_hits, found.n_wrong_hits) == (above.sum(), wrong[above].sum())
        assert found.upper_bound <= 0.1


def test_without_labels_it_is_off():
    """No labelled hits at all is a reason of its own."""
    found = choose_threshold([], np.zeros(0, bool), max_false_hit_rate=0.02)
    assert found.reason == "No labelled hits, 149 without any error are needed for 2 %"
    assert len(found.taus) == 0


@pytest.mark.parametrize("score", [float("nan"), 1.1, -1.5, float("inf")])
def test_a_similarity_that_is_none(score):
    """NaN and values outside [-1, 1] are refused with their place."""
    with pytest.raises(InputError, match="of labelled hit 1 is no cosine"):
        choose_threshold([0.9, score], np.zeros(2, bool), max_false_hit_rate=0.02)


def test_labels_that_do_not_fit():
    """A label for each similarity, as bools: counts and other lengths are refused."""
    with pytest.raises(InputError, match=r"shape \(2,\) come with labels of shape \(1,\)"):
        choose_threshold([0.9, 0.8], np.zeros(1, bool), max_false_hit_rate=0.02)
    with pytest.raises(InputError, match="one bool for each similarity"):
        choose_threshold([0.9], np.array([2]), max_false_hit_rate=0.02)


@pytest.mark.parametrize(("budget", "confidence"), [(0, 0.95), (1, 0.95), (float("nan"), 0.95), (0.02, 1.0)])
def test_budget_and_confidence_are_shares(budget, confidence):
    """A budget of 0 or 1 or a confidence of 1 cannot be tested."""
    with pytest.raises(InputError, match="cannot be tested"):
        choose_threshold([0.9], np.zeros(1, bool), max_false_hit_rate=budget, confidence=confidence)


def test_usd_saved_per_wrong_answer():
    """0.013 USD a hit at 2 % wrong ones save 0.65 USD for each wrong answer; no rate is 0."""
    assert usd_saved_per_wrong_answer(Decimal("0.013"), 0.02) == Decimal("0.65")
    with pytest.raises(InputError, match="No false-hit rate is 0"):
        usd_saved_per_wrong_answer(Decimal(1), 0)
