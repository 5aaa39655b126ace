"""Exact neighbours where a device says: by FAISS on the CPU, by torch elsewhere; the same rows either way."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ragopt.measure.device_neighbours import device_neighbours
from ragopt.measure.faiss_gpu_scan import GpuScan
from ragopt.measure.neighbours import exact_neighbours

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragopt.devices import Device
    from ragopt.measure.neighbours import Neighbours


def neighbours_on(device: Device) -> Callable[..., Neighbours]:
    """How a device finds the best rows of every query by brute force: to be called as `exact_neighbours`.

    Args:
        device: where the corpus is scanned.
    """
    if device.trainer == "torch":
        return partial(device_neighbours, device=device.name)
    if device.trainer == "faiss-gpu":
        return partial(exact_neighbours, knn=GpuScan(device.number))
    return exact_neighbours
