"""What a filled index finds, as places among each query's candidates, and which lists hold these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.candidate_scores import QUERIES_AT_ONCE
from ragopt.index.inner import before_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.index.candidate_scores import ReadRows
    from ragopt.index.candidates import Candidates

SPARE = 4
"""A shortlist from half the candidates is read off a search four times as deep: about half of it counts."""

BEYOND = -2
"""Place of a vector that a search found and that is none of its query's candidates: too far to be a neighbour."""


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
    into = before_codes(index)
    probed = ivf.quantizer.search(into(queries), nprobe)[1]
    order = np.full((len(queries), ivf.nlist + 1), nprobe, dtype=np.int32)
    np.put_along_axis(order, np.where(probed < 0, ivf.nlist, probed), np.arange(nprobe, dtype=np.int32)[None], axis=1)
    ranks = np.empty(candidates.rows.shape, dtype=np.int32)
    for block in candidates.blocks:
        lists = ivf.quantizer.search(into(read_rows(block.rows)), 1)[1][:, 0]
        ranks[block.queries, block.places] = order[block.queries, lists[block.local]]
    return ranks
