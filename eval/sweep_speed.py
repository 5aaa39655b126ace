"""Side by side: a ragopt sweep and a plain FAISS loop over the same trials of the same vectors.

    RAGOPT_SHARED=... python eval/sweep_speed.py --real
    python eval/sweep_speed.py --clustered 62500 250000 1000000 --loop-factories 8 --work DIR

For each data set, one after the other: `ragopt sweep` in a process of its own, from the stored vectors to the
recommendation with an empty cache and its report, then each loop in a process of its own (`sweep_speed_loop.py`) over
the trials that the sweep listed. `plain` is FAISS as it comes, `blas` lets FAISS train with BLAS as ragopt does,
`blas1` also trains on one thread.
With --loop-factories the loop is timed on a seeded draw of its factories and scaled to all of them by the means of
each family; the result says so. Run it on an idle machine: FAISS's threads crawl when another process wants a core.
Writes eval/results/<date>-sweep-speed-<name>.json for each data set.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from clustered_vectors import write_clustered
from sweep_speed_families import draw_factories, factories_of, family, members
from sweep_speed_loop import WAYS
from sweep_speed_recall import difference_rows, summary
from sweep_speed_run import Job, Sweep, child_environment, run_sweep, selection_rows, warm

from ragopt.sweep.run_info import machine, versions
from ragopt.sweep.settings import SELECT_TRAIN_ROWS

if TYPE_CHECKING:
    from sweep_speed_families import Factories

RESULTS = Path(__file__).parent / "results"
LOOP = Path(__file__).parent / "sweep_speed_loop.py"
REAL = "squad22k-minilm"
CHECKED_DRAWS, CHECKED_SIZE = 50, 8
"""Where every factory was timed, so many draws of so many factories say how far scaling goes astray."""

FIXED_PARTS = ("load", "exact", "sample", "project")
"""Parts of a loop that are measured whole, however few factories are timed."""


def run_loop(job: Job, sweep: Sweep, drawn: list[tuple[str, str]], way: str) -> dict[str, Any]:
    """Run one loop in a process of its own and return what it wrote."""
    factories = factories_of(sweep.measurable)
    rows, _ = selection_rows(sweep.info, len(np.load(job.queries, mmap_mode="r")))
    order = {
        "vectors": str(job.vectors),
        "queries": str(job.queries),
        "rows": rows,
        "spaces": list(dict.fromkeys(space for space, _ in factories)),
        "factories": [[*key, [trial.search for trial in factories[key]]] for key in drawn],
        "train_rows": SELECT_TRAIN_ROWS,
        "seed": job.seed,
        "way": way,
    }
    warm(job.vectors)
    with tempfile.TemporaryDirectory(prefix="sweep-speed-") as folder:
        asked, answered = Path(folder) / "job.json", Path(folder) / "result.json"
        asked.write_text(json.dumps(order), encoding="utf-8")
        before, began = os.getloadavg()[0], time.perf_counter()
        subprocess.run([sys.executable, str(LOOP), str(asked), str(answered)], check=True, env=child_environment())
        seconds = time.perf_counter() - began
        loop: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
    return loop | {"way": way, "seconds": seconds, "load_average_before": before}


def scaled(loop: dict[str, Any], factories: Factories, keys: set[tuple[str, str]]) -> tuple[float, dict[str, Any]]:
    """Seconds of the loop over all factories, from those of `keys`: means by family, building and searching apart."""
    timed: dict[str, list[dict[str, Any]]] = {}
    for one in loop["factories"]:
        if one["trials"] and (one["space"], one["factory"]) in keys:
            timed.setdefault(family(one["factory"]), []).append(one)
    parts = {}
    for name, inside in members(factories).items():
        if name not in timed:
            sys.exit(f"The loop has timed no factory of the family {name}: give a larger --loop-factories")
        builds = [one["train_seconds"] + one["add_seconds"] for one in timed[name]]
        searches = [tried["seconds"] for one in timed[name] for tried in one["trials"]]
        n_trials = sum(len(factories[key]) for key in inside)
        parts[name] = {
            "n_factories": len(inside),
            "n_timed": len(builds),
            "build_seconds_mean": round(statistics.mean(builds), 2),
            "n_trials": n_trials,
            "search_seconds_mean": round(statistics.mean(searches), 3),
            "seconds": round(len(inside) * statistics.mean(builds) + n_trials * statistics.mean(searches), 1),
        }
    n_counted = sum(len(one["trials"]) for one in loop["factories"])
    recall = loop["seconds_by_part"]["recall"] * sum(map(len, factories.values())) / n_counted
    fixed = sum(loop["seconds_by_part"][part] for part in FIXED_PARTS)
    return fixed + recall + sum(part["seconds"] for part in parts.values()), parts


def scaling_error(loop: dict[str, Any], factories: Factories) -> dict[str, float]:
    """What scaling from few factories would have said of a loop that timed them all, as a share of the truth."""
    truth, _ = scaled(loop, factories, set(factories))
    shares = [
        scaled(loop, factories, set(draw_factories(factories, CHECKED_SIZE, seed=seed)))[0] / truth
        for seed in range(CHECKED_DRAWS)
    ]
    return {
        "n_factories": CHECKED_SIZE,
        "n_draws": CHECKED_DRAWS,
        "least": round(min(shares), 3),
        "median": round(statistics.median(shares), 3),
        "most": round(max(shares), 3),
    }


def loop_result(loop: dict[str, Any], factories: Factories, drawn: list[tuple[str, str]]) -> dict[str, Any]:
    """What a result keeps of one loop; `seconds` is of all factories, measured or scaled."""
    complete = len(drawn) == len(factories)
    total, parts = scaled(loop, factories, set(drawn))
    result = {
        "about": WAYS[loop["way"]],
        "seconds": round(loop["seconds"] if complete else total, 1),
        "seconds_are": "measured" if complete else f"scaled from {len(drawn)} of {len(factories)} factories",
        "seconds_measured": round(loop["seconds"], 1),
        "cpu_seconds_measured": round(loop["cpu_seconds"], 1),
        "seconds_by_part": {name: round(value, 2) for name, value in loop["seconds_by_part"].items()},
        "families": parts,
        "peak_anonymous_bytes": loop["peak_anonymous_bytes"],
        "n_threads": loop["n_threads"],
        "load_average_before": round(loop["load_average_before"], 2),
        "factories": [
            {
                "space": one["space"],
                "factory": one["factory"],
                "train_seconds": round(one["train_seconds"], 2),
                "add_seconds": round(one["add_seconds"], 2),
                "search_seconds": [round(tried["seconds"], 3) for tried in one["trials"]],
            }
            for one in loop["factories"]
            if one["trials"]
        ],
    }
    if complete and len(drawn) > CHECKED_SIZE:
        result["scaling_check"] = scaling_error(loop, factories)
    return result


def compare(name: str, job: Job, given: argparse.Namespace, about: dict[str, Any]) -> dict[str, Any]:
    """Run the sweep and the loops over one data set; the result as it is written."""
    before = os.getloadavg()[0]
    print(f"{name}: ragopt sweep ...", flush=True)
    sweep = run_sweep(job)
    factories = factories_of(sweep.measurable)
    drawn = draw_factories(factories, given.loop_factories or len(factories), seed=given.seed)
    _, ordered = selection_rows(sweep.info, len(np.load(job.queries, mmap_mode="r")))
    loops, recall = {}, {}
    for way in given.ways:
        print(f"{name}: loop {way}, {len(drawn)} of {len(factories)} factories ...", flush=True)
        loop = run_loop(job, sweep, drawn, way)
        loops[way] = loop_result(loop, factories, drawn)
        built = {tried["trial"]: tried["scores"] for one in loop["factories"] for tried in one["trials"]}
        recall[way] = summary(difference_rows(sweep.rows, built, ordered=ordered))
    return {
        "plan": "sweep-speed",
        "about": "wall seconds of whole processes, one after the other; the page cache was warmed before each",
        "date": str(dt.datetime.now(tz=dt.UTC).date()),
        "name": name,
        "data": about,
        "seed": job.seed,
        "n_queries": sweep.info["queries"]["n_select"],
        "train_rows": SELECT_TRAIN_ROWS,
        "counts": {"n_trials": len(sweep.measurable), "n_factories": len(factories),
                   "n_spaces": len({space for space, _ in factories})},
        "ragopt": {
            "seconds": round(sweep.seconds, 1),
            "cpu_seconds": round(sweep.cpu_seconds, 1),
            "seconds_by_phase": sweep.info["seconds"],
            "peak_anonymous_bytes": sweep.info["peak_anonymous_bytes"],
            "counts": sweep.info["counts"],
            "load_average_before": round(before, 2),
            "status": sweep.recommendation["status"],
            "recommended": sweep.recommendation["trial"],
        },
        "loops": loops,
        "ratios": {way: round(one["seconds"] / sweep.seconds, 1) for way, one in loops.items()},
        "recall_estimated_minus_built": recall,
        "queries_of_stopped_trials_known": ordered,
        "versions": versions(),
        "machine": machine(),
    }  # fmt: skip


def show(result: dict[str, Any]) -> None:
    """Print what the comparison comes down to."""
    counts, ragopt = result["counts"], result["ragopt"]
    print(f"{result['name']}: {counts['n_trials']} trials, {counts['n_factories']} factories; "
          f"ragopt {ragopt['seconds']} s, {ragopt['peak_anonymous_bytes'] / 1e6:.0f} MB peak anonymous")  # fmt: skip
    for way, loop in result["loops"].items():
        print(f"  loop {way}: {loop['seconds']} s ({loop['seconds_are']}), ratio {result['ratios'][way]}")
        for part, figures in result["recall_estimated_minus_built"][way].items():
            print(f"    {part}: {figures['n_trials']} trials compared, largest difference of recall_vs_exact@10 "
                  f"{figures['largest_absolute']}, mean {figures['mean_absolute']}")  # fmt: skip


def data_sets(given: argparse.Namespace, parser: argparse.ArgumentParser, work: Path) -> Any:
    """Yield (name, job, description) of each data set asked for; clustered vectors are made when their turn comes."""
    if given.real:
        shared = os.environ.get("RAGOPT_SHARED") or parser.error("RAGOPT_SHARED is not set: it holds vectors/")
        stem = f"{shared}/vectors/squad22k-minilm-384"
        paths = (Path(f"{stem}.corpus.f16.npy"), Path(f"{stem}.queries.f16.npy"))
        yield REAL, paths, {"source": "all-MiniLM-L6-v2, 22,067 passages, SQuAD questions", "n": 22_067, "dim": 384}
    if given.vectors:
        n, dim = np.load(given.vectors, mmap_mode="r").shape
        yield given.name, (given.vectors, given.query_vectors), {"source": given.name, "n": n, "dim": dim}
    for n in given.clustered:
        folder = work / f"clustered-{n}"
        if not (folder / "clustered.json").exists():
            write_clustered(folder, n, seed=given.seed)
        yield f"clustered-{n}", (folder / "vectors.npy", folder / "queries.npy"), {
            "source": "eval/clustered_vectors.py", **json.loads((folder / "clustered.json").read_text(encoding="utf-8"))
        }  # fmt: skip


def arguments() -> tuple[argparse.Namespace, argparse.ArgumentParser]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true", help="the 22,067 MiniLM vectors under RAGOPT_SHARED")
    parser.add_argument("--clustered", type=int, nargs="+", default=[], metavar="N")
    parser.add_argument("--vectors", type=Path, help="any .npy, with --query-vectors and --name")
    parser.add_argument("--query-vectors", type=Path)
    parser.add_argument("--name", default="vectors")
    parser.add_argument("--loop-factories", type=int, help="factories that the loop times; default all")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["blas", "plain"])
    parser.add_argument("--grid", type=Path, help="recipe; default the default grid")
    parser.add_argument("--n-queries", type=int, default=1_000)
    parser.add_argument("--confirm-queries", type=int, default=2_000)
    parser.add_argument("--min-recall", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder that keeps clustered vectors; default a temporary one")
    parser.add_argument("--out-dir", type=Path, default=RESULTS)
    return parser.parse_args(), parser


def main() -> None:
    """Compare on every data set asked for."""
    given, parser = arguments()
    if not (given.real or given.clustered or given.vectors):
        parser.error("name --real, --clustered N or --vectors FILE")
    with tempfile.TemporaryDirectory(prefix="sweep-speed-") as temporary:
        for name, (vectors, queries), about in data_sets(given, parser, given.work or Path(temporary)):
            job = Job(vectors, queries, given.grid, given.n_queries, given.confirm_queries, given.min_recall,
                      given.seed)  # fmt: skip
            result = compare(name, job, given, about)
            path = given.out_dir / f"{result['date']}-sweep-speed-{name}.json"
            path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            show(result)


if __name__ == "__main__":
    main()
