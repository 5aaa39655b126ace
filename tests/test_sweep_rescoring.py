import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.index.build import add_blocks, set_search, train_index, with_refine
from ragopt.index.factory import parse_factory
from ragopt.sweep import rescoring
from ragopt.sweep.rescoring import best_rescored, rescore_shortlist

N, DIM, K = 600, 16, 5


@pytest.fixture
def corpus(rng):
    rows = rng.normal(size=(N, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def built(text, corpus, metric):
    index = train_index(parse_factory(text, DIM), corpus, metric=metric, seed=0)
    add_blocks(index, [(0, corpus)])
    return index


def assert_same_rows(rows, scores, other_rows, other_scores):
    """Every row has the same score in both, and only rows that tie with the last one may differ."""
    np.testing.assert_array_equal(rows < 0, other_rows < 0)
    np.testing.assert_allclose(np.where(rows < 0, 0, scores), np.where(rows < 0, 0, other_scores), atol=1e-6)
    for mine, theirs, last in zip(
        pairs(rows, scores), pairs(other_rows, other_scores), scores.min(axis=1), strict=True
    ):  # fmt: skip
        for row in mine.keys() | theirs.keys():
            assert mine.get(row, last) == pytest.approx(theirs.get(row, last), abs=1e-6), row


def pairs(rows, scores):
    """Row to score, per query."""
    return [
        {row: score for row, score in zip(*both, strict=True) if row >= 0}
        for both in zip(rows.tolist(), scores.tolist(), strict=True)
    ]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("tier", ["SQ8", "SQfp16", "Flat", "PQ8np"])
@pytest.mark.parametrize(
    ("codes", "search"), [("PQ4x4fs", ""), ("PCAR8,SQ4", ""), ("IVF32,RaBitQ", "nprobe=1"), ("RaBitQ4", "")]
)
def test_equals_a_refined_search(codes, search, tier, metric, corpus, rng):
    """Rescoring a shortlist finds what FAISS's IndexRefine finds at the same depth, -1 of short lists included."""
    queries = (corpus[:40] + rng.normal(scale=0.1, size=(40, DIM))).astype(np.float32)
    base, refine = built(codes, corpus, metric), built(tier, corpus, metric)
    joined = with_refine(base, refine)
    set_search(base, search)
    for factor in (1, 4, 20):
        shortlist = base.search(queries, K * factor)[1]
        scores = rescore_shortlist(refine, queries, shortlist, metric=metric)
        rows, best = best_rescored(shortlist, scores, depth=K * factor, k=K)
        set_search(joined, f"k_factor_rf={factor}")
        distances, found = joined.search(queries, K)
        assert_same_rows(rows, best, found, -distances if metric == "l2" else distances)
    assert (shortlist < 0).any() == ("IVF" in codes)


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_one_deep_shortlist_serves_every_depth(metric, corpus):
    """The first rows of the deepest shortlist are the shallower ones, so that each depth is read off it."""
    base, refine = built("SQ4", corpus, metric), built("SQ8", corpus, metric)
    joined, queries = with_refine(base, refine), corpus[:30]
    shortlist = base.search(queries, K * 20)[1]
    scores = rescore_shortlist(refine, queries, shortlist, metric=metric)
    for factor in (1, 2, 10, 20):
        rows, best = best_rescored(shortlist, scores, depth=K * factor, k=K)
        set_search(joined, f"k_factor_rf={factor}")
        distances, found = joined.search(queries, K)
        assert_same_rows(rows, best, found, -distances if metric == "l2" else distances)


def test_by_hand():
    """Integer vectors: inner products, minus squared distances, and minus infinity where there is no row."""
    refine = faiss.IndexFlatIP(2)
    refine.add(np.array([[1, 0], [0, 2], [3, 4]], dtype=np.float32))
    queries, shortlist = np.array([[1, 1], [2, 0]], dtype=np.float32), np.array([[2, 0, -1], [-1, 1, 2]])
    inner = rescore_shortlist(refine, queries, shortlist, metric="ip")
    np.testing.assert_array_equal(inner, [[7, 1, -np.inf], [-np.inf, 0, 6]])
    squared = rescore_shortlist(refine, queries, shortlist, metric="l2")
    np.testing.assert_array_equal(squared, [[-13, -1, -np.inf], [-np.inf, -8, -17]])
    rows, scores = best_rescored(shortlist, inner, depth=3, k=2)
    np.testing.assert_array_equal(rows, [[2, 0], [2, 1]])
    np.testing.assert_array_equal(scores, [[7, 1], [6, 0]])
    np.testing.assert_array_equal(best_rescored(shortlist, inner, depth=2, k=2)[0], [[2, 0], [1, -1]])


@given(seed=st.integers(0, 10**6), depth=st.integers(1, 12), k=st.integers(1, 12))
def test_best_are_sorted_and_ties_keep_the_codes_order(seed, depth, k):
    """The k best of the first `depth`, best first; equal scores stay in the order of the codes; arrays untouched."""
    rng = np.random.default_rng(seed)
    shortlist = np.array([rng.permutation(50)[:12] for _ in range(4)])
    scores = rng.integers(0, 4, shortlist.shape).astype(np.float32)
    before = shortlist.copy(), scores.copy()
    rows, best = best_rescored(shortlist, scores, depth=depth, k=k)
    for number in range(4):
        expected = sorted(range(depth), key=lambda place: (-scores[number, place], place))[:k]
        assert rows[number].tolist() == shortlist[number, expected].tolist()
        assert best[number].tolist() == scores[number, expected].tolist()
    np.testing.assert_array_equal(shortlist, before[0])
    np.testing.assert_array_equal(scores, before[1])


@pytest.mark.parametrize("gather_values", [1, DIM * 7 * 3, 1 << 23])
def test_blocks_change_nothing(gather_values, monkeypatch, corpus, rng):
    """However few vectors are decoded at once, the scores are the same."""
    refine, shortlist = built("SQ8", corpus, "l2"), rng.integers(-1, N, (20, 7))
    whole = rescore_shortlist(refine, corpus[:20], shortlist, metric="l2")
    monkeypatch.setattr(rescoring, "GATHER_VALUES", gather_values)
    np.testing.assert_array_equal(rescore_shortlist(refine, corpus[:20], shortlist, metric="l2"), whole)
