"""Running the `ragopt` command for real, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

TINY = Path(__file__).parent.parent / "datasets" / "tiny"

SMALL_GRID = """
about = "A few quick trials."

[[grid]]
spaces = ["full", "64:pca", "64:trunc"]
factories = ["SQ8", "SQ4", "PQ16x4fs", "RaBitQ"]

[[grid]]
factories = ["PQ64x4fs,Refine(SQ8)", "PCAR32,SQ4,Refine(SQ8)"]
search = ["k_factor_rf=1", "k_factor_rf=2"]
"""


def environment(**more: str) -> dict[str, str]:
    """The environment with one FAISS thread, so that runs beside other work do not crawl."""
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def ragopt(*arguments: object, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `ragopt` to its end and give back its exit code and streams."""
    command = [sys.executable, "-m", "ragopt", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env=environment(**more), timeout=240
    )


def small_sweep(folder: Path, *more: object) -> list[str]:
    """Arguments of a sweep of datasets/tiny with few trials; results and artifacts lie in `folder`."""
    grid = folder / "grid.toml"
    grid.write_text(SMALL_GRID)
    return ["sweep", str(TINY), "--grid", str(grid), "--min-recall", "0.7", "--cost-model", "scan",
            "--out", str(folder / "run"), "--cache-dir", str(folder / "cache"), *map(str, more)]  # fmt: skip
