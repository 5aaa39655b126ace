"""--max-memory: refused beforehand where it cannot be kept, kept where it can, and never other results."""

import json

import numpy as np
import pytest

from ragopt import sweep as sweep_in_python
from ragopt.errors import InputError
from ragopt.sweep.settings import check_max_memory
from tests.cli import ragopt

GRID = '[[grid]]\nfactories = ["SQ8", "PQ8np", "IVF32,PQ8np", "HNSW16,SQ8"]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ready vectors, 4,000 of 32 dimensions around 50 centres, and 150 queries."""
    place = tmp_path_factory.mktemp("memory")
    rng = np.random.default_rng(1)
    drawn = (rng.normal(size=(50, 32))[rng.integers(0, 50, 4150)] + 0.3 * rng.normal(size=(4150, 32)))  # fmt: skip
    np.save(place / "v.npy", drawn[:4000].astype(np.float32))
    np.save(place / "q.npy", drawn[4000:].astype(np.float32))
    (place / "grid.toml").write_text(GRID)
    return place


def sweep(folder, out, *more):
    return ragopt(
        "sweep", "--vectors", folder / "v.npy", "--query-vectors", folder / "q.npy", "--grid", folder / "grid.toml",
        "--n-queries", 100, "--confirm-queries", 50, "--min-recall", 0.3, "--cost-model", "scan", "--objective", "ram",
        "--out", out / "run", "--cache-dir", out / "cache", *more,
    )  # fmt: skip


def figures(out):
    """Quality and bytes of every trial."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

    rows = pq.read_table(out / "run" / "trials.parquet").to_pylist()
    kept = ("trial", "status", "ram_bytes_per_vector", "disk_bytes_per_vector")
    return [{name: value for name, value in row.items() if name in kept or "recall" in name} for row in rows]


def test_a_limit_changes_no_result(folder, tmp_path):
    """Trial for trial the same quality, bytes and status; the peak by the kernel's count is below limit and plan."""
    free, limited = tmp_path / "free", tmp_path / "limited"
    assert sweep(folder, free).returncode == 0
    done = sweep(folder, limited, "--max-memory", "800MB")
    assert done.returncode == 0, done.stderr
    assert figures(limited) == figures(free)
    info = json.loads((limited / "run" / "run.json").read_text())
    assert info["arguments"]["max_memory_bytes"] == 800_000_000
    plan = json.loads(sweep(folder, limited, "--max-memory", "800MB", "--dry-run", "--json").stdout)
    assert info["peak_anonymous_bytes"] < info["peak_resident_bytes"] <= plan["memory_bytes"] <= 800_000_000
    assert plan["max_memory_kept"] is True
    assert not any("--max-memory" in warning for warning in info["warnings"])


def test_a_limit_that_cannot_be_kept_stops_before_any_work(folder, tmp_path):
    """Exit code 1, the stage and what would fit; neither run folder nor cache is made. A dry run shows every stage."""
    done = sweep(folder, tmp_path, "--max-memory", "200MB")
    assert done.returncode == 1
    assert "--max-memory 200.0 MB cannot be kept: " in done.stderr
    assert "MB or more" in done.stderr
    assert list(tmp_path.iterdir()) == []
    dry = sweep(folder, tmp_path, "--max-memory", "200MB", "--dry-run")
    assert dry.returncode == 1
    lines = dry.stdout.splitlines()
    assert sum(line.endswith(" of memory") for line in lines) == 5
    (verdict,) = [line for line in lines if line.startswith("--max-memory")]
    fits = verdict.removeprefix("--max-memory 200.0 MB cannot be kept: ").removesuffix(" would fit")
    assert sweep(folder, tmp_path, "--max-memory", fits, "--dry-run").returncode == 0


@pytest.mark.parametrize("value", ["2GB", 0, -1, 1.5e9, True])
def test_python_takes_whole_bytes(value, tmp_path):
    """Anything else is an error that says how to write it, for a sweep and for a build alike."""
    with pytest.raises(InputError, match=r"a whole number of bytes, 1 or more, or None\. Write 2_000_000_000"):
        sweep_in_python("python-docs", max_memory_bytes=value, out=tmp_path / "run")
    with pytest.raises(InputError, match="a whole number of bytes"):
        check_max_memory(value)


@pytest.mark.parametrize("text", ["0", "2 gigs", "-1GB", "GB"])
def test_a_size_that_is_none_is_a_usage_error(folder, tmp_path, text):
    """Sizes have a number above 0 and a unit."""
    done = sweep(folder, tmp_path, "--max-memory", text)
    assert done.returncode == 2
    assert "is no size above 0: a number with a unit, B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, such as" in done.stderr


def test_a_build_that_does_not_fit_is_refused(folder, tmp_path):
    """A run's trial that takes more than the limit is named with its size before anything is read."""
    assert sweep(folder, tmp_path).returncode == 0
    done = ragopt("build", tmp_path / "run", "--out", tmp_path / "index", "--cache-dir", tmp_path / "cache",
                  "--max-memory", "250MB")  # fmt: skip
    assert done.returncode == 1
    assert "The folder of 4,000 vectors takes 281.0 MB of memory to write, --max-memory allows 250.0 MB" in done.stderr
    assert "Give --max-memory 281MB or more" in done.stderr
    assert not (tmp_path / "index").exists()
    assert ragopt("build", tmp_path / "run", "--out", tmp_path / "index", "--cache-dir", tmp_path / "cache",
                  "--max-memory", "800MB").returncode == 0  # fmt: skip
