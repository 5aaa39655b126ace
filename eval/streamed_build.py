"""Build an index of a .npy file in memory and streamed, each in a process of its own: peak memory, seconds, same bytes.

Usage: python eval/streamed_build.py vectors.npy --work DIR [--factories IVF1024,PQ48np ...]. Then the streamed build
once more, killed with SIGKILL when half of its shards are there, and resumed. DIR keeps the vectors; the indexes are
removed. Prints a table and writes eval/results/<date>-streamed-build.json.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ragopt.artifacts import ArtifactStore
from ragopt.embed.ready import open_ready_vectors
from ragopt.embed.store import Vectors
from ragopt.index.factory import parse_factory
from ragopt.index.saved import MANIFEST_FILE
from ragopt.measure.memory import PeakMemory, anonymous_bytes
from ragopt.measure.neighbours import Neighbours
from ragopt.records import Space, Trial
from ragopt.sweep import streamed_build
from ragopt.sweep.built_finalist import build_finalist
from ragopt.sweep.built_parts import Part
from ragopt.sweep.model_stage import ModelData
from ragopt.sweep.run_info import machine, versions
from ragopt.sweep.settings import SearchPlan

WAYS = ("memory", "streamed")
NEVER_STREAMED = 1 << 60
POLL_SECONDS = 0.05


def high_water_bytes() -> int:
    """Peak resident size of this process, mapped files included (VmHWM of /proc/self/status)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("this system has no VmHWM")


def data_of(vectors: Vectors) -> ModelData:
    """Vectors without queries: a build asks for none."""
    none, exact = np.empty((0, vectors.dim), np.float32), Neighbours(np.empty((0, 1), np.int64), np.empty((0, 1)))
    return ModelData("npy", "cpu", vectors, none, none, exact, exact, np.empty((0, 1), np.int32), none)


def opened(npy: str, work: Path) -> Vectors:
    """The stored vectors of the file."""
    return open_ready_vectors(ArtifactStore(work / "vectors"), npy, column=None, metric="cosine")


class Peaks(PeakMemory):
    """Peaks of training, on a sample whose size does not grow with the corpus, and of all the rest."""

    def __init__(self) -> None:
        """Take over the training of every part."""
        super().__init__()
        self.training_bytes = self.rest_bytes = 0
        honest = Part.trained

        def watched(part: Part) -> tuple[object, float]:
            self.rest_bytes = max(self.rest_bytes, self.restarted())
            found = honest(part)
            self.training_bytes = max(self.training_bytes, self.restarted())
            return found

        Part.trained = watched

    def restarted(self) -> int:
        """The peak so far; another one begins."""
        found, self.anonymous_bytes = self.anonymous_bytes, anonymous_bytes()
        return found

    def ended(self) -> dict[str, int]:
        """Both, in bytes."""
        rest = max(self.rest_bytes, self.anonymous_bytes)
        return {"peak_anonymous_training_bytes": self.training_bytes, "peak_anonymous_rest_bytes": rest}


def build(npy: str, work: Path, way: str, factory: str) -> dict[str, object]:
    """Build in this process and measure it."""
    streamed_build.IN_MEMORY_BYTES = 0 if way == "streamed" else NEVER_STREAMED
    data = data_of(opened(npy, work))
    trial, before = Trial(Space("npy", data.vectors.dim, "none"), factory), anonymous_bytes()
    began = time.perf_counter()
    with Peaks() as peaks:
        folder = build_finalist(ArtifactStore(work / way), data, trial, SearchPlan("cosine", 10, 10, 0))
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "train_seconds": round(manifest["seconds"]["train"], 1),
        "build_seconds": round(manifest["seconds"]["build"], 1),
        "anonymous_before_bytes": before,
        **peaks.ended(),
        "peak_resident_bytes": high_water_bytes(),
        "file_bytes": manifest["index_bytes"]["file_bytes"],
        "sha256": manifest["files"]["index.faiss"]["sha256"],
    }


def child(arguments: argparse.Namespace, way: str, factory: str) -> subprocess.Popen[str]:
    """A process that builds one index and prints its figures."""
    command = [sys.executable, __file__, arguments.vectors, "--work", str(arguments.work), "--one", way, factory]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def figures_of(process: subprocess.Popen[str]) -> dict[str, object]:
    """What it printed last."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a build ended with status {process.returncode}")
    figures: dict[str, object] = json.loads(output.splitlines()[-1])
    return figures


def killed_and_resumed(arguments: argparse.Namespace, factory: str, n_shards: int) -> dict[str, object]:
    """Kill the streamed build when half of its shards are there, then build again."""
    process, half = child(arguments, "streamed", factory), n_shards // 2
    while process.poll() is None and n_whole(arguments.work) < half:
        time.sleep(POLL_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    whole = n_whole(arguments.work)
    return {"shards": n_shards, "shards_kept": whole, **figures_of(child(arguments, "streamed", factory))}


def n_whole(work: Path) -> int:
    """Whole shards that a build has left or is making."""
    pieces = [path for path in work.glob("streamed/*/*/*.part/pieces/*-*") if path.suffix != ".tmp"]
    return len(pieces)


def measured(arguments: argparse.Namespace, factory: str, vectors: Vectors) -> list[dict[str, object]]:
    """One factory both ways, and killed."""
    rows: list[dict[str, object]] = []
    for way in WAYS:
        shutil.rmtree(arguments.work / way, ignore_errors=True)
        rows.append({"factory": factory, "way": way, **figures_of(child(arguments, way, factory))})
        print(rows[-1], flush=True)
        shutil.rmtree(arguments.work / way)
    if "Refine" not in factory:
        each = streamed_build.shard_rows(parse_factory(factory, vectors.dim))
        figures = killed_and_resumed(arguments, factory, -(-vectors.n // each))
        rows.append({"factory": factory, "way": "streamed, killed at half, resumed", **figures})
        print(rows[-1], flush=True)
        shutil.rmtree(arguments.work / "streamed")
    if len({row["sha256"] for row in rows}) > 1:
        raise SystemExit(f"{factory}: the files differ")
    return rows


def main() -> None:
    """Measure every factory and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--factories", nargs="+", default=["IVF1024,PQ48np"])
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FACTORY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(build(arguments.vectors, arguments.work, *arguments.one)))
        return
    vectors = opened(arguments.vectors, arguments.work)
    rows = [row for factory in arguments.factories for row in measured(arguments, factory, vectors)]
    today = dt.datetime.now(tz=dt.UTC).date()
    about = f"{vectors.n} x {vectors.dim} float32; every build in a process of its own, the vectors stored before"
    result = {"about": about, "seed": 0, "versions": versions(), "machine": machine(), "rows": rows}
    path = Path(__file__).parent / "results" / f"{today}-streamed-build.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
