"""FAISS's GPU code played by its CPU code: what ragopt asks of it is recorded, and answered by the CPU."""

import types
from dataclasses import dataclass, field

import faiss
import numpy as np

from ragopt import devices

NO_MEMORY = "Error: 'err == cudaSuccess' failed: StandardGpuResources: alloc fail type TemporaryMemoryBuffer"


@dataclass
class Made:
    """One flat index that was asked for."""

    resources: object
    number: int
    dim: int
    metric: int


@dataclass
class StandIn:
    """What was asked of the GPUs: flat indexes, and searches (device, rows, k, metric)."""

    made: list = field(default_factory=list)
    searched: list = field(default_factory=list)


def stand_in(monkeypatch, *, n_gpus):
    """Give the installed FAISS so many GPUs."""
    asked = StandIn()

    def flat(resources, dim, metric, config):
        asked.made.append(Made(resources, config.device, dim, metric))
        return faiss.IndexFlat(dim, metric)

    def knn_gpu(resources, queries, vectors, k, *, metric, device):
        assert k <= 2048, "a GPU picks no more"
        assert isinstance(resources, types.SimpleNamespace)
        asked.searched.append((device, len(vectors), k, metric))
        return faiss.knn(np.ascontiguousarray(queries), np.ascontiguousarray(vectors), k, metric)

    monkeypatch.setattr(devices, "_is_installed", lambda name: name == "faiss-gpu")
    for name, made in {
        "StandardGpuResources": types.SimpleNamespace,
        "GpuIndexFlatConfig": types.SimpleNamespace,
        "GpuIndexFlat": flat,
        "knn_gpu": knn_gpu,
        "get_num_gpus": lambda: n_gpus,
        "get_compile_options": lambda: "OPTIMIZE GPU ",
    }.items():
        monkeypatch.setattr(faiss, name, made, raising=False)
    return asked
