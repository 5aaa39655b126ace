"""Score each query's own candidates with a codec's own arithmetic, a block of rows at a time.

An estimate must rank candidates exactly as the built index would: scores of decoded vectors differ from those FAISS
searches by (centred PCA, RaBitQ's factors). So every score here comes out of the codec's own trained index, filled
with nothing but candidates. What a query costs is its own candidates, not the corpus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ragopt.index.factory import Factory

    ReadRows = Callable[[NDArray[np.int64]], NDArray[np.float32]]

BLOCK_ROWS = 16_384
"""Candidate rows encoded at once: 25 MB of 384 dimensions, and enough rows for FastScan to run at its speed."""

QUERIES_AT_ONCE = 64
"""Queries searched at once: results of 5,000 candidates each stay small (4 MB), so that memory is used again and not
asked for anew."""


SPARE = 4
"""A shortlist from half the candidates is read off a search four times as deep: about half of it counts."""

DENSE = 4
"""Found rows of a block are put into a table of all its rows where they are a quarter of these, else looked up."""

BEYOND = -2
"""Place of a vector that a search found and that is none of its query's candidates: too far to be a neighbour."""


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


def candidate_scores(
    index: Any, factory: Factory, candidates: Candidates, read_rows: ReadRows, queries: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Score every query's candidates as the built index would.

    Args:
        index: trained FAISS index without a rescoring tier, search parameters applied; it is emptied and refilled, and
            left with the last block in it.
        factory: what it was made from.
        candidates: of these queries.
        read_rows: gives float32 (m, dim), the vectors of corpus rows in the index's space.
        queries: float32 (n_queries, dim) in the same space.

    Returns:
        float32 (n_queries, K), higher is better; minus infinity where a search never returns that candidate: in a
        list that is not probed.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    scores = np.full(candidates.rows.shape, -np.inf, dtype=np.float32)
    own = _OwnLists(queries, index.metric_type) if factory.codec.scores_single and not factory.nlist else None
    sign = np.float32(-1 if index.metric_type == faiss.METRIC_L2 else 1)
    for block in candidates.blocks:
        index.reset()
        index.add(read_rows(block.rows))
        if own is not None:
            own.fill(block)
        n_results = min(candidates.rows.shape[1], len(block.rows))
        for first in range(0, len(queries), QUERIES_AT_ONCE):
            asked = queries[first : first + QUERIES_AT_ONCE]
            distances, local = own.search(index, asked) if own is not None else index.search(asked, n_results)
            _put(scores, block, first, sign * distances, local)
    return scores


def scores_at(index: Any, queries: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Score some rows of a filled index for each query, with the index's own arithmetic.

    Args:
        index: filled FAISS index whose codes can be scored one by one (`Codec.scores_single`), without lists.
        queries: float32 (n_queries, dim).
        rows: int64 (n_queries, m), distinct within each query; below 0 for none.

    Returns:
        float32 (n_queries, m), higher is better; minus infinity where there is no row.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    sign = np.float32(-1 if index.metric_type == faiss.METRIC_L2 else 1)
    scores, stored = np.full(rows.shape, -np.inf, dtype=np.float32), np.arange(index.ntotal)
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        part, asked = rows[first : first + QUERIES_AT_ONCE], queries[first : first + QUERIES_AT_ONCE]
        order = np.argsort(part, axis=1, kind="stable")
        ascending = np.take_along_axis(part, order, axis=1)
        query, place = np.nonzero(ascending >= 0)
        local, places = ascending[query, place].astype(np.int32), order[query, place].astype(np.int32)
        block = CandidateBlock(stored, query.astype(np.int32), local, places)
        own = _OwnLists(asked, index.metric_type)
        own.fill(block)
        distances, found = own.search(index, asked)
        _put(scores[first : first + QUERIES_AT_ONCE], block, 0, sign * distances, found)
    return scores


def _put(
    scores: NDArray[np.float32],
    block: CandidateBlock,
    first: int,
    found_scores: NDArray[np.float32],
    local: NDArray[np.int64],
) -> None:
    """Write the scores of those found rows that are candidates of their query, from query `first` on."""
    start, stop = np.searchsorted(block.queries, (first, first + len(local)))
    if start == stop:
        return
    size, part = len(block.rows), slice(start, stop)
    if DENSE * local.shape[1] >= size:
        # Every row of the block gets a column, and one more takes what was not found (-1).
        dense = np.full((len(local), size + 1), -np.inf, dtype=np.float32)
        np.put_along_axis(dense, local, found_scores, axis=1)
        dense[:, -1] = -np.inf
        scores[block.queries[part], block.places[part]] = dense[block.queries[part] - first, block.local[part]]
        return
    keys = (block.queries[part] - first).astype(np.int64) * size + block.local[part]
    asked = np.arange(len(local))[:, None] * size + local
    at = np.searchsorted(keys, asked.reshape(-1)).reshape(asked.shape)
    hit = (local >= 0) & (keys[np.minimum(at, len(keys) - 1)] == asked)
    at = at[hit] + start
    scores[block.queries[at], block.places[at]] = found_scores[hit]


class _OwnLists:
    """Lets FAISS's IndexRefine score arbitrary rows of an index for each query: one inverted list per query.

    The first stage of the IndexRefine is an IVF index whose centroids are the queries themselves, so that each query
    probes the list of its own candidates; its one-byte codes are all zero and its scores are thrown away. The second
    stage scores what it is given with the codec's distance computer, the arithmetic of a full scan.
    """

    def __init__(self, queries: NDArray[np.float32], metric: int) -> None:
        import faiss  # noqa: PLC0415 - loaded when first used

        self._n_queries, dim = queries.shape
        self._quantizer: Any = faiss.IndexFlatL2(dim)
        self._quantizer.add(queries)
        self._first: Any = faiss.IndexIVFPQ(self._quantizer, dim, self._n_queries, 1, 8, metric)
        self._first.by_residual = False
        self._first.is_trained = True
        self._first.nprobe = 1
        # Nearly equal queries may find each other's list: every list holds the candidates of all that find it.
        found = [
            self._quantizer.search(queries[first : first + QUERIES_AT_ONCE], 1)[1][:, 0]
            for first in range(0, self._n_queries, QUERIES_AT_ONCE)
        ]
        self._members: dict[int, list[int]] = {}
        for query, number in enumerate(np.concatenate(found).tolist()):
            self._members.setdefault(number, []).append(query)
        self._longest = 1

    def fill(self, block: CandidateBlock) -> None:
        """Put every query's candidates of a block into its list."""
        import faiss  # noqa: PLC0415 - loaded when first used

        lists = faiss.ArrayInvertedLists(self._n_queries, 1)
        edges = np.searchsorted(block.queries, np.arange(self._n_queries + 1))
        codes = np.zeros(len(block.rows), dtype=np.uint8)
        self._longest = 1
        for number, members in self._members.items():
            parts = [block.local[edges[query] : edges[query + 1]] for query in members]
            ids = np.unique(np.concatenate(parts)) if len(parts) > 1 else parts[0]
            if len(ids):
                ids = ids.astype(np.int64)
                lists.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
                self._longest = max(self._longest, len(ids))
        self._lists = lists  # FAISS keeps a bare pointer
        self._first.replace_invlists(lists, False)

    def search(self, index: Any, queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Distances and local rows of the candidates of some queries, best first, -1 behind them."""
        import faiss  # noqa: PLC0415 - loaded when first used

        # IndexRefine asks both stages to hold the same number of vectors.
        self._first.ntotal = index.ntotal
        return tuple(faiss.IndexRefine(self._first, index).search(queries, self._longest))


def searched_places(
    index: Any,
    candidates: Candidates,
    queries: NDArray[np.float32],
    *,
    depth: int,
    rows: NDArray[np.int64] | None = None,
) -> NDArray[np.int32]:  # fmt: skip
    """Shortlists of a filled index, as places among each query's candidates.

    Where the corpus is not much larger than the candidates, a scan of all codes costs less than scoring candidates one
    by one, and leaves nothing to estimate. And a codec whose search depends on how many results it is asked for has no
    scores of its own: only a search at the trial's depth shows what it returns.

    Args:
        index: FAISS index filled with `rows`, or with the whole corpus in row order; search parameters applied.
        candidates: of these queries.
        queries: float32 (n_queries, dim).
        depth: how many results are asked for.
        rows: int64 (index.ntotal,) corpus rows in the order of the index; None for all of the corpus.

    Returns:
        int32 (n_queries, depth) places, best first; -2 for a vector that is no candidate of the query, -1 for none.
    """
    places = np.empty((len(queries), depth), dtype=np.int32)
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        part = slice(first, first + QUERIES_AT_ONCE)
        found = index.search(queries[part], depth)[1]
        places[part] = _places_of(candidates, part, found if rows is None else np.where(found < 0, -1, rows[found]))
    return places


def searched_near_and_all(
    index: Any, candidates: Candidates, queries: NDArray[np.float32], *, depth: int, rows: NDArray[np.int64],
    near: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:  # fmt: skip
    """Shortlists of a filled index, and those it would give had it held the `near` rows only.

    One search serves both: it goes `SPARE` times as deep, and the second shortlist skips what is not near.

    Args:
        index: FAISS index filled with `rows`, whose first results do not depend on how many are asked for.
        candidates: of these queries.
        queries: float32 (n_queries, dim).
        depth: entries of a shortlist.
        rows: int64 (index.ntotal,) ascending.
        near: int64, ascending, some of them.

    Returns:
        int32 (n_queries, depth) places from all rows, and from the near ones, as `searched_places` gives them.
    """
    is_near = np.isin(rows, near, assume_unique=True)
    every, fewer = (np.empty((len(queries), depth), dtype=np.int32) for _ in range(2))
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        part = slice(first, first + QUERIES_AT_ONCE)
        local = index.search(queries[part], min(SPARE * depth, len(rows)))[1]
        found = np.where(local < 0, -1, rows[local])
        kept = np.where((local >= 0) & is_near[local], found, -1)
        near_first = np.argsort(kept < 0, axis=1, kind="stable")[:, :depth]
        every[part] = _places_of(candidates, part, found[:, :depth])
        fewer[part] = _places_of(candidates, part, np.take_along_axis(kept, near_first, axis=1))
    return every, fewer


def _places_of(candidates: Candidates, part: slice, found: NDArray[np.int64]) -> NDArray[np.int32]:
    """Places of found rows among their queries' candidates: -2 for a row that is none of them, -1 for no row."""
    by_row = candidates.by_row[part]
    sorted_rows = np.take_along_axis(candidates.rows[part], by_row, axis=1)
    n = max(int(sorted_rows.max()), int(found.max())) + 1
    offsets = np.arange(len(found))[:, None] * n
    keys, asked = (sorted_rows + offsets).reshape(-1), (found + offsets).reshape(-1)
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    place = np.where(keys[at] == asked, by_row.reshape(-1)[at], BEYOND).reshape(found.shape)
    return np.where(found < 0, -1, place).astype(np.int32)


def probe_ranks(index: Any, candidates: Candidates, read_rows: ReadRows, queries: NDArray[np.float32],
                *, nprobe: int) -> NDArray[np.int32]:  # fmt: skip
    """Which of a query's probed lists each candidate lies in: a search with nprobe = p reads those with rank < p.

    Args:
        index: trained IVF index, behind a transform or not.
        candidates: of these queries.
        read_rows: gives the vectors of corpus rows in the index's space.
        queries: float32 (n_queries, dim).
        nprobe: most lists that any search probes.

    Returns:
        int32 (n_queries, K), from 0; `nprobe` for candidates in other lists.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    ivf: Any = faiss.extract_index_ivf(index)
    into = _before_lists(index)
    probed = ivf.quantizer.search(into(queries), nprobe)[1]
    order = np.full((len(queries), ivf.nlist + 1), nprobe, dtype=np.int32)
    np.put_along_axis(order, np.where(probed < 0, ivf.nlist, probed), np.arange(nprobe, dtype=np.int32)[None], axis=1)
    ranks = np.empty(candidates.rows.shape, dtype=np.int32)
    for block in candidates.blocks:
        lists = ivf.quantizer.search(into(read_rows(block.rows)), 1)[1][:, 0]
        ranks[block.queries, block.places] = order[block.queries, lists[block.local]]
    return ranks


def _before_lists(index: Any) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The transforms that an index applies before its coarse quantizer."""
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    if not isinstance(outer, faiss.IndexPreTransform):
        return lambda rows: rows
    parts: Any = outer.chain
    chain = [faiss.downcast_VectorTransform(parts.at(number)) for number in range(parts.size())]

    def into(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        for transform in chain:
            rows = transform.apply(rows)
        return rows

    return into
