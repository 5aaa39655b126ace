"""One model's vectors, and how to build finalists of them in small shards, for tests and the processes they kill."""

from pathlib import Path

import numpy as np

from ragopt.artifacts import ArtifactStore
from ragopt.embed.ready import open_ready_vectors
from ragopt.measure.neighbours import Neighbours
from ragopt.records import Space, Trial
from ragopt.sweep import built_parts, streamed_build
from ragopt.sweep.model_stage import ModelData
from ragopt.sweep.settings import SearchPlan

N, DIM = 1500, 16
PLAN = SearchPlan("cosine", 10, 10, 0)
FULL, REDUCED = Space("m", DIM, "none"), Space("m", 8, "pca")
KILLED = Trial(REDUCED, "IVF8,PQ4np,Refine(SQ8)")
"""A rotation, lists and a tier: 3 shards of codes, 3 of the tier."""


def data_in(folder: Path) -> ModelData:
    """1,500 vectors of 16 dimensions, stored below a folder."""
    rng = np.random.default_rng(5)
    drawn = rng.normal(size=(30, DIM))[rng.integers(0, 30, N)] + 0.5 * rng.normal(size=(N, DIM))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "v.npy", drawn.astype(np.float32))
    vectors = open_ready_vectors(ArtifactStore(folder / "vectors"), str(folder / "v.npy"), column=None, metric="cosine")
    none, exact = np.empty((0, DIM), np.float32), Neighbours(np.empty((0, 10), np.int64), np.empty((0, 10)))
    return ModelData("m", "cpu", vectors, none, none, exact, exact, np.empty((0, 10), np.int32), none)


def small_steps(patch: object = setattr) -> None:
    """Encode 256 rows at once, 512 in a shard, and keep no codes in memory; `patch` may be a monkeypatch's setattr."""
    for module, name, value in (
        (built_parts, "ADD_ROWS", 256),
        (streamed_build, "ADD_ROWS", 256),
        (streamed_build, "SHARD_ROWS", 512),
        (streamed_build, "IN_MEMORY_BYTES", 0),
    ):
        patch(module, name, value)
