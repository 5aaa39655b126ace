"""Search only some rows of a built index: the alive ones, or those that a filter lets through.

The index is only read: what a search needs beyond the trial's parameters goes into the parameters of that one call, so
that many threads may search one memory-mapped index under different masks at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import InputError
from ragopt.index.candidate_scores import scores_at
from ragopt.index.inner import before_codes, refined_parts
from ragopt.index.lowest_rows import with_lowest
from ragopt.index.row_codes import has_row_codes, index_of_rows
from ragopt.index.search_parameters import search_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Found = tuple[NDArray[np.float32], NDArray[np.int64]]

FEW_ROWS = 4096
"""Allowed rows up to which their codes are copied and scanned by themselves. Copying 1,000 codes of 128 bytes takes
0.015 ms and 10,000 take 0.5 ms, a scan of all 200,000 with a selector 0.33 and 1.2 ms (FAISS 1.15.1, one thread,
2026-11-26)."""

SPARE = 2
"""Results asked for over the number that holds k allowed rows on average, where FAISS has no selector."""

DEEPEST_FETCH = 10_000
"""Results a query beyond which allowed codes are copied instead of asking for still more: FastScan takes 0.08 ms for 10
results of 200,000 codes of 16 bytes, 0.75 ms for 10,000, 19 ms for all (FAISS 1.15.1, one thread, 2026-11-26)."""

MOST_RESULTS = 1 << 22
"""Results held at once, 12 bytes each: queries that ask for many are searched in parts."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What a search is about: the allowed rows, and the search parameters of the trial."""

    allowed: NDArray[np.bool_]
    n_allowed: int
    search: str


def allowed_search(
    index: Any, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None, *, search: str
) -> Found:
    """Find the k nearest of those rows that may be returned: k of them for every query, or all that are allowed.

    Where all are allowed that is the index's own search, and a second one for queries that it leaves short. A codec
    that scans all codes gives the same answer as its full ranking without the rows that are not allowed, and a
    rescoring tier rescores k_factor times k allowed rows. Lists and graphs are searched with the trial's nprobe or
    efSearch, and more broadly, up to all rows, where that finds too few.

    Args:
        index: filled FAISS index, owned or memory-mapped, with `search` set on it; not changed.
        queries: float32 (m, dim).
        k: results per query, from 1.
        allowed: bool (ntotal,) rows that may be returned; None for all.
        search: the trial's search parameters, such as ``nprobe=16,k_factor_rf=10``.

    Returns:
        Scores float32 (m, k) as FAISS gives them (inner products, or squared distances for l2), best first, and rows
        int64 (m, k). Places beyond the allowed rows hold -1 with minus infinity, or infinity for l2; so do all of a
        query that holds NaN.

    Raises:
        InputError: `queries` or `allowed` has another shape or type than this index takes, or k is below 1.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    _check(outer, queries, k, allowed)
    worst = np.float32(np.inf if outer.metric_type == faiss.METRIC_L2 else -np.inf)
    n_allowed = outer.ntotal if allowed is None else int(np.count_nonzero(allowed))
    if not n_allowed or not len(queries):
        return _nothing(len(queries), k, worst)
    wanted = min(k, n_allowed)
    if n_allowed == outer.ntotal:
        scores, rows = _all_in_parts(outer, queries, k, search)
        if k == wanted and (rows[:, -1] >= 0).all():
            return scores, rows
        lacking = np.flatnonzero(rows[:, wanted - 1] < 0)
    else:
        scores, rows = _nothing(len(queries), k, worst)
        lacking = np.arange(len(queries))
    if len(lacking):
        task = _Task(np.ones(outer.ntotal, dtype=bool) if allowed is None else allowed, n_allowed, search)
        found = _found(outer, np.ascontiguousarray(queries[lacking]), wanted, task)
        scores[lacking, :wanted], rows[lacking, :wanted] = found
    scores[rows < 0] = worst
    return scores, rows


def _nothing(n_queries: int, k: int, worst: np.float32) -> Found:
    return np.full((n_queries, k), worst, dtype=np.float32), np.full((n_queries, k), -1, dtype=np.int64)


def _check(index: Any, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None) -> None:
    if queries.ndim != 2 or queries.shape[1] != index.d or queries.dtype != np.float32:
        raise InputError(f"Cannot search {queries.dtype} queries of shape {queries.shape}",
                         allowed=f"float32 (n, {index.d})", next_step="Embed them as the index's vectors")  # fmt: skip
    if k < 1:
        raise InputError(f"Cannot find {k} results", allowed="k from 1", next_step="Ask for at least one")
    if allowed is not None and (allowed.shape != (index.ntotal,) or allowed.dtype != np.bool_):
        raise InputError(f"Cannot read allowed rows of type {allowed.dtype} and shape {allowed.shape}",
                         allowed=f"bool ({index.ntotal},)", next_step="Give one truth value per row")  # fmt: skip


def _found(index: Any, queries: NDArray[np.float32], k: int, task: _Task) -> Found:
    """Search one index under a mask that allows at least k rows."""
    import faiss  # noqa: PLC0415 - loaded when first used

    if isinstance(index, faiss.IndexRefine):
        return _rescored(index, queries, k, task)
    if isinstance(index, faiss.IndexPreTransform):
        return _found(faiss.downcast_index(index.index), before_codes(index)(queries), k, task)
    if isinstance(index, faiss.IndexHNSW):
        return _in_graph(index, queries, k, task)
    if isinstance(index, faiss.IndexIVF):
        found = _in_lists(index, queries, k, task)
    elif task.n_allowed <= FEW_ROWS and has_row_codes(index):
        found = _by_themselves(index, queries, k, task)
    elif isinstance(index, (faiss.IndexPQ, faiss.IndexAdditiveQuantizer, faiss.IndexFastScan)):
        found = _over_fetched(index, queries, k, task)
    else:
        found = _in_parts(index, queries, k, _parameters("SearchParameters", sel=_selector(task)))
    return with_lowest(index, queries, found, task.allowed)


def _rescored(index: Any, queries: NDArray[np.float32], k: int, task: _Task) -> Found:
    """Rescore the best allowed rows of the first search, as many as the trial rescores.

    Only where that is all of them are they scored without it: the tier may lie on a disk.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    base, tier = refined_parts(index)
    depth = k * search_value(task.search, "k_factor_rf")
    if task.n_allowed <= depth:
        return _by_themselves(tier, queries, k, task)
    rows = _found(base, queries, depth, task)[1]
    scores = scores_at(tier, queries, rows)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    sign = np.float32(-1 if index.metric_type == faiss.METRIC_L2 else 1)
    return sign * np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)


def _by_themselves(index: Any, queries: NDArray[np.float32], k: int, task: _Task) -> Found:
    """Copy the allowed codes and scan nothing else."""
    rows = np.flatnonzero(task.allowed)
    scores, local = _in_parts(index_of_rows(index, rows), queries, k)
    return scores, np.where(local < 0, -1, rows[local])


def _selector(task: _Task) -> Any:
    """FAISS's selector of the allowed rows; it keeps the bits it points to, and the parameters keep it."""
    import faiss  # noqa: PLC0415 - loaded when first used

    return vars(faiss)["IDSelectorBitmap"](np.packbits(task.allowed, bitorder="little"))


def _parameters(kind: str, **fields: Any) -> Any:
    """FAISS's parameters of one call; its type stubs leave out that they take fields."""
    import faiss  # noqa: PLC0415 - loaded when first used

    return vars(faiss)[kind](**fields)


def _in_parts(index: Any, queries: NDArray[np.float32], k: int, params: Any = None) -> Found:
    """FAISS's own search, of so many queries at once that their results stay small."""
    at_once = max(1, MOST_RESULTS // k)
    found = [
        index.search(queries[first : first + at_once], k, params=params) for first in range(0, len(queries), at_once)
    ]
    return np.concatenate([scores for scores, _ in found]), np.concatenate([rows for _, rows in found])


def _all_in_parts(index: Any, queries: NDArray[np.float32], k: int, search: str) -> Found:
    """As `_in_parts`, under the index's own parameters: a rescoring tier holds k_factor times as many results."""
    at_once = max(1, MOST_RESULTS // (k * search_value(search, "k_factor_rf")))
    if len(queries) <= at_once:
        found: Found = index.search(queries, k)
        return found
    parts = [index.search(queries[first : first + at_once], k) for first in range(0, len(queries), at_once)]
    return np.concatenate([scores for scores, _ in parts]), np.concatenate([rows for _, rows in parts])


def _widened(search: Callable[[NDArray[np.float32], int], Found], queries: NDArray[np.float32], most: int) -> Found:
    """Search, and search again those queries that lack rows, each time twice as broadly up to `most` times."""
    factor = 1
    scores, rows = search(queries, factor)
    lacking = np.flatnonzero(rows[:, -1] < 0)
    while len(lacking) and factor < most:
        factor = min(2 * factor, most)
        scores[lacking], rows[lacking] = search(queries[lacking], factor)
        lacking = lacking[rows[lacking, -1] < 0]
    return scores, rows


def _kept(index: Any, queries: NDArray[np.float32], k: int, task: _Task, depth: int, params: Any = None) -> Found:
    """The first k allowed rows among the `depth` best of all; -1 behind them."""
    scores, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    at_once = max(1, MOST_RESULTS // depth)
    for first in range(0, len(queries), at_once):
        part = slice(first, first + at_once)
        part_scores, part_rows = index.search(queries[part], depth, params=params)
        kept = (part_rows >= 0) & task.allowed[part_rows]
        order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
        scores[part] = np.take_along_axis(part_scores, order, axis=1)
        rows[part] = np.take_along_axis(np.where(kept, part_rows, -1), order, axis=1)
    return scores, rows


def _first_depth(index: Any, k: int, task: _Task) -> int:
    return int(min(index.ntotal, -(-SPARE * k * index.ntotal // task.n_allowed)))


def _over_fetched(index: Any, queries: NDArray[np.float32], k: int, task: _Task) -> Found:
    """Ask for more than k and drop what is not allowed, for codes that FAISS scans without a selector."""
    depth = _first_depth(index, k, task)
    can_copy = has_row_codes(index)
    if can_copy and depth > DEEPEST_FETCH:
        return _by_themselves(index, queries, k, task)
    deepest = min(DEEPEST_FETCH, index.ntotal) if can_copy else index.ntotal
    scores, rows = _widened(
        lambda asked, factor: _kept(index, asked, k, task, min(depth * factor, deepest)), queries, -(-deepest // depth)
    )
    lacking = np.flatnonzero(rows[:, -1] < 0)
    if can_copy and len(lacking):
        scores[lacking], rows[lacking] = _by_themselves(index, queries[lacking], k, task)
    return scores, rows


def _in_lists(index: Any, queries: NDArray[np.float32], k: int, task: _Task) -> Found:
    """Probe the trial's lists, and more of them for queries that lack rows."""
    import faiss  # noqa: PLC0415 - loaded when first used

    nprobe = min(search_value(task.search, "nprobe"), index.nlist)
    if isinstance(index, faiss.IndexIVFAdditiveQuantizerFastScan):
        return _in_own_lists(index, queries, k, task)
    if isinstance(index, faiss.IndexIVFAdditiveQuantizer):
        return _over_fetched_lists(index, queries, k, task, nprobe)
    selector = _selector(task)
    return _widened(
        lambda asked, factor: _in_parts(
            index, asked, k, _parameters("SearchParametersIVF", sel=selector, nprobe=min(nprobe * factor, index.nlist))
        ),
        queries,
        -(-index.nlist // nprobe),
    )


def _over_fetched_lists(index: Any, queries: NDArray[np.float32], k: int, task: _Task, nprobe: int) -> Found:
    """Ask for more results from more lists, for codes that FAISS does not select in lists: RQ and PRQ."""
    depth = _first_depth(index, k, task)
    return _widened(
        lambda asked, factor: _kept(
            index, asked, k, task, min(depth * factor, index.ntotal),
            _parameters("SearchParametersIVF", nprobe=min(nprobe * factor, index.nlist)),
        ),
        queries,
        max(-(-index.nlist // nprobe), -(-index.ntotal // depth)),
    )  # fmt: skip


def _in_own_lists(index: Any, queries: NDArray[np.float32], k: int, task: _Task) -> Found:
    """Search lists of RQ's FastScan codes, for which FAISS takes no parameters of a call at all.

    Queries that lack rows in the trial's lists search a copy that probes every list.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    scores, rows = _kept(index, queries, k, task, _first_depth(index, k, task))
    lacking = np.flatnonzero(rows[:, -1] < 0)
    if len(lacking):
        whole: Any = faiss.deserialize_index(faiss.serialize_index(index))
        whole.nprobe = whole.nlist
        scores[lacking], rows[lacking] = _kept(whole, queries[lacking], k, task, index.ntotal)
    return scores, rows


def _in_graph(index: Any, queries: NDArray[np.float32], k: int, task: _Task) -> Found:
    """Walk the graph past rows that are not allowed; scan the allowed codes once a walk would see as many."""
    import faiss  # noqa: PLC0415 - loaded when first used

    storage: Any = faiss.downcast_index(index.storage)
    candidates = max(k, search_value(task.search, "efSearch"))
    if task.n_allowed <= max(FEW_ROWS, candidates):
        return _found(storage, queries, k, task)
    selector = _selector(task)
    scores, rows = _widened(
        lambda asked, factor: _in_parts(
            index, asked, k, _parameters("SearchParametersHNSW", sel=selector, efSearch=candidates * factor)
        ),
        queries,
        task.n_allowed // candidates,
    )
    lacking = np.flatnonzero(rows[:, -1] < 0)
    if len(lacking):
        scores[lacking], rows[lacking] = _found(storage, queries[lacking], k, task)
    return scores, rows
