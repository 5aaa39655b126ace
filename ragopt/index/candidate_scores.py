"""Score each query's own candidates with a codec's own arithmetic, a block of rows at a time.

An estimate must rank candidates exactly as the built index would: scores of decoded vectors differ from those FAISS
searches by (centred PCA, RaBitQ's factors). So every score here comes out of the codec's own trained index, filled
with nothing but candidates. What a query costs is its own candidates, not the corpus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.candidates import CandidateBlock

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ragopt.index.candidates import Candidates
    from ragopt.index.factory import Factory

    ReadRows = Callable[[NDArray[np.int64]], NDArray[np.float32]]

QUERIES_AT_ONCE = 64
"""Queries searched at once: results of 5,000 candidates each stay small (4 MB), so that memory is used again and not
asked for anew."""

DENSE = 4
"""Found rows of a block are put into a table of all its rows where they are a quarter of these, else looked up."""


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
