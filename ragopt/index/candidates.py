"""The candidates of many queries, divided into blocks of distinct rows, so that each vector is encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_ROWS = 16_384
"""Candidate rows encoded at once: 25 MB of 384 dimensions, and enough rows for FastScan to run at its speed."""


@dataclass(frozen=True, slots=True)
class CandidateBlock:
    """The candidates of all queries that lie in one run of distinct rows.

    Attributes:
        rows: int64 (m,) distinct corpus rows, ascending.
        queries: int32 (c,) query of each candidate, ascending.
        local: int32 (c,) its row within `rows`, ascending for each query.
        places: int32 (c,) its place among that query's candidates.
    """

    rows: NDArray[np.int64]
    queries: NDArray[np.int32]
    local: NDArray[np.int32]
    places: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Every query's candidates, divided into blocks of distinct rows.

    Attributes:
        rows: int32 or int64 (n_queries, K) corpus rows, exact nearest first.
        by_row: int32 (n_queries, K) places in ascending order of their rows: equal scores go to the lower row.
        blocks: together every distinct row once; from the highest rows down, so that the last one is a full block, over
            which a codec can be timed.
    """

    rows: NDArray[np.signedinteger[Any]]
    by_row: NDArray[np.int32]
    blocks: tuple[CandidateBlock, ...]

    @classmethod
    def of(cls, rows: NDArray[np.signedinteger[Any]], *, block_rows: int = BLOCK_ROWS) -> Candidates:
        """Divide candidates, (n_queries, K) distinct within each query, into blocks of distinct rows."""
        n_places = rows.shape[1]
        distinct, inverse = np.unique(rows, return_inverse=True)
        distinct = distinct.astype(np.int64)
        inverse = inverse.reshape(-1)
        order = np.argsort(inverse, kind="stable")
        edges = np.searchsorted(inverse[order], np.arange(0, len(distinct) + block_rows, block_rows))
        blocks = []
        for number, start in enumerate(range(0, len(distinct), block_rows)):
            # Ascending by row; a stable sort by query keeps that order within each query.
            flat = order[edges[number] : edges[number + 1]]
            flat = flat[np.argsort(flat // n_places, kind="stable")]
            of_flat = (flat // n_places, inverse[flat] - start, flat % n_places)
            blocks.append(CandidateBlock(distinct[start : start + block_rows],
                                         *(values.astype(np.int32) for values in of_flat)))  # fmt: skip
        return cls(rows, np.argsort(rows, axis=1, kind="stable").astype(np.int32), tuple(reversed(blocks)))

    @property
    def distinct(self) -> NDArray[np.int64]:
        """All distinct rows, int64, ascending."""
        return np.concatenate([block.rows for block in reversed(self.blocks)])

    @property
    def n_distinct(self) -> int:
        """How many vectors one codec encodes for all queries."""
        return sum(len(block.rows) for block in self.blocks)
