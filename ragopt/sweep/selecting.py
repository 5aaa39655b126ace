"""Third stage: every trial of one model estimated, most of them out of the race after its first round."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragopt.choose import NDCG, TIE, is_exact
from ragopt.errors import InputError
from ragopt.index.factory import parse_factory
from ragopt.index.size import index_bytes
from ragopt.measure.neighbours import Neighbours
from ragopt.records import IndexBytes, Space, Trial, TrialResult
from ragopt.sweep.bench import Bench
from ragopt.sweep.estimate_stage import Estimate, estimate
from ragopt.sweep.forecasting import check_forecast, forecast_of
from ragopt.sweep.groups import shortlist_depth
from ragopt.sweep.model_stage import ModelData, find_exact
from ragopt.sweep.query_sample import MOST_SCORES, QuerySample, candidates_wanted, racing_order
from ragopt.sweep.race import Costs, Preference, Runner, drops, rounds_of
from ragopt.sweep.results import estimated_result
from ragopt.sweep.suitability import not_worth_training, unsuitable_groups
from ragopt.sweep.work_cost import TYPICAL_RATE, Work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.choose import Limits
    from ragopt.measure.forecast import ForecastCheck
    from ragopt.sweep.judging import Judging
    from ragopt.sweep.material import Material
    from ragopt.sweep.pricing import Pricing
    from ragopt.sweep.progress import Progress
    from ragopt.sweep.settings import SearchPlan

SLOWER = 4
"""A built index's searches take at most so many times what the table of scan costs says: 0.5 to 2 times in sweeps of
2026-11. The table and no clock, so that races are the same on every machine."""

CHECK_QUERIES = 256
"""Queries of a forecast's check: it scores each candidate of theirs."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Where the race left one trial: its last estimate, on the first `n_queries` of the racing order."""

    estimate: Estimate
    n_queries: int
    reason: str = ""


class Selection:
    """The race of one model's trials."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a race is run with
        self, store: ArtifactStore, data: ModelData, plan: SearchPlan, pricing: Pricing, limits: Limits,
        material: Material, progress: Progress, preference: Preference | None = None,
    ) -> None:  # fmt: skip
        """Prepare; nothing is computed before `run`.

        With a `preference`, trials leave the race that would be preferred to none of those that are built.
        """
        self.store, self.data, self.plan, self.pricing, self.limits = store, data, plan, pricing, limits
        self.material, self.progress, self.preference = material, progress, preference
        self.bench = Bench(store, data, plan)
        self.order = racing_order(len(data.select_queries), seed=plan.seed)
        self.settled: dict[Trial, Settled] = {}
        self.unsuitable: dict[Trial, str] = {}
        self.verdicts: dict[Trial, str] = {}
        self._samples: dict[tuple[int, int], QuerySample] = {}
        self._judges: dict[int, Judging] = {}

    def run(self, trials: Sequence[Trial], title: str, *, least_candidates: int = 0) -> None:
        """Race trials against each other and settle each of them; trials that are settled already are left alone."""
        live = [trial for trial in trials if trial not in self.settled and trial not in self.unsuitable]
        self._grow_candidates(live)
        rounds = rounds_of(len(self.order))
        for number, n_queries in enumerate(rounds):
            if not live:
                break
            # Queries of earlier rounds are not scored again.
            first = rounds[number - 1] if number else 0
            self._estimate(live, first, n_queries, f"{title}: {len(live):,} trials, {n_queries:,} queries",
                           least_candidates=least_candidates)  # fmt: skip
            live = [trial for trial in live if trial not in self.unsuitable]
            if number == 0:
                self._judge_codecs(live)
                live = [trial for trial in live if trial not in self.verdicts]
            if n_queries != rounds[-1]:
                gone = self._drop(live, n_rounds=len(rounds))
                live = [trial for trial in live if trial not in gone]

    def estimate_all(self, trials: Sequence[Trial]) -> None:
        """Estimate every trial on all selection queries, without a race: what a race is checked against."""
        self._grow_candidates(trials)
        self._estimate(trials, 0, len(self.order), f"{len(trials):,} trials, no race")

    def recall_of(self, trials: Sequence[Trial]) -> dict[Trial, NDArray[np.float32]]:
        """recall_vs_exact of trials on all selection queries; nothing of them is kept.

        Raises:
            InputError: one of them cannot be measured on this corpus.
        """
        self._grow_candidates(trials)
        report = self.progress.phase("select", f"{len(trials):,} spaces")
        found = estimate(self.bench, trials, self.sample(0, len(self.order)), timed=False,
                         report=lambda done: report(done, len(trials)))  # fmt: skip
        self.bench.forget_candidates()
        recalls = {}
        for trial, outcome in found.items():
            if isinstance(outcome, str):
                raise InputError(outcome, next_step="Leave --grid out, or sweep other vectors")
            recalls[trial] = outcome.recall
        return recalls

    def _estimate(
        self, trials: Sequence[Trial], first: int, last: int, title: str, *, least_candidates: int = 0
    ) -> None:  # fmt: skip
        """Estimate trials on the queries from `first` to `last`, behind what is known of those before `first`."""
        sample = self.sample(first, last)
        # Codes are timed in their first round only: more queries do not change what one search costs.
        timed = self.pricing.cost_model == "measured" and not any(trial in self.settled for trial in trials)
        # As many candidates as in the rounds before: only then can they be joined.
        least = {
            trial: max(least_candidates, self.settled[trial].estimate.n_candidates if trial in self.settled else 0)
            for trial in trials
        }
        report = self.progress.phase("select", title)
        found = estimate(self.bench, trials, sample, timed=timed, least_candidates=least,
                         report=lambda done: report(done, len(trials)))  # fmt: skip
        self.bench.forget_candidates()
        for trial, outcome in found.items():
            if isinstance(outcome, str):
                # It may have been estimated on the queries of a round before.
                self.settled.pop(trial, None)
                self.unsuitable[trial] = outcome
                continue
            before = self.settled.get(trial)
            if before is None:
                self.settled[trial] = Settled(outcome, last)
            else:
                fresh = replace(outcome, timing=before.estimate.timing)
                self.settled[trial] = Settled(before.estimate.followed_by(fresh) if first else fresh, last)

    def _drop(self, trials: Sequence[Trial], *, n_rounds: int) -> dict[Trial, str]:
        runners = [self.runner(trial) for trial in trials if not is_exact(trial)]
        gone = drops(runners, target=self.limits.min_recall, recall_only=self.limits.only_recall, n_rounds=n_rounds,
                     preference=self.preference, by_table=self.limits.max_p99_ms is None)  # fmt: skip
        for trial, reason in gone.items():
            self.settled[trial] = replace(self.settled[trial], reason=reason)
        return gone

    def runner(self, trial: Trial) -> Runner:
        """A settled trial as the race sees it."""
        settled = self.settled[trial]
        scores = {f"recall_vs_exact@{self.plan.k}": settled.estimate.recall}
        if self.limits.min_ndcg_ratio is not None:
            scores[NDCG] = self.result(trial).per_query[NDCG]
        return Runner(trial, self.costs(trial), scores, settled.estimate.optimism, self._ties_least(trial))

    def _ties_least(self, trial: Trial) -> bool:
        """Whether a trial's bill ties with the least that any index could have, even if its searches are slow."""
        sizes = index_bytes(parse_factory(trial.factory, trial.space.dim), self.data.vectors.n)
        return self.pricing.cheapest(trial, sizes, SLOWER * self.pricing.scan_ms(trial, sizes)) <= self._floor * TIE

    @functools.cached_property
    def _floor(self) -> Decimal:
        """The bill of an index without a byte, searched in no time: less than any."""
        nothing = IndexBytes(0.0, 0, 0.0, 0)
        return self.pricing.cheapest(Trial(Space(self.data.model, self.data.vectors.dim, "none"), "Flat"), nothing, 0.0)

    def costs(self, trial: Trial) -> Costs:
        """What a trial costs on every axis of a bill, the same on every machine."""
        n_scale = max(self.pricing.workload.n_vectors, 1)
        factory = parse_factory(trial.factory, trial.space.dim)
        sizes = index_bytes(factory, self.data.vectors.n)
        return Costs(
            sizes.ram_bytes_per_vector,
            sizes.ram_bytes_per_vector * n_scale + sizes.ram_fixed_bytes,
            sizes.disk_bytes_per_vector,
            self.pricing.scan_ms(trial, sizes),
            shortlist_depth(trial, self.plan.n_results) if factory.refine else 0,
        )

    def _judge_codecs(self, trials: Sequence[Trial]) -> None:
        """Report codecs that do not suit this corpus; their trials stay on record, and out of the decision."""
        estimates = [self.settled[trial].estimate for trial in trials]
        reasons = unsuitable_groups(estimates, self.data, k=self.plan.k)
        costs = {trial: self.costs(trial) for trial in trials}
        # A decision that no clock enters takes the operations of training for its seconds.
        by_count = Work(TYPICAL_RATE) if self.pricing.cost_model == "scan" else None
        reasons |= not_worth_training(estimates, costs, work=by_count)
        self.verdicts |= reasons

    def converge(self, trials: Sequence[Trial]) -> bool:
        """Estimate trials that have not converged once more, with twice the candidates of the loosest of them.

        Returns:
            Whether anything was estimated: nothing is where all have converged, or memory bounds the candidates.
        """
        loose = [trial for trial in trials if self._can_double(self.settled[trial].estimate)]
        if not loose:
            return False
        most = max(self.settled[trial].estimate.n_candidates for trial in loose)
        n_candidates = min(2 * most, self.data.vectors.n)
        self._need_candidates(n_candidates)
        self._estimate(loose, 0, len(self.order), f"{len(loose):,} trials, {n_candidates:,} candidates",
                       least_candidates=n_candidates)  # fmt: skip
        return True

    def _can_double(self, found: Estimate) -> bool:
        """Whether an estimate has not converged, and twice its candidates are there and fit into memory."""
        doubled = min(2 * found.n_candidates, self.data.vectors.n)
        return not found.converged and doubled > found.n_candidates and doubled * len(self.order) <= MOST_SCORES

    def _grow_candidates(self, trials: Sequence[Trial]) -> None:
        deepest = max((shortlist_depth(trial, self.plan.n_results) for trial in trials), default=1)
        self._need_candidates(candidates_wanted(deepest, k=self.plan.k, n_vectors=self.data.vectors.n))

    def _need_candidates(self, n_candidates: int) -> None:
        """Make sure that the selection queries have at least so many candidates."""
        if self.data.candidates.shape[1] >= n_candidates:
            return
        report = self.progress.phase("exact", f"Exact neighbours, {n_candidates:,} of each query")
        exact, candidates = find_exact(self.store, self.data.vectors, self.data.select_queries, k=self.plan.k,
                                       metric=self.plan.metric, n_candidates=n_candidates, report=report)  # fmt: skip
        self.data = replace(self.data, select_exact=exact, candidates=candidates)
        self._samples.clear()

    def result(self, trial: Trial) -> TrialResult:
        """Judge and bill a settled trial on the queries that it was raced on."""
        settled = self.settled[trial]
        exact = self._exact(settled.n_queries)
        found = estimated_result(settled.estimate, exact, self._judging(settled.n_queries), self.pricing)
        forecast = forecast_of(settled.estimate, k=self.plan.k, n_results=self.plan.n_results,
                               n=self.data.vectors.n, n_scale=self.pricing.workload.n_vectors)  # fmt: skip
        status, reason = found.status, settled.reason
        if trial in self.verdicts:
            status, reason = "unsuitable", self.verdicts[trial]
        elif reason:
            status = "dropped"
        return replace(found, status=status, reason=reason, forecast=forecast)

    def release(self) -> None:
        """Let go of shortlists and ranks once every result is made; a check of the forecast scores anew."""
        self.settled.clear()
        self._samples.clear()
        self.bench.tiers.clear()
        self.bench.forget_candidates()

    def check_forecast(self, trial: Trial) -> ForecastCheck | None:
        """Compare a forecast from a random tenth of the corpus with what the whole corpus shows; see `forecasting`."""
        sample = self.sample(0, min(CHECK_QUERIES, len(self.order)))
        return check_forecast(self.bench, trial, sample, seed=self.plan.seed)

    def sample(self, first: int, last: int) -> QuerySample:
        """Queries of the racing order from `first` up to `last`; made again when the candidates have grown."""
        if (first, last) not in self._samples:
            self._samples[first, last] = QuerySample.of(self.data, self.order[first:last])
        return self._samples[first, last]

    def _exact(self, n_queries: int) -> Neighbours:
        rows, exact = self.order[:n_queries], self.data.select_exact
        return Neighbours(exact.ids[rows], exact.scores[rows])

    def _judging(self, n_queries: int) -> Judging:
        if n_queries not in self._judges:
            rows = self.material.split.select[self.order[:n_queries]]
            self._judges[n_queries] = self.material.judging(rows, k=self.plan.k)
        return self._judges[n_queries]

    def results(self, trials: Sequence[Trial]) -> dict[Trial, TrialResult]:
        """One result per trial: estimated, dropped or unsuitable."""
        return {
            trial: self.result(trial)
            if trial in self.settled
            else TrialResult(trial, "unsuitable", self.unsuitable[trial])
            for trial in trials
        }
