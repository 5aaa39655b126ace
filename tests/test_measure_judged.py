import math
import time

import ir_measures
import numpy as np
import pytest

from ragopt.errors import InputError
from ragopt.measure.judged import Judge, documents_of, judged_quality


def test_by_hand():
    """A relevant document at rank 2 of grade 1 and one missing of grade 2 give the textbook values."""
    result = judged_quality(
        ["q1", "q2", "q3"], [{"a": 3.0, "b": 2.0}, {"b": 1.0}, {}], {"q1": {"b": 1, "c": 2}, "q3": {"a": 1}}, k=5
    )
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert result.query_rows.tolist() == [0, 2]
    np.testing.assert_allclose(result.scores["ndcg@10"], [1 / math.log2(3) / ideal, 0], rtol=1e-6)
    assert result.scores["mrr@10"].tolist() == [0.5, 0]
    assert result.scores["recall_vs_qrels@5"].tolist() == [0.5, 0]
    assert set(result.scores) == {"ndcg@10", "mrr@10", "recall_vs_qrels@5"}
    assert all(scores.dtype == np.float32 for scores in result.scores.values())


def test_equals_ir_measures():
    """On random rankings with ties and grades every figure equals ir_measures' own, query by query."""
    rng = np.random.default_rng(8)
    ids = [f"q{i}" for i in range(60)]
    qrels = {query: {f"d{d}": int(rng.integers(0, 4)) for d in rng.permutation(40)[:6]} for query in ids[:50]}
    rankings = [{f"d{d}": float(rng.integers(0, 6)) for d in rng.permutation(40)[: rng.integers(1, 25)]} for _ in ids]
    ours = judged_quality(ids, rankings, qrels, k=7)
    names = {ir_measures.nDCG @ 10: "ndcg@10", ir_measures.RR @ 10: "mrr@10", ir_measures.R @ 7: "recall_vs_qrels@7"}
    # ir_measures' RR@10 comes from another engine with another tie rule: it gets the ranks that trec_eval gives.
    ranked = [
        {
            doc: 100.0 - place
            for place, (doc, _) in enumerate(sorted(r.items(), key=lambda p: (p[1], p[0]), reverse=True))
        }
        for r in rankings
    ]
    seen = 0
    for metric in ir_measures.iter_calc(list(names), qrels, dict(zip(ids, ranked, strict=True))):
        row = ours.query_rows.tolist().index(ids.index(metric.query_id))
        assert ours.scores[names[metric.measure]][row] == pytest.approx(metric.value, abs=1e-6)
        seen += 1
    assert seen == 150


def test_ties_follow_trec_eval():
    """Of equal scores trec_eval ranks the greater document id first."""
    scores = judged_quality(["q"], [{"a": 1.0, "b": 1.0}], {"q": {"a": 1}}, k=1).scores
    assert (scores["mrr@10"][0], scores["recall_vs_qrels@1"][0]) == (0.5, 0)


def test_rank_eleven_scores_nothing():
    """MRR@10 counts rank 10 and not rank 11."""
    qrels = {"q": {"d": 1}}
    for rank, expected in ((10, 0.1), (11, 0.0)):
        ranking = {f"x{i}": 50.0 - i for i in range(rank - 1)} | {"d": 1.0}
        assert judged_quality(["q"], [ranking], qrels, k=1).scores["mrr@10"][0] == pytest.approx(expected)


def test_chunks_become_documents():
    """A document scores as its best chunk, duplicates join at the same score, -1 adds nothing."""
    found, scores = np.array([[2, 0, 1, -1], [-1, -1, -1, -1]]), np.full((2, 4), -np.inf, np.float32)
    scores[0, :3] = [0.5, 0.25, 0.75]
    before = found.copy()
    assert documents_of(found, scores, ["a", "b", "a"], {1: ["c", "a"]}) == [{"a": 0.75, "b": 0.75, "c": 0.75}, {}]
    np.testing.assert_array_equal(found, before)


def test_is_fast_enough_for_a_sweep():
    """3,000 queries become documents and 1,000 are scored within the 0.3 s that 250 trials can afford."""
    rng = np.random.default_rng(3)
    found, scores = rng.integers(0, 5000, (3000, 10)), rng.random((3000, 10)).astype(np.float32)
    ids = [f"q{i}" for i in range(1000)]
    judge = Judge({query: {"d1": 1} for query in ids}, k=10)
    names = [f"d{i}" for i in range(5000)]
    start = time.thread_time()
    rankings = documents_of(found, scores, names, {})
    judge.scores(ids, rankings[:1000])
    assert time.thread_time() - start < 0.3


@pytest.mark.parametrize(
    ("ids", "rankings", "qrels", "words"),
    [
        (["q"], [{}], {}, "no judgements"),
        (["q"], [{}], {"q": {}}, "no judgements"),
        (["q"], [{}], {"other": {"d": 1}}, "None of the 1 queries is judged"),
        (["q", "q"], [{}, {}], {"q": {"d": 1}}, "1 distinct"),
        (["q"], [], {"q": {"d": 1}}, "0 rankings"),
    ],
)
def test_says_what_is_wrong(ids, rankings, qrels, words):
    """Missing judgements, unjudged queries and ids that repeat each get their own message."""
    with pytest.raises(InputError, match=words):
        judged_quality(ids, rankings, qrels, k=10)


@pytest.mark.parametrize(
    ("found", "scores", "words"),
    [([[0]], [[np.nan]], "not a number"), ([[3]], [[1.0]], "Row 3"), ([[0]], [[1.0, 2.0]], "shape")],
)
def test_refuses_results_that_cannot_be(found, scores, words):
    """NaN scores, rows beyond the corpus and shapes that differ are errors."""
    with pytest.raises(InputError, match=words):
        documents_of(np.array(found), np.array(scores, np.float32), ["a"], {})
