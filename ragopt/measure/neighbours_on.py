"""Exact neighbours where a device says: by FAISS on the CPU, by torch elsewhere; the same rows either way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.measure.device_neighbours import device_neighbours
from ragopt.measure.faiss_gpu_scan import GpuScan
from ragopt.measure.neighbours import Neighbours, exact_neighbours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.devices import Device
    from ragopt.records import Metric

    Rows = NDArray[np.int64]
    Vectors = NDArray[np.float32]


def neighbours_on(  # noqa: PLR0913 - those of `exact_neighbours`
    device: Device,
    blocks: Iterable[tuple[int, Vectors]],
    queries: Vectors,
    *,
    k: int,
    n: int,
    metric: Metric,
    gather: Callable[[Rows], Vectors],
    n_candidates: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Neighbours:
    """Find the best rows of every query by brute force where the device says; see `exact_neighbours`."""
    if device.trainer == "torch":
        return device_neighbours(blocks, queries, k=k, n=n, metric=metric, gather=gather, device=device.name,
                                 n_candidates=n_candidates, progress=progress)  # fmt: skip
    knn = GpuScan(device.number) if device.trainer == "faiss-gpu" else None
    return exact_neighbours(blocks, queries, k=k, n=n, metric=metric, gather=gather, n_candidates=n_candidates, knn=knn,
                            progress=progress)  # fmt: skip
