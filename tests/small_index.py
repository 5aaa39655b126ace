"""A small served index of random vectors, for the tests of what is built around one."""

import shutil
from pathlib import Path

import numpy as np

import ragopt
from ragopt.sweep.settings import ReadyVectors

DIM = 6
"""langchain-tests embeds into six dimensions."""

COMPASS = {
    "east": [1, 0, 0, 0, 0, 0], "nearly east": [1, 0.1, 0, 0, 0, 0], "north": [0, 1, 0, 0, 0, 0],
    "west": [-1, 0, 0, 0, 0, 0], "north-east": [1, 1, 0, 0, 0, 0],
}  # fmt: skip
"""Texts with vectors whose cosines are worked out by hand."""


def small_run(folder: Path, metric: str = "cosine") -> ragopt.Run:
    """A run over 64 random vectors, with float32 and 8-bit codes."""
    rng = np.random.default_rng(0)
    np.save(folder / "vectors.npy", rng.normal(size=(64, DIM)).astype(np.float32))
    np.save(folder / "queries.npy", rng.normal(size=(40, DIM)).astype(np.float32))
    (folder / "grid.toml").write_text('about = "Two."\n[[grid]]\nfactories = ["Flat", "SQ8"]\n')
    ready = ReadyVectors(str(folder / "vectors.npy"), str(folder / "queries.npy"))
    return ragopt.sweep(ready=ready, grid=str(folder / "grid.toml"), descend=False, cost_model="scan", k=1,
                        n_queries=20, metric=metric, out=folder / "run", cache_dir=folder / "cache")  # fmt: skip


def build_small(folder: Path, factory: str, *, metric: str = "cosine", with_vectors: bool = False) -> Path:
    """A served folder with one trial of that run; its ids are 0 to 63 and it has no texts."""
    folder.mkdir(parents=True, exist_ok=True)
    run = small_run(folder, metric)
    (trial,) = [one.trial for one in run.trials if one.trial.factory == factory]
    built = ragopt.build(run, out=folder / "index", trial=trial, cache_dir=folder / "cache", with_vectors=with_vectors)
    return built.folder


def emptied(folder: Path) -> Path:
    """Delete every row of a served folder."""
    with ragopt.open(folder) as index:
        index.delete(map(str, range(index.n_chunks)))
        assert index.n_chunks == 0
    return folder


def copied(folder: Path, target: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(folder, target))
