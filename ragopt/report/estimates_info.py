"""How far the estimates were right where an index was built: the numbers behind the figure, no drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.choose import is_exact
from ragopt.report.info import default_quality

if TYPE_CHECKING:
    from ragopt.records import Quality, Run


@dataclass(frozen=True, slots=True)
class EstimatePoint:
    """One finalist: what its candidates said of it and what its index did.

    Attributes:
        trial: printed form.
        estimated: recall_vs_exact@k by shared candidates, before it was built, on the selection queries.
        gap: estimated minus built on the same selection queries; None when it was not kept.
        measured: recall_vs_exact@k of the built index on the confirmation queries.
        is_recommended: whether it is the run's recommendation.
    """

    trial: str
    estimated: float
    gap: float | None
    measured: Quality
    is_recommended: bool

    @property
    def built(self) -> float | None:
        """What the built index keeps on the same selection queries: the estimate less the gap."""
        return None if self.gap is None else self.estimated - self.gap


def estimate_points(run: Run) -> tuple[EstimatePoint, ...]:
    """Every built trial that had been estimated, from the highest; exact search, 1 by definition, is left out."""
    name = default_quality(run)
    found = []
    for result in run.trials:
        figure = result.quality.get(name)
        if not result.confirmed or figure is None or figure.estimated is None or is_exact(result.trial):
            continue
        chosen = run.recommendation.trial == result.trial
        found.append(EstimatePoint(str(result.trial), figure.estimated, result.estimate_gap, figure, chosen))
    return tuple(sorted(found, key=lambda point: (-point.estimated, point.trial)))


def why_no_estimates(run: Run) -> str:
    """Why there is no estimate beside a built index, in one sentence."""
    built = [result for result in run.trials if result.confirmed]
    if not built:
        return "No trial was built on the whole corpus: every figure is an estimate."
    if all(is_exact(result.trial) for result in built):
        return "Only exact search was built, which keeps every neighbour by definition."
    return "The trials that were built had not been estimated before."
