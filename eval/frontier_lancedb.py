"""LanceDB rows: its three vector indexes with their own defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from frontier_peer import Knob, Peer, Setting, Sizes, folder_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ROW_ID_BYTES = 8
"""Lance keeps row ids as UInt64 in memory; in the file they are bit-packed to about 2 bytes here."""

RQ_FACTOR_BYTES = {1: 8, 8: 16}
"""Two float32 factors beside a RaBitQ code of one bit, four beside one of several: file sizes less codes and ids."""

DEFAULT_REFINE = 0
"""No refine_factor given: distances are those of the codes. 1 already rescores k candidates with exact vectors."""


class LanceDB(Peer):
    """One index kind. Cosine on unit vectors orders as the inner product does; `dot` trains other codes."""

    modules = ("lancedb", "pyarrow")
    distributions = ("lancedb",)
    knobs = (Knob("refine_factor", 1, 100),)
    note = "all partitions are probed by the default nprobes at this size; rescoring reads the table's float32 column"

    def __init__(self, name: str, label: str, kind: str, **options: int) -> None:
        """Keep the name of the configuration class and what is set other than by default."""
        self.name, self.kind, self.options = name, kind, options
        self.label = f"LanceDB {label}"
        self._table: Any = None

    def default(self) -> Setting:
        """Without a refine_factor."""
        return {"refine_factor": DEFAULT_REFINE}

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Write the table, then the index; both are part of the time."""
        import lancedb  # noqa: PLC0415 - loaded when first used
        import lancedb.index  # noqa: PLC0415 - loaded when first used
        import pyarrow as pa  # noqa: PLC0415 - loaded when first used

        vectors = pa.FixedSizeListArray.from_arrays(pa.array(corpus.ravel()), corpus.shape[1])
        table = pa.table({"row": pa.array(np.arange(len(corpus))), "vector": vectors})
        opened = lancedb.connect(str(folder)).create_table("corpus", table)
        opened.create_index("vector", config=getattr(lancedb.index, self.kind)(distance_type="cosine", **self.options))
        (index,) = opened.list_indices()
        return {"index_details": index.index_details, "size_bytes": index.size_bytes}

    def open(self, folder: Path) -> None:
        """Open the table; Lance loads index parts when a query first needs them."""
        import lancedb  # noqa: PLC0415 - loaded when first used

        self._table = lancedb.connect(str(folder)).open_table("corpus")

    def search(self, queries: NDArray[Any], k: int, setting: Setting) -> NDArray[Any]:
        """One call a query, its only way."""
        found = np.full((len(queries), k), -1, np.int64)
        for number, query in enumerate(queries):
            # Without `_distance` among the columns every query logs a deprecation warning.
            wanted = self._table.search(query, vector_column_name="vector").limit(k).select(["row", "_distance"])
            if setting["refine_factor"]:
                wanted = wanted.refine_factor(setting["refine_factor"])
            rows = wanted.to_arrow()["row"].to_numpy()
            found[number, : len(rows)] = rows
        return found

    def sizes(self, folder: Path, n: int, dim: int) -> Sizes:
        """Codes and ids as held in memory, links and centroids as stored."""
        (index,) = self._table.list_indices()
        compression = index.index_details["compression"]
        graph_or_centroids = folder_bytes(folder, "index.idx")
        grows, fixed = float(ROW_ID_BYTES), graph_or_centroids
        if compression["type"] == "pq":
            grows += compression["num_sub_vectors"] * compression["num_bits"] / 8
            fixed += 2 ** compression["num_bits"] * dim * 4
        elif compression["type"] == "rq":
            grows += dim * compression["num_bits"] / 8 + RQ_FACTOR_BYTES[compression["num_bits"]]
        else:
            grows += dim + graph_or_centroids / n
            fixed = 0
        return Sizes(round(grows, 1), fixed, dim * 4, folder_bytes(folder))


def rows() -> list[Peer]:
    """Its three kinds; IVF_RQ twice, because `IvfRq()` has 1 bit and the older `index_type="IVF_RQ"` 8 bits."""
    return [
        LanceDB("lancedb-ivf-pq", "IVF_PQ", "IvfPq"),
        LanceDB("lancedb-ivf-rq", "IVF_RQ, 1 bit", "IvfRq"),
        LanceDB("lancedb-ivf-rq8", "IVF_RQ, 8 bits", "IvfRq", num_bits=8),
        LanceDB("lancedb-ivf-hnsw-sq", "IVF_HNSW_SQ", "HnswSq"),
    ]
