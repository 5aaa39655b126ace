"""One ragopt sweep over ready vectors in a process of its own, and what its run folder says."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ragopt.records import Trial

READ_BYTES = 1 << 24
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Taken out of the environment of what is timed, so that both sides may use every core."""

EXIT_CODES = (0, 3)  # 3: nothing meets the limits, a finished run all the same
FIGURE = "recall_vs_exact@10"


@dataclass(frozen=True)
class Job:
    """What is swept.

    Attributes:
        vectors, queries: .npy files.
        grid: a recipe; None is the default grid.
        n_queries: to select with; `confirm_queries`: others, to measure finalists with.
        min_recall: the limit of the recommendation.
        seed: of both sides.
    """

    vectors: Path
    queries: Path
    grid: Path | None = None
    n_queries: int = 1_000
    confirm_queries: int = 2_000
    min_recall: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    Attributes:
        seconds: wall time of the whole process. cpu_seconds: its user and system time.
        info: run.json. rows: trials.parquet, one mapping per trial. recommendation: recommendation.json.
    """

    seconds: float
    cpu_seconds: float
    info: dict[str, Any]
    rows: list[dict[str, Any]]
    recommendation: dict[str, Any]

    @property
    def measurable(self) -> list[Trial]:
        """The trials that this corpus can train, in grid order."""
        return [Trial.parse(row["trial"]) for row in self.rows if row["status"] != "unsuitable"]


def warm(path: Path) -> None:
    """Read a file once, so that neither side pays for the disk."""
    with path.open("rb") as handle:
        while handle.read(READ_BYTES):
            pass


def child_environment() -> dict[str, str]:
    """This environment without limits on threads."""
    return {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}


def child_cpu_seconds() -> float:
    """CPU time of every child that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_sweep(job: Job) -> Sweep:
    """Sweep with an empty cache; the time runs from the start of the process to its end, the report included."""
    warm(job.vectors)
    with tempfile.TemporaryDirectory(prefix="sweep-speed-") as folder:
        out = Path(folder) / "run"
        options = {
            "--vectors": job.vectors, "--query-vectors": job.queries, "--n-queries": job.n_queries,
            "--confirm-queries": job.confirm_queries, "--min-recall": job.min_recall, "--seed": job.seed,
            "--out": out, "--cache-dir": Path(folder) / "cache",
        } | ({"--grid": job.grid} if job.grid else {})  # fmt: skip
        command = [sys.executable, "-m", "ragopt", "sweep", "--json", "--no-descend"]
        command += [str(part) for pair in options.items() for part in pair]
        cpu, began = child_cpu_seconds(), time.perf_counter()
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, env=child_environment())
        seconds = time.perf_counter() - began
        if done.returncode not in EXIT_CODES:
            sys.exit(done.returncode)
        return Sweep(
            seconds,
            child_cpu_seconds() - cpu,
            json.loads((out / "run.json").read_text(encoding="utf-8")),
            pq.read_table(out / "trials.parquet").to_pylist(),
            json.loads(done.stdout),
        )


def selection_rows(info: dict[str, Any], n_file: int) -> tuple[list[int], bool]:
    """Rows of the query file that the trials were estimated on, in the order in which a race takes them.

    Args:
        info: run.json.
        n_file: queries in the file.

    Returns:
        The rows, and whether the first m of them are those of a trial that was stopped after m. A run.json without
        `queries.select_rows` does not say that; its rows are drawn again by ragopt's own rule, and only trials with
        all queries can be compared then.
    """
    told = info["queries"].get("select_rows")
    if told is not None:
        return [int(row) for row in told], True
    # The rule of ragopt.sweep.corpus_stage.split_queries: a seeded permutation, the first n of it, in file order.
    drawn = np.random.default_rng(info["arguments"]["seed"]).permutation(n_file)
    return np.sort(drawn[: info["arguments"]["n_queries"]]).tolist(), False


def estimated_scores(row: dict[str, Any]) -> list[float] | None:
    """Per-query scores that selection gave a trial; a confirmed trial keeps them beside those of its confirmation."""
    return row.get(f"selection/{FIGURE}_scores") or (None if row["confirmed"] else row.get(f"{FIGURE}_scores"))
