"""One stage of one row in a process of its own: build, measure, memory, or the baseline of memory.

Usage: python eval/frontier_worker.py STAGE ROW WORK. Reads WORK/data, writes WORK/rows/ROW/<stage>.json. Runs in every
peer's environment: here is nothing but numpy, scipy and ragopt's measures.
"""

from __future__ import annotations

import dataclasses
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
from frontier_peers import peer_named

if TYPE_CHECKING:
    from frontier_peer import Peer, Setting

K = 10
TARGET = 0.99
"""As in frontier_data.py, which this process does not import: it would load more than some environments have."""

N_WARM = 1_000
"""Warm queries before memory is read (corrections.md item 9)."""

N_UNTIMED = 100
"""Searches before latency counts; the first ones load and map."""


def build(peer: Peer, work: Path, index: Path) -> dict[str, Any]:
    """Build with all threads and time it; imports are not part of it."""
    corpus = np.load(work / "data" / "corpus.npy")
    for module in peer.modules:
        importlib.import_module(module)
    began, cpu = time.perf_counter(), time.process_time()
    details = peer.build(corpus, index)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    versions = {name: importlib.metadata.version(name) for name in peer.distributions}
    # ragopt's build is a process of its own that times the one index itself.
    seconds = details.pop("build_seconds", seconds)
    return {"build_seconds": round(seconds, 2), "build_cpu_seconds": round(cpu, 2), "details": details,
            "versions": versions}  # fmt: skip


def measure(peer: Peer, work: Path, index: Path) -> dict[str, Any]:
    """Choose the knob on the selecting queries, then search the reported ones at the default and at that knob."""
    from ragopt.measure.intervals import mean_interval  # noqa: PLC0415 - loaded when first used
    from ragopt.measure.neighbours import Neighbours, recall_vs_exact  # noqa: PLC0415 - loaded when first used

    peer.open(index)
    select, report = (np.load(work / "data" / f"{part}.npy") for part in ("select", "report"))
    with np.load(work / "data" / "exact-select.npz") as stored:
        truth = Neighbours(stored["ids"], stored["scores"])

    def recall(setting: Setting) -> tuple[float, float]:
        interval = mean_interval(recall_vs_exact(peer.search(select, K, setting), truth, k=K))
        return interval.value, interval.low

    knobs = KnobSearch(recall, TARGET)
    default = peer.default()
    reached = knobs.default_or_best(default, peer.knobs)
    rows = {"default": default}
    if reached is not None and reached != default:
        rows["target"] = reached
    sizes = peer.sizes(index, len(np.load(work / "data" / "corpus.npy", mmap_mode="r")), report.shape[1])
    result: dict[str, Any] = {"label": peer.label, "note": peer.note, "reached": reached, "tried": knobs.tried,
                              "sizes": dataclasses.asdict(sizes), "settings": {}}  # fmt: skip
    for kind, setting in rows.items():
        found, timing = _timed(peer, select[:N_UNTIMED], report, setting)
        np.save(index.parent / f"found-{kind}.npy", found)
        result["settings"][kind] = {"setting": setting, **timing}
    return result


def _timed(peer: Peer, warm: Any, queries: Any, setting: Setting) -> tuple[Any, dict[str, Any]]:
    """One search after another: what was found, wall and CPU time of each.

    CPU time is of all threads of the process and does not grow when other processes take turns on the core.
    """
    for row in range(len(warm)):
        peer.search(warm[row : row + 1], K, setting)
    found = np.empty((len(queries), K), np.int64)
    wall, cpu = np.empty(len(queries)), np.empty(len(queries))
    for row in range(len(queries)):
        cpu_began, began = time.process_time_ns(), time.perf_counter_ns()
        found[row] = peer.search(queries[row : row + 1], K, setting)[0]
        wall[row], cpu[row] = time.perf_counter_ns() - began, time.process_time_ns() - cpu_began
    figures = {f"{name}_ms": {f"p{p}": round(float(np.percentile(times, p)) / 1e6, 4) for p in (50, 95)}
               for name, times in (("latency", wall), ("cpu", cpu))}  # fmt: skip
    return found, {**figures, "load_average": round(os.getloadavg()[0], 1)}


def memory(peer: Peer, work: Path, index: Path) -> dict[str, Any]:
    """Open, search 1,000 warm queries at the reported setting, read the memory."""
    queries = _hold(peer, work)
    measured = json.loads((index.parent / "measure.json").read_text())
    setting = list(measured["settings"].values())[-1]["setting"]
    peer.open(index)
    for row in range(N_WARM):
        peer.search(queries[row : row + 1], K, setting)
    gc.collect()
    return resident(index, peer.rescoring_files, peer.rescoring_range())


def baseline(peer: Peer, work: Path, index: Path) -> dict[str, Any]:
    """Memory of a process that imported the same and holds the queries, and opened nothing."""
    queries = _hold(peer, work)
    gc.collect()
    found = resident(index, "", None)
    del queries
    return found


def _hold(peer: Peer, work: Path) -> Any:
    for module in peer.modules:
        importlib.import_module(module)
    return np.load(work / "data" / "report.npy")


def main() -> None:
    """Run the stage."""
    stage, name, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    folder = work / "rows" / name
    index = folder / "index"
    index.mkdir(parents=True, exist_ok=True)
    if stage != "build":
        # One core as well as one thread: Lance has a pool of its own that no variable bounds altogether.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    stages = {"build": build, "measure": measure, "memory": memory, "baseline": baseline}
    result = stages[stage](peer_named(name), work, index)
    (folder / f"{stage}.json").write_text(json.dumps(result, indent=1, default=str))


if __name__ == "__main__":
    main()
