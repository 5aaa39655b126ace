"""The README's promises: its commands run, its Python runs, its options exist."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cli import environment, ragopt

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Fenced blocks of a language that are marked as tested."""
    return re.findall(rf"<!-- tested -->\n```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_commands_run(tmp_path):
    """Every command in a block marked as tested ends with exit code 0, in the order given; `cache` prints as shown."""
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) >= 2
    printed = {}
    for line in commands:
        program, *arguments = shlex.split(line, comments=True)
        assert program == "ragopt"
        more = ["--cache-dir", tmp_path / "cache"] if arguments[0] == "sweep" else []
        done = ragopt(*arguments, *more, cwd=tmp_path, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, (line, done.stderr)
        printed.setdefault(arguments[0], done.stdout)
    shown = re.search(r"<!-- cache -->\n```text\n(.*?)```", README, flags=re.DOTALL)[1]
    for part in re.split(r"\n\.\.\.\n|\n\n|\n(?=- )", shown.strip()):
        assert part in printed["cache"]


def test_python_runs(tmp_path):
    """The Python examples run as they stand, over what the commands left, and print trials that parse."""
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    serving, sweeping = blocks("python")
    built = 'ragopt.build("ragopt-run", out="index")'
    done = subprocess.run(
        [sys.executable, "-c", f"{sweeping}\n{built}\n{serving}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(ROOT), XDG_CACHE_HOME=str(tmp_path / "cache")),
    )
    assert done.returncode == 0, done.stderr
    assert "wordllama@" in done.stdout


def test_measured_tables_come_from_the_results():
    """The README's figures are those of eval/results/: making the tables again changes nothing."""
    spec = importlib.util.spec_from_file_location("readme_table", ROOT / "eval" / "readme_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.readme_with_tables(README) == README


def test_options_exist():
    """Every option that the README names is one of the commands' own."""
    commands = (["sweep"], ["recommend"], ["export"], ["build"], ["bench-serve"], ["check"], ["bill"],
                ["prices", "refresh"], ["workload", "init"], ["decide", "chunks"], ["decide", "target"],
                ["report"], ["compare"], ["cache"])  # fmt: skip
    known = "".join(ragopt(*command, "--help").stdout for command in commands)
    named = set(re.findall(r"--[a-z][a-z0-9-]+", README))
    assert named <= set(re.findall(r"--[a-z][a-z0-9-]+", known))


def test_links_lead_somewhere():
    """Every relative link in README and docs points to a file that exists."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)
