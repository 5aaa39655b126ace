"""ragopt's served row: what `ragopt sweep` recommends for these limits, opened as its users open it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from frontier_peer import folder_bytes
from serve_data import TARGET
from serve_row import K, Row

if TYPE_CHECKING:
    from frontier_peer import Setting
    from numpy.typing import NDArray

MAX_P99_MS = 0.2
"""Limit on one search that the sweep is given: what a typical query needs at the fastest graph here, and its p99 again
as much (hnswlib 0.12 ms at the target, two busy cores, 2026-11-26). Without one, the fewest bytes are bought with time:
14 bytes at 0.21 ms instead of 16 at 0.13 ms."""

SWEEP_OPTIONS = ("--objective", "ram", "--min-recall", str(TARGET), "--max-p99-ms", str(MAX_P99_MS))

KEPT = ("trial", "embedding", "index", "quality", "latency_ms", "why")
"""What the result keeps of recommendation.json; its bill is of other questions."""


class Served:
    """An opened index with `nearest`; `open_served` makes one."""

    def __init__(self, saved: Any) -> None:
        """Take an opened index whose search parameters are set."""
        self.saved = saved

    def nearest(self, vectors: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Scores and rows of float32 (m, full_dim) queries."""
        from ragopt.embed.spaces import project  # noqa: PLC0415 - loaded when first used

        saved = self.saved
        inside = project(vectors, saved.trial.space, rotation=saved.rotation, metric=saved.metric)
        scores, rows = saved.index.search(inside, k)
        return scores, rows


def open_served(index_folder: Path, search: str) -> Served:
    """Open a built index for serving: the one place to change when ragopt itself offers this."""
    from ragopt.index.build import set_search  # noqa: PLC0415 - loaded when first used
    from ragopt.index.saved import open_index  # noqa: PLC0415 - loaded when first used

    saved = open_index(index_folder)
    set_search(saved.index, search)
    return Served(saved)


class Ragopt(Row):
    """`ragopt sweep` over the same vectors with the choosing queries alone, and its recommendation."""

    name, label = "ragopt", "ragopt"
    modules = ("faiss", "ragopt.index.saved", "ragopt.index.build", "ragopt.embed.spaces")
    distributions = ("ragopt", "faiss-cpu")

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._served: Any = None

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Sweep with an empty cache; the index stays in that cache, and details give the whole sweep's seconds.

        Raises:
            RuntimeError: the sweep failed, or nothing meets the limits.
        """
        _ = corpus
        data = folder.parent.parent.parent / "data"
        command = [sys.executable, "-m", "ragopt", "sweep", "--json", *SWEEP_OPTIONS, "--out", str(folder / "run"),
                   "--cache-dir", str(folder / "cache"), "--vectors", str(data / "corpus.npy"),
                   "--query-vectors", str(data / "select.npy")]  # fmt: skip
        began = time.perf_counter()
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, env=dict(os.environ))
        seconds = time.perf_counter() - began
        if done.returncode:
            why = json.loads(done.stdout)["why"] if done.stdout else "see its messages"
            raise RuntimeError(f"ragopt sweep ended with exit code {done.returncode}: {why}")
        recommendation = json.loads(done.stdout)
        (folder / "recommendation.json").write_text(done.stdout.decode())
        manifest = json.loads((built_folder(folder, recommendation) / "manifest.json").read_text())
        # The row's build seconds are of the one index, as the peers' are; the search for it is a detail beside them.
        return {
            "command": "ragopt sweep --vectors corpus.npy --query-vectors select.npy " + " ".join(SWEEP_OPTIONS),
            "sweep_seconds": round(seconds, 1),
            "build_seconds": sum(manifest["seconds"].values()),
            "recommendation": {key: recommendation[key] for key in KEPT},
        }

    def open(self, folder: Path, dim: int) -> None:
        """Open the recommended index, memory-mapped."""
        _ = dim
        recommendation = json.loads((folder / "recommendation.json").read_text())
        self._served = open_served(built_folder(folder, recommendation), recommendation["index"]["search"])

    def use(self, setting: Setting) -> None:
        """Nothing: the recommendation has fixed everything."""

    def answer(self, query: NDArray[Any]) -> Any:
        """Scores and rows."""
        return self._served.nearest(query, K)

    def rows_of(self, answer: Any) -> NDArray[Any]:
        """Its rows."""
        return np.asarray(answer[1])

    def answer_batch(self, queries: NDArray[Any], n_threads: int) -> Any:
        """OpenMP threads, given back afterwards."""
        from ragopt.measure.latency import use_threads  # noqa: PLC0415 - loaded when first used

        with use_threads(n_threads):
            return self._served.nearest(queries, K)

    def rescoring_range(self) -> tuple[int, int] | None:
        """Where the codes of the rescoring tier are mapped."""
        from frontier_faiss import refine_range  # noqa: PLC0415 - loaded when first used

        return refine_range(self._served.saved.index)

    def file_bytes(self, folder: Path) -> int:
        """Bytes of the recommended index alone; the sweep's cache holds more."""
        return folder_bytes(built_folder(folder, json.loads((folder / "recommendation.json").read_text())))

    def label_of(self, folder: Path) -> str:
        """The trial that it recommends."""
        index = json.loads((folder / "recommendation.json").read_text())["index"]
        return f"ragopt: `{index['factory']}` {index['search']}".strip()


def built_folder(folder: Path, recommendation: dict[str, Any]) -> Path:
    """Folder of the recommended index inside the sweep's cache.

    Raises:
        FileNotFoundError: the cache has no such index.
    """
    trial = " | ".join(recommendation["trial"].split(" | ")[:2])
    for path in sorted((folder / "cache").rglob("manifest.json")):
        manifest = json.loads(path.read_text())
        if manifest.get("trial") == trial and "index.faiss" in manifest.get("files", {}):
            return path.parent
    raise FileNotFoundError(f"no index {trial} in the cache of the sweep")
