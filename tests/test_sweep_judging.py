import numpy as np
import pytest

from ragopt.errors import InputError
from ragopt.measure.judged import Judge
from ragopt.measure.neighbours import Neighbours
from ragopt.sweep.judging import Judging

EXACT = Neighbours(np.array([[0, 1, 2], [3, 2, 1]]), np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]]))
FOUND = np.array([[0, 1], [3, 0]])
SCORES = np.array([[0.9, 0.8], [0.9, 0.1]], dtype=np.float32)


def test_recall_without_judgements():
    """Without judgements there is recall_vs_exact alone: 2 of 2 and 1 of 2 neighbours found."""
    judging = Judging(["q0", "q1"], ["a", "b", "c", "d"], {}, None, k=2)
    scores = judging.scores(FOUND, SCORES, EXACT)
    assert list(scores) == ["recall_vs_exact@2"]
    assert scores["recall_vs_exact@2"].tolist() == [1.0, 0.5]
    assert scores["recall_vs_exact@2"].dtype == np.float32


def test_judged_qualities_by_hand():
    """A relevant document at rank 2 gives MRR 1/2 and nDCG 1/log2(3); a query without judgements is left out."""
    judging = Judging(["q0", "q1"], ["a", "b", "c", "d"], {}, Judge({"q0": {"b": 1}}, k=2), k=2)
    scores = judging.scores(FOUND, SCORES, EXACT)
    assert scores["recall_vs_exact@2"].tolist() == [1.0, 0.5]
    assert scores["mrr@10"].tolist() == [0.5]
    assert scores["ndcg@10"].tolist() == pytest.approx([1 / np.log2(3)])
    assert scores["recall_vs_qrels@2"].tolist() == [1.0]


def test_documents_with_the_same_text_are_found_together():
    """A judgement of a duplicate counts when the chunk that was kept for it is found."""
    judging = Judging(["q0", "q1"], ["a", "b", "c", "d"], {3: ["copy"]}, Judge({"q1": {"copy": 1}}, k=2), k=2)
    assert judging.scores(FOUND, SCORES, EXACT)["recall_vs_qrels@2"].tolist() == [1.0]


def test_chunks_of_one_document_count_once():
    """Two chunks of the relevant document are one hit at the rank of the better one."""
    judging = Judging(["q0", "q1"], ["a", "a", "c", "d"], {}, Judge({"q0": {"a": 1}}, k=2), k=2)
    scores = judging.scores(FOUND, SCORES, EXACT)
    assert (scores["mrr@10"].tolist(), scores["ndcg@10"].tolist()) == ([1.0], [1.0])


def test_no_judged_query_is_an_error():
    """Judgements of other queries than those searched are not taken for a quality of zero."""
    judging = Judging(["q0", "q1"], ["a", "b", "c", "d"], {}, Judge({"other": {"b": 1}}, k=2), k=2)
    with pytest.raises(InputError, match="None of the 2 queries is judged"):
        judging.scores(FOUND, SCORES, EXACT)
