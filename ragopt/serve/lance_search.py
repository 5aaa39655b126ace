"""Search the vectors of a table with LanceDB's index: distinct rows, as many as asked for where there are so many."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ragopt.serve.conditions import whole
from ragopt.serve.lance_index import DISTANCES, LanceSearch
from ragopt.serve.nearest import NOTHING
from ragopt.serve.table import ROW, VECTOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.records import Metric

DISTANCE, QUERY = "_distance", "query_index"
"""Columns of LanceDB's results: distance, lower is nearer, and of a batch the number of the query."""

BATCH_QUERIES = 64
"""Queries handed to LanceDB at once: it searches them side by side; a plan of thousands is slow to make."""


class _Found(NamedTuple):
    """Results of one query: float32 scores and int64 rows, each row once; lines that LanceDB gave."""

    scores: NDArray[np.float32]
    rows: NDArray[np.int64]
    n_lines: int


@dataclass(frozen=True, slots=True)
class TableSearch:
    """Searches of one version of a table.

    Attributes:
        table: of lancedb, at that version. metric: of its vectors. search: how its index is searched.
        where: SQL condition; None for all lines.
    """

    table: Any
    metric: Metric
    search: LanceSearch
    where: str | None = None

    def nearest(self, queries: NDArray[np.float32], n_results: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest distinct rows of each query.

        Several lines may hold the same row, each with its vector. Where the index gives too few different ones it is
        asked for more lines, and where the partitions that are searched have no more every vector that satisfies the
        condition is compared: those are few where a condition is what leaves too few.

        Args:
            queries: float32 (m, dim), m >= 1.
            n_results: wanted, at least 1 and at most the rows that satisfy the condition.

        Returns:
            float32 (m, n_results) scores, higher is nearer: cosine, inner product, or minus the squared distance; and
            int64 (m, n_results) rows; `NOTHING` with score -inf where there are fewer.
        """
        scores = np.full((len(queries), n_results), -np.inf, np.float32)
        rows = np.full((len(queries), n_results), NOTHING, np.int64)
        lacking, limit, exact = list(range(len(queries))), n_results, False
        while lacking:
            again, more = list[int](), False
            for start in range(0, len(lacking), BATCH_QUERIES):
                numbers = lacking[start : start + BATCH_QUERIES]
                for number, found in zip(numbers, self._found(queries[numbers], limit, exact=exact), strict=True):
                    n = min(len(found.rows), n_results)
                    scores[number, :n], rows[number, :n] = found.scores[:n], found.rows[:n]
                    if n < n_results:
                        again.append(number)
                        more = more or found.n_lines == limit
            if not more and exact:
                break
            lacking, limit, exact = again, 2 * limit, exact or not more
        return scores, rows

    def _found(self, queries: NDArray[np.float32], limit: int, *, exact: bool) -> list[_Found]:
        """Results of each query."""
        if len(queries) == 1:
            return [self._distinct(self.query(queries[0], limit, exact=exact))]
        found = self.query(list(queries), limit, exact=exact)
        numbers = found[QUERY].to_numpy()
        order = np.argsort(numbers, kind="stable")
        ends = np.searchsorted(numbers[order], np.arange(len(queries) + 1))
        taken = found.take(order)
        return [self._distinct(taken.slice(first, end - first)) for first, end in pairwise(ends)]

    def query(self, query: Any, limit: int, *, exact: bool) -> Any:
        """Ask LanceDB once, for one vector or a list of them: the Arrow table of its lines, as many as `limit` each."""
        asked = self.table.search(query, vector_column_name=VECTOR).distance_type(DISTANCES[self.metric])
        asked = asked.select([ROW, DISTANCE]).limit(limit)
        if self.where is not None:
            asked = asked.where(whole(self.where), prefilter=True)
        if exact:
            return asked.bypass_vector_index().to_arrow()
        # Not a minimum with a higher maximum: a minimum of 1 with a maximum of 20 found what 20 found, without any
        # condition that would call for more (lancedb 0.40, squad22k-minilm, 2026-11-26).
        asked = asked.nprobes(self.search.nprobes)
        if self.search.refine_factor:
            asked = asked.refine_factor(self.search.refine_factor)
        if self.search.ef:
            # Lance refuses fewer candidates than results (lance-index, hnsw/builder.rs).
            asked = asked.ef(max(self.search.ef, limit * max(self.search.refine_factor, 1)))
        return asked.to_arrow()

    def _distinct(self, found: Any) -> _Found:
        """Results of one query, best first, each row once."""
        distances = found[DISTANCE].to_numpy().astype(np.float32)
        rows = found[ROW].to_numpy().astype(np.int64)
        _, first = np.unique(rows, return_index=True)
        first.sort()
        # Lance's cosine and dot distances are 1 minus the similarity.
        scores = -distances if self.metric == "l2" else 1 - distances
        return _Found(scores[first], rows[first], len(rows))
