"""What serving the neighbour's results loses, scored with each query's own judgements."""

import numpy as np
import pytest

from ragopt.cache.semantic_judged import WHAT_JUDGEMENTS_CERTIFY, served_neighbour_loss
from ragopt.cache.semantic_threshold import choose_threshold
from ragopt.corpus.qrels import read_qrels
from ragopt.corpus.text_files import read_json_lines
from ragopt.errors import InputError
from ragopt.measure.judged import judged_quality

LINE = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]], dtype=np.float32)
"""Four queries; each one's nearest earlier is the one before it."""


def test_loss_by_hand():
    """A query whose neighbour was not served its document is wrong; one that gains or loses nothing is right."""
    results = np.array([[1, 2], [1, 3], [4, 3], [4, -1]])
    gains = [{1: 1}, {1: 1, 3: 2}, {3: 1}, {}]
    found = served_neighbour_loss(LINE, results, gains, k=2)
    # Query 1 finds both of its documents and is served one of them; query 2 is served its document as well.
    assert found.rows.tolist() == [1, 2]
    assert found.neighbours.tolist() == [0, 1]
    assert found.scores == pytest.approx([0.8, 0.96], abs=1e-6)
    assert found.loss.tolist() == [0.5, 0.0]
    assert found.wrong.tolist() == [True, False]
    assert found.measure == "recall_vs_qrels@2"


def test_a_drop_of_ndcg_has_a_margin():
    """Served at rank 2 instead of 1 costs 1 - 1/log2(3) = 0.369 of nDCG: wrong under a margin of 0.3, right at 0.4."""
    results = np.array([[9, 5], [5, 9]])
    for margin, wrong in ((0.3, True), (0.4, False)):
        found = served_neighbour_loss(LINE[:2], results, [{9: 1}, {5: 3, 9: 0}], k=2, max_ndcg_drop=margin)
        assert found.loss == pytest.approx([1 - 1 / np.log2(3)])
        assert found.wrong.tolist() == [wrong]
        assert found.measure == "ndcg@2"


def test_a_neighbour_that_serves_better_is_no_error():
    """Where the neighbour's results are the better ones the loss is negative and the hit is right."""
    found = served_neighbour_loss(LINE[:2], np.array([[7], [8]]), [{}, {7: 1}], k=1)
    assert (found.loss.tolist(), found.wrong.tolist()) == ([-1.0], [False])


def test_equal_texts_are_no_hits():
    """An exact repeat is scored against the nearest other text."""
    found = served_neighbour_loss(
        LINE[[0, 1, 1]], np.array([[1], [2], [2]]), [{1: 1}, {2: 1}, {2: 1}], k=1, codes=np.array([0, 1, 1], np.int32)
    )
    assert found.neighbours.tolist() == [0, 0]
    assert found.wrong.tolist() == [True, True]


def test_scores_against_trec_eval(rng):
    """Both measures are trec_eval's: the loss is the difference of its scores of the own and the served results."""
    n, k = 60, 10
    vectors = rng.standard_normal((n, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    results = np.stack([rng.permutation(30)[:k] for _ in range(n)])
    gains = [
        {int(d): int(g) for d, g in zip(rng.permutation(30)[:6], rng.integers(0, 4, 6), strict=True)} for _ in range(n)
    ]
    names = [str(row) for row in range(n)]
    qrels = {name: {str(d): g for d, g in one.items()} for name, one in zip(names, gains, strict=True)}

    def score(rows, measure):
        rankings = [{str(d): float(-rank) for rank, d in enumerate(row)} for row in rows.tolist()]
        return judged_quality(names, rankings, qrels, k=k).scores[measure]

    for drop, measure in ((None, f"recall_vs_qrels@{k}"), (0.05, "ndcg@10")):
        found = served_neighbour_loss(vectors, results, gains, k=k, max_ndcg_drop=drop)
        served = results.copy()
        served[found.rows] = results[found.neighbours]
        expected = score(results, measure) - score(served, measure)
        assert found.loss == pytest.approx(expected[found.rows], abs=1e-6)


def test_it_says_what_it_certifies():
    """The words that go with it keep result caches and answer caches apart."""
    assert "cannot certify a cache of answers" in WHAT_JUDGEMENTS_CERTIFY


@pytest.mark.parametrize(
    ("results", "n_gains", "k", "drop", "message"),
    [
        (np.zeros((3, 2), int), 4, 1, None, r"4 queries come with results of shape \(3, 2\)"),
        (np.zeros((4, 2), int), 3, 1, None, "and 3 judgements"),
        (np.zeros((4, 2), int), 4, 3, None, "Cannot serve 3 of 2 results"),
        (np.zeros((4, 2), int), 4, 1, 1.0, r"No nDCG falls by 1\.0"),
    ],
)
def test_inputs_that_do_not_fit(results, n_gains, k, drop, message):
    """Other lengths, a depth that was not searched and an impossible drop are refused."""
    with pytest.raises(InputError, match=message):
        served_neighbour_loss(LINE, results, [{0: 1}] * n_gains, k=k, max_ndcg_drop=drop)


def test_squad_with_minilm(shared):
    """On 3,000 questions of SQuAD the losses rise as the threshold falls, and a point estimate would be bolder."""
    stem = shared / "vectors" / "squad22k-minilm-384"
    queries, corpus = (np.load(f"{stem}.{part}.f16.npy").astype(np.float32) for part in ("queries", "corpus"))
    folder = shared / "data" / "squad"
    ids, documents = (
        [row["_id"] for _, row in read_json_lines(folder / name)] for name in ("queries.jsonl", "corpus.jsonl")
    )
    row_of = {name: row for row, name in enumerate(documents)}
    qrels = read_qrels(folder / "qrels" / "test.tsv")
    order = np.random.default_rng(0).permutation(len(queries))
    gains = [{row_of[name]: grade for name, grade in qrels[ids[row]].items()} for row in order.tolist()]
    similarity = queries[order] @ corpus.T
    five = np.argpartition(-similarity, 5, axis=1)[:, :5]
    best_first = np.argsort(-np.take_along_axis(similarity, five, axis=1), axis=1)
    results = np.take_along_axis(five, best_first, axis=1)
    found = served_neighbour_loss(queries[order], results, gains, k=5)

    shares = {}
    for tau in (0.92, 0.88, 0.80):
        hit = found.scores >= tau
        other = np.mean([gains[a] != gains[b] for a, b in zip(found.rows[hit], found.neighbours[hit], strict=True)])
        shares[tau] = (float(hit.sum() / len(queries)), float(other), float(found.loss[hit].mean()))
    # Measured here; another order of the queries moves the last column by about a point.
    assert shares[0.92] == pytest.approx((0.030, 0.17, 0.000), abs=0.006)
    assert shares[0.88] == pytest.approx((0.058, 0.25, 0.011), abs=0.006)
    assert shares[0.80] == pytest.approx((0.161, 0.40, 0.077), abs=0.006)

    chosen = choose_threshold(found.scores, found.wrong, max_false_hit_rate=0.05)
    assert chosen.threshold is None
    assert chosen.reason.startswith("1 of the 59 most similar labelled hits are wrong")
    assert (chosen.wrong_above <= 0.05 * chosen.n_above).any()
