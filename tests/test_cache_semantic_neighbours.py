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
    """A cache kept request by request: it is looked up for another text that is similar enough, a miss stores."""
    unit = vectors.astype(np.float64)
    kept, hits = {}, []
    for query, context in zip(queries.tolist(), contexts.tolist(), strict=True):
        entries = kept.setdefault(context, [])
        hits.append(any(unit[query] @ unit[other] >= threshold - 1e-6 for other in entries if other != query))
        if not hits[-1]:
            entries.append(query)
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
    """Text 0 is stored and never hits; text 1, ten degrees off, hits each time; text 2 is alone."""
    vectors = on_a_circle(0, 10, 90)
    queries = np.array([0, 0, 2, 1, 0, 2, 1], dtype=np.int32)
    threshold = float(np.cos(np.radians(15)))
    assert semantic_hits(vectors, queries, threshold).tolist() == [False, False, False, True, False, False, True]


def test_what_hits_is_not_stored():
    """Questions 20 degrees apart at .93 (21.6 degrees): the second hits the first, so nothing is kept for the third."""
    hits = semantic_hits(on_a_circle(0, 20, 40, 60, 80), np.arange(5, dtype=np.int32), 0.93)
    assert hits.tolist() == [False, True, False, True, False]


def test_a_looser_threshold_may_hit_less_often():
    """At 20 degrees C and D hit B, 19 off; at 25 B hits A, 24 off, and C and D, 32 or more from both, hit nothing."""
    away, towards = np.radians([24.0, 0.0, 19.0, 19.0]), np.radians([0.0, 0.0, 120.0, 240.0])
    vectors = np.stack([np.sin(away) * np.cos(towards), np.sin(away) * np.sin(towards), np.cos(away)], axis=1)
    queries = np.arange(4, dtype=np.int32)
    strict, loose = (float(np.cos(np.radians(angle))) for angle in (20, 25))
    assert semantic_hits(vectors.astype(np.float32), queries, strict).tolist() == [False, False, True, True]
    assert semantic_hits(vectors.astype(np.float32), queries, loose).tolist() == [False, True, False, False]


def test_no_hit_across_contexts():
    """The same log with another tenant for the similar text has no hit at all."""
    vectors = on_a_circle(0, 10)
    queries, tenants = np.array([0, 1, 0], dtype=np.int32), np.array([5, 6, 5], dtype=np.int32)
    assert semantic_hits(vectors, queries, 0.9, tenants).tolist() == [False, False, False]
    assert semantic_hits(vectors, queries, 0.9).tolist() == [False, True, False]


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(-1, 2)), max_size=40),
    st.sampled_from([-1.0, 0.0, 0.5, 0.9, 0.999, 1.0]),
)
@settings(deadline=None)
def test_hits_against_the_definition(requests, threshold):
    """Blocks and contexts change nothing: request by request the hits are those of a cache that is kept in order."""
    vectors = on_a_circle(*(17 * code for code in range(12)))
    queries = np.array([code for code, _ in requests], dtype=np.int32)
    contexts = np.array([context for _, context in requests], dtype=np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semantic_neighbours, "BLOCK_ROWS", 3)
        patch.setattr(semantic_neighbours, "BLOCK_COLUMNS", 4)
        hits = semantic_hits(vectors, queries, threshold, contexts)
    assert hits.tolist() == plain_hits(vectors, queries, threshold, contexts)


def test_a_query_that_hits_has_an_earlier_one_that_is_similar_enough(rng, monkeypatch):
    """The threshold means the same for labels and for the hit ratio; what is not stored can only take hits away."""
    monkeypatch.setattr(semantic_neighbours, "BLOCK_ROWS", 3)
    vectors = checked_units(on_a_circle(*rng.uniform(0, 360, 40)))
    similar = np.nan_to_num(nearest_earlier(vectors).scores, nan=-2) >= 0.99
    hits = semantic_hits(vectors, np.arange(40, dtype=np.int32), 0.99)
    assert hits.any()
    assert not (hits & ~similar).any()


@pytest.mark.parametrize("threshold", [0.6, 0.35])
def test_twenty_thousand_texts_take_seconds(rng, threshold):
    """20,000 different queries of 64 dimensions take well under ten seconds, whether nearly all are stored or few."""
    vectors = rng.standard_normal((20_000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start = time.process_time()
    hits = semantic_hits(vectors, np.arange(20_000, dtype=np.int32), threshold)
    assert time.process_time() - start < 10
    # Some rows by brute force: a request hits when an entry before it reaches the threshold.
    for row in (0, 1, 4_999, 10_000, 19_999):
        entries = vectors[:row][~hits[:row]]
        assert hits[row] == (row > 0 and bool((entries @ vectors[row]).max() >= threshold))


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
