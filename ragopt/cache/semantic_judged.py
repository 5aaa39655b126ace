"""What a retrieval cache would lose by serving the nearest earlier query's results: labels from judgements alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.semantic_neighbours import nearest_earlier
from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHAT_JUDGEMENTS_CERTIFY = (
    "Judgements certify a cache of search results: each query's own judgements score what its neighbour was served. "
    "They cannot certify a cache of answers, which needs pairs labelled by a person: two queries with the same "
    "relevant documents may ask different things."
)
"""Measured on MedQuAD: "symptoms of CMT type 2O" matched "type 2H" at .988, both judged to one document each."""

ROUNDING = 1e-9
"""Two sums of the same gains in another order differ by some 1e-16."""


@dataclass(frozen=True, slots=True)
class ServedNeighbours:
    """Judged queries, each with what its nearest earlier query's results are worth to it.

    Attributes:
        rows: int64 (n_hits,), which queries: judged ones with an earlier query of another text.
        neighbours: int64 (n_hits,), the earlier query whose results are served.
        scores: float64 (n_hits,), their similarity.
        loss: float64 (n_hits,), own score minus the score of what is served: recall_vs_qrels@k or nDCG@k; negative
            where the neighbour's results are the better ones.
        wrong: bool (n_hits,), labels for `semantic_threshold.choose_threshold`.
        measure: what `loss` is a loss of.
    """

    rows: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    scores: NDArray[np.float64]
    loss: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    measure: str


def served_neighbour_loss(
    query_vectors: NDArray[np.float32],
    result_ids: NDArray[np.int64],
    gains: Sequence[Mapping[int, int]],
    *,
    k: int,
    max_ndcg_drop: float | None = None,
    codes: NDArray[np.int32] | None = None,
) -> ServedNeighbours:
    """Serve each query the top k of its nearest earlier query and score them with its own judgements.

    No notion of interchangeable queries is needed: a hit is wrong when its own judgements say that it lost. This holds
    for a retrieval (result) cache only; see `WHAT_JUDGEMENTS_CERTIFY`.

    Args:
        query_vectors: float32 (n, dim), unit vectors in the order of the log, or of arrival: the nearest *earlier*
            query is what a cache holds; random pairs would say something else.
        result_ids: int64 (n, at least k), what a search finds for each query, best first; -1 for none.
        gains: for each query the grade of each judged document; 1 or more is relevant. Empty for one without
            judgements, which is served to others and not scored.
        k: results that are served.
        max_ndcg_drop: a hit is wrong when its nDCG@k falls by more than this. None: when it loses any recall of its
            relevant documents among k.
        codes: int32 (n,), equal texts, never matched; None where all differ.

    Raises:
        InputError: other lengths, k that the results do not hold, a drop outside [0, 1), or vectors as in
            `nearest_earlier`.
    """
    _check(len(query_vectors), result_ids, len(gains), k, max_ndcg_drop)
    nearest = nearest_earlier(query_vectors, codes)
    judged = np.array([any(grade >= 1 for grade in one.values()) for one in gains], dtype=np.bool_)
    rows = np.flatnonzero(judged & (nearest.places >= 0))
    neighbours = nearest.places[rows]
    score = _recall if max_ndcg_drop is None else _ndcg
    top = [list(dict.fromkeys(one for one in found if one >= 0)) for found in result_ids[:, :k].tolist()]
    loss = np.array(
        [
            score(top[row], gains[row], k) - score(top[served], gains[row], k)
            for row, served in zip(rows.tolist(), neighbours.tolist(), strict=True)
        ],
        dtype=np.float64,
    )
    measure = f"recall_vs_qrels@{k}" if max_ndcg_drop is None else f"ndcg@{k}"
    wrong = loss > (max_ndcg_drop or 0) + ROUNDING
    return ServedNeighbours(rows, neighbours, nearest.scores[rows], loss, wrong, measure)


def _check(n: int, result_ids: NDArray[np.int64], n_judged: int, k: int, max_ndcg_drop: float | None) -> None:
    if result_ids.ndim != 2 or len(result_ids) != n or n_judged != n:
        raise InputError(
            f"{n} queries come with results of shape {result_ids.shape} and {n_judged} judgements",
            allowed="one row of results and one mapping for each query",
            next_step="Search and judge the same queries",
        )
    if not 1 <= k <= result_ids.shape[1]:
        raise InputError(
            f"Cannot serve {k} of {result_ids.shape[1]} results",
            allowed=f"k from 1 to {result_ids.shape[1]}",
            next_step="Search deeper or choose a smaller k",
        )
    if max_ndcg_drop is not None and not 0 <= max_ndcg_drop < 1:
        raise InputError(
            f"No nDCG falls by {max_ndcg_drop}", allowed="0 or more, below 1", next_step="Use 0.05 for example"
        )


def _recall(found: Sequence[int], grades: Mapping[int, int], _k: int) -> float:
    """Share of the relevant documents that were found: trec_eval's recall."""
    relevant = {document for document, grade in grades.items() if grade >= 1}
    return len(relevant.intersection(found)) / len(relevant)


def _ndcg(found: Sequence[int], grades: Mapping[int, int], k: int) -> float:
    """Discounted gain as a share of the best possible: trec_eval's ndcg_cut, the gain being the grade."""
    return _discounted([grades.get(one, 0) for one in found]) / _discounted(sorted(grades.values(), reverse=True)[:k])


def _discounted(gains: Sequence[int]) -> float:
    return float(sum(max(gain, 0) / np.log2(rank + 2) for rank, gain in enumerate(gains)))
