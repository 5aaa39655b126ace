"""Graph rows: hnswlib and usearch at their defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from frontier_peer import Knob, Peer, Setting, Sizes, folder_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILE = "index.bin"
MOST_EF = 4096
"""A fifth of the corpus: beyond, brute force is cheaper."""


def all_in_ram(folder: Path, n: int) -> Sizes:
    """Vectors, links and keys are loaded as they are written: all of the file is RAM and grows."""
    size = folder_bytes(folder)
    return Sizes(round(size / n, 1), 0, 0, size)


class Hnswlib(Peer):
    """M=16 and ef_construction=200, the defaults of its init_index; ef starts at 10."""

    name, label = "hnswlib", "hnswlib M=16, ef_construction=200"
    modules = ("hnswlib",)
    distributions = ("hnswlib",)
    knobs = (Knob("ef", 10, MOST_EF),)

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._index: Any = None

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Add all rows with all threads."""
        import hnswlib  # noqa: PLC0415 - loaded when first used

        index = hnswlib.Index(space="cosine", dim=corpus.shape[1])
        index.init_index(max_elements=len(corpus))
        index.add_items(corpus, np.arange(len(corpus)))
        index.save_index(str(folder / FILE))
        return {"M": index.M, "ef_construction": index.ef_construction}

    def open(self, folder: Path) -> None:
        """Load into RAM; it cannot map."""
        import hnswlib  # noqa: PLC0415 - loaded when first used

        self._index = hnswlib.Index(space="cosine", dim=384)
        self._index.load_index(str(folder / FILE))
        self._index.set_num_threads(1)

    def search(self, queries: NDArray[Any], k: int, setting: Setting) -> NDArray[Any]:
        """Search with ef candidates."""
        self._index.set_ef(setting["ef"])
        return self._index.knn_query(queries, k)[0].astype(np.int64)

    def sizes(self, folder: Path, n: int, dim: int) -> Sizes:
        """All in RAM."""
        _ = dim
        return all_in_ram(folder, n)


class Usearch(Peer):
    """connectivity=16, expansion_add=128, expansion_search=64 by default, at one kind of scalar."""

    modules = ("usearch.index",)
    distributions = ("usearch",)
    knobs = (Knob("expansion_search", 64, MOST_EF),)

    def __init__(self, name: str, dtype: str, note: str = "") -> None:
        """Keep the kind of scalar; b1 is compared by Hamming distance."""
        self.name, self.dtype, self.note = name, dtype, note
        self.label = f"usearch {dtype}"
        self._index: Any = None

    def _empty(self, dim: int) -> Any:
        from usearch.index import Index  # noqa: PLC0415 - loaded when first used

        return Index(ndim=dim, metric="hamming" if self.dtype == "b1" else "cos", dtype=self.dtype)

    def _input(self, vectors: NDArray[Any]) -> NDArray[Any]:
        # A b1 index reads packed bits; floats given to it would be cast, not thresholded.
        return np.packbits(vectors > 0, axis=1) if self.dtype == "b1" else vectors

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Add all rows with all threads."""
        index = self._empty(corpus.shape[1])
        index.add(np.arange(len(corpus)), self._input(corpus))
        index.save(str(folder / FILE))
        return {"memory_usage": index.memory_usage, "expansion_search": index.expansion_search}

    def open(self, folder: Path) -> None:
        """Load into RAM, its default."""
        self._index = self._empty(384)
        self._index.load(str(folder / FILE))

    def search(self, queries: NDArray[Any], k: int, setting: Setting) -> NDArray[Any]:
        """Search with expansion_search candidates."""
        self._index.expansion_search = setting["expansion_search"]
        keys = self._index.search(self._input(queries), k, threads=1).keys
        return np.asarray(keys).reshape(len(queries), k).astype(np.int64)

    def sizes(self, folder: Path, n: int, dim: int) -> Sizes:
        """All in RAM."""
        _ = dim
        return all_in_ram(folder, n)


def rows() -> list[Peer]:
    """Defaults and the compressed kinds."""
    return [
        Hnswlib(),
        Usearch("usearch-f32", "f32"),
        Usearch("usearch-bf16", "bf16", note="its default kind of scalar"),
        Usearch("usearch-i8", "i8"),
        Usearch("usearch-b1", "b1", note="the signs of the vectors, packed; it has no rescoring of its own"),
    ]
