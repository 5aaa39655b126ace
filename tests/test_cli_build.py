"""`ragopt build` and `ragopt bench-serve` as a user types them: what they print, write and refuse."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

import ragopt
from ragopt.serve.bench import bench_serve
from ragopt.sweep.settings import ReadyVectors
from tests.cli import ragopt as run_ragopt
from tests.served import swept


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a finished run of two trials, `run`, and its artifacts."""
    folder = tmp_path_factory.mktemp("built")
    swept(folder, ["Flat", "SQ8"], n=120)
    return folder


@pytest.fixture(scope="module")
def built(folder):
    """What `ragopt build` printed as JSON; the index lies in `index`."""
    done = run_ragopt("build", "run", "--out", "index", "--cache-dir", "cache", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_is_what_the_verb_returns(folder, built):
    """--json prints the record of `ragopt.build`, and only that; the folder says the same of itself."""
    again = json.loads(
        json.dumps(asdict(ragopt.build(folder / "run", out=folder / "again", cache_dir=folder / "cache")), default=str)
    )
    del again["folder"]
    # Lance names files by chance, so lengths of its manifests may differ; all else is the same.
    assert {name: built[name] for name in again if name != "size_bytes"} == {
        name: value for name, value in again.items() if name != "size_bytes"
    }
    manifest = ragopt.open(folder / "index").manifest
    assert built["size_bytes"] == sum((folder / "index" / name).stat().st_size for name in manifest.files)
    assert built["trial"] == manifest.trial


def test_text_names_the_trial_the_quality_and_the_next_step(folder):
    """Without --json people read the trial, the interval, whether it is the run's, and how to open it."""
    done = run_ragopt("build", "run", "--out", "other", "--trial", "wordllama@256:none | SQ8", "--cache-dir", "cache",
                      "--with-vectors", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "other: wordllama@256:none | SQ8"
    assert lines[1].startswith("117 chunks, ")
    assert lines[2].endswith("over 100 queries: the same as in the run for every query")
    assert lines[3] == "Metadata to filter by: draft, section, weight, year"
    assert lines[4] == 'Open it: ragopt.open("other").search("a question")'
    assert "vector" in ragopt.open(folder / "other").as_lancedb().schema.names
    again = run_ragopt("build", "run", "--out", "other", "--cache-dir", "cache", cwd=folder).stdout.splitlines()
    assert again[4] == "Replaced version 1: what was added to it or deleted from it is not in here"


@pytest.mark.parametrize(("arguments", "words"), [
    (["run", "--out", "cache"], "holds something else than an index of ragopt"),
    (["run", "--out", "x", "--trial", "wordllama@256:none | SQ4"], "has no trial 'wordllama@256:none | SQ4'"),
    (["run", "--out", "x", "--trial", "SQ4 or so"], "SQ4 or so"),
    (["run", "--out", "x", "--corpus", "elsewhere"], "elsewhere"),
    (["nowhere", "--out", "x"], "nowhere"),
])  # fmt: skip
def test_what_cannot_be_built_is_one_message_and_leaves_nothing(folder, arguments, words):
    """Exit code 1, a message that names the value, and no new folder, for every mistake."""
    before = sorted(path.name for path in folder.iterdir())
    done = run_ragopt("build", *arguments, "--cache-dir", "cache", "--quiet", cwd=folder)
    assert done.returncode == 1
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.usefixtures("built")
def test_bench_serve_measures_the_folder(folder):
    """Every batch size up to the callers is measured on the canaries' questions, and the chart is a picture."""
    done = run_ragopt("bench-serve", "index", "--seconds", "0.2", "--concurrency", "4", "--k", "3", "--json", "--chart",
                      "serve.png", "--quiet", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert {one["batch_size"] for one in bench["callers"]} >= {1, 2, 4}
    assert (folder / "serve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("built")
def test_bench_serve_ends_with_3_when_no_size_keeps_the_limit(folder):
    """No answer comes within a nanosecond: everything is printed all the same; --help names the code."""
    done = run_ragopt("bench-serve", "index", "--seconds", "0.2", "--concurrency", "2", "--p99-limit-ms", "0.000001",
                      "--json", "--quiet", cwd=folder)  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["recommended"] is None
    assert "3 no size has its p99 surely" in run_ragopt("bench-serve", "--help").stdout


def test_bench_serve_of_ready_vectors_says_the_true_next_step(tmp_path):
    """It cannot embed a question, with a file of them or without; Python with a model can."""
    rng = np.random.default_rng(0)
    for name, n in (("v.npy", 300), ("q.npy", 60)):
        np.save(tmp_path / name, rng.standard_normal((n, 16)).astype(np.float32))
    (tmp_path / "asked.txt").write_text("one\ntwo\n")
    run = ragopt.sweep(None, ready=ReadyVectors(str(tmp_path / "v.npy"), str(tmp_path / "q.npy")),
                       limits={"min_recall": 0.3}, n_queries=30, confirm_queries=30, cost_model="scan",
                       out=tmp_path / "run", cache_dir=tmp_path / "cache")  # fmt: skip
    ragopt.build(run, out=tmp_path / "index", trial="vectors@16:none | Flat", cache_dir=tmp_path / "cache")
    for more in ([], ["--queries", "asked.txt"]):
        done = run_ragopt("bench-serve", "index", *more, cwd=tmp_path)
        assert done.returncode == 1
        said = " ".join(done.stderr.split())
        assert "was built from ready vectors: it cannot embed questions" in said
        assert "ragopt.open(DIR, embedder=...)" in said
    embedder = SimpleNamespace(name="own", dim=16, identity={}, tokenizer=None,
                               embed_queries=lambda texts: np.ones((len(texts), 16), np.float32))  # fmt: skip
    opened = ragopt.open(tmp_path / "index", embedder=embedder)
    assert bench_serve(opened, ["one", "two"], batch_sizes=(1,), concurrency=1, seconds=1.0).recommended == 1


def test_bench_serve_refuses_what_is_no_index(folder):
    """A folder that ragopt did not build is an error that names it."""
    done = run_ragopt("bench-serve", "cache", cwd=folder)
    assert done.returncode == 1
    assert "cache" in done.stderr
    assert "Traceback" not in done.stderr
