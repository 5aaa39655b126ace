"""ragopt's own row: a whole sweep on the selecting queries, then the index that it built and recommends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from frontier_data import TARGET
from frontier_peer import Peer, Setting, Sizes

NOTHING_FITS = 3
"""Exit code of a sweep without a trial that meets the limits (design.md section 4); its JSON says why."""


KEPT = ("embedding", "index", "quality", "latency_ms", "why")
"""What the result keeps of recommendation.json; its bill is of other questions."""


class Ragopt(Peer):
    """`ragopt sweep --min-recall 0.99 --objective ram`, given the selecting queries alone.

    So its selection and its confirmation see what the peers' knobs see, and no reported query.
    """

    name, label = "ragopt", "ragopt sweep --objective ram"
    modules = ("faiss", "ragopt.index.saved", "ragopt.index.build", "ragopt.embed.spaces", "ragopt.records")
    distributions = ("ragopt", "faiss-cpu")

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._saved: Any = None
        self._recommendation: dict[str, Any] = {}

    def build(self, corpus: Any, folder: Path) -> dict[str, Any]:
        """Sweep with an empty cache; the index stays in that cache, and details give the whole sweep's seconds."""
        _ = corpus
        data = folder.parent.parent.parent / "data"
        command = [sys.executable, "-m", "ragopt", "sweep", "--json", "--out", str(folder / "run"),
                   "--cache-dir", str(folder / "cache"), "--objective", "ram", "--min-recall", str(TARGET),
                   "--vectors", str(data / "corpus.npy"), "--vector-ids", str(data / "corpus-ids.txt"),
                   "--query-vectors", str(data / "select.npy"), "--query-ids", str(data / "select-ids.txt"),
                   "--qrels", str(data / "qrels.tsv")]  # fmt: skip
        began = time.perf_counter()
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, env=dict(os.environ))
        seconds = time.perf_counter() - began
        if done.returncode not in (0, NOTHING_FITS):
            raise RuntimeError(f"ragopt sweep ended with exit code {done.returncode}")
        recommendation = json.loads(done.stdout)
        if recommendation["status"] != "ok":
            raise RuntimeError(f"ragopt recommends nothing: {recommendation['why']}")
        (folder / "recommendation.json").write_text(json.dumps(recommendation))
        built = _built(folder, recommendation)
        manifest = json.loads((built / "manifest.json").read_text())
        # The row's build seconds are of the one index, as the peers' are; the search for it is a detail beside them.
        return {"sweep_seconds": round(seconds, 1), "build_seconds": sum(manifest["seconds"].values()),
                "recommendation": {key: recommendation[key] for key in KEPT}}  # fmt: skip

    def open(self, folder: Path) -> None:
        """Open as a service does: memory-mapped."""
        from ragopt.index.build import set_search  # noqa: PLC0415 - loaded when first used
        from ragopt.index.saved import open_index  # noqa: PLC0415 - loaded when first used

        self._recommendation = json.loads((folder / "recommendation.json").read_text())
        self._saved = open_index(_built(folder, self._recommendation))
        index, embedding = self._recommendation["index"], self._recommendation["embedding"]
        set_search(self._saved.index, index["search"])
        self.label = f"ragopt: {embedding['dim']} d {embedding['reduction']}, `{index['factory']}` `{index['search']}`"

    def search(self, queries: Any, k: int, setting: Setting) -> Any:
        """Bring queries into the space and search; the recommendation has fixed the knobs."""
        from ragopt.embed.spaces import project  # noqa: PLC0415 - loaded when first used

        _ = setting
        saved = self._saved
        rows = project(np.asarray(queries), saved.trial.space, rotation=saved.rotation, metric=saved.metric)
        return saved.index.search(rows, k)[1]

    def sizes(self, folder: Path, n: int, dim: int) -> Sizes:
        """As the recommendation says."""
        _ = (n, dim)
        index = self._recommendation["index"]
        size = (_built(folder, self._recommendation) / "index.faiss").stat().st_size
        return Sizes(index["ram_bytes_per_vector"], index["ram_fixed_bytes"], index["disk_bytes_per_vector"], size)

    def rescoring_range(self) -> tuple[int, int] | None:
        """Where the codes of the rescoring tier are mapped."""
        from frontier_faiss import refine_range  # noqa: PLC0415 - loaded when first used

        return refine_range(self._saved.index)


def _built(folder: Path, recommendation: dict[str, Any]) -> Path:
    """Folder of the recommended index inside the cache: the newest whose manifest names its space and factory."""
    from ragopt.records import Trial  # noqa: PLC0415 - loaded when first used

    wanted = (recommendation["embedding"]["dim"], recommendation["embedding"]["reduction"],
              recommendation["index"]["factory"])  # fmt: skip
    for path in sorted((folder / "cache").rglob("manifest.json"), key=lambda path: -path.stat().st_mtime):
        manifest = json.loads(path.read_text())
        if "trial" in manifest and "files" in manifest:
            trial = Trial.parse(manifest["trial"])
            if (trial.space.dim, trial.space.reduction, trial.factory) == wanted:
                return path.parent
    raise FileNotFoundError(f"no index {wanted} in the cache of the sweep")
