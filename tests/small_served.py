"""A small served folder for tests: ready vectors of a model that hashes its texts, swept once and built in a second."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragopt.choose import Limits
from ragopt.corpus.records import Document
from ragopt.records import Trial
from ragopt.serve.build import build_index
from ragopt.serve.opened import Index, open_index
from ragopt.sweep.engine import run_sweep
from ragopt.sweep.progress import Silent
from ragopt.sweep.run_folder import read_run
from ragopt.sweep.settings import ReadyVectors, SweepSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

DIM = 32
N_BASE = 300
N_QUERIES = 40
TRIAL = f"vectors@{DIM}:none | PQ8x4fs,Refine(SQ8) | k_factor_rf=8"
PCA_TRIAL = "vectors@16:pca | SQ8"
HNSW_TRIAL = f"vectors@{DIM}:none | HNSW16,SQ8 | efSearch=64"
IVF_TRIAL = f"vectors@{DIM}:none | IVF4,SQ8 | nprobe=4"
GRID = """
about = "Four quick trials."

[[grid]]
spaces = ["16:pca"]
factories = ["SQ8"]

[[grid]]
factories = ["PQ8x4fs,Refine(SQ8)"]
search = ["k_factor_rf=8"]

[[grid]]
factories = ["HNSW16,SQ8"]
search = ["efSearch=64"]

[[grid]]
factories = ["IVF4,SQ8"]
search = ["nprobe=4"]
"""


class HashEmbedder:
    """A model whose vectors are seeded by a hash of the text: equal texts are nearest, all others far."""

    name, dim, device, tokenizer = "vectors", DIM, "cpu", None

    @property
    def identity(self) -> dict[str, str | int]:
        """Nothing that changes."""
        return {"model": "hash"}

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n, 32)."""
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
        return np.array([np.random.default_rng(seed).standard_normal(DIM) for seed in seeds], np.float32)

    embed_queries = embed_documents


def base_text(number: int) -> str:
    """The text behind a ready vector; the folder itself holds only its id."""
    return f"base {number}"


def small_run(folder: Path) -> Path:
    """Sweep ready vectors: ids `b0` to `b299`; the run lies in `folder/run`, its artifacts in `folder/cache`."""
    embedder = HashEmbedder()
    np.save(folder / "vectors.npy", embedder.embed_documents([base_text(number) for number in range(N_BASE)]))
    np.save(folder / "queries.npy", embedder.embed_queries([f"query {number}" for number in range(N_QUERIES)]))
    (folder / "ids.txt").write_text("".join(f"b{number}\n" for number in range(N_BASE)))
    (folder / "grid.toml").write_text(GRID)
    ready = ReadyVectors(str(folder / "vectors.npy"), str(folder / "queries.npy"), str(folder / "ids.txt"))
    run_sweep(SweepSettings(ready=ready, grid=str(folder / "grid.toml"), limits=Limits(min_recall=0.1),
                            cost_model="scan", k=5, n_queries=20, out=folder / "run",
                            cache_dir=folder / "cache"), Silent())  # fmt: skip
    return folder


def build(folder: Path, out: Path, trial: str = TRIAL, *, with_vectors: bool = False) -> Path:
    """Build a trial of the run in `folder`."""
    build_index(read_run(folder / "run"), out=out, cache_dir=folder / "cache", progress=Silent(),
                trial=Trial.parse(trial), with_vectors=with_vectors)  # fmt: skip
    return out


def opened(folder: Path, verify: str = "full") -> Index:
    """Open a folder with the hashing model."""
    return open_index(folder, verify=verify, embedder=HashEmbedder())  # type: ignore[arg-type]


def documents(names: Iterable[str], **metadata: str | int) -> list[Document]:
    """Documents whose text is of their id."""
    return [Document(name, f"title {name}", f"text of {name}", dict(metadata)) for name in names]


def question(name: str) -> str:
    """The text that an added document, or one of the base, is nearest to."""
    return base_text(int(name[1:])) if name.startswith("b") else f"title {name} text of {name}"


def all_documents(index: Index) -> dict[str, str]:
    """Ids and texts of every line of the version that an index serves."""
    found = index.as_lancedb().search().select(["document", "text"]).limit(None).to_arrow()
    return dict(zip(found["document"].to_pylist(), found["text"].to_pylist(), strict=True))


def given_documents(texts: dict[str, str]) -> list[Document]:
    """Documents of ids and texts."""
    return [Document(name, "", text, {"length": len(text)}) for name, text in texts.items()]
