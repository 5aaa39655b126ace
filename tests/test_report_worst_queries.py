"""The queries that the recommended index answers worst, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup

from ragopt.report.page import page_html
from ragopt.report.worst_queries import WorstQuery, worst_queries
from ragopt.sweep.run_folder import read_run, write_decision
from ragopt.sweep.run_queries import RunQuery, queries_parquet
from tests.report_example import RECOMMENDED, example_run

RECALL, NDCG = "recall_vs_exact@10", "ndcg@10"


def asked(name, *, select=None, confirm=None, judged=False, text=""):
    return RunQuery(select, confirm, name, text or f"text of {name}", "0" * 16, "1" * 16 if judged else None)


def scored(run, *, recall, ndcg, exact_ndcg, confirmed=True):
    """The run with per-query scores of its recommended trial and of exact search."""

    def of(one):
        name = str(one.trial).partition("@")[2]
        if name == RECOMMENDED:
            scores = {RECALL: np.float32(recall), NDCG: np.float32(ndcg)}
        elif name == "256:none | Flat":
            scores = {RECALL: np.ones(len(recall), np.float32), NDCG: np.float32(exact_ndcg)}
        else:
            return one
        return replace(one, confirmed=confirmed, per_query=scores)

    queries = run.info["queries"] | {"n_select": len(recall), "n_confirm": len(recall)}
    return replace(run, trials=tuple(map(of, run.trials)), info={**run.info, "queries": queries})


QUERIES = (
    asked("a", select=0, confirm=2, judged=True),
    asked("b", select=1, confirm=0, judged=False),
    asked("c", select=2, confirm=1, judged=True),
    asked("d", select=3, confirm=3, judged=True),
)
SCORES = {"recall": [0.9, 0.4, 1.0, 0.4], "ndcg": [0.5, 1.0, 0.0], "exact_ndcg": [0.75, 1.0, 0.25]}


def test_built_trials_are_read_in_confirmation_order():
    """Of b, c, a, d in confirmation order c and d miss most; a misses nothing; b is not judged."""
    found = worst_queries(scored(example_run(), **SCORES), QUERIES)
    assert [(one.id, one.recall_vs_exact, one.ndcg, one.exact_ndcg) for one in found] == [
        ("c", pytest.approx(0.4), 0.5, 0.75),
        ("d", pytest.approx(0.4), 0.0, 0.25),
        ("b", pytest.approx(0.9), None, None),
    ]


def test_unbuilt_trials_are_read_in_racing_order():
    """A trial that left the race after three queries has scores of the first three in racing order."""
    run = scored(example_run(), recall=[1.0, 0.5, 0.2], ndcg=[0.1, 0.3], exact_ndcg=[0.2, 0.3], confirmed=False)
    assert worst_queries(run, QUERIES) == (
        WorstQuery("c", "text of c", float(np.float32(0.2)), float(np.float32(0.3)), float(np.float32(0.3))),
        WorstQuery("b", "text of b", 0.5, None, None),
    )


def test_nothing_is_shown_where_nothing_is_known_or_missed():
    """Without queries, without scores, or with every neighbour found there is no such query."""
    run = scored(example_run(), **SCORES)
    assert worst_queries(run, ()) == ()
    assert worst_queries(example_run(), QUERIES) == ()
    assert worst_queries(scored(example_run(), recall=[1.0] * 4, ndcg=[1.0] * 3, exact_ndcg=[1.0] * 3), QUERIES) == ()


def test_the_page_shows_them(tmp_path):
    """The table has every figure of the record; a text as long as is kept ends in an ellipsis."""
    queries = [replace(one, text="\u05e9" * 400 if one.id == "d" else one.text) for one in QUERIES]
    write_decision(tmp_path, scored(example_run(), **SCORES), queries_parquet(queries))
    run = read_run(tmp_path)
    rows = BeautifulSoup(page_html(run), "html.parser").select("#worst-queries tbody tr")
    assert [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows] == [
        ["c", "text of c", "0.4000", "0.5000", "0.7500"],
        ["d", "\u05e9" * 400 + "\u2026", "0.4000", "0.0000", "0.2500"],
        ["b", "text of b", "0.9000", "not judged", "not judged"],
    ]
