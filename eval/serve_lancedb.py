"""Served row of LanceDB: IVF_PQ with its own defaults, exact vectors of the table rescore."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from frontier_peer import Knob, folder_bytes
from serve_row import K, Row

if TYPE_CHECKING:
    from pathlib import Path

    from frontier_peer import Setting
    from numpy.typing import NDArray

LEAST_NPROBES, MOST_NPROBES = 1, 16
"""100,000 rows get 12 partitions by default, one for 8,192 rows."""

LEAST_REFINE, MOST_REFINE = 1, 100
"""100 k candidates are rescored at most: 1,000 of 100,000 rows."""


class LanceDB(Row):
    """IVF_PQ. Cosine on unit vectors orders as the inner product does; `dot` trains other codes."""

    name, label = "lancedb-ivf-pq", "LanceDB IVF_PQ with refine"
    note = "rescoring reads float32 vectors through the kernel's page cache, which is no memory of the process"
    modules = ("lancedb", "pyarrow")
    distributions = ("lancedb",)
    knobs = (Knob("nprobes", LEAST_NPROBES, MOST_NPROBES), Knob("refine_factor", LEAST_REFINE, MOST_REFINE))

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._table: Any = None
        self._setting: Setting = {}

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Write the table, then the index; both are part of the time."""
        import lancedb  # noqa: PLC0415 - loaded when first used
        import lancedb.index  # noqa: PLC0415 - loaded when first used
        import pyarrow as pa  # noqa: PLC0415 - loaded when first used

        vectors = pa.FixedSizeListArray.from_arrays(pa.array(corpus.ravel()), corpus.shape[1])
        table = pa.table({"vector": vectors})
        opened = lancedb.connect(str(folder)).create_table("corpus", table)
        opened.create_index("vector", config=lancedb.index.IvfPq(distance_type="cosine"))
        (index,) = opened.list_indices()
        return {"index_details": index.index_details, "index_file_bytes": folder_bytes(folder, "*.idx")}

    def open(self, folder: Path, dim: int) -> None:
        """Open the table; Lance loads index parts when a query first needs them."""
        import lancedb  # noqa: PLC0415 - loaded when first used

        _ = dim
        self._table = lancedb.connect(str(folder)).open_table("corpus")

    def use(self, setting: Setting) -> None:
        """Keep for the queries: they take it themselves."""
        self._setting = setting

    def answer(self, query: NDArray[Any]) -> Any:
        """Row numbers and distances as an Arrow table."""
        # Row ids are row numbers in a table that was written once; reading a column of them takes 8 % longer. Without
        # `_distance` among the columns every query logs a deprecation warning.
        wanted = self._table.search(query[0], vector_column_name="vector").limit(K).select(["_distance"])
        wanted = (
            wanted.with_row_id(True).nprobes(self._setting["nprobes"]).refine_factor(self._setting["refine_factor"])
        )
        return wanted.to_arrow()

    def rows_of(self, answer: Any) -> NDArray[Any]:
        """The row ids; a list of tables is a batch."""
        tables = answer if isinstance(answer, list) else [answer]
        found = np.full((len(tables), K), -1, np.int64)
        for number, table in enumerate(tables):
            found[number, : len(table)] = table["_rowid"].to_numpy()
        return found

    def answer_batch(self, queries: NDArray[Any], n_threads: int) -> Any:
        """One call a query, its only way without joining results by hand, from so many threads."""
        with ThreadPoolExecutor(n_threads) as pool:
            return list(pool.map(self.answer, (queries[row : row + 1] for row in range(len(queries)))))
