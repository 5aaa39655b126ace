"""What is shipped: the wheel alone, in an empty environment, from another folder."""

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.cli import environment

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # Not "*cache*": that is a room of ragopt too.
    ignored = shutil.ignore_patterns(".venv", ".git", ".*_cache", "__pycache__", ".hypothesis", "ragopt-run*", "dist")
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_package_and_nothing_else(wheel):
    """The wheel ships `ragopt/` with its prices, its page template and py.typed, and no data room."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ragopt"}
    wanted = {"ragopt/py.typed", "ragopt/bill/prices/vms.toml", "ragopt/report/templates/report.html.j2",
              "ragopt/cache/advise.py", "ragopt/serve/chunk_cache.py"}  # fmt: skip
    assert wanted <= set(names)


def test_sdist_leaves_built_things_out(wheel):
    """The source distribution has the tests and the tiny data set, and no run, cache or built index."""
    import tarfile  # noqa: PLC0415 - needed here only

    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        names = ["/".join(name.split("/")[1:]) for name in archive.getnames()]
    assert "datasets/tiny/corpus.jsonl" in names
    assert "tests/test_install.py" in names
    assert not [name for name in names if name.startswith((".venv", "ragopt-run", "datasets/cache", "indexes/built"))]


@pytest.mark.slow
def test_base_install_sweeps_without_torch(wheel, tmp_path):
    """The wheel with the extra `cpu` alone sweeps datasets/tiny from another folder; torch is not there."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", f"{wheel}[cpu]"]
    subprocess.run(install, check=True, timeout=280)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [tmp_path / "env" / "bin" / "ragopt", "sweep", ROOT / "datasets" / "tiny", "--json",
               "--cache-dir", tmp_path / "cache"]  # fmt: skip
    clean = {name: value for name, value in environment().items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=elsewhere, env=clean, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"
    absent = subprocess.run([python, "-c", "import torch"], check=False, capture_output=True, cwd=elsewhere)
    assert absent.returncode == 1
