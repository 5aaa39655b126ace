"""Which earlier query answers a later one: exact, in order, never across contexts, never an exact repeat."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache import semantic_neighbours
from ragopt.cache.semantic_neighbours import checked_units, nearest_earlier, semantic_hits
from ragopt.errors import InputError


def on_a_circle(*degrees):
    """Unit vectors in a plane: their cosine is that of the angle between."""
    angle = np.radians(np.array(degrees, dtype=np.float64))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def plain_hits(vectors, queries, threshold, contexts):
    """The definition, request by request."""
    unit = vectors.astype(np.float64)
    hits = []
    for i in range(len(queries)):
        earlier = [j for j in range(i) if contexts[j] == contexts[i] and queries[j] != queries[i]]
        hits.append(any(unit[queries[i]] @ unit[queries[j]] >= threshold - 1e-6 for j in earlier))
    return hits


def test_nearest_earlier_by_hand():
    """Each query meets those before it only; of equal ones the earliest is taken, the first query has none."""
    found = nearest_earlier(on_a_circle(0, 90, 60, 60, 60, 2))
    assert found.places.tolist() == [-1, 0, 1, 2, 2, 0]
    assert found.scores[1:] == pytest.approx(np.cos(np.radians([90, 30, 0, 0, 2])), abs=1e-6)
    assert np.isnan(found.scores[0])


def test_equal_texts_are_never_matched():
    """An exact repeat is another cache's: it is matched with the nearest other text instead."""
    found = nearest_earlier(on_a_circle(0, 10, 0), np.array([7, 8, 7], dtype=np.int32))
    assert found.places.tolist() == [-1, 0, 1]
    alone = nearest_earlier(on_a_circle(0, 0), np.array([1, 1], dtype=np.int32))
    assert alone.places.tolist() == [-1, -1]
    assert np.isnan(alone.scores).all()


@given(st.lists(st.integers(0, 71), min_size=0, max_size=25))
@settings(deadline=None)
def test_nearest_earlier_against_every_pair(steps):
    """Over block borders the answer is that of comparing all pairs; equal similarities go to the earliest."""
    vectors = on_a_circle(*(5 * step for step in steps)).reshape(-1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semantic_neighbours, "BLOCK_ROWS", 3)
        patch.setattr(semantic_neighbours, "BLOCK_COLUMNS", 4)
        found = nearest_earlier(vectors)
    for row, place in enumerate(found.places.tolist()):
        if row == 0:
            assert place == -1
            continue
        scores = [round(float(np.cos(np.radians(5 * (steps[row] - steps[other])))), 9) for other in range(row)]
        assert place == scores.index(max(scores))


def test_hits_by_hand():
    """Similar texts hit, the same text again does not; once another similar text came, the old one hits as well."""
    vectors = on_a_circle(0, 10, 90)
    queries = np.array([0, 0, 2, 1, 0, 2], dtype=np.int32)
    threshold = float(np.cos(np.radians(15)))
    assert semantic_hits(vectors, queries, threshold).tolist() == [False, False, False, True, True, False]


def test_no_hit_across_contexts():
    """The same log with another tenant for the similar text has no hit at all."""
    vectors = on_a_circle(0, 10)
    queries, tenants = np.array([0, 1, 0], dtype=np.int32), np.array([5, 6, 5], dtype=np.int32)
    assert semantic_hits(vectors, queries, 0.9, tenants).tolist() == [False, False, False]
    assert semantic_hits(vectors, queries, 0.9).tolist() == [False, True, True]


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(-1, 2)), max_size=40),
    st.sampled_from([-1.0, 0.0, 0.5, 0.9, 0.999, 1.0]),
)
@settings(deadline=None)
def test_hits_against_the_definition(requests, threshold):
    """Blocks and contexts change nothing: request by request the hits are those of the definition."""
    vectors = on_a_circle(*(17 * code for code in range(12)))
    queries = np.array([code for code, _ in requests], dtype=np.int32)
    contexts = np.array([context for _, context in requests], dtype=np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semantic_neighbours, "BLOCK_ROWS", 3)
        patch.setattr(semantic_neighbours, "BLOCK_COLUMNS", 4)
        hits = semantic_hits(vectors, queries, threshold, contexts)
    assert hits.tolist() == plain_hits(vectors, queries, threshold, contexts)


def test_a_query_hits_exactly_when_its_nearest_earlier_one_is_similar_enough(rng, monkeypatch):
    """The threshold means the same for labels and for the hit ratio."""
    monkeypatch.setattr(semantic_neighbours, "BLOCK_ROWS", 3)
    vectors = checked_units(on_a_circle(*rng.uniform(0, 360, 40)))
    nearest = nearest_earlier(vectors)
    hits = semantic_hits(vectors, np.arange(40, dtype=np.int32), 0.99)
    assert hits.tolist() == (np.nan_to_num(nearest.scores, nan=-2) >= 0.99).tolist()


def test_twenty_thousand_texts_take_seconds(rng):
    """20,000 different queries of 64 dimensions are compared with all earlier ones in well under ten seconds."""
    vectors = rng.standard_normal((20_000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start = time.process_time()
    hits = semantic_hits(vectors, np.arange(20_000, dtype=np.int32), 0.6)
    assert time.process_time() - start < 10
    # Some rows by brute force: a request hits when any earlier one reaches the threshold.
    for row in (0, 1, 4_999, 10_000, 19_999):
        assert hits[row] == (row > 0 and bool((vectors[:row] @ vectors[row]).max() >= 0.6))


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones(3, np.float32), r"the shape \(3,\)"),
        (np.zeros((2, 3), np.float32), "Vector 0 has the length 0"),
        (np.array([[1, 0], [np.nan, 0]], np.float32), "Vector 1 has the length nan"),
        (np.array([[1, 0], [3, 0]], np.float32), "Vector 1 has the length 3"),
    ],
)
def test_vectors_that_are_none(vectors, message):
    """Shapes, NaN and lengths other than 1 are refused with the row."""
    with pytest.raises(InputError, match=message):
        nearest_earlier(vectors)


def test_half_precision_is_unit_length_enough(rng):
    """Vectors stored in half precision are taken, and brought back to unit length."""
    vectors = rng.standard_normal((50, 384))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    assert np.linalg.norm(checked_units(vectors), axis=1) == pytest.approx(np.ones(50), abs=1e-6)


def test_lengths_and_codes_that_do_not_fit():
    """A code without a vector, another number of contexts or codes, and a threshold that is no cosine are refused."""
    vectors = on_a_circle(0, 10)
    queries = np.array([0, 2], dtype=np.int32)
    with pytest.raises(InputError, match="The codes 0 to 2 come with 2 vectors"):
        semantic_hits(vectors, queries, 0.9)
    with pytest.raises(InputError, match=r"contexts of shape \(1,\) come with 2 queries"):
        semantic_hits(vectors, queries - 1, 0.9, np.zeros(1, np.int32))
    with pytest.raises(InputError, match="No similarity is nan"):
        semantic_hits(vectors, np.zeros(2, np.int32), float("nan"))
    with pytest.raises(InputError, match=r"codes of shape \(3,\)"):
        nearest_earlier(vectors, np.zeros(3, np.int32))


def test_no_requests_have_no_hits():
    """An empty log is no error."""
    assert semantic_hits(on_a_circle(0), np.zeros(0, np.int32), 0.9).tolist() == []
    assert nearest_earlier(on_a_circle(0)).places.tolist() == [-1]
