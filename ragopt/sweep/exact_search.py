"""What is measured on every confirmed trial in the same way: which queries, how long, and exact search itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import IndexFormatError
from ragopt.index.build import faiss_metric
from ragopt.index.factory import parse_factory
from ragopt.index.size import index_bytes
from ragopt.measure.latency import ENOUGH_TIMED, one_thread, time_searches, timing_of
from ragopt.measure.neighbours import Neighbours, recall_vs_exact
from ragopt.sweep.measured import Measured, check_found
from ragopt.sweep.query_sample import racing_order
from ragopt.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ragopt.measure.latency import SearchTiming
    from ragopt.records import Metric, Trial
    from ragopt.sweep.model_stage import ModelData
    from ragopt.sweep.settings import SearchPlan

    Found = tuple[NDArray[np.float32], NDArray[np.int64]]

N_TIMED, N_WARMUP = 500, 10
"""Queries timed per finalist, and those before them that are not: of 500, five lie beyond p99."""

MOST_TIMING_SECONDS = 1.5
"""Timing of one finalist ends after this, and after a hundred queries at the least: slow searches vary less."""

N_GAP, MANY_VECTORS = 256, 200_000
"""Selection queries that are searched again in an index of many vectors, so that an estimate stands beside the
measurement on the same queries: the first of the racing order. Over 256 queries the gap is known to half a point,
over 1,000 to a quarter (squad-100k, 2026-11-25)."""

BLAS_VALUES = 128_000
"""From so many values, queries x dimensions, FAISS compares with BLAS (distance_compute_blas_threshold, FAISS 1.15.1):
256 queries of 384 dimensions took twelve times as long as 512 (1,000,000 vectors, 2026-11-25)."""

BLOCK_BYTES = 128 * MIB
"""Vectors of a large corpus that are scanned at once: four times the 32 MiB of level 3 cache that one core of an AMD
EPYC 7003 reaches, so that every query reads them from memory, as it would read all of them."""

MOST_DIFFERENT = 0.001
"""Share of results in which searches of the same queries may differ: vectors of equal score."""


def gap_rows(data: ModelData, plan: SearchPlan) -> NDArray[np.int64]:
    """Which selection queries the built indexes are searched with: all, or the first `N_GAP` of a large corpus's."""
    order = racing_order(len(data.select_queries), seed=plan.seed)
    return order if data.vectors.n <= MANY_VECTORS else order[:N_GAP]


def timed_searches(search_one: Callable[[Any], object], data: ModelData) -> SearchTiming:
    """Time single searches of the confirmation queries on one thread."""
    timed = data.confirm_queries[: N_TIMED + N_WARMUP]
    return time_searches(search_one, timed, warmup=min(N_WARMUP, len(timed) // 10), most_seconds=MOST_TIMING_SECONDS)


def measure_exact(data: ModelData, trial: Trial, plan: SearchPlan) -> Measured:
    """Measure exact search over the stored vectors, with the kernel that FAISS's Flat index runs.

    Exact search finds the exact neighbours, which are known: a part of the queries shows that it does, and how fast.
    Few vectors are scanned where they are mapped; many come block by block, and the time is that of all the scans.

    Raises:
        IndexFormatError: it finds other vectors.
    """
    scan = _scan_mapped if data.vectors.is_small else _scan_blocks
    part = min(-(-BLAS_VALUES // data.vectors.dim), len(data.confirm_queries))
    (distances, found), qps, timing = scan(data, plan, part)
    exact = data.confirm_exact
    check_found(trial, found, data.vectors.n)
    recall = recall_vs_exact(found, Neighbours(exact.ids[:part], exact.scores[:part]), k=plan.k).mean()
    if recall < 1 - MOST_DIFFERENT:
        raise IndexFormatError(
            f"{trial}: exact search finds {recall:.4f} of the exact neighbours",
            allowed=f"{1 - MOST_DIFFERENT}, for rounding at the last place",
            next_step="Delete the cache folder, or name another one with --cache-dir, and sweep again",
        )
    scores, rest = (-distances if plan.metric == "l2" else distances), slice(plan.n_results)
    found = np.vstack([found, exact.ids[part:, rest]])
    scores = np.vstack([scores, exact.scores[part:, rest].astype(np.float32)])
    sizes = index_bytes(parse_factory(trial.factory, trial.space.dim), data.vectors.n)
    gap = data.select_exact.ids[gap_rows(data, plan)][:, rest]
    return Measured(trial, found, scores, sizes, timing, qps, 0.0, 0.0, gap)


def _scan_mapped(data: ModelData, plan: SearchPlan, part: int) -> tuple[Found, float, SearchTiming]:
    vectors = data.vectors.mapped()

    def search(rows: NDArray[np.float32]) -> Found:
        return _knn(rows, vectors, plan.n_results, plan.metric)

    began = time.perf_counter()
    found = search(data.confirm_queries[:part])
    qps = part / (time.perf_counter() - began)
    return found, qps, timed_searches(search, data)


def _scan_blocks(data: ModelData, plan: SearchPlan, part: int) -> tuple[Found, float, SearchTiming]:
    """Scan block by block: a batch on every core and single queries on one, the time of each summed over all blocks.

    Reading a block is not part of the time: the index that is measured would hold it in memory.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    queries = data.confirm_queries
    singles = [np.array(row[None], np.float32) for row in queries[: ENOUGH_TIMED + N_WARMUP]]
    n_warmup = min(N_WARMUP, len(singles) // 10)
    wall_ns, cpu_ns = np.zeros(len(singles), np.int64), np.zeros(len(singles), np.int64)
    best, batch_seconds = faiss.ResultHeap(part, plan.n_results, keep_max=plan.metric != "l2"), 0.0
    for first, block in data.vectors.blocks(max(1, BLOCK_BYTES // (4 * data.vectors.dim))):
        n_results = min(plan.n_results, len(block))
        began = time.perf_counter()
        distances, rows = _knn(queries[:part], block, n_results, plan.metric)
        batch_seconds += time.perf_counter() - began
        best.add_result(distances, rows + first)
        with one_thread():
            for i, row in enumerate(singles):
                cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
                _knn(row, block, n_results, plan.metric)
                wall_ns[i] += time.perf_counter_ns() - wall
                cpu_ns[i] += time.thread_time_ns() - cpu
        del block
    best.finalize()
    return (best.D, best.I), part / batch_seconds, timing_of(wall_ns[n_warmup:] / 1e6, cpu_ns[n_warmup:] / 1e6)


def _knn(queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int, metric: Metric) -> Found:
    import faiss  # noqa: PLC0415 - loaded when first used

    found: Found = faiss.knn(queries, vectors, k, faiss_metric(metric))
    return found
