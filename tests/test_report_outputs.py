"""`ragopt report`: every file and every refusal, and one small real sweep whose figures read back from all outputs."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import pytest

import ragopt
from ragopt.cli.main import main
from ragopt.errors import ArtifactError, InputError, StorageError
from ragopt.report import figures
from ragopt.report.figure import NoFigure
from ragopt.report.outputs import write_report
from ragopt.report.page import page_html
from ragopt.report.words import reproduce_command
from ragopt.sweep.run_folder import recommendation_json
from tests.cli import environment, small_sweep
from tests.cli import ragopt as run_ragopt
from tests.helpers import ROOT
from tests.printed_figures import check_comparison
from tests.report_example import example_run
from tests.test_report_markdown import check_numbers
from tests.test_report_report_text import narrow_rows, wide_rows


def no_figure(run):
    assert run.trials
    return NoFigure("empty", "Nothing", "It has one model only.")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A small sweep of datasets/tiny."""
    folder = tmp_path_factory.mktemp("swept")
    done = run_ragopt(*small_sweep(folder))
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_it_writes_every_file_and_says_where(swept, tmp_path):
    """Each file is what its function gives, its name goes to standard error, standard output stays empty."""
    names = ["page.html", "out (1).png", "frontier.svg", "summary.md"]
    files = [tmp_path / name for name in names]
    options = [
        word for kind, file in zip(("html", "png", "svg", "md"), files, strict=True) for word in (f"--{kind}", file)
    ]
    done = run_ragopt("report", swept, *options)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [f"Wrote {file}" for file in files]
    run = ragopt.Run.read(swept)
    assert files[0].read_text() == page_html(run) == (swept / "report.html").read_text()
    assert files[1].read_bytes() == (swept / "frontier.png").read_bytes()
    assert files[2].read_text().startswith("<svg")
    assert "](out%20%281%29.png)" in files[3].read_text()
    check_numbers(files[3].read_text(), run)


def test_markdown_on_standard_output_links_to_the_picture_of_the_run(swept):
    """`--md -` prints the markdown alone; seen from the current folder, its picture is the run's frontier.png."""
    done = run_ragopt("report", "run", "--md", "-", cwd=swept.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert "![Quality against cost](run/frontier.png)" in done.stdout
    check_numbers(done.stdout, ragopt.Run.read(swept))


def test_markdown_without_a_picture_in_the_run_has_no_link(swept, tmp_path):
    """A run folder without frontier.png gives markdown without an image."""
    for name in ("run.json", "trials.parquet", "recommendation.json", "queries.parquet"):
        (tmp_path / name).write_bytes((swept / name).read_bytes())
    done = run_ragopt("report", tmp_path, "--md", "-")
    assert done.stdout.startswith("### ragopt:")
    assert "![" not in done.stdout


def test_json_is_the_recommendation(swept, tmp_path):
    """`--json` prints recommendation.json and nothing else, also beside files."""
    done = run_ragopt("report", swept, "--json", "--svg", tmp_path / "a.svg")
    assert done.stdout == (swept / "recommendation.json").read_text()
    assert (tmp_path / "a.svg").exists()
    assert json.loads(done.stdout) == recommendation_json(ragopt.Run.read(swept).recommendation)


@pytest.mark.parametrize(("columns", "rows_of"), [("60", narrow_rows), ("140", wide_rows)])
def test_the_terminal_says_the_figures_of_the_run(swept, columns, rows_of):
    """Piped, the report has no colour, keeps the width, and its comparison, targets and command are the run's."""
    done = run_ragopt("report", swept, COLUMNS=columns)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    *lines, command = done.stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert command == reproduce_command(ragopt.Run.read(swept))
    assert not any(line.endswith(" ") for line in lines)
    run = ragopt.Run.read(swept)
    check_comparison(rows_of(done.stdout), run)
    squeezed = re.sub(r"\s+", "", done.stdout)
    for one in run.info["everywhere"]["targets"]:
        usd, low, high = (f"{Decimal(one[key]):,.2f}" for key in ("usd_per_month", "low", "high"))
        mark = "" if one["serves_the_index"] else "°"
        assert f"{one['name']}{mark}{'†' * one['needs_consent']}{usd}[{low},{high}]" in squeezed


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--png", "x.jpg"], 1, "--png x.jpg has the suffix .jpg. Allowed: .png. Name the file report.png."),
        (["--html", "x"], 1, "--html x has no suffix. Allowed: .html or .htm. Name the file report.html."),
        (["--svg", "x.png"], 1, "--svg x.png has the suffix .png. Allowed: .svg."),
        (["--md", "x.html"], 1, "--md x.html has the suffix .html. Allowed: .md or .markdown."),
        (["--png", "nowhere/x.png"], 1, "--png nowhere/x.png: there is no folder nowhere. Make the folder,"),
        (["--png", "folder.png"], 1, "--png folder.png is a folder."),
        (["--png", "x.png", "--chart", "pie"], 1, "There is no chart pie. Allowed: "),
        (["--chart", "frontier"], 1, "--chart frontier says nothing without a picture. Allowed: --png or --svg"),
        (["--md", "-", "--chart", "frontier"], 1, "--chart frontier says nothing without a picture."),
        (["--png", "x.png", "--md", "run/run.json"], 1, "--md run/run.json is run.json of the run"),
        (["--md", "-", "--json"], 2, "--json and --md - both want standard output"),
    ],
)  # fmt: skip
def test_refusals_leave_nothing_behind(swept, tmp_path, monkeypatch, capsys, options, code, told):
    """A wrong suffix, folder or chart is one message with the next step; nothing is written, not even a fine file."""
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "run").symlink_to(swept)
    fine = [] if "--html" in options or options == ["--chart", "frontier"] else ["--html", "fine.html"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(swept), *options, *fine])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (code, "")
    assert told in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "run"]


def test_two_names_of_one_file_and_a_link_to_a_file_of_the_run_are_refused(swept, tmp_path):
    """A link does not hide that two outputs are one file, or that one is queries.parquet of a run."""
    (tmp_path / "a.svg").symlink_to(tmp_path / "a.png")
    (tmp_path / "b.md").symlink_to(swept / "queries.parquet")
    run = ragopt.Run.read(swept)
    with pytest.raises(InputError, match=r"--png .*a\.png and --svg .*a\.svg are the same file"):
        run.write_report(png=tmp_path / "a.png", svg=tmp_path / "a.svg")
    with pytest.raises(InputError, match=r"b\.md is queries\.parquet of the run in "):
        run.write_report(md=tmp_path / "b.md")
    assert (tmp_path / "b.md").is_symlink()


def test_no_run_there(tmp_path):
    """A folder without a finished run says which file is missing, as one line of a process that ends with 1."""
    done = run_ragopt("report", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "holds no finished run: run.json is missing" in done.stderr


def test_the_guide_page_does_what_it_says(swept, tmp_path, monkeypatch):
    """Every command of docs/report.md ends well and leaves the run as it is; its Python prints the heading's start."""
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    [commands] = re.findall(r"<!-- tested -->\n```sh\n(.*?)```", page, flags=re.DOTALL)
    [program] = re.findall(r"<!-- tested -->\n```python\n(.*?)```", page, flags=re.DOTALL)
    shutil.copytree(swept, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    for line in commands.splitlines():
        with pytest.raises(SystemExit) as ended:
            main(line.split()[1:])
        assert ended.value.code == 0, line
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path,
                          env=environment(PYTHONPATH=str(ROOT)))  # fmt: skip
    assert (done.stdout, done.stderr) == ("### ragopt:\n", "")
    names = {"run", "page.html", "frontier.png", "frontier.svg", "summary.md"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == {
        path.name: path.read_bytes() for path in swept.iterdir()
    }


def test_a_chart_without_numbers_is_an_error_with_the_reason(monkeypatch, tmp_path):
    """A chart that this run has no numbers for is refused with why, before anything is written."""
    monkeypatch.setitem(figures.FIGURES, "empty", f"{__name__}:no_figure")
    with pytest.raises(InputError, match=r"has no numbers for the chart empty: It has one model only\. Draw another"):
        write_report(example_run(), {"html": tmp_path / "a.html", "png": tmp_path / "a.png"}, chart="empty")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    """A disk that takes nothing is a StorageError that names the file."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=re.escape(str(tmp_path / "a.md"))):
        write_report(example_run(), {"md": tmp_path / "a.md"})
    assert list(tmp_path.iterdir()) == []


def test_nothing_measured_writes_nothing(tmp_path):
    """A run without a measured trial is an error, and no file is left half done."""
    run = example_run()
    empty = replace(run, trials=tuple(one for one in run.trials if one.status == "unsuitable"))
    with pytest.raises(ArtifactError, match="has no trial with recall_vs_exact@10"):
        write_report(empty, {"html": tmp_path / "a.html", "md": tmp_path / "a.md"})
    assert list(tmp_path.iterdir()) == []


def test_a_chart_may_be_written_with_hyphens(swept, tmp_path, capsys):
    """--chart bill-lines is bill_lines, as every option has hyphens; the files are the same to the byte."""
    for chart in ("bill-lines", "bill_lines"):
        with pytest.raises(SystemExit) as ended:
            main(["report", str(swept), "--svg", str(tmp_path / f"{chart}.svg"), "--chart", chart])
        assert ended.value.code in (None, 0), capsys.readouterr().err
    assert (tmp_path / "bill-lines.svg").read_bytes() == (tmp_path / "bill_lines.svg").read_bytes()


def test_the_name_of_a_file_cannot_drive_the_terminal(swept, tmp_path, capsys):
    """An escape sequence in a file's name is spelt out where it is told that it was written."""
    with pytest.raises(SystemExit) as ended:
        main(["report", str(swept), "--md", str(tmp_path / "a\x1b[31m.md")])
    assert ended.value.code in (None, 0)
    assert (tmp_path / "a\x1b[31m.md").is_file()
    assert capsys.readouterr().err == f"Wrote {tmp_path}/a\\x1b[31m.md\n"


def test_a_report_of_no_file_is_an_error():
    """Asking for no file is told, not ignored."""
    with pytest.raises(InputError, match="No file to write was named"):
        write_report(example_run(), {})


def test_the_picture_has_the_size_of_the_run_folders(tmp_path):
    """A frontier picture is 1200 by 675 chart units, two pixels each."""
    [path] = ragopt.Run.of(example_run()).write_report(png=str(tmp_path / "a.png"))
    assert struct.unpack(">II", path.read_bytes()[16:24]) == (2400, 1350)
