"""The sweep: corpus, vectors, exact neighbours, every trial, the finalists, the decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import ArtifactStore, storage_errors
from ragopt.bill.price_book import PriceBook
from ragopt.choose import decide, is_exact
from ragopt.embed.open_embedder import open_embedder
from ragopt.errors import InputError
from ragopt.measure.intervals import best_lower_bound
from ragopt.measure.judged import Judge
from ragopt.measure.memory import PeakAnonymous
from ragopt.records import Run, Trial, TrialResult
from ragopt.sweep.confirm_stage import confirm
from ragopt.sweep.corpus_stage import Corpus, QuerySplit, load_corpus, split_queries, usable_rows
from ragopt.sweep.grid import default_grid, read_grid
from ragopt.sweep.judging import Judging
from ragopt.sweep.model_stage import ModelData, complete, embed_corpus, embed_queries, open_ready
from ragopt.sweep.pricing import Pricing, workload_of
from ragopt.sweep.progress import Timed
from ragopt.sweep.recommending import recommend_from
from ragopt.sweep.results import confirmed_result, result_of
from ragopt.sweep.run_folder import write_decision
from ragopt.sweep.run_info import describe_run
from ragopt.sweep.select_stage import select
from ragopt.sweep.settings import SearchPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.sweep.progress import Progress
    from ragopt.sweep.settings import SweepSettings

READY_MODEL = "vectors"
"""Printed model of vectors that the user has embedded: ragopt does not know by what."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the trials are measured on.

    Attributes:
        models: one record per model.
        query_ids: of all queries. document_ids: by row. duplicates: row to further documents.
        qrels: judgements, or None. split: which queries select and which confirm.
        about_corpus, about_queries: for ``run.json``.
    """

    models: tuple[ModelData, ...]
    query_ids: Sequence[str]
    document_ids: Sequence[str]
    duplicates: Mapping[int, Sequence[str]]
    qrels: Mapping[str, Mapping[str, int]] | None
    split: QuerySplit
    about_corpus: Mapping[str, Any]
    about_queries: Mapping[str, Any]


def run_sweep(settings: SweepSettings, progress: Progress) -> Run:
    """Measure every trial, confirm the finalists, decide and write the run folder (the report is drawn by callers).

    Args:
        settings: what to sweep and within which limits.
        progress: told of every phase.

    Returns:
        The finished run; `recommendation.status` is `nothing_fits` when no trial meets the limits.

    Raises:
        RagoptError: with what failed and the next step.
    """
    _check_early(settings)
    with storage_errors(settings.out):
        settings.out.mkdir(parents=True, exist_ok=True)
    store = ArtifactStore(settings.cache_dir)
    timed = Timed(progress)
    with PeakAnonymous() as peak:
        material = _ready_material(settings, store, timed) if settings.ready else _material(settings, store, timed)
        sweep = _Sweep(settings, store, timed, material)
        results = sweep.measure()
    info = describe_run(settings, material, results, sweep.pricing.workload, sweep.warnings())
    info |= {"seconds": timed.seconds(), "peak_anonymous_bytes": peak.peak_bytes}
    recommendation = recommend_from(results, settings.limits, objective=settings.objective, info=info)
    if recommendation.status == "ok":
        results = [
            replace(result, status="recommended") if result.trial == recommendation.trial else result
            for result in results
        ]
    run = Run(str(settings.out), info, tuple(results), recommendation)
    write_decision(settings.out, run)
    return run


def _check_early(settings: SweepSettings) -> None:
    """Refuse what can be refused before anything costly begins.

    Raises:
        RagoptError: a workload that cannot be billed, or a run folder that is the corpus itself.
    """
    workload = workload_of(settings.scale, settings.scale.n_vectors or 1)
    PriceBook.load().instances(workload.provider, workload.region)
    if settings.corpus and Path(settings.corpus).resolve() == settings.out.resolve():
        raise InputError(
            f"--out {settings.out} is the corpus itself: the next sweep would read its own report as a document",
            next_step="Name another folder with --out",
        )
    if settings.grid and not Path(settings.grid).is_file():
        raise InputError(f"--grid {settings.grid} does not exist", next_step="See indexes/recipes/ for examples")


def _union(split: QuerySplit) -> NDArray[np.int64]:
    import numpy as np  # noqa: PLC0415 - loaded when first used

    return np.union1d(split.select, split.confirm)


def _material(settings: SweepSettings, store: ArtifactStore, progress: Progress) -> Material:
    embedders = [open_embedder(model, device=settings.device) for model in settings.models]
    names = [embedder.name for embedder in embedders]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two of the models are both called {name}: {', '.join(settings.models)}",
                allowed="models whose printed names differ; a folder is called by its last part",
                next_step="Rename one of the folders",
            )
    first = embedders[0]
    if settings.grid:
        for embedder in embedders:
            read_grid(Path(settings.grid), embedder.name, embedder.dim)
    corpus = load_corpus(
        settings, store, tokenizer=first.tokenizer, tokenizer_name=first.name,
        progress=progress.phase("corpus", f"Reading {settings.corpus}"),
    )  # fmt: skip
    summary = corpus.chunks.summary
    progress.notice(
        f"{summary.n_documents:,} documents, {summary.n_chunks:,} chunks, {summary.n_duplicates:,} exact duplicates "
        f"embedded once; {len(corpus.queries.ids):,} {'synthetic ' if corpus.queries.synthetic else ''}queries "
        f"({corpus.queries.source})"
    )
    split = split_queries(usable_rows(corpus.queries.ids, corpus.queries.qrels), settings)
    rows = _union(split)
    models = []
    for embedder in embedders:
        progress.notice(f"Embedding with {embedder.name} ({embedder.dim} dimensions) on {embedder.device}")
        vectors = embed_corpus(
            store, corpus, embedder, settings.metric, progress.phase("embed", f"Embedding chunks, {embedder.name}")
        )
        queries = embed_queries(
            store, corpus.queries, rows, embedder, settings.metric, progress.phase("queries", "Embedding queries")
        )
        report = progress.phase("exact", "Exact neighbours")
        models.append(
            complete(store, model=embedder.name, device=embedder.device, vectors=vectors, queries=queries,
                     all_rows=rows, split=split, k=settings.k, metric=settings.metric, report=report)
        )  # fmt: skip
    return Material(
        tuple(models),
        corpus.queries.ids,
        corpus.chunks.document_ids(),
        corpus.chunks.duplicates(),
        corpus.queries.qrels,
        split,
        _about_corpus(corpus),
        {"source": corpus.queries.source, "synthetic": corpus.queries.synthetic},
    )


def _about_corpus(corpus: Corpus) -> dict[str, Any]:
    summary = corpus.chunks.summary
    return {
        "source": corpus.source,
        "fingerprint": corpus.fingerprint,
        "n_documents": summary.n_documents,
        "n_chunks": summary.n_chunks,
        "n_duplicates": summary.n_duplicates,
    }


def _ready_material(settings: SweepSettings, store: ArtifactStore, progress: Progress) -> Material:
    from ragopt.corpus.qrels import read_qrels  # noqa: PLC0415 - loaded when first used
    from ragopt.corpus.queries import Queries, check_qrels  # noqa: PLC0415 - loaded when first used

    ready = settings.ready
    if ready is None:
        raise ValueError("no ready vectors")
    opened = open_ready(store, ready, settings.metric, progress.phase("embed", f"Reading {ready.vectors}"))
    qrels = read_qrels(Path(settings.qrels)) if settings.qrels else None
    query_ids = tuple(opened.query_ids)
    check_qrels(Queries(query_ids, query_ids, qrels, synthetic=False, source=""), opened.vector_ids)
    split = split_queries(usable_rows(query_ids, qrels), settings)
    rows = _union(split)
    data = complete(
        store, model=READY_MODEL, device="ready", vectors=opened.vectors, queries=opened.queries.rows(rows),
        all_rows=rows, split=split, k=settings.k, metric=settings.metric,
        report=progress.phase("exact", "Exact neighbours"),
    )  # fmt: skip
    n = opened.vectors.n
    return Material(
        (data,),
        query_ids,
        opened.vector_ids,
        {},
        qrels,
        split,
        {"source": ready.vectors, "fingerprint": opened.vectors.fingerprint, "n_documents": n, "n_chunks": n,
         "n_duplicates": 0},
        {"source": ready.query_vectors, "synthetic": False},
    )  # fmt: skip


class _Sweep:
    """The measuring half of a sweep: select on every trial, confirm the best."""

    def __init__(self, settings: SweepSettings, store: ArtifactStore, progress: Progress, material: Material) -> None:
        self.settings, self.store, self.progress, self.material = settings, store, progress, material
        if settings.limits.min_ndcg_ratio is not None and not material.qrels:
            raise InputError(
                "--min-ndcg-ratio needs judged queries, and this run has none",
                next_step="Give --qrels, or drop --min-ndcg-ratio",
            )
        self.book = PriceBook.load()
        self._unsuitable: list[str] = []
        n = material.models[0].vectors.n
        workload = workload_of(settings.scale, n)
        self.plan = SearchPlan(settings.metric, settings.n_results(n), settings.seed)
        self.pricing = Pricing(workload, self.book, settings.cost_model, n, self.plan.n_results)
        for line in workload.describe(n):
            progress.notice(f"workload: {line}")
        for line in self._cautions():
            progress.notice(f"warning: {line}")

    def warnings(self) -> list[str]:
        """Say what a reader of the figures should know: stale prices."""
        import datetime as dt  # noqa: PLC0415 - loaded when first used

        return [*self._cautions(), *self._unsuitable, *self.book.stale(dt.datetime.now(tz=dt.UTC).date())]

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
        n, n_scale = self.pricing.n_vectors, self.pricing.workload.n_vectors
        if n_scale > n:
            cautions.append(
                f"Quality and latency were measured at {n:,} vectors, the bill is for {n_scale:,} "
                f"({n_scale / n:,.0f} times as many): recall falls and latency grows with the corpus, neither is "
                "extrapolated here."
            )
        return cautions

    def measure(self) -> list[TrialResult]:
        """Select, then confirm until the best trial is a confirmed one."""
        results = self._select()
        return list(self._confirm(results).values())

    def _grid(self, data: ModelData) -> tuple[Trial, ...]:
        if self.settings.grid:
            trials = read_grid(Path(self.settings.grid), data.model, data.vectors.dim)
        else:
            trials = default_grid(data.model, data.vectors.dim, data.vectors.n)
        for trial in trials:
            # What the cost model cannot bill is refused before an hour is spent on measuring it.
            self.pricing.check(trial)
        return trials

    def _judging(self, rows: NDArray[np.int64]) -> Judging:
        material = self.material
        return Judging(
            [material.query_ids[row] for row in rows.tolist()],
            material.document_ids,
            material.duplicates,
            Judge(material.qrels, k=self.settings.k) if material.qrels else None,
            self.settings.k,
        )

    def _select(self) -> dict[Trial, TrialResult]:
        judging = self._judging(self.material.split.select)
        results: dict[Trial, TrialResult] = {}
        for data in self.material.models:
            trials = self._grid(data)
            spaces = {trial.space for trial in trials}
            factories = {(trial.space, trial.factory) for trial in trials}
            self.progress.notice(
                f"{len(trials):,} trials over {len(spaces)} spaces and {len(factories)} factories, "
                f"{len(data.select_queries):,} queries"
            )
            report = self.progress.phase("select", f"Measuring trials, {data.model}")
            measured, unsuitable = select(self.store, data, trials, self.plan, report)  # fmt: skip
            found = {one.trial: one for one in measured}
            for trial in trials:
                if trial in found:
                    results[trial] = result_of(found[trial], data.select_exact, judging, self.pricing)
                else:
                    results[trial] = TrialResult(trial, "unsuitable", unsuitable[trial])
            if unsuitable:
                skipped = (
                    f"{len(unsuitable):,} of {len(trials):,} trials of {data.model} cannot be measured on this corpus; "
                    f"the first reason: {next(iter(unsuitable.values()))}"
                )
                self._unsuitable.append(skipped)
                self.progress.notice(f"warning: {skipped}")
        return results

    def _confirm(self, results: dict[Trial, TrialResult]) -> dict[Trial, TrialResult]:
        """Confirm the baselines and the best trials; go on while the best one is unconfirmed."""
        baselines = [trial for trial in results if is_exact(trial)]
        wanted = [*baselines, *self._best(results, self.settings.finalists)]
        while wanted:
            self._confirm_these(results, list(dict.fromkeys(wanted)))
            wanted = [trial for trial in self._best(results, 1) if not results[trial].confirmed]
        return results

    def _best(self, results: Mapping[Trial, TrialResult], n: int) -> list[Trial]:
        decision = decide(list(results.values()), self.settings.limits, objective=self.settings.objective,
                          k=self.settings.k)  # fmt: skip
        by_name = {str(trial): trial for trial in results}
        return [by_name[name] for name in decision.fitting[:n]]

    def _confirm_these(self, results: dict[Trial, TrialResult], wanted: Sequence[Trial]) -> None:
        judging = self._judging(self.material.split.confirm)
        for data in self.material.models:
            trials = [trial for trial in wanted if trial.space.model == data.model]
            if not trials:
                continue
            report = self.progress.phase("confirm", f"Building finalists, {data.model}")
            for one in confirm(self.store, data, trials, self.plan, report):  # fmt: skip
                confirmed = result_of(one, data.confirm_exact, judging, self.pricing)
                results[one.trial] = confirmed_result(results[one.trial], confirmed)
        decision = decide(list(results.values()), self.settings.limits, objective=self.settings.objective,
                          k=self.settings.k)  # fmt: skip
        for trial in wanted:
            missed = decision.misses[str(trial)]
            results[trial] = replace(results[trial], reason=("confirmed: " + "; ".join(missed)) if missed else "")
