"""`ragopt export` as its users run it: what it prints rebuilds the index with numpy and faiss alone."""

import subprocess
import sys

import numpy as np
import pytest

from ragopt.sweep.corpus_stage import split_queries
from ragopt.sweep.run_folder import read_run
from ragopt.sweep.settings import SweepSettings
from tests.cli import environment
from tests.cli import ragopt as run_ragopt

N, DIM, N_QUERIES = 3_000, 32, 800
GRID = """
[[grid]]
factories = ["SQ4", "PQ16x4fs"]

[[grid]]
factories = ["PQ8np,Refine(SQ8)", "PCAR16,PQ8np,Refine(SQ8)"]
search = ["k_factor_rf=4"]

[[grid]]
spaces = ["24:pca", "24:joint"]
factories = ["SQ8"]
"""

AROUND = """
import sys
import numpy as np
vectors, queries, fit_queries = np.load("v.npy"), np.load("confirm.npy"), np.load("fit.npy")
exec(compile(open("rebuild.py").read(), "rebuild.py", "exec"))
unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
exact = np.argsort(-(unit(queries) @ unit(vectors).T), axis=1)[:, :10]
assert not any(name.partition(".")[0] == "ragopt" for name in sys.modules)
print(np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(ids, exact)]))
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with vectors, the queries that confirmed and those that a rotation was fitted on, and the run."""
    folder = tmp_path_factory.mktemp("swept")
    rng = np.random.default_rng(3)
    scale = np.linspace(3, 0.2, DIM)
    np.save(folder / "v.npy", (rng.standard_normal((N, DIM)) * scale + 0.3).astype(np.float32))
    queries = (rng.standard_normal((N_QUERIES, DIM)) * scale + 0.3).astype(np.float32)
    np.save(folder / "q.npy", queries)
    (folder / "grid.toml").write_text(GRID)
    done = run_ragopt("sweep", "--vectors", "v.npy", "--query-vectors", "q.npy", "--grid", "grid.toml", "--out", "run",
                      "--n-queries", 120, "--confirm-queries", 150, "--min-recall", "0.5", "--cost-model", "scan",
                      "--cache-dir", "cache", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    settings = SweepSettings(corpus="any", grid=str(folder / "grid.toml"), n_queries=120, confirm_queries=150)
    split = split_queries(np.arange(N_QUERIES), settings)
    np.save(folder / "confirm.npy", queries[split.confirm])
    np.save(folder / "fit.npy", queries[split.fit])
    return folder


def rebuilt_recall(folder, *options):
    """Recall_vs_exact@10 of what the printed lines find, run beside nothing but numpy and faiss."""
    done = run_ragopt("export", folder / "run", "--plain-faiss", *options)
    assert done.returncode == 0, done.stderr
    (folder / "rebuild.py").write_text(done.stdout)
    command = [sys.executable, "-W", "ignore", "-c", AROUND]
    again = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment())
    assert again.returncode == 0, again.stderr
    return float(again.stdout)


def test_the_lines_of_every_finalist_find_what_was_confirmed(swept):
    """Rebuilt with numpy and faiss alone, each finalist finds what was confirmed; SQ4 exactly that."""
    confirmed = [result for result in read_run(swept / "run").trials if result.confirmed]
    assert {result.trial.space.reduction for result in confirmed} == {"none", "pca", "joint"}
    for result in confirmed:
        found = rebuilt_recall(swept, "--trial", str(result.trial))
        quality = result.quality["recall_vs_exact@10"]
        assert quality.low <= found <= quality.high, (result.trial, found, quality)
        if result.trial.factory == "SQ4":
            assert found == pytest.approx(quality.value, abs=1e-6)


def test_without_a_trial_the_recommended_one_is_printed(swept):
    """The default is the recommendation, as the report prints it."""
    recommended = str(read_run(swept / "run").recommendation.trial)
    default, named = (
        run_ragopt("export", swept / "run", "--plain-faiss", *more).stdout for more in ((), ("--trial", recommended))
    )
    assert default == named
    assert recommended.split(" | ")[1] in default


@pytest.mark.parametrize("n_threads", [1, 2])
def test_lines_of_a_pcar_trial_find_as_much_as_the_run(swept, n_threads):
    """However many threads decide the signs of its axes, recall_vs_exact lies in the run's 95 % interval."""
    trial = "vectors@32:none | PCAR16,PQ8np,Refine(SQ8) | k_factor_rf=4"
    text = run_ragopt("export", swept / "run", "--plain-faiss", "--trial", trial).stdout
    assert "other ids are possible" in text
    (swept / "rebuild.py").write_text(text)
    done = subprocess.run([sys.executable, "-c", AROUND], cwd=swept, capture_output=True, text=True, check=True,
                          env={**environment(), "OMP_NUM_THREADS": str(n_threads)})  # fmt: skip
    measured = next(one for one in read_run(swept / "run").trials if str(one.trial) == trial)
    assert measured.confirmed
    assert (
        measured.quality["recall_vs_exact@10"].low <= float(done.stdout) <= measured.quality["recall_vs_exact@10"].high
    )


def test_lines_of_a_joint_space_say_which_queries_they_need(swept):
    """A rotation that was fitted on queries cannot be rebuilt without them: the lines name them."""
    done = run_ragopt("export", swept / "run", "--plain-faiss", "--trial", "vectors@24:joint | SQ8")
    assert "# fit_queries: float32 (m, dim), the queries that the run fitted on" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["no-run", "--plain-faiss"], 1, "no-run holds no finished run"),
        (["no-run"], 2, "Say as what to export: --plain-faiss"),
        (["--plain-faiss"], 2, "Missing argument 'RUN'"),
        (["run", "--plain-faiss", "--trial", "vectors@32:none | SQ5"], 1, "has no trial 'vectors@32:none | SQ5'"),
    ],
)
def test_bad_input_is_one_clear_message(swept, arguments, code, says):
    """A missing run, an unknown trial or no form: one message, nothing on standard output."""
    done = run_ragopt("export", *arguments, cwd=swept)
    assert done.returncode == code, done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
