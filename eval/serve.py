"""Serve the same vectors with ragopt's recommended index and with peers, side by side in one run.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install -c constraints.txt -r eval/peers-requirements.txt
    RAGOPT_SHARED=... /tmp/peers/bin/python eval/serve.py --work /tmp/serve-work

Each row is built once and its knob set to the least value that reaches the recall on choosing queries. Then every
round opens and measures each row in a fresh process, one row after another in a rotated order; figures are medians of
the rounds. A row that fails is reported with its error. Builds and settings stay in --work and are not made again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from frontier import BUILD_ENVIRONMENT, machine
from serve_data import TARGET, K, write_data
from serve_rows import all_rows
from serve_table import serve_table, summary_of

HERE = Path(__file__).parent
SEED = 0
"""Of the random order of the queries."""

N_ROUNDS = 7
"""Odd, so that a median is one of the rounds; fewer leave it to a busy minute of a shared machine."""

SERVE_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "LANCE_CPU_THREADS": "2", "TOKENIZERS_PARALLELISM": "false"}
"""One thread per caller; Lance searches on a pool of its own, which gets as many threads as there are callers."""

TIMEOUT_S = 3_600
"""A stage that takes longer is an error of its row; ragopt's sweep needs 7 minutes on two busy cores."""


def stage(name: str, what: str, work: Path, *, again: bool = False) -> dict[str, Any]:
    """Run a stage in a process of its own, or read what it wrote before.

    Raises:
        RuntimeError: it failed; with the end of its stderr.
    """
    path = work / "rows" / name / f"{what}.json"
    if again or not path.exists():
        threads = SERVE_ENVIRONMENT if what == "serve" else BUILD_ENVIRONMENT
        env = {**os.environ, **threads, "PYTHONPATH": str(HERE.parent), "LANCE_LOG": "error"}
        command = [sys.executable, str(HERE / "serve_worker.py"), what, name, str(work)]
        try:
            done = subprocess.run(command, check=False, env=env, timeout=TIMEOUT_S, capture_output=True, text=True)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{what} took more than {TIMEOUT_S} s") from error
        if done.returncode:
            raise RuntimeError(f"{what}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def prepare(names: list[str], work: Path) -> dict[str, dict[str, Any]]:
    """Build and tune every row; a row that fails keeps its error."""
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            rows[name] = {"name": name, **stage(name, "build", work), "tuning": stage(name, "tune", work)}
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            rows[name] = {"name": name, "error": str(error)}
        print(name, rows[name].get("error") or rows[name]["tuning"]["setting"], file=sys.stderr, flush=True)
    return rows


def measure(rows: dict[str, dict[str, Any]], work: Path, n_rounds: int) -> None:
    """Add `rounds` and the recall to every row that has no error."""
    good = [name for name, row in rows.items() if "error" not in row]
    for number in range(n_rounds):
        at = number % len(good) if good else 0
        for name in [*good[at:], *good[:at]]:
            if "error" in rows[name]:
                continue
            try:
                rows[name].setdefault("rounds", []).append(stage(name, "serve", work, again=True))
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                rows[name]["error"] = str(error)
        print(f"round {number + 1} of {n_rounds}", file=sys.stderr, flush=True)
    for name in good:
        if "error" not in rows[name]:
            rows[name]["recall_vs_exact@10"] = recall(name, work)
            rows[name]["summary"] = summary_of(rows[name]["rounds"])


def recall(name: str, work: Path) -> dict[str, float]:
    """Recall of the answers of the last round with its 95 % interval."""
    from ragopt.measure.intervals import mean_interval  # noqa: PLC0415 - loaded when first used
    from ragopt.measure.neighbours import Neighbours, recall_vs_exact  # noqa: PLC0415 - loaded when first used

    found = np.load(work / "rows" / name / "found.npy")
    with np.load(work / "data" / "exact-report.npz") as stored:
        truth = Neighbours(stored["ids"][-len(found) :], stored["scores"][-len(found) :])
    interval = mean_interval(recall_vs_exact(found, truth, k=K))
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n_queries": interval.n}


def result_of(data: dict[str, Any], rows: list[dict[str, Any]], n_rounds: int) -> dict[str, Any]:
    """Everything that the result file holds."""
    good = [row for row in rows if "error" not in row]
    loads = [one["load_average"] for row in good for one in row["rounds"]]
    versions = {name: version for row in good for name, version in row["versions"].items()}
    return {
        "plan": "serve",
        "date": str(dt.datetime.now(tz=dt.UTC).date()),
        "target": {"measure": f"recall_vs_exact@{K}", "value": TARGET,
                   "rule": "lower 95 % bound on the choosing queries, least knob value that has it"},
        "data": data,
        "n_rounds": n_rounds,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, **versions},
        "machine": {**machine(), "load_average_max": max(loads, default=0)},
        "rows": rows,
    }  # fmt: skip


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of vectors, built indexes and settings")
    parser.add_argument("--only", action="append", choices=list(all_rows()), help="repeatable; default: all rows")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--out", type=Path, help="default: eval/results/<date>-serve.json")
    return parser.parse_args()


def main() -> int:
    """Measure, write, print the table."""
    asked = arguments()
    shared = os.environ.get("RAGOPT_SHARED")
    if not shared:
        sys.exit("RAGOPT_SHARED is not set: name the folder that holds data/squad-100k")
    work = asked.work.resolve()
    data = write_data(Path(shared) / "data" / "squad-100k", work / "data", seed=SEED)
    rows = prepare(asked.only or list(all_rows()), work)
    measure(rows, work, asked.rounds)
    result = result_of(data, list(rows.values()), asked.rounds)
    out = asked.out or HERE / "results" / f"{result['date']}-serve.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(serve_table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
