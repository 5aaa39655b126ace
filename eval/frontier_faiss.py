"""FAISS rows: plain factory strings, as its wiki gives them, opened memory-mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frontier_peer import Knob, Peer, Setting, Sizes, folder_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILE = "index.faiss"
SEED = 1234
"""FAISS's own default of ClusteringParameters.seed (faiss/Clustering.h, 1.15.1); it is not changed."""

N_LISTS = 594
"""4 sqrt(n) lists for n = 22,067, the low end of 4 to 16 sqrt(n) that the wiki names for under 1 M vectors
(github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index)."""

MOST_REFINE = 100
"""100 k candidates are rescored at most: 1,000 of 22,067 rows."""


class Faiss(Peer):
    """A factory string as a user writes it: with the polysemous training that `PQ48` without `np` brings."""

    modules = ("faiss",)
    distributions = ("faiss-cpu",)

    def __init__(self, name: str, factory: str, *knobs: Knob, note: str = "") -> None:
        """Keep the string."""
        self.name, self.factory, self.knobs, self.note = name, factory, knobs, note
        self.label = f"FAISS `{factory}`"
        self._index: Any = None

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Train on all rows, as users of a corpus this small do, and write one file."""
        import faiss  # noqa: PLC0415 - loaded when first used

        index = faiss.index_factory(corpus.shape[1], self.factory, faiss.METRIC_INNER_PRODUCT)
        index.train(corpus)
        index.add(corpus)
        faiss.write_index(index, str(folder / FILE))
        return {}

    def open(self, folder: Path) -> None:
        """Open memory-mapped, so that only rescored rows of the rescoring tier become resident."""
        import faiss  # noqa: PLC0415 - loaded when first used

        self._index = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC)

    def search(self, queries: NDArray[Any], k: int, setting: Setting) -> NDArray[Any]:
        """Set the parameters and search."""
        import faiss  # noqa: PLC0415 - loaded when first used

        for name, value in setting.items():
            faiss.ParameterSpace().set_index_parameter(self._index, name, value)
        return self._index.search(queries, k)[1]

    def sizes(self, folder: Path, n: int, dim: int) -> Sizes:
        """Codes and the 8-byte ids of inverted lists; the rest of the serialized codes is fixed."""
        import faiss  # noqa: PLC0415 - loaded when first used

        _ = dim
        base, refine = tiers(self._index)
        inner = faiss.downcast_index(base.index) if isinstance(base, faiss.IndexPreTransform) else base
        is_ivf = isinstance(inner, faiss.IndexIVF)
        grows = inner.code_size + (8 if is_ivf else 0)
        fixed = len(faiss.serialize_index(base)) - grows * n
        return Sizes(grows, fixed, refine.code_size if refine is not None else 0, folder_bytes(folder))

    def rescoring_range(self) -> tuple[int, int] | None:
        """Where the codes of the rescoring tier are mapped."""
        return refine_range(self._index)


def tiers(index: Any) -> tuple[Any, Any]:
    """Index of the codes and index of the rescoring tier, None where there is none."""
    import faiss  # noqa: PLC0415 - loaded when first used

    if isinstance(index, faiss.IndexRefine):
        return faiss.downcast_index(index.base_index), faiss.downcast_index(index.refine_index)
    return index, None


def refine_range(index: Any) -> tuple[int, int] | None:
    """Address and length of the rescoring tier's codes."""
    import faiss  # noqa: PLC0415 - loaded when first used

    refine = tiers(index)[1]
    if refine is None:
        return None
    length = refine.code_size * refine.ntotal
    return int(faiss.rev_swig_ptr(refine.codes.data(), length).ctypes.data), length


def rows() -> list[Peer]:
    """Exact search for reference, then the wiki's compressed indexes with and without rescoring."""
    refine = Knob("k_factor_rf", 1, MOST_REFINE)
    nprobe = Knob("nprobe", 1, N_LISTS)
    return [
        Faiss("faiss-flat", "Flat", note="exact search, the reference"),
        Faiss("faiss-sq8", "SQ8"),
        Faiss("faiss-pq", "PQ48"),
        Faiss("faiss-opq-sq8", "OPQ48,PQ48,Refine(SQ8)", refine),
        Faiss("faiss-opq-flat", "OPQ48,PQ48,RFlat", refine),
        Faiss("faiss-ivfpq", f"IVF{N_LISTS},PQ48", nprobe),
        Faiss("faiss-ivfpq-flat", f"IVF{N_LISTS},PQ48,RFlat", nprobe, refine),
    ]
