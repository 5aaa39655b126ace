"""Fourth stage: build the neighbours of the recommendation on the frontier, and go on until the best one is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ragopt.choose import Limits, Objective, decide, is_exact
from ragopt.measure.neighbours import Neighbours, recall_vs_exact
from ragopt.sweep.confirm_stage import confirm
from ragopt.sweep.exact_search import gap_rows
from ragopt.sweep.results import confirmed_result, measured_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from ragopt.artifacts import ArtifactStore
    from ragopt.records import Trial, TrialResult
    from ragopt.sweep.material import Material
    from ragopt.sweep.model_stage import ModelData
    from ragopt.sweep.pricing import Pricing
    from ragopt.sweep.progress import Progress
    from ragopt.sweep.settings import SearchPlan, SweepSettings

NEAR_MISSES_SHARE = 3
"""One finalist in three may be a cheaper trial whose interval still holds the limit: trained on more rows and measured
on more queries it may meet it."""


def choose_finalists(
    results: Mapping[Trial, TrialResult], limits: Limits, *, objective: Objective, k: int, n: int
) -> list[Trial]:
    """Choose what to build: the preferred trials that meet the limits, and cheaper ones that may.

    Args:
        results: every trial of a run.
        limits: what has to be met.
        objective: usd or ram.
        k: of recall_vs_exact@k.
        n: most finalists.

    Returns:
        At most `n` trials, preferred first.
    """
    by_name = {str(trial): trial for trial in results}
    decision = decide(list(results.values()), limits, objective=objective, k=k, to_build=True, raced=True)
    fitting = [by_name[name] for name in decision.fitting]
    near = _near_misses(results, limits, fitting, objective=objective, k=k)[: n // NEAR_MISSES_SHARE]
    return [*fitting[: n - len(near)], *near]


def _near_misses(
    results: Mapping[Trial, TrialResult], limits: Limits, fitting: Sequence[Trial], *, objective: Objective, k: int
) -> list[Trial]:
    """Trials that would be preferred to the best fitting one and miss only a bound of recall that is still open."""
    if limits.min_recall is None or not fitting:
        return []
    name = f"recall_vs_exact@{k}"
    hopeful = {
        trial: replace(result, quality={**result.quality, name: replace(result.quality[name], low=limits.min_recall)})
        for trial, result in results.items()
        if name in result.quality
        and result.status not in ("unsuitable", "dropped")
        and result.quality[name].low < limits.min_recall <= result.quality[name].high
    }
    best = results[fitting[0]]
    decision = decide([*hopeful.values(), best, *(one for one in results.values() if is_exact(one.trial))], limits,
                      objective=objective, k=k, to_build=True)  # fmt: skip
    by_name = {str(trial): trial for trial in hopeful}
    ahead = []
    for one in decision.fitting:
        if one == str(fitting[0]):
            break
        if one in by_name:
            ahead.append(by_name[one])
    # The nearest to the limit first: it is the likeliest to meet it.
    return sorted(ahead, key=lambda trial: (-results[trial].quality[name].value, str(trial)))


class Confirmation:
    """Builds finalists and joins what was measured with what was estimated."""

    def __init__(
        self, store: ArtifactStore, settings: SweepSettings, plan: SearchPlan, pricing: Pricing, material: Material,
        progress: Progress,
    ) -> None:  # fmt: skip
        """Prepare; nothing is built before `run`."""
        self.store, self.settings, self.plan, self.pricing = store, settings, plan, pricing
        self.material, self.progress = material, progress

    def run(self, results: dict[Trial, TrialResult]) -> None:
        """Build the baselines and the finalists; go on while the best trial is not built."""
        limits, objective, k = self.settings.limits, self.settings.objective, self.plan.k
        wanted = [trial for trial in results if is_exact(trial)]
        wanted += choose_finalists(results, limits, objective=objective, k=k, n=self.settings.finalists)
        while wanted:
            self._build(results, list(dict.fromkeys(wanted)))
            decision = decide(list(results.values()), limits, objective=objective, k=k, to_build=True, raced=True)
            best = next((trial for trial in results if decision.fitting and str(trial) == decision.fitting[0]), None)
            wanted = [] if best is None or results[best].confirmed else [best]
        self._say_what_was_missed(results)

    def _build(self, results: dict[Trial, TrialResult], wanted: Sequence[Trial]) -> None:
        judging = self.material.judging(self.material.split.confirm, k=self.plan.k)
        for data in self.material.models:
            trials = [trial for trial in wanted if trial.space.model == data.model]
            if not trials:
                continue
            report = self.progress.phase("confirm", f"Building finalists, {data.model}")
            for one in confirm(self.store, data, trials, self.plan, report):
                measured = measured_result(one, data.confirm_exact, judging, self.pricing)
                gap = self._gap(data, results[one.trial], one.select_found)
                results[one.trial] = confirmed_result(results[one.trial], measured, estimate_gap=gap)

    def _gap(self, data: ModelData, estimated: TrialResult, found: np.ndarray) -> float:
        """Mean of the estimated minus the built recall_vs_exact over the very same selection queries."""
        rows, exact = gap_rows(data, self.plan), data.select_exact
        built = recall_vs_exact(found, Neighbours(exact.ids[rows], exact.scores[rows]), k=self.plan.k)
        scores = estimated.per_query[f"recall_vs_exact@{self.plan.k}"]
        # Both are in racing order; a trial that left the race and came back was estimated on the first of them only.
        n = min(len(built), len(scores))
        return float((scores[:n] - built[:n]).mean())

    def _say_what_was_missed(self, results: dict[Trial, TrialResult]) -> None:
        decision = decide(list(results.values()), self.settings.limits, objective=self.settings.objective,
                          k=self.plan.k)  # fmt: skip
        for trial, result in results.items():
            if result.confirmed:
                missed = decision.misses[str(trial)]
                results[trial] = replace(result, reason=("confirmed: " + "; ".join(missed)) if missed else "")
