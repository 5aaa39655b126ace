import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.errors import InputError
from ragopt.measure.device_neighbours import device_neighbours
from ragopt.measure.neighbours import MARGIN, Neighbours, exact_neighbours, recall_vs_exact
from ragopt.measure.off_centre import centre_of


def blocks_of(corpus, cuts):
    edges = [0, *sorted(cuts), len(corpus)]
    return [(start, corpus[start:stop]) for start, stop in itertools.pairwise(edges)]


def search(corpus, queries, *, k, metric="ip", cuts=(), n_candidates=0, progress=None):
    return exact_neighbours(
        blocks_of(corpus, cuts),
        queries,
        k=k,
        n=len(corpus),
        metric=metric,
        gather=lambda rows: corpus[rows],
        n_candidates=n_candidates,
        progress=progress,
    )


def brute_force(corpus, queries, metric):
    big, asked = corpus.astype(np.float64), queries.astype(np.float64)
    scores = asked @ big.T if metric != "l2" else -((asked[:, None] - big[None]) ** 2).sum(axis=2)
    return np.argsort(-scores, axis=1, kind="stable"), scores


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_brute_force_for_every_block_split(data):
    """On integer vectors with ties and duplicates, ids and scores equal a stable argsort however blocks are cut."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    n, n_queries, dim = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 25)), data.draw(st.integers(1, 5))
    metric = data.draw(st.sampled_from(["ip", "l2", "cosine"]))
    corpus = rng.integers(-2, 3, (n, dim)).astype(np.float32)
    queries = rng.integers(-2, 3, (n_queries, dim)).astype(np.float32)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=5))
    k = data.draw(st.integers(max(1, n - MARGIN), n))
    found = search(corpus, queries, k=k, metric=metric, cuts=cuts)
    rows, scores = brute_force(corpus, queries, metric)
    np.testing.assert_array_equal(found.ids, rows)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, rows, axis=1))


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("cuts", [(), (60,), (7, 64, 90)])
def test_more_ties_than_the_margin_keep_the_lowest_rows(metric, cuts):
    """Of 60 copies at the k-th place and five better rows behind them the lowest copies stay, wherever blocks end."""
    corpus = np.zeros((100, 4), np.float32)
    corpus[:60, 0] = 2
    corpus[60:65, 0] = 3
    query = np.array([[4, 0, 0, 0]], np.float32)
    found = search(corpus, query, k=10, metric=metric, cuts=cuts)
    assert found.ids[0].tolist() == [*range(60, 65), *range(10 + MARGIN - 5)]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_ties_beyond_the_margin_equal_brute_force(data):
    """Of 400 vectors with a handful of values each, the first k + MARGIN are those of a stable argsort."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    metric = data.draw(st.sampled_from(["ip", "l2"]))
    corpus = rng.integers(0, 2, (400, 3)).astype(np.float32)
    queries = rng.integers(-2, 3, (data.draw(st.integers(1, 30)), 3)).astype(np.float32)
    cuts = data.draw(st.lists(st.integers(0, 400), max_size=6))
    n_candidates = data.draw(st.sampled_from([0, 60, 150]))
    found = search(corpus, queries, k=5, metric=metric, cuts=cuts, n_candidates=n_candidates)
    rows, _ = brute_force(corpus, queries, metric)
    np.testing.assert_array_equal(found.ids, rows[:, : found.ids.shape[1]])


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_keeps_k_and_a_margin_of_a_larger_corpus(metric):
    """Of 3,000 distinct integer vectors the best k + MARGIN come back exactly, over uneven blocks."""
    rng = np.random.default_rng(5)
    corpus, queries = (rng.integers(-50, 51, (rows, 16)).astype(np.float32) for rows in (3000, 40))
    found = search(corpus, queries, k=10, metric=metric, cuts=(1, 5, 1700))
    rows, scores = brute_force(corpus, queries, metric)
    assert found.ids.shape == (40, 10 + MARGIN)
    np.testing.assert_array_equal(found.ids[:, :10], rows[:, :10])
    np.testing.assert_array_equal(found.scores, -np.sort(-scores, axis=1)[:, : 10 + MARGIN])


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("ascending", [True, False])
def test_a_block_full_of_near_rows_is_searched_again(metric, ascending):
    """Rows sorted by their score put all candidates into the last blocks: they are found as in any other order."""
    rng = np.random.default_rng(6)
    corpus = rng.normal(size=(6000, 8)).astype(np.float32)
    queries = np.vstack([np.eye(8, dtype=np.float32)[:1], rng.normal(size=(5, 8)).astype(np.float32)])
    order = np.argsort(corpus[:, 0])
    corpus = corpus[order if ascending else order[::-1]].copy()
    found = search(corpus, queries, k=10, metric=metric, cuts=range(500, 6000, 500), n_candidates=400)
    whole = search(corpus, queries, k=10, metric=metric, n_candidates=400)
    np.testing.assert_array_equal(np.sort(found.ids, axis=1), np.sort(whole.ids, axis=1))
    np.testing.assert_array_equal(found.ids[:, :42], brute_force(corpus, queries, metric)[0][:, :42])


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_candidates_go_on_behind_the_neighbours(metric):
    """Asked for 500 candidates, the best 500 rows come back in the order of brute force, neighbours first."""
    rng = np.random.default_rng(7)
    # Whole numbers, which float32 adds up without rounding: the order behind the neighbours is that of float32.
    corpus, queries = (rng.integers(-50, 51, (rows, 16)).astype(np.float32) for rows in (2000, 30))
    found = search(corpus, queries, k=10, metric=metric, cuts=(3, 900), n_candidates=500)
    rows, scores = brute_force(corpus, queries, metric)
    assert found.ids.shape == (30, 500)
    np.testing.assert_array_equal(found.ids, rows[:, :500])
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, rows[:, :500], axis=1), rtol=2e-5, atol=2e-5)


def test_equal_vectors_tie_exactly():
    """Copies of a real-valued vector get one float64 score and come in row order."""
    rng = np.random.default_rng(1)
    base = rng.normal(size=(7, 37)).astype(np.float32)
    corpus = base[[3, 0, 3, 1, 3, 2, 4, 5, 6, 3]]
    found = search(corpus, base[3:4] * 2, k=4, cuts=(3, 6))
    np.testing.assert_array_equal(found.ids[0, :4], [0, 2, 4, 9])
    assert len(set(found.scores[0, :4])) == 1


def test_leaves_arrays_alone_and_reports_rows():
    """The caller's arrays keep their values, and progress counts corpus rows."""
    rng = np.random.default_rng(2)
    corpus, queries = rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    before, seen = (corpus.copy(), queries.copy()), []
    search(corpus, queries, k=2, metric="l2", cuts=(4, 4), progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(corpus, before[0])
    np.testing.assert_array_equal(queries, before[1])
    assert seen == [(4, 9), (9, 9)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 10}, "10 neighbours among 9"),
        ({"k": 0}, "0 neighbours among 9"),
        ({"queries": np.ones((2, 3), np.float32)}, "3 dimensions"),
        ({"queries": np.ones((0, 4), np.float32)}, "at least one query"),
        ({"queries": np.full((1, 4), np.nan, np.float32)}, "not numbers"),
    ],
)
def test_says_what_is_wrong(change, words):
    """A k beyond the corpus, another dimension, no queries and NaN each get their own message."""
    arguments = {"corpus": np.ones((9, 4), np.float32), "queries": np.ones((2, 4), np.float32), "k": 3} | change
    with pytest.raises(InputError, match=words):
        search(**arguments)


def test_refuses_blocks_that_do_not_add_up():
    """A store that lost rows is an error, not a smaller corpus."""
    corpus = np.eye(4, dtype=np.float32)
    with pytest.raises(InputError, match="hold 3 vectors"):
        exact_neighbours([(0, corpus[:3])], corpus, k=1, n=4, metric="ip", gather=lambda rows: corpus[rows])


def slow_recall(found, exact, k):
    result = []
    for row, ids, scores in zip(found.tolist(), exact.ids.tolist(), exact.scores.tolist(), strict=True):
        score_of, last = dict(zip(ids, scores, strict=True)), scores[k - 1]
        hits, better = set(row[:k]) & set(ids), sum(score > last for score in scores)
        strict_hits = sum(score_of[hit] > last for hit in hits)
        tied_hits = sum(score_of[hit] == last for hit in hits)
        result.append((strict_hits + min(tied_hits, k - better)) / k)
    return np.array(result, np.float32)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 6))
def test_recall_equals_a_plain_count(seed, k):
    """Recall equals a count with sets, with ties, repeated rows, unknown rows and -1."""
    rng = np.random.default_rng(seed)
    ids = np.array([rng.permutation(12)[:8] for _ in range(20)])
    exact = Neighbours(ids, -np.sort(-rng.integers(0, 4, (20, 8)).astype(np.float64), axis=1))
    found = rng.integers(-1, 12, (20, k + 2))
    before = found.copy()
    np.testing.assert_array_equal(recall_vs_exact(found, exact, k=k), slow_recall(found, exact, k))
    np.testing.assert_array_equal(found, before)


def test_recall_by_hand():
    """One of two is a half; ties fill only the places left; nothing found is 0; a row twice counts once."""
    exact = Neighbours(np.tile([4, 7, 1, 2], (5, 1)), np.tile([3.0, 2.0, 2.0, 2.0], (5, 1)))
    found = np.array([[4, 9], [1, 2], [4, 2], [-1, -1], [4, 4]])
    assert recall_vs_exact(found, exact, k=2).tolist() == [0.5, 0.5, 1.0, 0.0, 0.5]


@pytest.mark.parametrize(("shape", "k"), [((5, 1), 2), ((4, 2), 2), ((5, 2), 0), ((5, 9), 5)])
def test_recall_refuses_too_few_columns(shape, k):
    """Fewer than k columns or other query counts are errors."""
    exact = Neighbours(np.zeros((5, 4), np.int64), np.zeros((5, 4)))
    with pytest.raises(InputError, match="Cannot compare"):
        recall_vs_exact(np.zeros(shape, np.int64), exact, k=k)


@pytest.mark.parametrize("offset", [0.0, 300.0, 1000.0, -1e4])
def test_vectors_far_from_the_origin_keep_their_neighbours_by_l2(offset):
    """Around any point the ten nearest of 3,000 are those of float64: by differences of large squares they are not."""
    rng = np.random.default_rng(4)
    corpus, queries = (rng.normal(offset, 1, (rows, 64)).astype(np.float32) for rows in (3000, 50))
    rows, _ = brute_force(corpus, queries, "l2")
    before = queries.copy()
    found = search(corpus, queries, k=10, metric="l2", cuts=(700, 701))
    np.testing.assert_array_equal(found.ids[:, :10], rows[:, :10])
    np.testing.assert_array_equal(queries, before)
    pytest.importorskip("torch")
    device = device_neighbours(blocks_of(corpus, (700, 701)), queries, k=10, n=3000, metric="l2",
                               gather=lambda rows: corpus[rows], device="cpu")  # fmt: skip
    np.testing.assert_array_equal(device.ids[:, :10], rows[:, :10])


def test_whole_numbers_far_from_the_origin_stay_exact():
    """A shift is rounded to a power of two below their spread: distances of whole numbers come out without rounding."""
    rng = np.random.default_rng(6)
    corpus, queries = (rng.integers(995, 1006, (rows, 8)).astype(np.float32) for rows in (500, 20))
    rows, _ = brute_force(corpus, queries, "l2")
    np.testing.assert_array_equal(search(corpus, queries, k=400, metric="l2", cuts=(90,)).ids[:, :400], rows[:, :400])


@pytest.mark.parametrize(
    ("queries", "centre"),
    [([[1, -1], [-1, 1]], None), ([[4, 0], [4.2, 0]], [4.1015625, 0.0]), ([[7, 9]], [7, 9]), ([[0, 0]], None)],
)  # fmt: skip
def test_only_what_lies_far_from_the_origin_is_moved(queries, centre):
    """Mean (4.1, 0), spread .071: steps of 2^-4 / 8, so 4.1015625; a lone query is its own centre; the origin none."""
    found = centre_of(np.array(queries, np.float32))
    assert (None if found is None else found.tolist()) == centre
