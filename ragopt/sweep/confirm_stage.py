"""Fourth stage: finalists built for real on the whole corpus, saved, opened memory-mapped and measured."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.choose import is_exact
from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import project
from ragopt.errors import InputError, SpecError
from ragopt.index.build import SharedPca, add_blocks, set_search, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.saved import open_index, save_index
from ragopt.index.serialized import checked_bytes
from ragopt.measure.latency import one_thread, time_searches
from ragopt.measure.tier_reads import tier_reads
from ragopt.records import Trial
from ragopt.sweep.measured import Measured, check_found, read_measured, write_measured
from ragopt.sweep.model_stage import ModelData, Report, fitted_on, queries_fingerprint, rotation_of
from ragopt.sweep.query_sample import racing_order
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS, SearchPlan
from ragopt.sweep.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore

N_TIMED = 500
"""Queries timed per finalist: five lie beyond p99."""
N_WARMUP = 50

MOST_TIMING_SECONDS = 5.0
"""Timing of one finalist ends after this, and after a hundred queries at the least: slow searches vary less."""

N_GAP, MANY_VECTORS = 256, 200_000
"""Selection queries that are searched again in an index of many vectors, so that an estimate stands beside the
measurement on the same queries: the first of the racing order, which every trial was estimated on. Over 256 queries the
gap itself is known to half a point, over 1,000 to a quarter (squad-100k, 2026-11-25)."""

N_COLD = 20
"""Queries timed with the rescoring tier on the disk: each reads up to 1,000 pages one after the other (100 ms on the
virtual disk of 2026-11)."""


def confirm(
    store: ArtifactStore,
    data: ModelData,
    trials: Sequence[Trial],
    plan: SearchPlan,
    report: Report,
) -> list[Measured]:
    """Build each distinct index once and measure every trial of it on the confirmation queries.

    Args:
        store: artifact store; built indexes stay in it and are not built twice.
        data: one model's vectors, queries and exact neighbours.
        trials: finalists of this model.
        plan: how they are built and searched.
        report: called with (trials done, trials).

    Returns:
        One record per trial, in the order given.
    """
    recipes = {trial: _confirmation_recipe(data, trial, plan) for trial in trials}
    missing = [trial for trial in trials if not store.has(recipes[trial])]
    first_of_each = {(trial.space, trial.factory): trial for trial in reversed(missing)}
    report(0, len(trials))
    with worker_pool() as pool:
        # Built side by side, measured one after the other: a neighbour at work would spoil the latencies.
        list(pool.map(lambda trial: _build_on_one_thread(store, data, trial, plan), first_of_each.values()))
    measured = []
    for number, trial in enumerate(trials):

        def make(folder: Path, trial: Trial = trial) -> None:
            built = build_finalist(store, data, trial, plan)
            write_measured(folder, [_measure(built, data, trial, plan)])

        measured += read_measured(store.get_or_make(recipes[trial], make))
        report(number + 1, len(trials))
    return measured


def _confirmation_recipe(data: ModelData, trial: Trial, plan: SearchPlan) -> dict[str, Any]:
    return {
        "kind": "confirmation",
        "format": 5,
        **_built_recipe(data, trial, plan),
        "search": trial.search,
        "queries": queries_fingerprint(data.confirm_queries),
        "select_queries": queries_fingerprint(data.select_queries),
        "n_results": plan.n_results,
    }


def _build_on_one_thread(store: ArtifactStore, data: ModelData, trial: Trial, plan: SearchPlan) -> None:
    with one_thread():
        build_finalist(store, data, trial, plan)


def _built_recipe(data: ModelData, trial: Trial, plan: SearchPlan) -> dict[str, Any]:
    import faiss  # noqa: PLC0415 - loaded when first used

    return {
        "vectors": data.vectors.fingerprint,
        "space": str(trial.space),
        "fitted_on": fitted_on(data, trial.space),
        "factory": trial.factory,
        "metric": plan.metric,
        "seed": plan.seed,
        "train_rows": CONFIRM_TRAIN_ROWS,
        "faiss": faiss.__version__,
    }


def build_finalist(store: ArtifactStore, data: ModelData, trial: Trial, plan: SearchPlan) -> Path:
    """Build a trial's index over the whole corpus, or find it built; returns its folder for `open_index`."""
    recipe: Mapping[str, Any] = {"kind": "built", "format": 2, **_built_recipe(data, trial, plan)}

    def make(folder: Path) -> None:
        space = trial.space
        factory = parse_factory(trial.factory, space.dim)
        sample = training_sample(data.vectors, max_rows=CONFIRM_TRAIN_ROWS, seed=plan.seed)
        rotation = rotation_of(data, space, sample)
        projected = project(sample, space, rotation=rotation, metric=plan.metric)
        began = time.perf_counter()
        index = train_index(factory, projected, metric=plan.metric, seed=plan.seed, pca=SharedPca(projected))
        trained = time.perf_counter()
        blocks = (
            (start, project(block, space, rotation=rotation, metric=plan.metric, first_row=start))
            for start, block in data.vectors.blocks()
        )
        add_blocks(index, blocks)
        built = time.perf_counter()
        save_index(
            folder,
            index,
            trial=Trial(space, trial.factory),
            metric=plan.metric,
            index_bytes=checked_bytes(factory, index),
            rotation=rotation,
            seconds={"train": trained - began, "build": built - trained},
        )

    return store.get_or_make(recipe, make)


def gap_rows(data: ModelData, plan: SearchPlan) -> NDArray[np.int64]:
    """Which selection queries the built indexes are searched with: all, or the first `N_GAP` of a large corpus's."""
    order = racing_order(len(data.select_queries), seed=plan.seed)
    return order if data.vectors.n <= MANY_VECTORS else order[:N_GAP]


def _measure(folder: Path, data: ModelData, trial: Trial, plan: SearchPlan) -> Measured:
    saved = open_index(folder, verify="full")

    def into(rows: Any) -> Any:
        return project(rows, trial.space, rotation=saved.rotation, metric=saved.metric)

    set_search(saved.index, trial.search)
    # Exact search finds the exact neighbours, which are known: a part of the queries shows that it does, and how fast.
    part = N_GAP if is_exact(trial) else len(data.confirm_queries)
    queries = into(data.confirm_queries[:part])
    began = time.perf_counter()
    distances, found = saved.index.search(queries, plan.n_results)
    seconds_all_cores = time.perf_counter() - began
    check_found(trial, found, data.vectors.n)
    again = data.select_queries[gap_rows(data, plan)]
    select_found = saved.index.search(into(again), plan.n_results)[1]
    check_found(trial, select_found, data.vectors.n)
    timed = data.confirm_queries[: N_TIMED + N_WARMUP]
    timing = time_searches(
        lambda query: saved.index.search(into(query), plan.n_results), timed, warmup=min(N_WARMUP, len(timed) // 10),
        most_seconds=MOST_TIMING_SECONDS,
    )  # fmt: skip
    cold, cold_reason = None, ""
    if parse_factory(trial.factory, trial.space.dim).refine:
        try:
            reads = tier_reads(folder, trial.search, into, data.confirm_queries[:N_COLD], plan.n_results)
            cold, cold_reason = reads.cold, reads.reason
        except (SpecError, InputError, OSError) as error:
            cold_reason = str(error)  # a tier of less than a page, or a file system that tells nothing: no cold figure
    seconds = saved.manifest["seconds"]
    scores = -distances if saved.metric == "l2" else distances
    if part < len(data.confirm_queries):
        rest = slice(part, None), slice(plan.n_results)
        found = np.vstack([found, data.confirm_exact.ids[rest]])
        scores = np.vstack([scores, data.confirm_exact.scores[rest].astype(np.float32)])
    return Measured(trial, found, scores, saved.index_bytes, timing, len(queries) / seconds_all_cores,
                    seconds["train"], seconds["build"], select_found, cold, cold_reason)  # fmt: skip
