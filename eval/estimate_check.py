"""Check the estimates of 60 trials against indexes that are really built.

    RAGOPT_SHARED=... python eval/estimate_check.py --real
    python eval/estimate_check.py --vectors V.npy --query-vectors Q.npy --name NAME

Draws 60 trials of the default grid, spread over its families with and without rescoring and over at least 40
factories, lets a ragopt sweep estimate them (a recipe of these trials alone), then builds every one of them twice,
on the rows that selection trains on and on the rows that a finalist is trained on, and searches both with the queries
of the estimate. A trial that the race stopped after m queries is compared on those m.
Writes eval/results/<date>-estimate-check-<name>.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sweep_speed_families import Factories, draw_factories, factories_of, family, is_rescored
from sweep_speed_loop import InMemory, load
from sweep_speed_recall import difference_rows, summary
from sweep_speed_run import Job, run_sweep, selection_rows

from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import Rotation, fit_rotation, project
from ragopt.index.build import SharedPca, set_search, train_index
from ragopt.index.factory import parse_factory
from ragopt.measure.latency import one_thread
from ragopt.measure.neighbours import exact_neighbours, recall_vs_exact
from ragopt.records import Space, Trial
from ragopt.sweep.grid import default_grid
from ragopt.sweep.run_info import machine, versions
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS, SELECT_TRAIN_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.measure.neighbours import Neighbours

    Rows = NDArray[np.float32]

RESULTS = Path(__file__).parent / "results"
MODEL = "vectors"  # what ragopt calls the model of ready vectors
N_TRIALS, N_FACTORIES = 60, 45
"""60 trials over 45 factories, so that some are searched at several rescoring depths."""

K = 10
SIZES = {"select": SELECT_TRAIN_ROWS, "finalist": CONFIRM_TRAIN_ROWS}


def draw_trials(factories: Factories, n_trials: int, n_factories: int, *, seed: int) -> list[Trial]:
    """Draw trials: factories spread over the families, one trial of each, the rest from those that have more.

    Returns:
        At most `n_trials`, in grid order.
    """
    rng = np.random.default_rng(seed)
    keys = draw_factories(factories, n_factories, seed=seed)[:n_trials]
    first = {key: factories[key][int(rng.integers(len(factories[key])))] for key in keys}
    others = [trial for key in keys for trial in factories[key] if trial != first[key]]
    more = rng.permutation(len(others))[: n_trials - len(keys)]
    chosen = {*first.values(), *(others[place] for place in more)}
    return [trial for trials in factories.values() for trial in trials if trial in chosen]


def recipe(trials: list[Trial]) -> str:
    """Give the text of a grid recipe of these trials alone."""
    lines = []
    for trial in trials:
        space = "full" if trial.space.reduction == "none" else f"{trial.space.dim}:{trial.space.reduction}"
        lines += ["[[grid]]", f'spaces = ["{space}"]', f'factories = ["{trial.factory}"]']
        lines += [f'search = ["{trial.search}"]'] if trial.search else []
    return "\n".join(lines) + "\n"


class Builder:
    """Builds indexes as ragopt's finalists are built, at a given number of training rows."""

    def __init__(self, vectors: Rows, queries: Rows, truth: Neighbours, seed: int) -> None:
        """Take unit vectors and queries, and the exact neighbours of the queries."""
        self.vectors, self.queries, self.truth, self.seed = vectors, queries, truth, seed

    def space(self, space: Space, train_rows: int) -> tuple[Rows, Rows, Rows]:
        """Training sample, vectors and queries in a space."""
        sample = training_sample(InMemory(self.vectors), max_rows=train_rows, seed=self.seed)
        rotation: Rotation | None = fit_rotation(sample) if space.reduction == "pca" else None
        sample, vectors, queries = (
            project(rows, space, rotation=rotation, metric="cosine") for rows in (sample, self.vectors, self.queries)
        )
        return sample, vectors, queries

    def scores(self, key: tuple[str, str], trials: list[Trial], parts: tuple[Rows, Rows, Rows]) -> dict[str, Any]:
        """Build one factory and give each trial's score per query; one FAISS thread, as ragopt builds."""
        sample, vectors, queries = parts
        scores = {}
        with one_thread():
            factory = parse_factory(key[1], sample.shape[1])
            index = train_index(factory, sample, metric="cosine", seed=self.seed, pca=SharedPca(sample))
            index.add(vectors)
            for trial in trials:
                set_search(index, trial.search)
                found = index.search(queries, K)[1]
                scores[str(trial)] = recall_vs_exact(found, self.truth, k=K).tolist()
        return scores

    def all_scores(self, factories: Factories, train_rows: int) -> dict[str, Any]:
        """Scores of every trial, built on this many training rows; one index per core at a time."""
        scores: dict[str, Any] = {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for space in dict.fromkeys(space for space, _ in factories):
                parts = self.space(Space.parse(space), train_rows)
                keys = [key for key in factories if key[0] == space]
                for done in pool.map(lambda key, parts=parts: self.scores(key, factories[key], parts), keys):
                    scores |= done
        return scores


def check(name: str, vectors_file: Path, queries_file: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Estimate and build; the result as it is written."""
    vectors, queries = load(str(vectors_file)), load(str(queries_file))
    grid = default_grid(MODEL, vectors.shape[1], len(vectors))
    # Exact search is the truth itself, and a graph is built rather than estimated: neither has an estimate to check.
    wanted = [trial for trial in grid if family(trial.factory) not in ("Flat", "HNSW")]
    trials = draw_trials(factories_of(wanted), given.trials, given.factories, seed=given.seed)
    factories = factories_of(trials)
    with tempfile.TemporaryDirectory(prefix="estimate-check-") as folder:
        grid_file = Path(folder) / "trials.toml"
        grid_file.write_text(recipe(trials), encoding="utf-8")
        sweep = run_sweep(Job(vectors_file, queries_file, grid_file, n_queries=given.n_queries, seed=given.seed))
    rows, ordered = selection_rows(sweep.info, len(queries))
    queries = queries[rows]
    truth = exact_neighbours([(0, vectors)], queries, k=K, n=len(vectors), metric="cosine",
                             gather=lambda wanted_rows: vectors[wanted_rows])  # fmt: skip
    builder = Builder(vectors, queries, truth, given.seed)
    differences = {}
    for size, train_rows in SIZES.items():
        began = time.perf_counter()
        built = builder.all_scores(factories, train_rows)
        print(f"{len(factories)} factories built on {min(train_rows, len(vectors)):,} rows: "
              f"{time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
        differences[size] = difference_rows(sweep.rows, built, ordered=ordered)
    return {
        "plan": "estimate-check",
        "about": "recall_vs_exact@10 by the sweep's estimate minus that of an index built on the whole corpus",
        "date": str(dt.datetime.now(tz=dt.UTC).date()),
        "name": name,
        "data": {"n": len(vectors), "dim": vectors.shape[1], "n_queries": len(queries)},
        "seed": given.seed,
        "counts": {
            "n_trials": len(trials),
            "n_factories": len(factories),
            "n_spaces": len({space for space, _ in factories}),
            "n_rescored": sum(is_rescored(trial.factory) for trial in trials),
            "n_families": len({family(trial.factory) for trial in trials}),
        },
        "train_rows": {size: min(rows, len(vectors)) for size, rows in SIZES.items()},
        "queries_of_stopped_trials_known": ordered,
        "sweep_seconds": round(sweep.seconds, 1),
        "differences": {size: summary(found) for size, found in differences.items()},
        "trials": differences,
        "versions": versions(),
        "machine": machine(),
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true", help="the 22,067 MiniLM vectors under RAGOPT_SHARED")
    parser.add_argument("--vectors", type=Path, help="any .npy, with --query-vectors and --name")
    parser.add_argument("--query-vectors", type=Path)
    parser.add_argument("--name", default="vectors")
    parser.add_argument("--trials", type=int, default=N_TRIALS)
    parser.add_argument("--factories", type=int, default=N_FACTORIES)
    parser.add_argument("--n-queries", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out-dir", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.real:
        shared = os.environ.get("RAGOPT_SHARED") or parser.error("RAGOPT_SHARED is not set: it holds vectors/")
        stem = f"{shared}/vectors/squad22k-minilm-384"
        given.name = "squad22k-minilm"
        given.vectors, given.query_vectors = (Path(f"{stem}.{part}.f16.npy") for part in ("corpus", "queries"))
    if not (given.vectors and given.query_vectors):
        parser.error("name --real, or --vectors FILE and --query-vectors FILE")
    return given


def main() -> int:
    """Write the result; exit code 1 when a converged trial is more than a point from its index of equal training."""
    given = arguments()
    result = check(given.name, given.vectors, given.query_vectors, given)
    path = given.out_dir / f"{result['date']}-estimate-check-{given.name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{result['counts']}")
    for size, parts in result["differences"].items():
        for part, figures in parts.items():
            print(f"built on {result['train_rows'][size]:,} rows, {part}: {figures['n_trials']} trials, largest "
                  f"{figures['largest_absolute']}, mean {figures['mean_absolute']}, "
                  f"{figures['n_above_1_point']} above 1 point")  # fmt: skip
    return int(result["differences"]["select"].get("converged", {}).get("n_above_1_point", 0) > 0)


if __name__ == "__main__":
    sys.exit(main())
