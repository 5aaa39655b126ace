"""Queries per second and latency of one caller, of several at once, and of a batch. numpy alone."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PERCENTILES = (50, 95, 99)


def time_threads(
    answer: Callable[[NDArray[Any]], Any], queries: NDArray[Any], *, n_threads: int
) -> tuple[dict[str, Any], list[Any]]:
    """Time callers that ask one query after another, each query once.

    Args:
        answer: searches float32 (1, dim); called from `n_threads` threads at once.
        queries: float32 (n, dim); caller i takes rows i, i + n_threads, ...
        n_threads: callers.

    Returns:
        `qps` of wall time from the common start to the end of the last caller, `p50_ms` to `p99_ms` of single
        answers, `cpu_ms` of the whole process per query, `n`; and what was answered, in the order of the queries.
    """
    rows = [np.array(row[None]) for row in queries]
    answers: list[Any] = [None] * len(rows)
    wall_ns = np.empty(len(rows), np.int64)
    start = threading.Barrier(n_threads + 1)
    errors: list[BaseException] = []

    def call(first: int) -> None:
        start.wait()
        try:
            for number in range(first, len(rows), n_threads):
                began = time.perf_counter_ns()
                answers[number] = answer(rows[number])
                wall_ns[number] = time.perf_counter_ns() - began
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            errors.append(error)

    callers = [threading.Thread(target=call, args=(first,)) for first in range(n_threads)]
    for caller in callers:
        caller.start()
    start.wait()
    began, cpu = time.perf_counter(), time.process_time()
    for caller in callers:
        caller.join()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if errors:
        raise errors[0]
    figures = {f"p{p}_ms": round(float(np.percentile(wall_ns, p)) / 1e6, 4) for p in PERCENTILES}
    return {"qps": round(len(rows) / seconds, 1), **figures, "cpu_ms": round(1e3 * cpu / len(rows), 4),
            "n": len(rows)}, answers  # fmt: skip


def time_batch(answer: Callable[[NDArray[Any], int], Any], queries: NDArray[Any], *, n_threads: int) -> float:
    """Queries per second of one call with all queries."""
    began = time.perf_counter()
    answer(queries, n_threads)
    return round(len(queries) / (time.perf_counter() - began), 1)
