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

SERVED = "served"
"""The built folder, inside the row's."""

KEPT = ("trial", "embedding", "index", "quality", "latency_ms", "why")
"""What the result keeps of recommendation.json; its bill is of other questions."""


class Ragopt(Row):
    """`ragopt sweep` over the same vectors with the choosing queries alone, `ragopt build`, `ragopt.open`.

    `Index.nearest` answers row numbers and scores, as the other rows do; it does not read texts.
    """

    name, label = "ragopt", "ragopt"
    modules = ("faiss", "ragopt.serve.opened", "lancedb", "pyarrow")
    distributions = ("ragopt", "faiss-cpu")

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._index: Any = None

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Sweep with an empty cache, then build what it recommends; details give the whole sweep's seconds.

        Raises:
            RuntimeError: the sweep failed, nothing meets the limits, or the build failed.
        """
        _ = corpus
        import ragopt  # noqa: PLC0415 - loaded when first used

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
        began = time.perf_counter()
        ragopt.build(folder / "run", out=folder / SERVED, cache_dir=folder / "cache")
        # The row's build seconds are of the one folder, as the peers' are; the search for it is a detail beside them.
        return {
            "command": "ragopt sweep --vectors corpus.npy --query-vectors select.npy " + " ".join(SWEEP_OPTIONS),
            "sweep_seconds": round(seconds, 1),
            "build_seconds": round(time.perf_counter() - began, 2),
            "recommendation": {key: recommendation[key] for key in KEPT},
        }

    def open(self, folder: Path, dim: int) -> None:
        """Open the folder as its users do: the SHA-256 of every file is compared."""
        import ragopt  # noqa: PLC0415 - loaded when first used

        _ = dim
        self._index = ragopt.open(folder / SERVED)

    def use(self, setting: Setting) -> None:
        """Nothing: the recommendation has fixed everything."""

    def answer(self, query: NDArray[Any]) -> Any:
        """Scores and rows."""
        return self._index.nearest(query, K)

    def rows_of(self, answer: Any) -> NDArray[Any]:
        """Its rows."""
        return np.asarray(answer[1])

    def answer_batch(self, queries: NDArray[Any], n_threads: int) -> Any:
        """OpenMP threads, given back afterwards."""
        from ragopt.measure.latency import use_threads  # noqa: PLC0415 - loaded when first used

        with use_threads(n_threads):
            return self._index.nearest(queries, K)

    def rescoring_range(self) -> tuple[int, int] | None:
        """Where the codes of the rescoring tier are mapped."""
        from frontier_faiss import refine_range  # noqa: PLC0415 - loaded when first used

        return refine_range(self._index._snapshot.parts[0].index)  # noqa: SLF001 - nobody else asks for an address

    def file_bytes(self, folder: Path) -> int:
        """Bytes of the served folder, texts and canaries included; the sweep's cache is not served."""
        return folder_bytes(folder / SERVED)

    def label_of(self, folder: Path) -> str:
        """The trial that it recommends."""
        index = json.loads((folder / "recommendation.json").read_text())["index"]
        return f"ragopt: `{index['factory']}` {index['search']}".strip()
