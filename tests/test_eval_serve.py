"""The parts of eval/serve.py that figures rest on: who asked what, medians, and where ragopt stands."""

import runpy
import threading

import numpy as np
import pytest

from tests.helpers import ROOT

TIMING = runpy.run_path(str(ROOT / "eval" / "serve_timing.py"))
TABLE = runpy.run_path(str(ROOT / "eval" / "serve_table.py"))


def row(name, ram_bytes, qps, *, reached=True):
    """A row of a result with one round."""
    threads = {"qps": qps, "p50_ms": 1.0, "p99_ms": 2.0}
    one = {"memory": {"ram_bytes": ram_bytes, "rescoring_bytes": 0, "file_bytes": 5_000_000,
                      "baseline_anonymous_bytes": 30_000_000}, "open_ms": 3.0,
           "first_answer_ms": 4.0, "one_thread": threads, "two_threads": {**threads, "qps": 2 * qps},
           "batch_qps": {"1": 10.0, "2": 20.0}}  # fmt: skip
    return {"name": name, "label": name, "build_seconds": 6.0, "tuning": {"reached": reached, "setting": {"ef": 7}},
            "rounds": [one], "summary": TABLE["summary_of"]([one]), "details": {"command": "ragopt sweep"},
            "recall_vs_exact@10": {"value": 0.96, "low": 0.95, "high": 0.97}}  # fmt: skip


@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_query_is_asked_once_and_answers_keep_their_order(n_threads):
    """Callers share the queries out: each is asked exactly once, and its answer stands in its own place."""
    asked, callers = [], set()

    def answer(query):
        asked.append(int(query[0, 0]))
        callers.add(threading.get_ident())
        return int(query[0, 0])

    queries = np.arange(21, dtype=np.float32)[:, None]
    figures, answers = TIMING["time_threads"](answer, queries, n_threads=n_threads)
    assert sorted(asked) == list(range(21))
    assert answers == list(range(21))
    assert figures["n"] == 21
    assert threading.get_ident() not in callers


def test_an_error_of_a_caller_is_raised():
    """A search that fails in a thread fails the measurement: no figure comes of missing answers."""

    def answer(query):
        raise ValueError(f"no answer to {query[0, 0]:g}")

    with pytest.raises(ValueError, match="no answer to 0"):
        TIMING["time_threads"](answer, np.zeros((2, 1), np.float32), n_threads=1)


def test_medians_of_rounds_by_hand():
    """Every figure is the median of its rounds, also inside a group."""
    rounds = [{"open_ms": 5, "memory": {"ram_bytes": 1}}, {"open_ms": 1, "memory": {"ram_bytes": 9}},
              {"open_ms": 2, "memory": {"ram_bytes": 4}}]  # fmt: skip
    assert TABLE["summary_of"](rounds) == {"open_ms": 2, "memory": {"ram_bytes": 4}}


def test_standing_is_against_the_best_that_reach_the_recall():
    """Half the least RAM of the others and 0.8 times the most queries per second; a row that misses does not count."""
    rows = [row("ragopt", 2e6, 800), row("lean", 4e6, 100), row("fast", 9e6, 1000),
            row("cheat", 1e6, 9000, reached=False), {"name": "broken", "error": "no"}]  # fmt: skip
    assert TABLE["standing"](rows) == pytest.approx({"ram_share": 0.5, "qps_share_1": 0.8, "qps_share_2": 0.8})
    assert TABLE["standing"](rows[1:]) is None


def test_shares_are_of_the_same_round():
    """80 of 100 in one round, 90 of 60 in the next: from 0.8 to 1.5, not from the least to the most of all rounds."""
    rows = [row("ragopt", 1, 80), row("fast", 1, 100), row("cheat", 1, 900, reached=False)]
    for one, qps in zip(rows, (90, 60, 900), strict=True):
        one["rounds"].append({"one_thread": {"qps": qps}})
    assert TABLE["shares_of_rounds"](rows, "one_thread") == (0.8, 1.5)


def test_the_table_orders_by_ram_and_says_who_missed_or_failed():
    """Rows that reach the recall by RAM, then those that miss it, then those that failed; all as wide as the head."""
    result = {
        "target": {"value": 0.95}, "n_rounds": 3, "versions": {"faiss-cpu": "1"},
        "data": {"name": "toy", "n_vectors": 10, "dim": 2, "n_select": 3},
        "machine": {"cpu": "cpu", "n_cores": 2, "load_average_max": 0.5},
        "rows": [row("fast", 9e6, 1000), row("cheat", 1e6, 9000, reached=False), row("ragopt", 2e6, 800),
                 {"name": "broken", "error": "first\nlast | line"}],
    }  # fmt: skip
    lines = [line for line in TABLE["serve_table"](result).splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines] == [
        "row", "---", "ragopt, ef=7", "fast, ef=7", "cheat, ef=7 (misses the recall)", "broken",
    ]  # fmt: skip
    assert {line.count("|") for line in lines} == {len(TABLE["HEAD"]) + 1}
    assert "needs 0.22 times the least RAM" in TABLE["serve_table"](result)
