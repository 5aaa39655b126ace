"""The queries that the recommended index answers worst: what a reviewer looks at to see whether the misses matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.choose import NDCG, exact_of, is_exact, scores_for
from ragopt.report.info import default_quality
from ragopt.sweep.run_queries import SHOWN_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragopt.records import Run, TrialResult
    from ragopt.sweep.run_queries import RunQuery

N_SHOWN = 10
"""Queries that are shown: one look, and few enough to read each."""


@dataclass(frozen=True, slots=True)
class WorstQuery:
    """A query with its scores under the recommended index.

    Attributes:
        id: as the queries' file names it.
        text: its first characters, with an ellipsis where there may be more; None for ready vectors without text.
        recall_vs_exact: share of the exact neighbours that the index found.
        ndcg: nDCG@10 of the index; None where the query is not judged.
        exact_ndcg: nDCG@10 of exact search with the same model on the same query; None where it is not judged.
    """

    id: str
    text: str | None
    recall_vs_exact: float
    ndcg: float | None
    exact_ndcg: float | None


def worst_queries(run: Run, queries: Sequence[RunQuery], *, n: int = N_SHOWN) -> tuple[WorstQuery, ...]:
    """Find the queries whose exact neighbours the recommended index misses most, worst first.

    Args:
        run: a finished run.
        queries: of the run, see `ragopt.sweep.run_queries.read_queries_of`; none where the run does not keep them.
        n: most queries to give.

    Returns:
        Queries that lack at least one neighbour; equal ones in the order that they were measured in.
    """
    chosen = next(result for result in run.trials if result.trial == run.recommendation.trial)
    scores = scores_for(chosen, default_quality(run), confirmed=chosen.confirmed)
    if scores is None or not queries:
        return ()
    stage = "confirm" if chosen.confirmed else "select"
    placed = sorted(
        (one for one in queries if getattr(one, stage) is not None), key=lambda one: int(getattr(one, stage))
    )[: len(scores)]
    own, exact = _judged(chosen, placed), _judged(_exact_of_model(run, chosen), placed, confirmed=chosen.confirmed)
    found = [
        WorstQuery(one.id, _cut_text(one.text), float(score), own.get(one.id), exact.get(one.id))
        for one, score in zip(placed, scores, strict=True)
        if score < 1
    ]
    return tuple(sorted(found, key=lambda one: one.recall_vs_exact)[:n])


def _cut_text(text: str | None) -> str | None:
    return text if text is None or len(text) < SHOWN_CHARACTERS else f"{text}\N{HORIZONTAL ELLIPSIS}"


def _exact_of_model(run: Run, chosen: TrialResult) -> TrialResult | None:
    """Exact search with the model of a trial."""
    own = [one for one in run.trials if is_exact(one.trial) and one.trial.space.model == chosen.trial.space.model]
    return own[0] if own else exact_of(run.trials)


def _judged(
    result: TrialResult | None, placed: Sequence[RunQuery], *, confirmed: bool | None = None
) -> Mapping[str, float]:
    """nDCG@10 of each judged query by its id; empty where the trial has none on these queries."""
    if result is None:
        return {}
    scores = scores_for(result, NDCG, confirmed=result.confirmed if confirmed is None else confirmed)
    if scores is None:
        return {}
    judged = [one.id for one in placed if one.judged]
    return {name: float(score) for name, score in zip(judged, scores, strict=False)}
