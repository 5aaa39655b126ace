"""The plain loop that a sweep is compared with: build every factory, try every search parameter on every query.

    python eval/sweep_speed_loop.py JOB.json RESULT.json

runs one loop in a process of its own; `sweep_speed.py` writes the job. Everything is in memory, FAISS uses all its
threads, each factory is trained on the rows that ragopt trains on, and vectors of a reduced space are projected once.
The job's `way` is one of WAYS. A loop that trains without BLAS, ragopt's own trick (`ragopt.index.blas_training`),
or whose training threads wait for a busy core, would be easy to beat.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import fit_rotation, project
from ragopt.embed.stored_rows import unit_rows
from ragopt.index.blas_training import blas_training
from ragopt.index.build import set_search, use_reservoirs
from ragopt.measure.memory import PeakMemory
from ragopt.measure.neighbours import exact_neighbours, recall_vs_exact
from ragopt.records import Space, Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ragopt.measure.neighbours import Neighbours

    Rows = NDArray[np.float32]

K = 10
BLOCK_ROWS = 65_536

WAYS = {
    "plain": "FAISS as it comes, all threads",
    "blas": "BLAS allowed while training, all threads",
    "blas1": "BLAS allowed while training, which has one thread; all threads add and search",
}
"""On a busy machine FAISS's training threads wait for each other: PQ32x4fs of 8,000 x 384 took 0.4 s on one thread and
7 to 22 s on two, at a load of 9 on two cores (faiss 1.15.1, 2026-11-25). `blas1` is the loop that this cannot slow."""


@dataclass(frozen=True)
class InMemory:
    """Vectors as a loop holds them, with what `training_sample` asks for."""

    array: Rows

    @property
    def n(self) -> int:
        """Number of vectors."""
        return len(self.array)

    def rows(self, rows: NDArray[np.int64]) -> Rows:
        """Some rows."""
        return self.array[rows]


class Clock:
    """Wall seconds by name."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, name: str) -> Any:
        """Add what the block takes."""
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


@contextlib.contextmanager
def training_way(way: str) -> Any:
    """Set what a way of the loop says of training, and set it back."""
    before = faiss.omp_get_max_threads()
    with contextlib.nullcontext() if way == "plain" else blas_training():
        faiss.omp_set_num_threads(1 if way == "blas1" else before)
        try:
            yield
        finally:
            faiss.omp_set_num_threads(before)


def seed_kmeans(index: Any, seed: int) -> None:
    """Give every k-means inside an index ragopt's seed, so that both train the same codebooks, and quieten it."""
    inner: Any = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        seed_kmeans(inner.base_index, seed)
        seed_kmeans(inner.refine_index, seed)
        return
    if isinstance(inner, faiss.IndexPreTransform):
        seed_kmeans(inner.index, seed)
        return
    if isinstance(inner, faiss.IndexIVF):
        inner.cp.seed = seed
        inner.cp.min_points_per_centroid = 1
    if hasattr(inner, "pq"):
        inner.pq.cp.seed = seed
        inner.pq.cp.min_points_per_centroid = 1


def by_block(change: Callable[[Rows], Rows], rows: Rows) -> Rows:
    """Apply a function of rows block by block: its float64 copies of a million rows would be 3 GB."""
    first = change(rows[:BLOCK_ROWS])
    changed = np.empty((len(rows), first.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), BLOCK_ROWS):
        changed[start : start + BLOCK_ROWS] = change(rows[start : start + BLOCK_ROWS])
    return changed


def load(path: str) -> Rows:
    """Read an .npy file as float32 rows of unit length."""
    return by_block(lambda rows: unit_rows(rows.astype(np.float32, copy=False)), np.load(path))


def into(space: Space, rows: Rows, rotation: Any) -> Rows:
    """Bring rows into a space by ragopt's own projection."""
    if space.reduction == "none":
        return rows
    return by_block(lambda block: project(block, space, rotation=rotation, metric="cosine"), rows)


def measure_factory(
    factory: str, searches: list[str], vectors: Rows, sample: Rows, queries: Rows, job: dict[str, Any]
) -> dict[str, Any]:
    """Build one factory and search it with each of its parameters; `found` is what each search returned."""
    clock = Clock()
    index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    seed_kmeans(index, job["seed"])
    with clock.of("train"), training_way(job["way"]):
        index.train(sample)
    use_reservoirs(index)  # FastScan full scans lose results without it, see ragopt.index.build
    with clock.of("add"):
        index.add(vectors)
    tried = []
    for search in searches:
        set_search(index, search)
        began = time.perf_counter()
        found = index.search(queries, K)[1]
        tried.append({"search": search, "seconds": time.perf_counter() - began, "found": found})
    return {"train_seconds": clock.seconds["train"], "add_seconds": clock.seconds["add"], "trials": tried}


def measure_space(
    space: Space, factories: dict[str, list[str]], base: tuple[Rows, Rows, Rows, Any], truth: Neighbours,
    job: dict[str, Any], clock: Clock,
) -> list[dict[str, Any]]:  # fmt: skip
    """Project `base` (vectors, sample, queries, rotation) into one space and measure its factories there."""
    *rows_of, rotation = base
    with clock.of("project"):
        vectors, sample, queries = (into(space, rows, rotation) for rows in rows_of)
    measured = []
    for factory, searches in factories.items():
        one = {"space": str(space), "factory": factory}
        try:
            one |= measure_factory(factory, searches, vectors, sample, queries, job)
        except RuntimeError as error:  # FAISS refuses to train on too few rows, as ragopt does beforehand
            measured.append({**one, "error": str(error).splitlines()[-1], "trials": []})
            continue
        with clock.of("recall"):
            for tried in one["trials"]:
                scores = recall_vs_exact(tried.pop("found"), truth, k=K)
                tried["trial"] = str(Trial(space, factory, tried["search"]))
                tried["scores"] = [round(float(score), 4) for score in scores]
        measured.append(one)
        print(f"  {space} {factory}: {one['train_seconds']:.1f} s train, {one['add_seconds']:.1f} s add, "
              f"{sum(tried['seconds'] for tried in one['trials']):.1f} s search", flush=True)  # fmt: skip
    return measured


def run_loop(job: dict[str, Any]) -> dict[str, Any]:
    """Run the whole loop, from the stored vectors to the recall of every trial.

    Args:
        job: `vectors` and `queries` (.npy files), `rows` (of the queries, in the order of the scores), `factories`
            (space, factory, search strings) to measure, `spaces` of all trials, `train_rows`, `seed`, `way`.
    """
    clock = Clock()
    began, cpu = time.perf_counter(), time.process_time()
    with PeakMemory() as peak:
        with clock.of("load"):
            vectors, queries = load(job["vectors"]), load(job["queries"])[job["rows"]]
        with clock.of("exact"):
            truth = exact_neighbours(
                [(0, vectors)], queries, k=K, n=len(vectors), metric="cosine", gather=lambda rows: vectors[rows]
            )
        with clock.of("sample"):
            sample = training_sample(InMemory(vectors), max_rows=job["train_rows"], seed=job["seed"])
            rotation = fit_rotation(sample)
        measured = []
        for text in job["spaces"]:
            inside = {factory: searches for space, factory, searches in job["factories"] if space == text}
            base = (vectors, sample, queries, rotation)
            measured += measure_space(Space.parse(text), inside, base, truth, job, clock)
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "seconds_by_part": clock.seconds,
        "peak_anonymous_bytes": peak.anonymous_bytes,
        "n_threads": faiss.omp_get_max_threads(),
        "load_average": os.getloadavg()[0],
        "factories": measured,
    }


def main() -> None:
    """Read the job, write the result."""
    job_path, result_path = (Path(name) for name in sys.argv[1:])
    result = run_loop(json.loads(job_path.read_text(encoding="utf-8")))
    result_path.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
