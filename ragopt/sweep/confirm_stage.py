"""Fourth stage: finalists built for real on the whole corpus, saved, opened memory-mapped and measured."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.choose import is_exact
from ragopt.embed.spaces import project
from ragopt.errors import IndexFormatError, InputError, SpecError
from ragopt.index.build import set_search
from ragopt.index.factory import parse_factory
from ragopt.index.inner import refined_parts
from ragopt.index.saved import SavedIndex, open_index
from ragopt.measure.latency import one_thread
from ragopt.measure.memory import release_mapped_pages
from ragopt.measure.tier_reads import tier_reads
from ragopt.sweep.built_finalist import build_codes, build_finalist, built_recipe
from ragopt.sweep.exact_search import MOST_DIFFERENT, gap_rows, measure_exact, timed_searches
from ragopt.sweep.groups import groups_of, shortlist_depth
from ragopt.sweep.measured import Measured, check_found, read_measured, write_measured
from ragopt.sweep.model_stage import ModelData, Report, queries_fingerprint
from ragopt.sweep.shared_scan import SharedScan, can_share
from ragopt.sweep.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.records import LatencyMs, Space, Trial
    from ragopt.sweep.groups import Group
    from ragopt.sweep.settings import SearchPlan

    Build = Callable[[ArtifactStore, ModelData, Trial, SearchPlan], Path]

QPS_SECONDS, FEWEST_QPS = 0.5, 64
"""Throughput on all cores is taken from one batch of as many queries as half a second serves, 64 at the least: small
batches of fast searches would spend their time on waking threads."""

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

    Exact search is measured on the stored vectors themselves: building it would copy them.

    Args:
        store: artifact store; built indexes stay in it and are not built twice.
        data: one model's vectors, queries and exact neighbours.
        trials: finalists of this model.
        plan: how they are built and searched.
        report: called with (trials done, trials).

    Returns:
        One record per trial, in the order given.

    Raises:
        IndexFormatError: a search found too little, or other vectors than a batch of the same queries.
    """
    recipes = {trial: _confirmation_recipe(data, trial, plan) for trial in trials}
    missing = [trial for trial in trials if not store.has(recipes[trial])]
    done = len(trials) - len(missing)
    report(done, len(trials))
    with worker_pool(plan.n_build_workers) as pool:
        # Built side by side, measured one after the other: a neighbour at work would spoil the latencies.
        to_build = [trial for trial in missing if not is_exact(trial)]
        for build, trials_of in (
            (build_codes, _first_of(to_build, codes_only=True)),
            (build_finalist, _first_of(to_build)),
        ):
            list(pool.map(functools.partial(_on_one_thread, build, store, data, plan), trials_of))
    for group in groups_of(missing):
        measured = [measure_exact(data, trial, plan) for trial in group.trials if is_exact(trial)]
        measured += _BuiltGroup(store, data, group, plan).measure()
        for one in measured:

            def make(folder: Path, one: Measured = one) -> None:
                write_measured(folder, [one])

            store.get_or_make(recipes[one.trial], make)
            done += 1
        if plan.max_memory_bytes is not None:
            release_mapped_pages(store.root)  # of its index files; no other thread is at work here
        report(done, len(trials))
    return [one for trial in trials for one in read_measured(store.path_of(recipes[trial]))]


def _confirmation_recipe(data: ModelData, trial: Trial, plan: SearchPlan) -> dict[str, Any]:
    return {
        "kind": "confirmation",
        "format": 8,
        **built_recipe(data, trial, plan),
        "search": trial.search,
        "queries": queries_fingerprint(data.confirm_queries),
        "select_queries": queries_fingerprint(data.select_queries),
        "n_results": plan.n_results,
    }


def _first_of(trials: Sequence[Trial], *, codes_only: bool = False) -> list[Trial]:
    """One trial of each distinct index, or of each distinct set of codes."""
    firsts: dict[tuple[Space, str], Trial] = {}
    for trial in trials:
        factory = parse_factory(trial.factory, trial.space.dim)
        firsts.setdefault((trial.space, factory.base_text if codes_only else factory.text), trial)
    return list(firsts.values())


def _on_one_thread(build: Build, store: ArtifactStore, data: ModelData, plan: SearchPlan, trial: Trial) -> None:
    with one_thread():
        build(store, data, trial, plan)


class _BuiltGroup:
    """Built indexes of the same codes; where they can, their trials share one scan of them."""

    def __init__(self, store: ArtifactStore, data: ModelData, group: Group, plan: SearchPlan) -> None:
        self._data, self._group, self._plan = data, group, plan
        self._trials = [trial for trial in group.trials if not is_exact(trial)]
        self._folders = {trial.factory: build_finalist(store, data, trial, plan) for trial in self._trials}
        # Checksums are compared once for all trials of an index.
        self._saved = {factory: open_index(folder, verify="full") for factory, folder in self._folders.items()}

    @functools.cached_property
    def _scans(self) -> tuple[SharedScan, SharedScan] | None:
        """Of the confirmation queries and of the selection queries of the gap; None where nothing is shared."""
        if not can_share(self._group.base, self._group.trials):
            return None
        saved = self._saved[self._trials[0].factory]
        codes, depth = refined_parts(saved.index)[0], min(self._group.deepest(self._plan.n_results), saved.n)
        data = self._data
        confirm, gap = (
            SharedScan(codes, _into(saved, queries), depth)
            for queries in (data.confirm_queries, data.select_queries[gap_rows(data, self._plan)])
        )
        return confirm, gap

    def measure(self) -> list[Measured]:
        """Search and time every trial, then read each cold: that drops pages which the others are timed with."""
        found = []
        for one in [self._warm(trial) for trial in self._trials]:
            cold, reason = self._cold(one.trial)
            found.append(replace(one, cold=cold, cold_reason=reason))
        return found

    def _warm(self, trial: Trial) -> Measured:
        data, plan, saved = self._data, self._plan, self._saved[trial.factory]
        set_search(saved.index, trial.search)
        queries = _into(saved, data.confirm_queries)
        if self._scans is None:
            distances, found = saved.index.search(queries, plan.n_results)
            again = _into(saved, data.select_queries[gap_rows(data, plan)])
            select_found = saved.index.search(again, plan.n_results)[1]
        else:
            tier, depth = refined_parts(saved.index)[1], min(shortlist_depth(trial, plan.n_results), saved.n)
            confirm_scan, gap_scan = self._scans
            distances, found = confirm_scan.results(tier, trial.factory, depth=depth, n_results=plan.n_results)
            select_found = gap_scan.results(tier, trial.factory, depth=depth, n_results=plan.n_results)[1]
        check_found(trial, found, data.vectors.n)
        check_found(trial, select_found, data.vectors.n)
        qps = _checked_qps(saved.index, trial, queries, found)
        timing = timed_searches(lambda query: saved.index.search(_into(saved, query), plan.n_results), data)
        scores, seconds = (-distances if saved.metric == "l2" else distances), saved.manifest["seconds"]
        return Measured(trial, found, scores, saved.index_bytes, timing, qps, seconds["train"], seconds["build"],
                        select_found)  # fmt: skip

    def _cold(self, trial: Trial) -> tuple[LatencyMs | None, str]:
        """Latency with the rescoring tier on the disk, or why there is none; empty without a tier."""
        if not parse_factory(trial.factory, trial.space.dim).refine:
            return None, ""
        saved, queries = self._saved[trial.factory], self._data.confirm_queries[:N_COLD]
        try:
            reads = tier_reads(self._folders[trial.factory], trial.search, lambda rows: _into(saved, rows), queries,
                               self._plan.n_results, with_warm=False)  # fmt: skip
        except (SpecError, InputError, OSError) as error:
            return None, str(error)  # a tier of less than a page, or a file system that tells nothing
        return reads.cold, reads.reason


def _into(saved: SavedIndex, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring full-dimension queries into the space of a built index."""
    return project(rows, saved.trial.space, rotation=saved.rotation, metric=saved.metric)


def _checked_qps(index: Any, trial: Trial, queries: NDArray[np.float32], found: NDArray[np.int64]) -> float:
    """Queries per second of one batch on every core, which has to find what was found before, by a shared scan or not.

    Raises:
        IndexFormatError: it finds something else.
    """
    n_results = found.shape[1]
    began = time.perf_counter()
    index.search(queries[:FEWEST_QPS], n_results)
    expected = (time.perf_counter() - began) / min(FEWEST_QPS, len(queries))
    n = min(len(queries), max(FEWEST_QPS, int(QPS_SECONDS / expected)))
    began = time.perf_counter()
    own = index.search(queries[:n], n_results)[1]
    seconds = time.perf_counter() - began
    # As sets: vectors of equal score may change places.
    different = int((np.sort(own, axis=1) != np.sort(found[:n], axis=1)).sum())
    if different > MOST_DIFFERENT * n * n_results:
        raise IndexFormatError(
            f"{trial}: {different:,} of {n * n_results:,} results are not those that the index itself finds in a batch",
            allowed=f"{MOST_DIFFERENT:.1%}, for vectors of equal score",
            next_step="Leave this factory out with --grid and report it",
        )
    return n / seconds
