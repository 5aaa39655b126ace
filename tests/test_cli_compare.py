"""`ragopt compare` as its users run it: real runs, exit codes, files, errors."""

import json
import re
import shutil

import numpy as np
import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from ragopt.cli.compare import command as compare_command
from ragopt.cli.main import main
from ragopt.cli.sweep import command as sweep_command
from ragopt.sweep.run_folder import QUERIES_FILE, RECOMMENDATION_FILE, RUN_FILE, TRIALS_FILE
from tests.cli import ragopt as run_ragopt
from tests.helpers import ROOT
from tests.resealed import reseal

GRIDS = {"main": '[[grid]]\nfactories = ["SQ8"]\n', "branch": '[[grid]]\nspaces = ["8:pca"]\nfactories = ["SQ4"]\n'}
N, DIM, N_QUERIES = 2_000, 32, 400


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two runs over the same vectors: eight bits of each of 32 dimensions, and four bits of eight at 100M vectors."""
    folder = tmp_path_factory.mktemp("swept")
    rng = np.random.default_rng(3)
    vectors, queries = (rng.standard_normal((n, DIM)).astype(np.float32) for n in (N, N_QUERIES))
    np.save(folder / "v.npy", vectors)
    np.save(folder / "q.npy", queries)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = (queries @ unit.T).argmax(axis=1)
    (folder / "qrels.tsv").write_text("".join(f"{row}\t0\t{found}\t1\n" for row, found in enumerate(nearest)))
    more = {
        "main": ["--min-recall", "0.9"],
        "branch": ["--min-recall", "0.01", "--objective", "ram", "--vectors-at-scale", "100M"],
    }
    for name, grid in GRIDS.items():
        (folder / f"{name}.toml").write_text(grid)
        done = run_ragopt("sweep", "--vectors", "v.npy", "--query-vectors", "q.npy", "--qrels", "qrels.tsv", "--grid",
                          f"{name}.toml", "--cost-model", "scan", "--n-queries", 200, "--confirm-queries", 200,
                          *more[name], "--out", name, "--cache-dir", "cache", cwd=folder)  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder


def called(capsys, *arguments):
    """Exit code and streams of the command in this process: for those that end before anything heavy is loaded."""
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    return ended.value.code, *capsys.readouterr()


def one_line(text):
    return " ".join(text.split())


def test_a_run_with_itself_passes(swept):
    """Nothing differs: exit code 0, all differences zero, and the bill is told and not judged."""
    done = run_ragopt("compare", "main", "main", "--json", cwd=swept)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["exit_code"], told["failures"], told["inputs"], told["recommendation"]) == (0, [], [], [])
    assert told["pairing"]["n_common"] == told["pairing"]["n_a"] > 0
    assert [(one["difference"]["value"], one["paired"]) for one in told["quality"]] == [(0, True)] * 4
    assert (told["bill"]["increase"], told["bill"]["max_increase"]) == ("0.00", None)


def test_a_fall_and_a_rise_of_the_bill_are_exit_code_4(swept):
    """A worse index at more vectors fails for both reasons; page, markdown, JSON and terminal say the same numbers."""
    command = ("compare", "main", "branch", "--max-increase", "0")
    (swept / "out").mkdir()
    told = json.loads(run_ragopt(*command, "--json", cwd=swept).stdout)
    done = run_ragopt(*command, "--html", "out/page.html", "--md", "out/page.md", cwd=swept)
    assert done.returncode == told["exit_code"] == 4
    assert told["failures"] == ["quality", "bill"]
    assert done.stderr.splitlines() == ["Page: out/page.html", "Markdown: out/page.md"]
    assert "\x1b" not in done.stdout
    assert one_line(done.stdout).startswith("Failed: recall_vs_exact@10")
    texts = [
        done.stdout,
        BeautifulSoup((swept / "out" / "page.html").read_text(), "html.parser").get_text(" "),
        BeautifulSoup(MarkdownIt("gfm-like", {"linkify": False}).render((swept / "out" / "page.md").read_text()),
                      "html.parser").get_text(" "),
    ]  # fmt: skip
    for text in map(one_line, texts):
        for one in told["quality"]:
            gap = one["difference"]
            assert f"{gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]" in text
        assert f"USD {told['bill']['a']} to USD {told['bill']['b']} a month" in text
    assert sorted(path.name for path in (swept / "out").iterdir()) == ["page.html", "page.md"]


def test_the_way_back_passes(swept):
    """From the worse index to the better one every quality rises, and a bill that falls is within any limit."""
    done = run_ragopt("compare", "branch", "main", "--max-increase", "0%", "--json", cwd=swept)
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["quality"][0]["difference"]["low"] > 0
    assert told["bill"]["increase"].startswith("-")


def test_markdown_on_standard_output_stands_alone(swept):
    """With --md - nothing but markdown is printed, for a job's summary."""
    done = run_ragopt("compare", "main", "branch", "--md", "-", cwd=swept)
    assert done.returncode == 4
    assert done.stderr == ""
    assert done.stdout.startswith("### Failed: `recall_vs_exact@10`")
    assert done.stdout.rstrip().endswith("</sub>")
    assert not (swept / "-").exists()


@pytest.fixture
def copied(swept, tmp_path):
    """A copy of the two runs that may be damaged."""
    for name in GRIDS:
        shutil.copytree(swept / name, tmp_path / name)
    return tmp_path


def test_an_older_folder_is_compared_unpaired(copied):
    """Without queries.parquet the runs are compared by their means, and the output says why."""
    (copied / "main" / "queries.parquet").unlink()
    reseal(copied / "main")
    done = run_ragopt("compare", "main", "branch", cwd=copied)
    assert done.returncode == 4  # eight dimensions at four bits are worse by any measure
    assert "The runs cannot be paired: A keeps no queries.parquet" in one_line(done.stdout)
    assert "unpaired" in done.stdout


def _newer(folder):
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**info, "schema": 99}))


def _cut(name):
    def cut(folder):
        blob = (folder / name).read_bytes()
        (folder / name).write_bytes(blob[: len(blob) // 2])

    return cut


def _cut_and_sealed(name):
    def cut(folder):
        _cut(name)(folder)
        reseal(folder)

    return cut


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "run.json").unlink(), "branch holds no finished run: run.json is missing"),
        (_newer, "run.json has schema 99. Allowed: 1."),
        (_cut("trials.parquet"), "The run in branch is damaged:"),
        (_cut("recommendation.json"), "The run in branch is damaged:"),
        (_cut("queries.parquet"), "The run in branch is damaged: queries.parquet was changed"),
        (_cut_and_sealed("queries.parquet"), "branch/queries.parquet is damaged:"),
    ],
    ids=["missing", "newer", "trials", "recommendation", "queries", "queries that never were"],
)
def test_a_folder_that_cannot_be_read_is_one_clear_error(copied, monkeypatch, capsys, harm, said):
    """A missing, newer or damaged run is exit code 1 with one message; nothing is printed or written."""
    harm(copied / "branch")
    monkeypatch.chdir(copied)
    code, out, err = called(capsys, "main", "branch", "--md", "page.md")
    assert (code, out) == (1, "")
    assert said in one_line(err)
    assert not (copied / "page.md").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["main"], "Missing argument 'RUN_B'"),
        (["main", "branch", "--max-increase", "ten"], "--max-increase 'ten' is no limit"),
        (["main", "branch", "--max-increase", "-5%"], "--max-increase '-5%' is no limit"),
        (["main", "branch", "--max-increase", "10 %"], "is no limit. Allowed: a share like 10%"),
        (["main", "branch", "--html", "-"], "--html takes the name of a file"),
        (["main", "branch", "--json", "--md", "-"], "both write to standard output"),
    ],
)
def test_wrong_usage_is_exit_code_2(capsys, arguments, said):
    """Wrong options are told before anything is read."""
    code, out, err = called(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in one_line(err)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--md", "main/run.json/page.md"], "--md main/run.json/page.md: there is no folder main/run.json"),
        (["--html", "none/page.html"], "--html none/page.html: there is no folder none"),
        (["--html", "page.txt"], "--html page.txt has the suffix .txt"),
        (["--md", "main/trials.parquet"], "--md main/trials.parquet is trials.parquet of the run in main"),
        (["--html", "link.html"], "--html link.html is run.json of the run in"),
        (["--html", "page.html", "--md", "same.md"], "--html page.html and --md same.md are the same file"),
    ],
)
def test_a_file_that_may_not_be_written_is_told_before_anything_is_read(copied, monkeypatch, capsys, options, said):
    """Another suffix, no folder, two names of one file, a file that a run is made of: exit code 1, nothing changed."""
    (copied / "link.html").symlink_to(copied / "main" / "run.json")
    (copied / "same.md").symlink_to(copied / "page.html")
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    monkeypatch.chdir(copied)
    code, out, err = called(capsys, "main", "nowhere", *options)
    assert (code, out) == (1, "")
    assert said in one_line(err)
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


def test_the_help_tells_the_exit_codes(capsys):
    """The exit codes that a CI job relies on stand in the help."""
    code, out, _ = called(capsys, "--help")
    assert code == 0
    assert "4 a quality fell beyond its 95 % interval, no quality can be compared" in one_line(out)


def test_the_page_of_the_docs_names_options_that_exist():
    """Every option in docs/compare.md is one of `compare` or of `sweep`, and its CI job's files are those of a run."""
    text = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    known = {option for one in (compare_command, sweep_command) for param in one.params for option in param.opts}
    assert set(re.findall(r"--[a-z][a-z-]+", text)) <= known
    assert f"`{RUN_FILE}`, `{TRIALS_FILE}`, `{QUERIES_FILE}` and\n`{RECOMMENDATION_FILE}`" in text
