"""The sweep: material, the race of every model's trials, the finalists, the decision."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import ArtifactStore, storage_errors
from ragopt.bill.kept_prices import own_prices
from ragopt.bill.old_prices import old_price_warnings
from ragopt.bill.price_book import PriceBook
from ragopt.bill.retrieved import results_per_query
from ragopt.bill.service import embedding_lines, shared_charges
from ragopt.devices import choose_device
from ragopt.errors import InputError
from ragopt.measure.intervals import best_lower_bound
from ragopt.measure.memory import PeakMemory
from ragopt.records import Run
from ragopt.sweep.decision_bill import with_bill
from ragopt.sweep.descend import Descent
from ragopt.sweep.finalists import Confirmation, choose_finalists
from ragopt.sweep.grid import grid_for
from ragopt.sweep.joint_stage import JointCheck, check_joint, joint_trials
from ragopt.sweep.material import gather_material
from ragopt.sweep.planned_memory import broken_promise, ready_memory, with_memory
from ragopt.sweep.priced_models import priced_models
from ragopt.sweep.pricing import Pricing, workload_of
from ragopt.sweep.progress import Timed
from ragopt.sweep.race import Preference
from ragopt.sweep.recommending import recommend_from
from ragopt.sweep.run_folder import write_decision
from ragopt.sweep.run_info import describe_run
from ragopt.sweep.run_queries import qrels_fingerprint, queries_parquet, run_queries
from ragopt.sweep.selecting import Selection
from ragopt.sweep.settings import SearchPlan

if TYPE_CHECKING:
    from ragopt.devices import Device
    from ragopt.records import Recommendation, Trial, TrialResult
    from ragopt.sweep.material import Material
    from ragopt.sweep.model_stage import ModelData
    from ragopt.sweep.progress import Progress
    from ragopt.sweep.settings import SweepSettings


def run_sweep(settings: SweepSettings, progress: Progress) -> Run:
    """Estimate every trial, build the finalists, decide and write the run folder (the report is drawn by callers).

    Args:
        settings: what to sweep and within which limits.
        progress: told of every phase.

    Returns:
        The finished run; `recommendation.status` is `nothing_fits` when no trial meets the limits.

    Raises:
        RagoptError: with what failed and the next step.
    """
    check_early(settings)
    device = choose_device(settings.device)
    if settings.max_memory_bytes is not None and (planned := ready_memory(settings, device)):
        planned.check()
    with storage_errors(settings.out):
        settings.out.mkdir(parents=True, exist_ok=True)
    store = ArtifactStore(settings.cache_dir)
    progress.notice(f"device: {device.printed()}")
    timed = Timed(progress)
    with PeakMemory() as peak:
        material = gather_material(settings, store, timed, device)
        sweep = _Sweep(settings, store, timed, material, device)
        results = sweep.measure()
    lines = [line for result in results for bill in result.bills.values() for line in bill.lines]
    warnings = [*sweep.warnings(), *old_price_warnings(lines, sweep.pricing.today)]
    info = describe_run(settings, material, results, sweep.pricing.workload, warnings)
    info |= {"n_results": sweep.plan.n_results, "priced_models": dict(sweep.pricing.embedding),
             "workload_given": sorted(sweep.pricing.given), "billed_on": sweep.pricing.today.isoformat(),
             "own_prices": own_prices(sweep.book), "device": device.as_json()}  # fmt: skip
    select_rows = sweep.select_rows()
    info["queries"] |= {"select_rows": select_rows, "qrels_fingerprint": qrels_fingerprint(material.qrels)}
    info["joint_checks"] = {model: [asdict(check) for check in found] for model, found in sweep.joint_checks.items()}
    recommendation = recommend_from(results, settings.limits, objective=settings.objective, info=info)
    info["forecast_check"] = sweep.forecast_check(recommendation)
    if broken := broken_promise(settings.max_memory_bytes, peak.anonymous_bytes, peak.resident_bytes):
        info["warnings"] = [*info["warnings"], broken]
    info |= {"seconds": timed.seconds(), "peak_anonymous_bytes": peak.anonymous_bytes,
             "peak_resident_bytes": peak.resident_bytes}  # fmt: skip
    if recommendation.status == "ok":
        results = [
            replace(result, status="recommended") if result.trial == recommendation.trial else result
            for result in results
        ]
    run = with_bill(Run(str(settings.out), info, tuple(results), recommendation), sweep.book)
    write_decision(settings.out, run, queries_parquet(run_queries(material, select_rows)))
    return run


def check_early(settings: SweepSettings) -> None:
    """Refuse what can be refused before anything costly begins.

    Raises:
        RagoptError: a workload that cannot be billed, or a run folder that is the corpus itself.
    """
    workload = workload_of(settings.workload, 1)
    book = PriceBook.load(overrides=settings.prices)
    book.instances(workload.provider, workload.region)
    # A model or price that is missing is told before anything is measured; the dimension moves no price.
    shared_charges(workload, book, dim=1)
    embedding_lines(workload, book)
    if settings.corpus and Path(settings.corpus).resolve() == settings.out.resolve():
        raise InputError(
            f"--out {settings.out} is the corpus itself: the next sweep would read its own report as a document",
            next_step="Name another folder with --out",
        )
    if settings.grid and not Path(settings.grid).is_file():
        raise InputError(f"--grid {settings.grid} does not exist", next_step="See indexes/recipes/ for examples")


class _Sweep:
    """The measuring half of a sweep: race every trial, confirm the best."""

    def __init__(
        self, settings: SweepSettings, store: ArtifactStore, progress: Progress, material: Material, device: Device
    ) -> None:  # fmt: skip
        self.settings, self.store, self.progress, self.material = settings, store, progress, material
        if settings.limits.min_ndcg_ratio is not None and not material.qrels:
            raise InputError(
                "--min-ndcg-ratio needs judged queries, and this run has none",
                next_step="Give --qrels, or drop --min-ndcg-ratio",
            )
        self.book = PriceBook.load(overrides=settings.prices)
        self._unsuitable: list[str] = []
        n = material.models[0].vectors.n
        measured = {"n_vectors": n, "k": settings.k, **material.measured_workload}
        workload = workload_of(settings.workload, n, measured)
        memory = material.memory
        memory.check()
        self.plan = with_memory(
            SearchPlan(settings.metric, settings.k, settings.n_results(n), settings.seed, device), memory
        )
        priced, self._unpriced = priced_models([data.model for data in material.models], self.book)
        self.pricing = Pricing(workload, self.book, settings.cost_model, n, self.plan.n_results,
                               priced, frozenset({**measured, **settings.workload}))  # fmt: skip
        self.selections: dict[str, Selection] = {}
        self.joint_checks: dict[str, list[JointCheck]] = {}
        for line in workload.describe(n):
            progress.notice(f"workload: {line}")
        for line in self._cautions():
            progress.notice(f"warning: {line}")

    def warnings(self) -> list[str]:
        """Say what a reader of the figures should know: old prices in the bills, among others."""
        return [*self._cautions(), *self._unsuitable, *self._unpriced]

    def select_rows(self) -> list[int]:
        """Row numbers of the selection queries in racing order."""
        order = next(iter(self.selections.values())).order
        return [int(row) for row in self.material.split.select[order]]

    def forecast_check(self, recommendation: Recommendation) -> dict[str, Any] | None:
        """How far a forecast of the recommended trial from a tenth of this corpus is off; None without one."""
        if recommendation.forecast is None:
            return None
        trial = recommendation.trial
        check = self.selections[trial.space.model].check_forecast(trial)
        if check is None:
            return None
        self.progress.notice(
            f"forecast check: from a random tenth of the corpus to all of it, recall_vs_exact@{self.plan.k} "
            f"{'lies' if check.inside else 'does not lie'} in the range"
            + ("" if check.error is None else f"; the scaled figure is off by {100 * check.error:+.1f} points")
        )
        return {"trial": str(trial), "measured": check.measured, "scaled": check.scaled, "error": check.error,
                "inside": check.inside, "low": check.forecast.low, "high": check.forecast.high}  # fmt: skip

    def _cautions(self) -> list[str]:
        """Say what these queries and this scale cannot show, whatever is measured."""
        cautions = []
        split, minimum = self.material.split, self.settings.limits.min_recall
        n_fewest = min(len(split.select), len(split.confirm))
        reachable = best_lower_bound(n_fewest)
        if minimum is not None and reachable < minimum:
            cautions.append(
                f"With {n_fewest:,} queries no lower 95 % bound can exceed {reachable:.4f}, so --min-recall {minimum} "
                "leaves exact search only: give more queries, or a --min-recall below that."
            )
        cautions += self._contradictions()
        n, n_scale = self.pricing.n_vectors, self.pricing.workload.n_vectors
        if n_scale > n:
            cautions.append(
                f"Quality and latency were measured at {n:,} vectors, the bill is for {n_scale:,} "
                f"({n_scale / n:,.0f} times as many): recall there is forecast as a range for growth by more of the "
                "same, latency is not."
            )
        return cautions

    def _contradictions(self) -> list[str]:
        """Say where the workload speaks of another model or depth than the sweep measures."""
        workload, models = self.pricing.workload, [data.model for data in self.material.models]
        found = []
        if workload.embedding_model not in ("", "self", *models):
            found.append(
                f"The workload bills embedding with {workload.embedding_model}, the sweep measures "
                f"{', '.join(models)}: quality is of the models swept."
            )
        if workload.k != self.settings.k:
            found.append(
                f"The workload returns {workload.k} chunks per query, the sweep measures --k {self.settings.k}."
            )
        n_returned = results_per_query(workload)
        if n_returned > max(self.plan.n_results, workload.k):
            found.append(
                f"The reranker chooses from {n_returned} results per query: reads of the rescoring tier are billed for "
                f"so many, latency and CPU time are those of searches for {self.plan.n_results}."
            )
        return found

    def measure(self) -> list[TrialResult]:
        """Race, then confirm until the best trial is a confirmed one."""
        results: dict[Trial, TrialResult] = {}
        for data in self.material.models:
            results |= self._select(data)
        self._converge(results)
        for selection in self.selections.values():
            selection.release()
        Confirmation(self.store, self.settings, self.plan, self.pricing, self.material, self.progress).run(results)
        return list(results.values())

    def _converge(self, results: dict[Trial, TrialResult]) -> None:
        """Sharpen the estimates of those that would be built: others need none, and upper bounds recommend nobody."""
        settings = self.settings
        while True:
            wanted = choose_finalists(results, settings.limits, objective=settings.objective, k=settings.k,
                                      n=settings.finalists)  # fmt: skip
            moved = False
            for model, selection in self.selections.items():
                loose = [trial for trial in wanted if trial.space.model == model and results[trial].upper_bound]
                if selection.converge(loose):
                    results |= selection.results(loose)
                    moved = True
            if not moved:
                return

    def _select(self, data: ModelData) -> dict[Trial, TrialResult]:
        trials = grid_for(self.settings, data.model, data.vectors.dim, data.vectors.n)
        for trial in trials:
            # What the cost model cannot bill is refused before anything is measured.
            self.pricing.check(trial)
        spaces = {trial.space for trial in trials}
        factories = {(trial.space, trial.factory) for trial in trials}
        self.progress.notice(
            f"{len(trials):,} trials over {len(spaces)} spaces and {len(factories)} factories, "
            f"{len(data.select_queries):,} queries"
        )
        settings = self.settings
        preference = Preference(settings.objective, settings.finalists) if settings.limits.only_recall else None
        selection = Selection(self.store, data, self.plan, self.pricing, settings.limits, self.material,
                              self.progress, preference)  # fmt: skip
        self.selections[data.model] = selection
        selection.run(trials, data.model)
        tried = [*trials]
        if not self.settings.grid:
            tried += self._joint(selection)
        target = self.settings.limits.min_recall
        if self.settings.descends and target is not None:
            tried += Descent(selection, target=target, max_rescored=self.settings.max_rescored).run(trials)
        results = selection.results(list(dict.fromkeys(tried)))
        self._tell(data.model, results, selection)
        return results

    def _joint(self, selection: Selection) -> list[Trial]:
        """Try the query-aware rotation where queries are left over, and race it where it wins."""
        try:
            checks = check_joint(selection)
        except InputError as error:
            self.progress.notice(f"query-aware rotation not tried: {error.failed}")
            return []
        self.joint_checks[selection.data.model] = checks
        for check in checks:
            self.progress.notice(check.printed())
        trials = joint_trials(checks, selection.data.model)
        if trials:
            selection.run(trials, "query-aware spaces")
        return trials

    def _tell(self, model: str, results: dict[Trial, TrialResult], selection: Selection) -> None:
        n_dropped = sum(result.status == "dropped" for result in results.values())
        self.progress.notice(
            f"{len(results):,} trials of {model} estimated, {n_dropped:,} of them dropped after the first round"
        )
        if selection.unsuitable:
            skipped = (
                f"{len(selection.unsuitable):,} of {len(results):,} trials of {model} cannot be measured "
                f"here; the first reason: {next(iter(selection.unsuitable.values()))}"
            )
            self._unsuitable.append(skipped)
            self.progress.notice(f"warning: {skipped}")
