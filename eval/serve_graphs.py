"""Served rows of hnswlib, usearch and FAISS HNSW: M=16 and ef_construction=200 for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from frontier_peer import Knob
from serve_row import EF_CONSTRUCTION, K, M, Row

if TYPE_CHECKING:
    from pathlib import Path

    from frontier_peer import Setting
    from numpy.typing import NDArray

FILE = "index.bin"

LEAST_EF, MOST_EF = 10, 4096
"""ef below k makes no sense; 4,096 compares a large part of 100,000 vectors."""


class Hnswlib(Row):
    """float32, the only kind that it has."""

    name, label = "hnswlib", f"hnswlib, M={M}"
    modules = ("hnswlib",)
    distributions = ("hnswlib",)
    knobs = (Knob("ef", LEAST_EF, MOST_EF),)

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._index: Any = None

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Add all rows."""
        import hnswlib  # noqa: PLC0415 - loaded when first used

        index = hnswlib.Index(space="ip", dim=corpus.shape[1])
        index.init_index(max_elements=len(corpus), M=M, ef_construction=EF_CONSTRUCTION)
        index.add_items(corpus, np.arange(len(corpus)))
        index.save_index(str(folder / FILE))
        return {}

    def open(self, folder: Path, dim: int) -> None:
        """Load into RAM; it cannot map."""
        import hnswlib  # noqa: PLC0415 - loaded when first used

        self._index = hnswlib.Index(space="ip", dim=dim)
        self._index.load_index(str(folder / FILE))
        self._index.set_num_threads(1)

    def use(self, setting: Setting) -> None:
        """Candidates of a walk."""
        self._index.set_ef(setting["ef"])

    def answer(self, query: NDArray[Any]) -> Any:
        """Labels and distances."""
        return self._index.knn_query(query, K)

    def rows_of(self, answer: Any) -> NDArray[Any]:
        """Its labels, which are unsigned."""
        return np.asarray(answer[0].astype(np.int64))

    def answer_batch(self, queries: NDArray[Any], n_threads: int) -> Any:
        """Its own threads."""
        return self._index.knn_query(queries, K, num_threads=n_threads)


class Usearch(Row):
    """One kind of scalar, loaded or viewed."""

    modules = ("usearch.index",)
    distributions = ("usearch",)
    knobs = (Knob("expansion_search", LEAST_EF, MOST_EF),)

    def __init__(self, dtype: str, *, view: bool = False, note: str = "") -> None:
        """Keep the kind of scalar and whether the file is mapped instead of loaded."""
        self.dtype, self.view, self.note = dtype, view, note
        self.name = f"usearch-{dtype}" + ("-view" if view else "")
        self.label = f"usearch {dtype}, M={M}" + (", viewed" if view else "")
        self._index: Any = None

    def _empty(self, dim: int) -> Any:
        from usearch.index import Index  # noqa: PLC0415 - loaded when first used

        # i8 is made for `cos`, which scales the vectors itself; for unit vectors both order alike.
        metric = "cos" if self.dtype == "i8" else "ip"
        return Index(ndim=dim, metric=metric, dtype=self.dtype, connectivity=M, expansion_add=EF_CONSTRUCTION)

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Add all rows."""
        index = self._empty(corpus.shape[1])
        index.add(np.arange(len(corpus)), corpus)
        index.save(str(folder / FILE))
        return {"memory_usage": index.memory_usage}

    def open(self, folder: Path, dim: int) -> None:
        """Load into RAM, its default, or map."""
        self._index = self._empty(dim)
        (self._index.view if self.view else self._index.load)(str(folder / FILE))

    def use(self, setting: Setting) -> None:
        """Candidates of a walk."""
        self._index.expansion_search = setting["expansion_search"]

    def answer(self, query: NDArray[Any]) -> Any:
        """Keys and distances; a vector of one dimension is its quickest way."""
        return self._index.search(query[0], K, threads=1)

    def rows_of(self, answer: Any) -> NDArray[Any]:
        """Its keys, which are unsigned."""
        return np.asarray(answer.keys).astype(np.int64).reshape(-1, K)

    def answer_batch(self, queries: NDArray[Any], n_threads: int) -> Any:
        """Its own threads."""
        return self._index.search(queries, K, threads=n_threads)


class FaissHnsw(Row):
    """A graph over float32 vectors or over one byte per component."""

    modules = ("faiss",)
    distributions = ("faiss-cpu",)
    knobs = (Knob("efSearch", LEAST_EF, MOST_EF),)

    def __init__(self, name: str, factory: str) -> None:
        """Keep the factory string."""
        self.name, self.factory, self.label = name, factory, f"FAISS `{factory}`"
        self._index: Any = None

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Train on all rows, which only SQ8 needs, and add them."""
        import faiss  # noqa: PLC0415 - loaded when first used

        index = faiss.index_factory(corpus.shape[1], self.factory, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        index.train(corpus)
        index.add(corpus)
        faiss.write_index(index, str(folder / FILE))
        return {}

    def open(self, folder: Path, dim: int) -> None:
        """Read into RAM, its default."""
        import faiss  # noqa: PLC0415 - loaded when first used

        _ = dim
        self._index = faiss.read_index(str(folder / FILE))

    def use(self, setting: Setting) -> None:
        """Candidates of a walk."""
        self._index.hnsw.efSearch = setting["efSearch"]

    def answer(self, query: NDArray[Any]) -> Any:
        """Scores and rows."""
        return self._index.search(query, K)

    def rows_of(self, answer: Any) -> NDArray[Any]:
        """Its rows."""
        return np.asarray(answer[1])

    def answer_batch(self, queries: NDArray[Any], n_threads: int) -> Any:
        """OpenMP threads, given back afterwards."""
        from ragopt.measure.latency import use_threads  # noqa: PLC0415 - loaded when first used

        with use_threads(n_threads):
            return self._index.search(queries, K)


def rows() -> list[Row]:
    """Every graph row."""
    return [
        Hnswlib(),
        Usearch("f32"),
        Usearch("bf16", note="its default kind of scalar"),
        Usearch("bf16", view=True, note="its file is mapped, not loaded"),
        Usearch("i8"),
        FaissHnsw("faiss-hnsw", f"HNSW{M}"),
        FaissHnsw("faiss-hnsw-sq8", f"HNSW{M},SQ8"),
    ]
