"""`--dry-run` says what would be done, makes nothing, and counts what is there."""

import json

import numpy as np
import pytest

from ragopt.index.factory import parse_factory
from ragopt.sweep.work_cost import Work
from tests.cli import ragopt, small_sweep


@pytest.fixture
def ready(tmp_path, rng):
    """Arguments of a sweep over ready vectors with a small grid."""
    np.save(tmp_path / "v.npy", rng.standard_normal((600, 32)).astype(np.float32))
    np.save(tmp_path / "q.npy", rng.standard_normal((40, 32)).astype(np.float32))
    (tmp_path / "grid.toml").write_text('[[grid]]\nfactories = ["SQ8", "PQ8x4fs"]\n')
    return ["sweep", "--vectors", tmp_path / "v.npy", "--query-vectors", tmp_path / "q.npy", "--grid",
            tmp_path / "grid.toml", "--min-recall", "0.5", "--cost-model", "scan", "--out", tmp_path / "run",
            "--cache-dir", tmp_path / "cache"]  # fmt: skip


def test_a_plan_makes_nothing(tmp_path):
    """Before the first sweep the plan names the first missing artifact and writes no file."""
    arguments = small_sweep(tmp_path, "--dry-run")
    done = ragopt(*arguments)
    assert done.returncode == 0, done.stderr
    assert "first missing: chunks" in done.stdout
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "run").exists()


def test_a_plan_counts_what_is_there(ready):
    """After a sweep every codec and every first-round score is stored, and none is missing; before, the vectors are."""
    before = json.loads(ragopt(*ready, "--dry-run", "--json").stdout)
    assert before["first_missing"] == "ready-vectors"
    assert ragopt(*ready).returncode == 0
    plan = json.loads(ragopt(*ready, "--dry-run", "--json").stdout)
    assert plan["n_trials"] == 3
    assert plan["first_missing"] == ""
    codecs, scores, finalists = plan["work"]
    assert (codecs["n_there"], codecs["n_missing"], codecs["seconds"]) == (3, 0, 0)
    assert (scores["n_there"], scores["n_missing"]) == (3, 0)
    assert finalists["n_missing"] == 9
    lines = ragopt(*ready, "--dry-run").stdout.splitlines()
    assert lines[0].startswith("device: ")
    assert lines[1] == "3 trials over 1 spaces and 3 factories"
    assert lines[-1].endswith("MB of memory on this machine")


def test_work_grows_as_it_must():
    """Twice the rows take twice as long to train and to encode; residual codes longer than product codes."""
    work = Work(1e10)
    pq, rq = parse_factory("PCAR96,PQ8np", 384), parse_factory("PCAR96,RQ8x8", 384)
    assert work.training(pq, 2000) == pytest.approx(2 * work.training(pq, 1000))
    assert work.encoding(pq, 2000) == pytest.approx(2 * work.encoding(pq, 1000))
    assert work.training(rq, 1000) > 10 * work.training(pq, 1000)
