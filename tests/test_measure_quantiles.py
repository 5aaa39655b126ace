import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import quantile_test

from ragopt.errors import InputError
from ragopt.measure.quantiles import quantile_interval, values_needed


@settings(max_examples=200, deadline=None)
@given(n=st.integers(1, 900), share=st.sampled_from([0.5, 0.95, 0.99]), seed=st.integers(0, 9))
def test_intervals_are_scipys(n, share, seed):
    """Without clumps both ends are those of scipy's quantile test (Thompson's interval), missing ends too."""
    values = np.random.default_rng(seed).lognormal(size=n)
    theirs = quantile_test(values, p=share).confidence_interval(0.95)
    ours = quantile_interval(values, share)
    assert [ours.low, ours.high] == [None if np.isnan(end) else end for end in theirs]
    assert ours.value == np.percentile(values, 100 * share)
    assert (ours.n, ours.n_independent) == (n, n)


def test_an_upper_end_of_p99_takes_368_values():
    """0.99^368 = 2.48 % and 0.99^367 = 2.50 %: the largest of 368 is an upper limit, 367 have none."""
    assert values_needed(0.99) == 368
    assert quantile_interval(np.arange(368), 0.99).high == 367
    assert quantile_interval(np.arange(367), 0.99).high is None


def test_one_value_is_a_lower_end_of_p99():
    """One value lies above p99 with 1 %, so it is a lower limit; above the median with 50 %, so it is none of that."""
    assert quantile_interval([7.0], 0.99).low == 7.0
    assert quantile_interval([7.0], 0.5).low is None


def test_six_medians_lie_between_the_least_and_the_largest():
    """2 * 0.5^6 = 3.1 %: six values hold their median with 97 %, five (6.2 %) have no interval."""
    six, five = quantile_interval([3, 1, 2, 9, 5, 4], 0.5), quantile_interval([3, 1, 2, 9, 5], 0.5)
    assert (six.low, six.value, six.high) == (1, 3.5, 9)
    assert (five.low, five.value, five.high) == (None, 3, None)


@given(n=st.integers(1, 300), copies=st.integers(1, 8), share=st.sampled_from([0.5, 0.9, 0.99]))
def test_copies_say_no_more_than_one_of_each(n, copies, share):
    """Values that come in clumps of equal ones have the interval of one value a clump."""
    values = np.random.default_rng(n).normal(size=n)
    one, many = quantile_interval(values, share), quantile_interval(np.repeat(values, copies), share, n_independent=n)
    assert (one.low, one.high) == (many.low, many.high)


@pytest.mark.parametrize(
    ("values", "share", "clumps"),
    [([], 0.5, None), ([1.0], 1.0, None), ([1.0], 0.0, None), ([1.0], 0.5, 2), ([1], 0.5, 0)],
)
def test_what_has_no_quantile_is_refused(values, share, clumps):
    """No values, a share that is none, and more clumps than values are errors."""
    with pytest.raises(InputError, match=f"share {share} of {len(values)} values"):
        quantile_interval(values, share, n_independent=clumps)
