"""One stage of one row in a process of its own: build, tune, or serve.

Usage: python eval/serve_worker.py STAGE ROW WORK. Reads WORK/data, writes WORK/rows/ROW/<stage>.json.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from frontier_knobs import KnobSearch
from frontier_memory import resident
from serve_data import TARGET, K
from serve_rows import row_named
from serve_timing import time_batch, time_threads

if TYPE_CHECKING:
    from frontier_peer import Setting
    from serve_row import Row

N_WARM = 1_000
"""Warm queries before memory is read; none of them is timed."""

N_FIRST = 500
"""Choosing queries that rule a setting out when the upper 95 % bound on them misses the target."""

N_THREADS = 2
"""Concurrent callers, and threads of a batch: the cores of the machine that this was made for."""


def build(row: Row, work: Path, index: Path) -> dict[str, Any]:
    """Build and save with all threads; imports are not part of the time."""
    corpus = np.load(work / "data" / "corpus.npy")
    _import(row)
    began = time.perf_counter()
    details = row.build(corpus, index)
    seconds = time.perf_counter() - began
    versions = {name: importlib.metadata.version(name) for name in row.distributions}
    # ragopt's build is a process of its own that times the one index itself.
    seconds = details.pop("build_seconds", seconds)
    return {"label": row.label_of(index), "note": row.note, "build_seconds": round(seconds, 2), "details": details,
            "versions": versions}  # fmt: skip


def tune(row: Row, work: Path, index: Path) -> dict[str, Any]:
    """Find the least setting whose lower 95 % bound on the choosing queries reaches the target."""
    from ragopt.measure.intervals import Interval, mean_interval  # noqa: PLC0415 - loaded when first used
    from ragopt.measure.neighbours import Neighbours, recall_vs_exact  # noqa: PLC0415 - loaded when first used

    queries = np.load(work / "data" / "select.npy")
    with np.load(work / "data" / "exact-select.npz") as stored:
        truth = Neighbours(stored["ids"], stored["scores"])
    row.open(index, queries.shape[1])

    def recall(n: int) -> Interval:
        found = row.rows_of(row.answer_batch(queries[:n], N_THREADS))
        return mean_interval(recall_vs_exact(found, Neighbours(truth.ids[:n], truth.scores[:n]), k=K))

    def measure(setting: Setting) -> tuple[float, float]:
        row.use(setting)
        interval = recall(N_FIRST)
        # Hopeless settings are most of those tried, and a slow library needs seconds for each.
        if interval.high >= TARGET:
            interval = recall(len(queries))
        return interval.value, interval.low

    search = KnobSearch(measure, TARGET)
    if row.knobs:
        reached = search.best(row.knobs)
    else:
        value, low = measure({})
        reached = {} if low >= TARGET else None
        search.tried.append({"setting": {}, "mean": value, "low": low})
    best = max(search.tried, key=lambda record: record["low"], default={"setting": {}})
    return {"reached": reached is not None, "setting": best["setting"] if reached is None else reached,
            "tried": search.tried}  # fmt: skip


def serve(row: Row, work: Path, index: Path) -> dict[str, Any]:
    """Open, answer, warm up, read the memory, then time one caller, two callers and a batch."""
    from ragopt.measure.memory import release_free_memory  # noqa: PLC0415 - loaded when first used

    setting = json.loads((index.parent / "tune.json").read_text())["setting"]
    queries = np.load(work / "data" / "report.npy")
    _import(row)
    gc.collect()
    release_free_memory()
    before = resident(index, row.rescoring_files, None)
    began = time.perf_counter()
    row.open(index, queries.shape[1])
    opened = time.perf_counter()
    row.use(setting)
    row.answer(queries[:1])
    answered = time.perf_counter()
    for number in range(1, N_WARM):
        row.answer(queries[number : number + 1])
    gc.collect()
    after = resident(index, row.rescoring_files, row.rescoring_range())
    return {
        "open_ms": round(1e3 * (opened - began), 3),
        "first_answer_ms": round(1e3 * (answered - opened), 3),
        "memory": {
            "baseline_anonymous_bytes": before["anonymous"],
            "anonymous_bytes": after["anonymous"],
            "mapped_bytes": after["mapped"],
            "rescoring_bytes": after["rescoring"],
            "ram_bytes": after["anonymous"] - before["anonymous"] + after["mapped"],
            "file_bytes": row.file_bytes(index),
        },
        **_timed(row, queries[N_WARM:], index.parent),
    }


def _timed(row: Row, queries: Any, folder: Path) -> dict[str, Any]:
    """Time one caller on the first half, two on the second, and batches of all; keep what the callers found."""
    half, cores = len(queries) // 2, sorted(os.sched_getaffinity(0))
    pin(cores[-1:])
    one, first = time_threads(row.answer, queries[:half], n_threads=1)
    pin(cores)
    two, second = time_threads(row.answer, queries[half:], n_threads=N_THREADS)
    batch = {str(n): time_batch(row.answer_batch, queries, n_threads=n) for n in (1, N_THREADS)}
    np.save(folder / "found.npy", np.concatenate([row.rows_of(answer) for answer in [*first, *second]]))
    return {"one_thread": one, "two_threads": two, "batch_qps": batch, "load_average": round(os.getloadavg()[0], 1)}


def pin(cores: list[int]) -> None:
    """Keep every thread of this process, those of libraries too, on these cores: one caller shall use one core."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _import(row: Row) -> None:
    for module in row.modules:
        importlib.import_module(module)


def main() -> None:
    """Run the stage."""
    stage, name, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    folder = work / "rows" / name
    index = folder / "index"
    index.mkdir(parents=True, exist_ok=True)
    stages = {"build": build, "tune": tune, "serve": serve}
    result = stages[stage](row_named(name), work, index)
    (folder / f"{stage}.json").write_text(json.dumps(result, indent=1, default=str))


if __name__ == "__main__":
    main()
