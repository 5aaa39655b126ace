"""Compare ragopt's recommendation with what peers choose or default to, on the same vectors at the same recall.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install -c constraints.txt -r eval/peers-requirements.txt
    RAGOPT_SHARED=... /tmp/peers/bin/python eval/frontier.py --work /tmp/frontier-work

Every stage of every row runs in a process of its own; a row that fails is reported with its error. A finished stage
is kept in --work and not run again, so that an interrupted comparison goes on where it stopped.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from frontier_data import N_SELECT, SPLITS, TARGET, Data, K, read_data, write_data
from frontier_peers import all_peers, peer_named
from frontier_score import Scorer
from frontier_table import frontier_table

HERE = Path(__file__).parent
SEED = 0
"""Of ragopt's sweep, its default, and of --split random. Peers run as they come, with seeds of their own or none."""

MEMORY_REPEATS = 3
"""The median of three processes: allocators differ by some 100 kB from run to run."""

TIMEOUT_S = 3_600
"""A stage that takes longer is an error of its row; autofaiss needs a quarter of an hour on a busy machine."""


BUILD_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads as the peer has them, but idle ones sleep: beside other processes on two cores, spinning ones make FAISS's
training 20 to 50 times as slow (eval/README.md)."""

SEARCH_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "LANCE_CPU_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
"""One thread; frontier_worker.py also keeps the process on one core."""


def stage(name: str, what: str, work: Path, *, again: bool = False) -> dict[str, Any]:
    """Run a stage in a process of its own, or read what it wrote before.

    Raises:
        RuntimeError: it failed; with the end of its stderr.
    """
    path = work / "rows" / name / f"{what}.json"
    if again or not path.exists():
        threads = BUILD_ENVIRONMENT if what == "build" else SEARCH_ENVIRONMENT
        env = {**os.environ, **threads, "PYTHONPATH": str(HERE.parent), "LANCE_LOG": "error"}
        command = [peer_named(name).python(work), str(HERE / "frontier_worker.py"), what, name, str(work)]
        try:
            done = subprocess.run(command, check=False, env=env, timeout=TIMEOUT_S, capture_output=True, text=True)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{what} took more than {TIMEOUT_S} s") from error
        if done.returncode:
            raise RuntimeError(f"{what}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def memory(name: str, work: Path) -> dict[str, Any]:
    """Median memory of processes that searched, less that of processes that only imported."""
    path = work / "rows" / name / "memories.json"
    if not path.exists():
        runs = {
            what: [stage(name, what, work, again=True) for _ in range(MEMORY_REPEATS)]
            for what in ("baseline", "memory")
        }
        path.write_text(json.dumps(runs))
    runs = json.loads(path.read_text())

    def median(what: str, *parts: str) -> float:
        return statistics.median(sum(run[part] for part in parts) for run in runs[what])

    return {
        "ram_bytes": int(median("memory", "anonymous", "mapped") - median("baseline", "anonymous", "mapped")),
        "rescoring_bytes": int(median("memory", "rescoring")),
        "baseline_anonymous_bytes": int(median("baseline", "anonymous")),
        "runs": runs,
    }


def measure_row(name: str, work: Path, scorer: Scorer) -> dict[str, Any]:
    """All figures of one row, or its error."""
    try:
        row = {"name": name, **stage(name, "build", work), **stage(name, "measure", work)}
        row["memory"] = memory(name, work)
        for kind, at in row["settings"].items():
            at["quality"] = scorer.score(np.load(work / "rows" / name / f"found-{kind}.npy"))
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return {"name": name, "error": str(error)}
    return row


def machine() -> dict[str, Any]:
    """Where it ran."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return {"cpu": cpu, "n_cores": os.cpu_count(), "system": platform.system(), "arch": platform.machine()}


def result_of(data: Data, rows: list[dict[str, Any]], exact: dict[str, Any], split: str) -> dict[str, Any]:
    """Everything that the result file holds."""
    good = [row for row in rows if "error" not in row]
    loads = [at["load_average"] for row in good for at in row["settings"].values()]
    # autofaiss brings an older faiss of its own: the row keeps it, the summary names the one of the others.
    versions = {name: version for row in reversed(good) for name, version in row["versions"].items()}
    return {
        "plan": "frontier",
        "date": str(dt.datetime.now(tz=dt.UTC).date()),
        "seed": SEED,
        "target": {"measure": f"recall_vs_exact@{K}", "value": TARGET,
                   "rule": "lower 95 % bound on the selecting queries, least knob value that has it"},
        "data": {"name": "squad22k-minilm-384, all-MiniLM-L6-v2 of SQuAD and Wikipedia passages",
                 "n_vectors": len(data.corpus), "dim": data.corpus.shape[1],
                 "n_select": N_SELECT, "n_report": len(data.queries) - N_SELECT, "split": split},
        "versions": {"python": platform.python_version(), "numpy": np.__version__, **versions},
        "machine": {**machine(), "load_average_max": max(loads, default=0)},
        "exact": exact,
        "rows": rows,
    }  # fmt: skip


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of built indexes and finished stages")
    parser.add_argument("--only", action="append", help=f"one of {', '.join([*all_peers(), 'ragopt'])}; repeatable")
    parser.add_argument("--skip-ragopt", action="store_true")
    parser.add_argument("--split", choices=SPLITS, default=SPLITS[0], help="which 1,000 queries choose knobs")
    parser.add_argument("--out", type=Path, help="default: eval/results/<date>-frontier.json")
    return parser.parse_args()


def main() -> int:
    """Measure, write, print the table."""
    asked = arguments()
    shared = os.environ.get("RAGOPT_SHARED")
    if not shared:
        sys.exit("RAGOPT_SHARED is not set: name the folder that holds vectors/ and data/")
    names = asked.only or [*all_peers(), *([] if asked.skip_ragopt else ["ragopt"])]
    data = read_data(Path(shared), split=asked.split, seed=SEED)
    work = asked.work.resolve()
    write_data(data, work / "data")
    scorer = Scorer(data)
    rows = []
    for name in names:
        rows.append(measure_row(name, work, scorer))
        print(name, rows[-1].get("error") or rows[-1]["settings"], file=sys.stderr, flush=True)
    result = result_of(data, rows, scorer.exact(), asked.split)
    out = asked.out or HERE / "results" / f"{result['date']}-frontier.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(frontier_table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
