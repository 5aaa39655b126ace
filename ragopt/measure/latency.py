"""Single-thread time of searches on warm queries that are never repeated."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError
from ragopt.records import LatencyMs

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_BATCHES = 20
"""Batches for the interval of the mean CPU time: 10 to 30 serve, more gain little (Schmeiser 1982, Operations
Research 30(3):556-568)."""

ENOUGH_TIMED = 100
"""Searches after which timing may end early: one lies beyond p99."""

MIN_TIMED = 2
"""A spread needs two timed searches."""


@dataclass(frozen=True, slots=True)
class SearchTiming:
    """What one search costs on one thread.

    Attributes:
        latency: wall time percentiles in milliseconds.
        qps: queries per second of wall time.
        cpu_ms_per_query: mean CPU time of the calling thread in milliseconds.
        cpu_ms_low: lower end of its 95 % interval.
        cpu_ms_high: upper end of its 95 % interval.
    """

    latency: LatencyMs
    qps: float
    cpu_ms_per_query: float
    cpu_ms_low: float
    cpu_ms_high: float


def one_thread() -> contextlib.AbstractContextManager[None]:
    """Let FAISS use one thread, and give back the former number afterwards."""
    return use_threads(1)


@contextlib.contextmanager
def use_threads(number: int) -> Iterator[None]:
    """Let FAISS use so many threads where this thread calls it, and give back the former number afterwards."""
    import faiss  # noqa: PLC0415 - loaded when first used

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(number)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def time_searches(
    search_one: Callable[[NDArray[np.float32]], object],
    queries: NDArray[np.float32],
    *,
    warmup: int,
    most_seconds: float = math.inf,
) -> SearchTiming:  # fmt: skip
    """Time one search after another on one thread.

    Args:
        search_one: searches one query, given as float32 (1, dim).
        queries: float32 (n_queries, dim); the first `warmup` rows warm caches, the rest are timed, each once.
        warmup: rows not timed.
        most_seconds: no more rows are timed after this, once `ENOUGH_TIMED` are.

    Raises:
        InputError: fewer than 2 rows are left to time.

    Source: docs/method-measure.md#latency.
    """
    n_timed = len(queries) - warmup
    if warmup < 0 or n_timed < MIN_TIMED:
        raise InputError(
            f"Cannot time searches with {len(queries)} queries of which {warmup} warm up",
            allowed=f"at least {MIN_TIMED} queries after the warm-up",
            next_step="Give more queries",
        )
    # Copied outside the timed loop: a slice of the caller's array may be a view that FAISS would have to copy.
    rows = [np.array(row[None], dtype=np.float32) for row in queries]
    wall_ns, cpu_ns = np.empty(n_timed, np.int64), np.empty(n_timed, np.int64)
    with one_thread():
        for row in rows[:warmup]:
            search_one(row)
        for i, row in enumerate(rows[warmup:]):
            cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
            search_one(row)
            wall_ns[i] = time.perf_counter_ns() - wall
            cpu_ns[i] = time.thread_time_ns() - cpu
            if i + 1 >= ENOUGH_TIMED and wall_ns[: i + 1].sum() > most_seconds * 1e9:
                n_timed = i + 1
                break
    return timing_of(wall_ns[:n_timed] / 1e6, cpu_ns[:n_timed] / 1e6)


def timing_of(wall_ms: NDArray[np.float64], cpu_ms: NDArray[np.float64]) -> SearchTiming:
    """Percentiles and means of searches, in milliseconds each, float64 (n,) in the order of measurement; n >= 2."""
    p50, p95, p99 = (float(value) for value in np.percentile(wall_ms, [50, 95, 99]))
    low, high = batch_means_interval(cpu_ms)
    return SearchTiming(
        latency=LatencyMs(p50, p95, p99, len(wall_ms)),
        qps=float(1e3 / wall_ms.mean()),
        cpu_ms_per_query=float(cpu_ms.mean()),
        cpu_ms_low=low,
        cpu_ms_high=high,
    )


def batch_means_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the mean of a series whose neighbours in time are alike, never below 0.

    Args:
        values: float64 (n,) in the order of measurement; n >= 2.

    Source: docs/method-measure.md#latency (batch means).
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - loaded when first used

    n_batches = min(N_BATCHES, len(values))
    # Equal batches: a remainder at the start, where the machine is least warm, is left out of the spread.
    size = len(values) // n_batches
    batches = values[len(values) - n_batches * size :].reshape(n_batches, size).mean(axis=1)
    half = float(stdtrit(n_batches - 1, 0.975)) * float(batches.std(ddof=1)) / n_batches**0.5
    mean = float(values.mean())
    return max(mean - half, 0.0), mean + half
