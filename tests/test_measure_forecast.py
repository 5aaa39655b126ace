import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.errors import InputError
from ragopt.measure.forecast import (
    MODEL_ERROR,
    MODEL_ERROR_OF_LOSS,
    forecast_recall,
    recall_at,
    thinned_places,
    thinned_ranks,
    validate_forecast,
)
from ragopt.measure.intervals import mean_interval
from ragopt.measure.shortlist import ranks, shortlist


def of(*rows):
    return np.array(rows, dtype=np.int32)


def perfect_and_swapped():
    """Shortlists of 20: two queries find all in order, two have their 10th and 11th nearest in each other's place."""
    places = np.tile(np.arange(20, dtype=np.int32), (4, 1))
    places[2:, [9, 10]] = [10, 9]
    return places


def corpus(seed, n, n_queries=3):
    """True, code and tier scores of a corpus: float32 (n_queries, n) each, all distinct."""
    rng = np.random.default_rng(seed)
    true = rng.permuted(np.tile(np.arange(n, dtype=np.float32), (n_queries, 1)), axis=1)
    return true, true + rng.normal(0, n / 8, true.shape), true + rng.normal(0, n / 40, true.shape)


def searched(true, code, tier, depth):
    """Shortlist and tier ranks of a corpus, with every vector a candidate."""
    order = np.argsort(-true, axis=1, kind="stable")
    by_place = [np.take_along_axis(scores, order, axis=1).astype(np.float32) for scores in (code, tier)]
    by_row = np.tile(np.arange(true.shape[1], dtype=np.int32), (len(true), 1))
    return shortlist(by_place[0], by_row, depth=depth), ranks(by_place[1], by_row), order


def test_recall_between_whole_ranks_by_hand():
    """Nearest, third, second: recall@1 is 1, recall@2 is 1/2, recall@3 is 1, and halfway lies halfway."""
    places = of([0, 2, 1])
    found = [recall_at(places, None, rank=rank, depth=None)[0] for rank in (1, 1.5, 2, 2.25, 3)]
    assert found == [1, 0.75, 0.5, 0.625, 1]


def test_recall_after_rescoring_by_hand():
    """The nearest is third by code: 2 rescored miss it, 3 find it, 2.5 find half; a tier that errs never does."""
    places, right, wrong = of([3, 1, 0, 2]), of([0, 1, 2, 3]), of([1, 0, 2, 3])
    assert [recall_at(places, right, rank=1, depth=depth)[0] for depth in (2, 2.5, 3)] == [0, 0.5, 1]
    assert [recall_at(places, wrong, rank=1, depth=depth)[0] for depth in (2, 2.5, 3)] == [0, 0, 0]


def test_nothing_found_counts_for_nothing():
    """A shortlist that ended after one entry has recall@2 of one half, with a tier or without."""
    places = of([1, -1, -1])
    assert recall_at(places, None, rank=2, depth=None)[0] == 0.5
    assert recall_at(places, of([0, 1, 2]), rank=2, depth=3)[0] == 0.5


def test_fractional_depth_never_returns_fewer_than_counted():
    """At rank 1.5 and depth 1.5 whole rank 2 is taken from two entries: 1/4 x 1 + 1/4 x 1 + 1/2 x 1."""
    assert recall_at(of([0, 1]), of([0, 1]), rank=1.5, depth=1.5)[0] == 1


def test_twice_the_corpus_by_hand():
    """recall@20 at 2 n is recall@10 at n: two of 1 and two of 9/10 give .95, each end moved by a quarter of .05."""
    forecast = forecast_recall(perfect_and_swapped(), None, k=20, depth=None, n=1000, n_scale=2000)
    interval = mean_interval([1, 1, 0.9, 0.9])
    assert forecast.value == pytest.approx(0.95, abs=1e-12)
    assert forecast.low == pytest.approx(interval.low - 0.0125, abs=1e-12)
    assert forecast.high == pytest.approx(min(1, interval.high + 0.0125), abs=1e-12)
    method = "recall@10 at 1,000 vectors, if the corpus grows by more of the same"
    assert (forecast.n_vectors, forecast.method, forecast.reason) == (2000, method, "")


def test_rescoring_depth_scales_too():
    """The nearest ten lie behind ten others by code: at 2 n, 40 rescored are 20 at n and find all, 20 find none."""
    places = np.tile(np.r_[10:20, 0:10, 20:40].astype(np.int32), (4, 1))
    tier = np.tile(np.arange(40, dtype=np.int32), (4, 1))
    at = [forecast_recall(places, tier, k=20, depth=depth, n=500, n_scale=1000) for depth in (40, 20)]
    assert [forecast.value for forecast in at] == [1, 0]
    assert at[0].method.startswith("recall@10 with 20 rescored at 500 vectors, if")


def test_few_ranks_give_a_range_only():
    """At k n / N = 9 there is no value; the range goes from recall@9 to recall@10 at n, the reason names the size."""
    forecast = forecast_recall(perfect_and_swapped(), None, k=10, depth=None, n=900, n_scale=1000)
    assert forecast.value is None
    assert forecast.low == mean_interval([1, 1, 1, 1]).low  # nothing is lost, so the formula has no error of its own
    assert forecast.high == 1
    assert forecast.reason == (
        "the 900 vectors that were swept give a range only for 1,000; sweep at least 1,000 vectors for a value"
    )
    assert forecast.method.startswith("from recall@10 at 900 vectors down to recall@9 at 900 vectors, if")


def test_upper_end_is_that_of_the_smaller_corpus():
    """recall@2 at n is 1/2 in all of 400 queries, recall@1 is 0: the high end is that of 1/2, the low end that of 0."""
    places = np.tile(of([1, 2]), (400, 1))
    forecast = forecast_recall(places, None, k=2, depth=None, n=10, n_scale=20)
    assert forecast.high == pytest.approx(mean_interval([0.5] * 400).high + MODEL_ERROR, abs=1e-12)
    assert forecast.low == 0


def test_recall_that_rises_raises_the_upper_end():
    """recall@1 at n is 1 where recall@2 is 1/2: recall at 2 n may be above that at n, and the high end says so."""
    forecast = forecast_recall(np.tile(of([0, 2]), (400, 1)), None, k=2, depth=None, n=10, n_scale=20)
    assert forecast.high == 1


def test_less_than_one_rank_has_no_lower_end():
    """10 of 100,000 are 1/2 of 5,000: neither value nor lower end, and the reason says how many vectors would do."""
    forecast = forecast_recall(perfect_and_swapped(), None, k=10, depth=None, n=5000, n_scale=100_000)
    assert (forecast.value, forecast.low) == (None, None)
    assert forecast.high == 1
    assert forecast.reason == (
        "100,000 vectors are 20 times the 5,000 that were swept, and those show how recall@10 falls up to 10 times as "
        "many at most; sweep at least 10,000 vectors for a lower end, 100,000 for a value"
    )


def test_the_same_corpus_is_no_forecast():
    """At N = n the figure is the measured one with its interval and nothing more, at any k."""
    forecast = forecast_recall(perfect_and_swapped(), None, k=10, depth=None, n=7, n_scale=7)
    interval = mean_interval([1, 1, 0.9, 0.9])
    assert (forecast.value, forecast.low, forecast.high) == (interval.value, interval.low, interval.high)
    assert forecast.reason == ""


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), first=st.floats(2, 40), second=st.floats(2, 40), rank=st.integers(1, 2))
def test_more_rescored_by_exact_vectors_never_find_less(seed, first, second, rank):
    """With an exact tier recall never falls with the depth, whole or fractional, for any order of the codes."""
    rng = np.random.default_rng(seed)
    places = rng.permuted(np.tile(np.arange(40, dtype=np.int32), (5, 1)), axis=1)
    tier = np.tile(np.arange(40, dtype=np.int32), (5, 1))
    low, high = (recall_at(places, tier, rank=rank, depth=depth) for depth in sorted((first, second)))
    assert (low <= high + 1e-12).all()


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), growth=st.integers(0, 300))
def test_ends_enclose_the_value(seed, growth):
    """Low <= value <= high with what there is of them, and a value is there from k n / N = 10 on."""
    places, _, _ = searched(*corpus(seed, 100), depth=40)
    forecast = forecast_recall(places, None, k=20, depth=None, n=100, n_scale=100 + growth)
    ends = [end for end in (0.0, forecast.low, forecast.value, forecast.high, 1.0) if end is not None]
    assert ends == sorted(ends)
    assert (forecast.value is not None) == (growth <= 100)
    assert (forecast.reason == "") == (growth <= 100)
    assert forecast.low is not None


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 1))
def test_thinned_shortlist_is_that_of_the_part(seed, share):
    """Places and rescored recall from a thinned shortlist equal those of a search of the part itself."""
    true, code, tier = corpus(seed, 60)
    mask = np.random.default_rng(seed).random(60) < share
    mask[:6] = True
    places, tier_ranks, rows = searched(true, code, tier, 60)
    kept, size = mask[rows], int(mask.sum())
    expected, expected_ranks, _ = searched(true[:, mask], code[:, mask], tier[:, mask], size)
    thin = thinned_places(places, kept)
    np.testing.assert_array_equal(thin[:, :size], expected)
    assert (thin[:, size:] == -1).all()
    np.testing.assert_array_equal(
        recall_at(thin, thinned_ranks(tier_ranks, kept), rank=2.5, depth=5.5),
        recall_at(expected, expected_ranks, rank=2.5, depth=5.5),
    )


def test_thinned_places_by_hand():
    """Of places 0 to 4, 1 and 4 go: 2 becomes 1, 3 becomes 2, and what is missing is -1 at the end."""
    kept = np.array([[True, False, True, True, False]])
    np.testing.assert_array_equal(thinned_places(of([4, 3, 0, 1, -1]), kept), [[2, 0, -1, -1, -1]])
    np.testing.assert_array_equal(thinned_ranks(of([4, 3, 2, 1, 0]), kept)[:, :3], [[4, 2, 1]])


def test_check_compares_the_part_with_the_whole():
    """The check's forecast is that of the part, its measurement that of the whole, its error their difference."""
    true, code, tier = corpus(3, 400, n_queries=50)
    mask = np.random.default_rng(5).permutation(400) < 200
    places, tier_ranks, rows = searched(true, code, tier, 400)
    check = validate_forecast(places, tier_ranks, mask[rows], k=20, depth=60, n=400, n_kept=200)
    part, part_ranks, _ = searched(true[:, mask], code[:, mask], tier[:, mask], 200)
    assert check.forecast == forecast_recall(part, part_ranks, k=20, depth=60, n=200, n_scale=400)
    measured = recall_at(places, tier_ranks, rank=20, depth=60).mean()
    assert check.measured == measured
    assert check.scaled == pytest.approx(recall_at(part, part_ranks, rank=10, depth=30).mean(), abs=1e-12)
    assert check.error == check.scaled - measured
    assert check.inside == (check.forecast.low <= measured <= check.forecast.high)


def test_check_without_a_rank_has_no_error():
    """A part that shows less than one rank gives no scaled figure, no error and no lower end."""
    places, _, rows = searched(*corpus(1, 100), depth=100)
    mask = np.arange(100) < 10
    check = validate_forecast(places, None, mask[rows], k=5, depth=None, n=100, n_kept=10)
    assert (check.scaled, check.error, check.forecast.low) == (None, None, None)


def test_cut_shortlists_cannot_be_checked():
    """Shortlists cut at the depth lack entries in a part, and the error says how many are needed."""
    places, tier_ranks, rows = searched(*corpus(1, 100), depth=40)
    mask = np.arange(100) < 50
    with pytest.raises(InputError, match=r"shortlists of 40 entries keep fewer than 40.*all 100 candidates"):
        validate_forecast(places, tier_ranks, mask[rows], k=10, depth=40, n=100, n_kept=50)


def test_shortlists_that_ended_by_themselves_can_be_checked():
    """Few probed lists end a shortlist before the depth; that is no cut."""
    places, tier_ranks, rows = searched(*corpus(1, 100), depth=40)
    places[:, 30:] = -1
    mask = np.arange(100) < 50
    check = validate_forecast(places, tier_ranks, mask[rows], k=10, depth=40, n=100, n_kept=50)
    assert check.measured == recall_at(places, tier_ranks, rank=10, depth=40).mean()


def test_leaves_arrays_alone():
    """The caller's arrays keep their values."""
    places, tier_ranks, rows = searched(*corpus(2, 80), depth=80)
    kept = (np.arange(80) < 40)[rows]
    before = [array.copy() for array in (places, tier_ranks, kept)]
    validate_forecast(places, tier_ranks, kept, k=10, depth=20, n=80, n_kept=40)
    for array, copy in zip((places, tier_ranks, kept), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("tier", "rank", "depth", "message"),
    [
        (None, 1, 3, "depth of 3 comes without the ranks"),
        (of([0, 1, 2]), 1, None, "depth of None comes with the ranks"),
        (None, 0.5, None, r"recall@0\.5 of shortlists of 3"),
        (None, 4, None, "recall@4 of shortlists of 3 entries, 4 of them used"),
        (of([0, 1, 2]), 1, 4, "recall@1 of shortlists of 3 entries, 4 of them used"),
        (of([0, 1, 2]), 3, 2, "recall@3 of shortlists of 3 entries, 2 of them used"),
    ],
)
def test_what_a_shortlist_cannot_show(tier, rank, depth, message):
    """A tier without a depth, a rank under 1 and more entries than there are are errors with their numbers."""
    with pytest.raises(InputError, match=message):
        recall_at(of([0, 1, 2]), tier, rank=rank, depth=depth)


@pytest.mark.parametrize(("n", "n_scale"), [(100, 99), (0, 10)])
def test_a_smaller_corpus_is_no_forecast(n, n_scale):
    """A corpus smaller than the one swept, or an empty one, is an error with both numbers."""
    with pytest.raises(InputError, match=f"from {n} vectors to {n_scale}"):
        forecast_recall(perfect_and_swapped(), None, k=10, depth=None, n=n, n_scale=n_scale)


def test_the_model_error_is_a_share_of_small_losses():
    """The two allowances meet at a loss of a tenth; a codec that loses 2 % is allowed half a point."""
    assert pytest.approx(0.1) == MODEL_ERROR / MODEL_ERROR_OF_LOSS
    places = perfect_and_swapped()[[0, 0, 0, 0, 2]]
    forecast = forecast_recall(places, None, k=20, depth=None, n=1, n_scale=2)
    assert forecast.low == pytest.approx(mean_interval([1, 1, 1, 1, 0.9]).low - 0.005, abs=1e-12)


def test_a_depth_beyond_the_corpus_rescores_all_of_it():
    """Fifty of forty vectors are forty: measured as it is searched; at twenty times the corpus 2.5 of them are left."""
    places = np.tile(np.arange(40, dtype=np.int32), (4, 1))
    forecast = forecast_recall(places, places, k=10, depth=50, n=40, n_scale=3_000_000)
    assert (forecast.value, forecast.low) == (None, None)
    assert forecast.high == 1
    near = forecast_recall(places, places, k=20, depth=50, n=40, n_scale=41)
    assert near.high == 1
