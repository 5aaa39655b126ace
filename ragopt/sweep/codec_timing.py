"""Time one codec on a few of its vectors, so that the table of scan costs gets this machine's scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragopt.measure.latency import time_searches

if TYPE_CHECKING:
    from ragopt.sweep.codec_scoring import ScoringJob

N_TIMED, N_WARMUP = 40, 8
"""Queries that time one codec: two batches of batch means each, 2 ms of each query on a block of candidates."""


@dataclass(frozen=True, slots=True)
class CodecTiming:
    """CPU milliseconds of one search over `n_vectors` codes on one thread, with the ends of its 95 % interval."""

    cpu_ms: float
    low: float
    high: float
    n_vectors: int
    nprobe: int


def time_codec(index: Any, job: ScoringJob, *, n_vectors: int) -> CodecTiming:
    """Time single searches over what an index was left with; projecting a query is no part of the table's shape.

    Args:
        index: the filled codec, with the PCA before it.
        job: whose queries and results are asked for.
        n_vectors: how many vectors are in it.
    """
    rows = job.bench.project(job.sample.queries[: N_TIMED + N_WARMUP])
    found = time_searches(lambda query: index.search(query, job.bench.plan.n_results), rows,
                          warmup=min(N_WARMUP, max(len(rows) - 2, 0)))  # fmt: skip
    return CodecTiming(found.cpu_ms_per_query, found.cpu_ms_low, found.cpu_ms_high, n_vectors, job.nprobes[-1])
