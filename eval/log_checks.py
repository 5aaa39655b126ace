"""What ragopt says of a real log, and of the same log shuffled and sampled.

    RAGOPT_SHARED=... python eval/log_checks.py > eval/results/<date>-log-checks.json

RAGPulse (7,106 requests of a RAG service): as logged; its lines in random order under the same times; 10, 50, 75 and
90 % of its requests; all requests of 10 % of its sessions; each with 20 seeds. Per case: in how many ragopt refuses the
log, and the range of the two figures that decide.
"""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragopt.cache.coded_log import CodedLog
from ragopt.cache.log_checks import LEAST_DISTANCE, LEAST_TURNS, MOST_ORPHANS, check_order, orphans
from ragopt.cache.log_fields import LogFields
from ragopt.cache.read_log import read_log
from ragopt.cache.session_gaps import session_gaps

Change = Callable[[CodedLog, np.random.Generator], CodedLog]

N_SEEDS = 20
FIELDS = LogFields(time="t", query="q", chunks="passages", empty_history=([15200],))


def thinned(log: CodedLog, kept: NDArray[np.intp]) -> CodedLog:
    """The log with some of its requests only."""
    return replace(log, sessions=log.sessions[kept], histories=log.histories[kept])


def shuffled(log: CodedLog, rng: np.random.Generator) -> CodedLog:
    """The log with its lines in random order under the same times."""
    return thinned(log, rng.permutation(log.n_requests))


def of_requests(share: float) -> Change:
    """Sampling of requests."""
    return lambda log, rng: thinned(log, np.flatnonzero(rng.random(log.n_requests) < share))


def of_sessions(share: float) -> Change:
    """Sampling of whole sessions."""
    return lambda log, rng: thinned(log, np.flatnonzero((rng.random(log.sessions.max() + 1) < share)[log.sessions]))


def of_queries(share: float) -> Change:
    """Sampling by key: all requests of some queries."""
    return lambda log, rng: thinned(log, np.flatnonzero((rng.random(log.queries.max() + 1) < share)[log.queries]))


CASES = {
    "as logged": lambda log, _: log,
    "shuffled": shuffled,
    "90 % of requests": of_requests(0.9),
    "75 % of requests": of_requests(0.75),
    "50 % of requests": of_requests(0.5),
    "10 % of requests": of_requests(0.1),
    "10 % of sessions": of_sessions(0.1),
    "10 % of queries": of_queries(0.1),
}


def measured(log: CodedLog, change: Change) -> dict[str, object]:
    """One case over all seeds."""
    rows = []
    for seed in range(N_SEEDS):
        found = change(log, np.random.default_rng(seed))
        gaps = session_gaps(found.sessions)
        n_turns, n_orphans = orphans(found.sessions, found.histories)
        refused = check_order(found.sessions, found.histories).refused
        rows.append((bool(refused), gaps.n_gaps, gaps.distance, n_turns, n_orphans / n_turns))
    refused, n_gaps, distance, n_turns, orphan_share = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "refused": f"{int(refused.sum())} of {N_SEEDS}",
        "turns": [int(n_gaps.min()), int(n_gaps.max())],
        "distance": [round(float(distance.min()), 3), round(float(distance.max()), 3)],
        "turns_with_history": [int(n_turns.min()), int(n_turns.max())],
        "orphan_share": [round(float(orphan_share.min()), 3), round(float(orphan_share.max()), 3)],
    }


def main() -> None:
    """Measure every case and print JSON."""
    path = Path(os.environ["RAGOPT_SHARED"]) / "data" / "ragpulse" / "log.jsonl"
    log = read_log(path, FIELDS)
    print(
        json.dumps(
            {
                "measured": datetime.now(UTC).date().isoformat(),
                "log": "RAGPulse, 7,106 requests",
                "python": platform.python_version(),
                "numpy": np.__version__,
                "seeds": f"0 to {N_SEEDS - 1}",
                "thresholds": {"distance": LEAST_DISTANCE, "orphan_share": MOST_ORPHANS, "least_turns": LEAST_TURNS},
                "cases": {name: measured(log, change) for name, change in CASES.items()},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
