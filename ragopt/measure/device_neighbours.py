"""Exact neighbours with the scan on a device: the same rows as on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragopt.index.torch_loaded import load_torch
from ragopt.measure.device_blocks import on_device
from ragopt.measure.device_scan import DeviceScan, Precision
from ragopt.measure.neighbours import (
    MARGIN,
    Neighbours,
    check_asked,
    check_block,
    check_counted,
    with_exact_scores,
)
from ragopt.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.records import Metric

    Rows = NDArray[np.int64]
    Vectors = NDArray[np.float32]

FREE_SHARE = 0.5
"""Share of a CUDA device's free memory taken for a block and its scores; what is kept of each query needs some too."""

DEFAULT_BYTES = 256 * MIB
"""Budget where a device does not say what is free: small beside any machine, large beside a block of 16,384 rows."""


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
        memory_bytes: bound on one block and its scores on the device; 0 takes half of what CUDA says is free, and
            `DEFAULT_BYTES` on other devices. Halved, as often as needed, when the device runs out of memory.
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
    torch = load_torch(f"Searching on the device {device}")
    kept, sure = min(max(k + MARGIN, n_candidates), n), min(k + MARGIN, n)
    scan = DeviceScan(
        queries,
        kept,
        l2=metric == "l2",
        device=device,
        memory_bytes=memory_bytes or _free_bytes(torch, device),
        precision=precision,
    )
    done = 0
    pieces = on_device(_checked(blocks, queries), device=device, most_rows=scan.step)
    piece = next(pieces, None)
    while piece is not None:
        first, vectors = piece
        scan.look(vectors)
        # The next piece is copied while the device computes these scores.
        piece = next(pieces, None)
        scan.take(first, vectors)
        done += len(vectors)
        if progress is not None:
            progress(done, n)
    check_counted(done, n)
    rows, of_rows = scan.result()
    return with_exact_scores(rows, of_rows, queries, sure=sure, metric=metric, gather=gather)


def _checked(blocks: Iterable[tuple[int, Vectors]], queries: Vectors) -> Iterator[tuple[int, Vectors]]:
    for first, vectors in blocks:
        check_block(vectors, queries, first)
        yield first, vectors


def _free_bytes(torch: Any, device: Any) -> int:
    if torch.device(device).type == "cuda":
        return int(FREE_SHARE * torch.cuda.mem_get_info(device)[0])
    return DEFAULT_BYTES
