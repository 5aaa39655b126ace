"""Judged documents among the first chunks: by hand, and against trec_eval where each document is one chunk."""

import numpy as np
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.measure.chunk_recall import depths_of, recall_by_chunks


def test_two_chunks_of_one_document_are_one_document():
    """Chunks a, a, b with a and b relevant: half after one and two chunks, all after three; a hole finds nothing."""
    found = np.array([[0, 1, 2], [-1, 2, -1]])
    relevant = [frozenset({"a", "b"}), frozenset({"b"})]
    scores = recall_by_chunks(found, relevant, ["a", "a", "b"], {}, (1, 2, 3))
    assert scores.tolist() == [[0.5, 0.5, 1.0], [0.0, 1.0, 1.0]]


def test_a_duplicate_chunk_stands_for_all_its_documents():
    """Row 0 is kept for a and left out for c: finding it finds both; without relevant documents the score is 0."""
    scores = recall_by_chunks(np.array([[0], [0]]), [frozenset({"a", "c"}), frozenset()], ["a"], {0: ["c"]}, (1,))
    assert scores.tolist() == [[1.0], [0.0]]


def test_depths_are_those_that_a_search_returns():
    """The k of the run joins them; what lies beyond the results is left out."""
    assert depths_of(10, 10) == (1, 2, 3, 5, 10)
    assert depths_of(20, 20) == (1, 2, 3, 5, 10, 20)
    assert depths_of(4, 10) == (1, 2, 3, 4, 5, 10)
    assert depths_of(1, 4) == (1, 2, 3)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), n=st.integers(3, 12))
def test_with_one_chunk_a_document_it_is_trec_evals_recall(data, n):
    """Then the d best chunks are the d best documents, and pytrec_eval's recall_d is the oracle."""
    order = data.draw(st.permutations(range(n)))
    wanted = data.draw(st.sets(st.integers(0, n - 1), min_size=1))
    names = [f"d{row}" for row in range(n)]
    depth = data.draw(st.integers(1, n))
    evaluator = pytrec_eval.RelevanceEvaluator({"q": {names[row]: 1 for row in wanted}}, {f"recall.{depth}"})
    run = {"q": {names[row]: float(n - place) for place, row in enumerate(order)}}
    expected = evaluator.evaluate(run)["q"][f"recall_{depth}"]
    found = recall_by_chunks(np.array([order]), [frozenset(names[row] for row in wanted)], names, {}, (depth,))
    assert abs(float(found[0, 0]) - expected) < 1e-6
