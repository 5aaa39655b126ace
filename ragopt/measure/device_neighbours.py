"""Exact neighbours with the scan on a device: the same rows as on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragopt.index.torch_blocks import work_through
from ragopt.index.torch_loaded import load_torch
from ragopt.measure.device_scan import DeviceScan, Precision
from ragopt.measure.neighbours import (
    MARGIN,
    Neighbours,
    check_asked,
    check_counted,
    checked_near_origin,
    with_exact_scores,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.records import Metric

    Rows = NDArray[np.int64]
    Vectors = NDArray[np.float32]


def device_neighbours(  # noqa: PLR0913 - those of `exact_neighbours`, and where and how
    blocks: Iterable[tuple[int, Vectors]],
    queries: Vectors,
    *,
    k: int,
    n: int,
    metric: Metric,
    gather: Callable[[Rows], Vectors],
    device: Any,
    memory_bytes: int = 0,
    precision: Precision = "fp32",
    n_candidates: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Neighbours:
    """Find the best rows of every query by brute force on a device; otherwise as `exact_neighbours`.

    The best k + `MARGIN` rows are scored again in float64 on the CPU, by the code that `exact_neighbours` uses, so that
    the neighbours are the same. Behind them the order is that of float32 scores, which two libraries round otherwise.

    Args:
        blocks: see `exact_neighbours`; read ahead by one block.
        queries: see `exact_neighbours`.
        k: see `exact_neighbours`.
        n: see `exact_neighbours`.
        metric: see `exact_neighbours`.
        gather: see `exact_neighbours`.
        device: a torch device or its name.
        memory_bytes: bound on one block and its scores on the device; 0 asks it for what is free.
            Halved, as often as needed, when the device runs out of memory.
        precision: of the matrix products that look for rows; those that may count are scored again in float32, so
            that it changes the time alone.
        n_candidates: see `exact_neighbours`.
        progress: see `exact_neighbours`.

    Returns:
        See `exact_neighbours`.

    Raises:
        InputError: see `exact_neighbours`; or the device has no memory for a single row.
        MissingExtra: torch is not installed.

    Source: docs/method-measure.md#exact-neighbours.
    """
    check_asked(queries, k=k, n=n)
    load_torch(f"Searching on the device {device}")
    kept, sure = min(max(k + MARGIN, n_candidates), n), min(k + MARGIN, n)
    checked, moved = checked_near_origin(blocks, queries, metric)
    scan = DeviceScan(moved, kept, l2=metric == "l2", device=device, memory_bytes=memory_bytes, precision=precision)
    seen = 0

    def done(_first: int, rows: int) -> None:
        nonlocal seen
        seen += rows
        if progress is not None:
            progress(seen, n)

    work_through(checked, scan, device=device, budget=scan.budget, done=done)
    check_counted(seen, n)
    rows, of_rows = scan.result()
    return with_exact_scores(rows, of_rows, queries, sure=sure, metric=metric, gather=gather)
