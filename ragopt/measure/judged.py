"""Quality against judgements (qrels), computed by trec_eval's own code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ranking = Mapping[str, float]
"""Score of each document found for one query; trec_eval orders them itself."""

Qrels = Mapping[str, Mapping[str, int]]
"""Relevance grade by query id, then document id."""

CUTOFF = 10
"""The depth of nDCG@10 and MRR@10, BEIR's and MS MARCO's (Thakur 2021 section 3.4; Nguyen 2016)."""


@dataclass(frozen=True, slots=True)
class JudgedQuality:
    """Scores of the judged queries.

    Attributes:
        query_rows: int64 (n_judged,) which of the given queries were judged.
        scores: float32 (n_judged,) by name: `ndcg@10`, `mrr@10` and `recall_vs_qrels@<k>`.
    """

    query_rows: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float32]]


class Judge:
    """Judgements read once, to score many trials."""

    def __init__(self, qrels: Qrels, *, k: int) -> None:
        """Read the judgements.

        Args:
            qrels: grade by query id and document id; a grade of 1 or more is relevant.
            k: depth of recall_vs_qrels.

        Raises:
            InputError: no judgements, or k below 1.
        """
        import pytrec_eval  # noqa: PLC0415 - loaded when first used

        if k < 1:
            raise InputError(f"Cannot count {k} documents", allowed="k of 1 or more", next_step="Choose a larger --k")
        self._judged = {query for query, grades in qrels.items() if grades}
        if not self._judged:
            raise InputError("There are no judgements", next_step="Give a qrels file with --qrels or leave it out")
        self._k = k
        self._relevant = {
            query: frozenset(document for document, grade in qrels[query].items() if grade >= 1)
            for query in self._judged
        }
        self._evaluator = pytrec_eval.RelevanceEvaluator(
            {query: dict(qrels[query]) for query in self._judged},
            {f"ndcg_cut.{CUTOFF}", "recip_rank", f"recall.{k}"},
        )

    def rows(self, query_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return int64 (n_judged,): which of the queries are judged, in their order."""
        return np.array([row for row, query in enumerate(query_ids) if query in self._judged], dtype=np.int64)

    def relevant(self, query_ids: Sequence[str]) -> list[frozenset[str]]:
        """Return the relevant documents of each judged query of `rows(query_ids)`."""
        return [self._relevant[query] for query in query_ids if query in self._judged]

    def scores(self, query_ids: Sequence[str], rankings: Sequence[Ranking]) -> dict[str, NDArray[np.float32]]:
        """Score one trial's rankings; a judged query that found nothing scores 0.

        Args:
            query_ids: distinct ids.
            rankings: what each of them found.

        Returns:
            float32 (n_judged,) by name, for the queries of `rows(query_ids)`: `ndcg@10`, `mrr@10` and
            `recall_vs_qrels@<k>`.

        Raises:
            InputError: other lengths, an id twice, or none of the queries judged.
        """
        if len(query_ids) != len(rankings) or len(set(query_ids)) != len(query_ids):
            raise InputError(
                f"{len(query_ids)} query ids ({len(set(query_ids))} distinct) come with {len(rankings)} rankings",
                allowed="one ranking for each id, no id twice",
                next_step="Check the query file for ids that occur twice",
            )
        run = {query_ids[row]: dict(rankings[row]) for row in self.rows(query_ids)}
        if not run:
            raise InputError(
                f"None of the {len(query_ids)} queries is judged",
                allowed="qrels that name at least one of the queries",
                next_step="Check that --queries and --qrels use the same ids",
            )
        measured = self._evaluator.evaluate(run)
        table = [measured[query] for query in run]
        reciprocal = np.array([line["recip_rank"] for line in table])
        # trec_eval's recip_rank has no cut-off; a first relevant document behind rank 10 scores under 1/10.
        reciprocal[reciprocal < (1 - 1e-9) / CUTOFF] = 0
        return {
            f"ndcg@{CUTOFF}": np.array([line[f"ndcg_cut_{CUTOFF}"] for line in table], np.float32),
            f"mrr@{CUTOFF}": reciprocal.astype(np.float32),
            f"recall_vs_qrels@{self._k}": np.array([line[f"recall_{self._k}"] for line in table], np.float32),
        }


def judged_quality(query_ids: Sequence[str], rankings: Sequence[Ranking], qrels: Qrels, *, k: int) -> JudgedQuality:
    """Score one trial; make a `Judge` once instead when there are several.

    Raises:
        InputError: see `Judge`.

    >>> judged_quality(["q"], [{"a": 2.0, "b": 1.0}], {"q": {"b": 1}}, k=2).scores["mrr@10"]
    array([0.5], dtype=float32)
    """
    judge = Judge(qrels, k=k)
    return JudgedQuality(judge.rows(query_ids), judge.scores(query_ids, rankings))


def documents_of(
    found: NDArray[np.int64],
    scores: NDArray[np.float32],
    document_ids: Sequence[str],
    duplicates: Mapping[int, Sequence[str]],
) -> list[dict[str, float]]:
    """Turn chunks found into documents found: a document scores as its best chunk.

    Args:
        found: int64 (n_queries, k) chunk rows; -1 means none.
        scores: float32 (n_queries, k), more is better.
        document_ids: the document of each chunk row.
        duplicates: by chunk row, further documents that hold the same chunk; they get the same score.

    Returns:
        One ranking a query.

    Raises:
        InputError: other shapes, a row that is no chunk, or a score that is not a number.
    """
    if found.shape != scores.shape or found.ndim != 2:
        raise InputError(
            f"Rows of shape {found.shape} come with scores of shape {scores.shape}",
            allowed="the same shape (n_queries, k)",
            next_step="Pass both results of one search",
        )
    if found.size and int(found.max()) >= len(document_ids):
        raise InputError(
            f"Row {int(found.max())} is no chunk",
            allowed=f"0 to {len(document_ids) - 1}",
            next_step="Rebuild the index",
        )
    if np.isnan(scores[found >= 0]).any():
        raise InputError("A search returned a score that is not a number", next_step="Look for NaN in the vectors")
    return [
        _ranking(rows, row_scores, document_ids, duplicates)
        for rows, row_scores in zip(found.tolist(), scores.tolist(), strict=True)
    ]


def _ranking(
    rows: list[int], scores: list[float], document_ids: Sequence[str], duplicates: Mapping[int, Sequence[str]]
) -> dict[str, float]:
    ranking: dict[str, float] = {}
    # A sweep calls this a hundred thousand times: what most rows do not need is not made for them.
    for row, score in zip(rows, scores, strict=True):
        if row < 0:
            continue
        document = document_ids[row]
        if document not in ranking or score > ranking[document]:
            ranking[document] = score
        if row in duplicates:
            for document in duplicates[row]:
                if document not in ranking or score > ranking[document]:
                    ranking[document] = score
    return ranking
