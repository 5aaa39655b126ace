"""sentence-transformers rows: its own quantization and rescoring functions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from frontier_peer import Knob, Peer, Setting, Sizes, folder_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOST_MULTIPLIER = 100
DEFAULT_MULTIPLIER = 2
"""rescore_multiplier of semantic_search_faiss and semantic_search_usearch (6.2.0)."""

RECIPE_MULTIPLIER = 4
"""The multiplier of its Embedding Quantization guide for binary search with int8 rescoring (sbert.net)."""


class Rescored(Peer):
    """Codes searched by one of its functions, which rescores with the float query against the same codes."""

    modules = ("sentence_transformers.util.quantization", "faiss", "usearch.index")
    distributions = ("sentence-transformers", "faiss-cpu", "usearch")
    knobs = (Knob("rescore_multiplier", DEFAULT_MULTIPLIER, MOST_MULTIPLIER),)

    def __init__(self, name: str, precision: str, engine: str) -> None:
        """Keep the precision and the engine, faiss or usearch."""
        self.name, self.precision, self.engine = name, precision, engine
        self.label = f"sentence-transformers {precision}, {engine}, own rescoring"
        self._index: Any = None
        self._ranges: Any = None

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Quantize with ranges of the whole corpus and let its function make the index."""
        from sentence_transformers.util import quantization as st  # noqa: PLC0415 - loaded when first used

        self._ranges = np.vstack([corpus.min(axis=0), corpus.max(axis=0)])
        codes = st.quantize_embeddings(corpus, precision=self.precision, ranges=self._ranges)
        index = self._function()(
            corpus[:1], corpus_embeddings=codes, corpus_precision=self.precision, output_index=True, ranges=self._ranges
        )[2]
        np.save(folder / "ranges.npy", self._ranges)
        if self.engine == "faiss":
            import faiss  # noqa: PLC0415 - loaded when first used

            write = faiss.write_index_binary if self.precision == "ubinary" else faiss.write_index
            write(index, str(folder / "index.bin"))
        else:
            index.save(str(folder / "index.bin"))
        return {}

    def _function(self) -> Any:
        from sentence_transformers.util import quantization as st  # noqa: PLC0415 - loaded when first used

        logging.getLogger(st.__name__).setLevel(logging.ERROR)
        return st.semantic_search_faiss if self.engine == "faiss" else st.semantic_search_usearch

    def open(self, folder: Path) -> None:
        """Load the index into RAM as the engine does by default."""
        self._ranges = np.load(folder / "ranges.npy")
        if self.engine == "faiss":
            import faiss  # noqa: PLC0415 - loaded when first used

            read = faiss.read_index_binary if self.precision == "ubinary" else faiss.read_index
            self._index = read(str(folder / "index.bin"))
        else:
            from usearch.index import Index  # noqa: PLC0415 - loaded when first used

            self._index = Index.restore(str(folder / "index.bin"))

    def search(self, queries: NDArray[Any], k: int, setting: Setting) -> NDArray[Any]:
        """Its function, its list of dictionaries."""
        found = np.full((len(queries), k), -1, np.int64)
        answers = self._function()(queries, corpus_index=self._index, corpus_precision=self.precision,
                                   ranges=self._ranges, top_k=k, **setting)[0]  # fmt: skip
        for row, answer in zip(found, answers, strict=True):
            row[: len(answer)] = [hit["corpus_id"] for hit in answer]
        return found

    def sizes(self, folder: Path, n: int, dim: int) -> Sizes:
        """The codes, with the links that a usearch index carries although the search is exact."""
        _ = dim
        size = folder_bytes(folder, "index.bin")
        return Sizes(round(size / n, 1), folder_bytes(folder, "ranges.npy"), 0, size)


class BinaryInt8(Peer):
    """The guide's two steps: binary codes in RAM find candidates, int8 codes on disk rescore them."""

    name, label = "sbert-binary-int8", "sentence-transformers binary in RAM + int8 on disk"
    note = "int8 codes dequantised as its functions do since 6.2; the raw dot product of the guide stops lower"
    modules = ("sentence_transformers.util.quantization", "faiss")
    distributions = ("sentence-transformers", "faiss-cpu")
    knobs = (Knob("rescore_multiplier", RECIPE_MULTIPLIER, MOST_MULTIPLIER),)
    rescoring_files = "int8.npy"

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._index: Any = None

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Write both precisions."""
        import faiss  # noqa: PLC0415 - loaded when first used
        from sentence_transformers.util.quantization import quantize_embeddings  # noqa: PLC0415 - as above

        ranges = np.vstack([corpus.min(axis=0), corpus.max(axis=0)])
        index = faiss.IndexBinaryFlat(corpus.shape[1])
        index.add(quantize_embeddings(corpus, precision="ubinary"))
        faiss.write_index_binary(index, str(folder / "binary.faiss"))
        np.save(folder / "int8.npy", quantize_embeddings(corpus, precision="int8", ranges=ranges))
        np.save(folder / "ranges.npy", ranges)
        return {}

    def open(self, folder: Path) -> None:
        """Binary codes into RAM, int8 codes mapped."""
        import faiss  # noqa: PLC0415 - loaded when first used

        self._index = faiss.read_index_binary(str(folder / "binary.faiss"))
        self._codes = np.load(folder / "int8.npy", mmap_mode="r")
        low, high = np.load(folder / "ranges.npy")
        self._low, self._step = low, (high - low) / 255

    def search(self, queries: NDArray[Any], k: int, setting: Setting) -> NDArray[Any]:
        """Hamming distance, then the dot product of float query and dequantised codes."""
        from sentence_transformers.util.quantization import quantize_embeddings  # noqa: PLC0415 - loaded when first used

        found = np.empty((len(queries), k), np.int64)
        for row, query in zip(found, queries, strict=True):
            bits = quantize_embeddings(query[None], precision="ubinary")
            candidates = self._index.search(bits, k * setting["rescore_multiplier"])[1][0]
            vectors = (self._codes[candidates].astype(np.float32) + 128) * self._step + self._low
            row[:] = candidates[np.argsort(-(vectors @ query), kind="stable")[:k]]
        return found

    def sizes(self, folder: Path, n: int, dim: int) -> Sizes:
        """Bits in RAM, bytes on disk."""
        return Sizes(dim / 8, folder_bytes(folder, "binary.faiss") - n * dim // 8, dim, folder_bytes(folder))


def rows() -> list[Peer]:
    """Both precisions by both engines, and the guide's two steps."""
    return [
        Rescored("sbert-int8", "int8", "usearch"),
        Rescored("sbert-uint8", "uint8", "faiss"),
        Rescored("sbert-ubinary", "ubinary", "faiss"),
        Rescored("sbert-ubinary-usearch", "ubinary", "usearch"),
        BinaryInt8(),
    ]
