"""Shortlists and rescoring worked out by hand, and against FAISS's own two-stage search."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.index.build import train_index
from ragopt.index.candidate_scores import candidate_scores
from ragopt.index.candidates import Candidates
from ragopt.index.factory import parse_factory
from ragopt.measure.shortlist import best_rescored, narrow, ranks, rows_at, shortlist

N, DIM, K = 900, 16, 5


def test_equal_scores_go_to_the_lower_row():
    """Places 0, 1, 2 are rows 9, 4, 7: of two equal scores the one at the lower row comes first."""
    scores = np.array([[0.5, 0.5, 0.9]], dtype=np.float32)
    by_row = np.array([[1, 2, 0]], dtype=np.int32)
    assert shortlist(scores, by_row, depth=3).tolist() == [[2, 1, 0]]
    assert ranks(scores, by_row).tolist() == [[2, 1, 0]]


def test_what_a_search_never_returns_is_minus_one():
    """Candidates of lists that are not probed have no place, however few are left."""
    scores = np.array([[-np.inf, 0.1, -np.inf]], dtype=np.float32)
    assert shortlist(scores, np.array([[0, 1, 2]], dtype=np.int32), depth=3).tolist() == [[1, -1, -1]]


def test_half_the_candidates_compete():
    """With the first two places only, the third cannot win."""
    scores = np.array([[0.1, 0.2, 0.9]], dtype=np.float32)
    assert shortlist(scores, np.array([[0, 1, 2]], dtype=np.int32), depth=3, n_places=2).tolist() == [[1, 0, -1]]


def test_rescoring_by_hand():
    """Of the first `depth` of the shortlist the tier's best come first; places below 0 come last and stay below 0."""
    places = np.array([[4, 2, -2, 0, 1]], dtype=np.int16)
    tier = np.array([[0, 1, 2, 3, 4]], dtype=np.int16)
    assert best_rescored(places, tier, depth=2, n_results=2).tolist() == [[2, 4]]
    assert best_rescored(places, tier, depth=5, n_results=3).tolist() == [[0, 1, 2]]
    assert best_rescored(places, tier, depth=3, n_results=3).tolist() == [[2, 4, -2]]
    assert rows_at(np.array([[10, 11, 12, 13, 14]]), best_rescored(places, tier, depth=3, n_results=3)).tolist() == [
        [12, 14, -1]
    ]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 30))
def test_more_depth_never_loses_a_neighbour(seed, depth):
    """With exact ranks in the tier, rescoring one more candidate never finds fewer of the nearest."""
    rng = np.random.default_rng(seed)
    places = np.array([rng.permutation(40) for _ in range(6)], dtype=np.int32)
    tier = np.tile(np.arange(40, dtype=np.int32), (6, 1))
    fewer = best_rescored(places, tier, depth=depth, n_results=min(K, depth))
    more = best_rescored(places, tier, depth=depth + 1, n_results=min(K, depth + 1))
    assert ((more < K).sum(axis=1) >= (fewer < K).sum(axis=1)).all()


def test_narrow_keeps_every_value():
    """Places are kept in 16 bits where they fit, and as they are where not."""
    small, large = np.array([[-2, 32767]], dtype=np.int32), np.array([[32768]], dtype=np.int32)
    assert narrow(small).dtype == np.int16
    assert narrow(large).dtype == np.int32
    assert narrow(small).tolist() == small.tolist()


@pytest.mark.parametrize("tier", ["SQ8", "SQfp16", "Flat"])
@pytest.mark.parametrize("base", ["SQ4", "PQ4np", "PCAR8,PQ2np", "RaBitQ", "PQ8x4fs"])
def test_depths_read_off_one_shortlist_equal_index_refine(rng, base, tier):
    """For every depth, one shortlist and one set of ranks give what FAISS's IndexRefine finds."""
    corpus = rng.normal(size=(N, DIM)).astype(np.float32)
    corpus /= np.linalg.norm(corpus, axis=1, keepdims=True)
    queries, rows = corpus[:30] + np.float32(0.05), None
    rows = np.argsort(-(queries @ corpus.T), axis=1, kind="stable")
    candidates = Candidates.of(rows)

    def scored(text):
        index = train_index(parse_factory(text, DIM), corpus, metric="ip", seed=0)
        return candidate_scores(index, parse_factory(text, DIM), candidates, lambda at: corpus[at], queries)

    places = shortlist(scored(base), candidates.by_row, depth=200)
    tier_ranks = ranks(scored(tier), candidates.by_row)
    codes, vectors = (train_index(parse_factory(text, DIM), corpus, metric="ip", seed=0) for text in (base, tier))
    codes.add(corpus)
    vectors.add(corpus)
    both = faiss.IndexRefine(codes, vectors)
    for factor in (1, 4, 20):
        both.k_factor = factor
        expected = both.search(queries, K)[1]
        found = rows_at(rows, best_rescored(places, tier_ranks, depth=factor * K, n_results=K))
        # Rounded FastScan scores tie at the last place of a shortlist, where either vector may be taken.
        assert (found == expected).mean() > (0.96 if base.endswith("fs") else 0.999)
