import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def table_a():
    """The script, which lies outside the package."""
    spec = importlib.util.spec_from_file_location("table_a", ROOT / "eval" / "table_a.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_figures_agree_with_table_a(table_a, shared):
    """On 22,067 real vectors every codec's recall_vs_exact@10 is within .01 of what plain FAISS scored before."""
    result = table_a.table(shared)
    assert (result["n_vectors"], result["dim"], result["n_queries"]) == (22_067, 384, 1_000)
    assert table_a.disagreements(result["rows"]) == []
    plain = result["rows"][0]
    assert plain["factory"] == "PQ96x4fs,RFlat"
    assert plain["recall_vs_exact@10"] == pytest.approx(0.9975, abs=table_a.TOLERANCE)


def test_committed_figures_agree_and_name_no_place(table_a):
    """The committed result is within .01 of table A, for every factory, and holds no path."""
    text = (ROOT / "eval" / "results" / "2026-11-23-table-a.json").read_text()
    rows = json.loads(text)["rows"]
    assert [row["factory"] for row in rows] == [f"{base},RFlat" for base in table_a.EXPECTED]
    assert table_a.disagreements(rows) == []
    assert "/" not in text


def test_a_disagreement_is_named(table_a):
    """A figure .011 away is named with both values; one .01 away, or with nothing to compare, is not."""
    row = {"factory": "SQ4,RFlat", "recall_vs_exact@10 by code": 0.9147, "expected by code": 0.9257,
           "recall_vs_exact@10": 0.995, "expected": 1.0}  # fmt: skip
    assert table_a.disagreements([row]) == ["SQ4,RFlat: recall_vs_exact@10 by code is 0.9147, 0.9257 expected"]
    assert table_a.disagreements([row | {"expected by code": None}]) == []
