"""What each dimension of each model holds: the numbers behind the figure of dimensions, no drawing.

A space is told by its most exact trial without a rescoring tier, so that it shows what the dimension costs and as
little as possible of what the codec costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.choose import NDCG, exact_of, is_exact, same_queries, scores_for
from ragopt.report.frame import space_labels
from ragopt.report.info import default_quality, is_rescored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ragopt.records import Quality, Run, Space, TrialResult

MOST_EXACT = ("Flat", "SQfp16", "SQ8")
"""Codecs that lose nothing, or next to nothing, from the most exact one: SQ8 keeps .995 of the neighbours (see
`ragopt.sweep.grid`)."""


@dataclass(frozen=True, slots=True)
class DimensionPoint:
    """One space as its most exact codes-only trial has it.

    Attributes:
        space: what is drawn.
        trial: printed form of the trial that stands for it.
        is_exact: whether that is exact search at the model's full dimension.
        recall: recall_vs_exact@k, against exact search with the same model at full dimension.
        ndcg: nDCG@10 where the queries are judged.
        exact_ndcg: nDCG@10 of exact search with the same model at full dimension, mean over the very queries of `ndcg`.
        confirmed: whether the figures come from a build on the whole corpus.
        upper_bound: whether the recall had not converged.
    """

    space: Space
    trial: str
    is_exact: bool
    recall: Quality
    ndcg: Quality | None
    exact_ndcg: float | None
    confirmed: bool
    upper_bound: bool


def dimension_points(run: Run) -> tuple[DimensionPoint, ...]:
    """Every space with a codes-only trial that was measured: by model, full dimension first, then from the largest."""
    name = default_quality(run)
    spaces: dict[Space, list[TrialResult]] = {}
    for result in run.trials:
        if name in result.quality and result.status != "unsuitable" and not is_rescored(result.trial.factory):
            spaces.setdefault(result.trial.space, []).append(result)
    found = [_point(run, space, _most_exact(results, name), name) for space, results in spaces.items()]
    order = {"none": 0, "trunc": 1, "pca": 2, "joint": 3}
    return tuple(sorted(found, key=lambda p: (p.space.model, order[p.space.reduction], -p.space.dim)))


def _most_exact(results: Sequence[TrialResult], name: str) -> TrialResult:
    """Flat, else half precision, else 8-bit codes, else the one that keeps most; of equals the first in the grid."""

    def rank(result: TrialResult) -> tuple[int, float]:
        factory = result.trial.factory
        place = MOST_EXACT.index(factory) if factory in MOST_EXACT else len(MOST_EXACT)
        return place, -result.quality[name].value

    return min(results, key=rank)


def _point(run: Run, space: Space, result: TrialResult, name: str) -> DimensionPoint:
    exact = exact_of([one for one in run.trials if one.trial.space.model == space.model])
    return DimensionPoint(
        space=space,
        trial=str(result.trial),
        is_exact=is_exact(result.trial),
        recall=result.quality[name],
        ndcg=result.quality.get(NDCG),
        exact_ndcg=_exact_on_same(result, exact),
        confirmed=result.confirmed,
        upper_bound=result.upper_bound and not result.confirmed,
    )


def _exact_on_same(result: TrialResult, exact: TrialResult | None) -> float | None:
    """Exact search's nDCG@10 over the queries that a trial was measured on; None when their scores were not kept."""
    if exact is None or exact is result:
        return None
    ours = scores_for(result, NDCG, confirmed=result.confirmed)
    theirs = scores_for(exact, NDCG, confirmed=result.confirmed)
    if ours is None or theirs is None or len(theirs) < len(ours):
        return None
    return float(same_queries(ours, theirs)[1].mean())


def model_labels(models: Iterable[str]) -> dict[str, str]:
    """A short name for each model, safe to show and told apart; the same as in the frontier's legend."""
    known = sorted(set(models))
    labels = space_labels(f"{model}@1:none" for model in known)
    return {model: labels[f"{model}@1:none"].rpartition("@")[0] for model in known}


def why_no_dimensions(run: Run, points: Sequence[DimensionPoint]) -> str:
    """Why nothing can be drawn against dimension, in one sentence; empty when something can."""
    dims: dict[str, set[int]] = {}
    for point in points:
        dims.setdefault(point.space.model, set()).add(point.space.dim)
    if any(len(known) > 1 for known in dims.values()):
        return ""
    swept = {(result.trial.space.model, result.trial.space.dim) for result in run.trials}
    if len(swept) > len({model for model, _ in swept}):
        return "No model has trials without a rescoring tier at two dimensions, which a comparison of dimensions needs."
    return "Every model was swept at one dimension only."
