"""Exact neighbours by one streamed pass, and the share of them that an index found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import InputError
from ragopt.measure.off_centre import centre_of, shifted
from ragopt.units import MIB

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.records import Metric

    Rows = NDArray[np.int64]
    Vectors = NDArray[np.float32]
    Knn = Callable[[Vectors, Vectors, int, int], tuple[Vectors, Rows]]
    """As `faiss.knn`: queries, vectors, k and FAISS's number of a metric to scores and rows, best first."""

MARGIN = 32
"""Candidates kept beyond k, so that float32 rounding and ties at the k-th place cannot push a true neighbour out.

On 22,067 x 384 sentence vectors and 3,000 queries float32 moved no row by more than 1 place among the best 100
(measured 2026-11-23, cosine and l2); the rest is for ties. Under 100 kept,
FAISS holds a heap, whose ties at the last place go to the lower row.
"""

EXPECTED_SHARE, EXPECTED_MARGIN = 2, 64
"""A block is asked for so many times the rows that it would hold by chance among the best, and some more: five standard
deviations of a share of 100 rows. FAISS takes four times as long for 2,000 results of 16,384 rows as for 100."""

HIGHEST = 2**62
"""Rows are kept in heaps of inner products as what is left to this: more than any corpus has, and far from overflow."""

RANKED_AT_ONCE = 64
"""Queries that rank all rows of a block at once: 13 MB with 16,384 rows."""

RESCORE_BYTES = 16 * MIB
"""Bound on the float64 candidates held at once; the rows that they are gathered from take up to twice as much more."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The best rows of each query, best first, ties by the lower row.

    Attributes:
        ids: int64 (n_queries, K) corpus rows.
        scores: float64 (n_queries, K) inner product, or minus the squared distance; scored in float64 as far as the
            first k + MARGIN go, in float32 behind them.
    """

    ids: Rows
    scores: NDArray[np.float64]


def exact_neighbours(  # noqa: PLR0913 - a corpus that does not fit in memory needs all of them
    blocks: Iterable[tuple[int, Vectors]],
    queries: Vectors,
    *,
    k: int,
    n: int,
    metric: Metric,
    gather: Callable[[Rows], Vectors],
    n_candidates: int = 0,
    knn: Knn | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Neighbours:
    """Find the best rows of every query by brute force, one block of the corpus at a time.

    Blocks are scanned in float32; the best k + `MARGIN` are scored again in float64 and sorted. Memory is one block,
    n_queries x K candidates and `RESCORE_BYTES`.

    Args:
        blocks: (first row, float32 (m, dim) vectors), together every corpus row once.
        queries: float32 (n_queries, dim); unit vectors, as the corpus, for cosine.
        k: neighbours wanted of each query.
        n: corpus rows.
        metric: `l2` scores by minus the squared distance, the others by the inner product.
        gather: returns float32 (len(rows), dim), the vectors of the given rows.
        n_candidates: rows kept of each query beyond the neighbours themselves, in the order of their float32 scores:
            what the estimate of a compressed search ranks again. Fewer than k + MARGIN change nothing.
        knn: finds the best rows of one block, `GpuScan` for example; `faiss.knn` when None.
        progress: called with (rows done, n) after each block.

    Returns:
        K = min(max(k + MARGIN, n_candidates), n) rows of each query. More than MARGIN rows of equal score at the k-th
        place are cut at k + MARGIN.

    Raises:
        InputError: k outside 1..n, no queries, vectors of another dimension, blocks that do not add up to n rows, or
            values that are not finite.

    Source: docs/method-measure.md#exact-neighbours.
    """
    check_asked(queries, k=k, n=n)
    kept, sure = min(max(k + MARGIN, n_candidates), n), min(k + MARGIN, n)
    checked, moved = checked_near_origin(blocks, queries, metric)
    rows, scores = _scan(checked, moved, kept=kept, n=n, metric=metric, knn=knn, progress=progress)
    if metric == "l2":
        scores = -scores
    return with_exact_scores(rows, scores, queries, sure=sure, metric=metric, gather=gather)


def check_asked(queries: Vectors, *, k: int, n: int) -> None:
    """Raise InputError without queries, or for a k outside 1..n."""
    if queries.ndim != 2 or not len(queries):
        raise InputError(
            f"Cannot search with queries of shape {queries.shape}",
            allowed="(n_queries, dim), at least one query",
            next_step="Give at least one query",
        )
    if not 1 <= k <= n:
        raise InputError(
            f"Cannot find {k} neighbours among {n} vectors",
            allowed=f"k from 1 to {n}",
            next_step="Choose a smaller --k",
        )


def with_exact_scores(
    rows: Rows, scores: Vectors, queries: Vectors, *, sure: int, metric: Metric, gather: Callable[[Rows], Vectors]
) -> Neighbours:
    """Score the first `sure` rows of each query in float64 and sort them; those behind stay as they are.

    Args:
        rows: int64 (n_queries, K), best first by their float32 scores.
        scores: float32 (n_queries, K), the higher the better.
        queries: float32 (n_queries, dim).
        sure: rows to score again.
        metric: see `exact_neighbours`.
        gather: returns float32 (len(rows), dim), the vectors of the given rows.
    """
    best = _rescored(rows[:, :sure], queries, metric, gather)
    if rows.shape[1] == sure:
        return best
    rest = scores[:, sure:].astype(np.float64)
    return Neighbours(np.hstack([best.ids, rows[:, sure:]]), np.hstack([best.scores, rest]))


def _scan(  # noqa: PLR0913 - those of `exact_neighbours`
    blocks: Iterable[tuple[int, Vectors]],
    queries: Vectors,
    *,
    kept: int,
    n: int,
    metric: Metric,
    knn: Knn | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[Rows, Vectors]:
    import faiss  # noqa: PLC0415 - loaded when first used

    knn = knn or faiss.knn
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    best: Any = faiss.ResultHeap(len(queries), kept, keep_max=metric != "l2")
    done = 0
    for first, vectors in blocks:
        if not len(vectors):
            continue
        wanted = min(kept, len(vectors))
        if done >= kept:
            # Of rows in random order so many of a block are among the best; where that is too few, see below.
            wanted = min(wanted, EXPECTED_SHARE * kept * len(vectors) // done + EXPECTED_MARGIN)
        _take(best, queries, (first, vectors), knn, wanted=wanted, kind=kind)
        done += len(vectors)
        if progress is not None:
            progress(done, n)
    check_counted(done, n)
    # The heap hands its rows out in order only when it is told that it is full.
    best.finalize()
    rows: Rows = best.I if kind == faiss.METRIC_L2 else HIGHEST - best.I
    if ((best.I < 0) | (rows < 0)).any():
        raise not_finite()
    return by_row_where_tied(rows, best.D), best.D


def by_row_where_tied(rows: Rows, scores: Vectors) -> Rows:
    """The rows with those of equal score, which lie side by side, in the order of their numbers; int64, as given."""
    tied = np.flatnonzero((scores[:, 1:] == scores[:, :-1]).any(axis=1))
    if not len(tied):
        return rows
    rows = rows.copy()
    group = (np.diff(scores[tied], axis=1, prepend=np.inf) != 0).cumsum(axis=1)
    rows[tied] = np.take_along_axis(rows[tied], np.lexsort((rows[tied], group), axis=1), axis=1)
    return rows


def _take(best: Any, queries: Vectors, block: tuple[int, Vectors], knn: Knn, *, wanted: int, kind: int) -> None:
    """Add a block's `wanted` best rows of each query, and all that may count of those queries that ask for more."""
    import faiss  # noqa: PLC0415 - loaded when first used

    first, vectors = block
    most = min(best.k, len(vectors))
    # The first column of a heap is its worst entry, which a row has to beat.
    worst = best.D[:, 0].copy()

    def add(some: Rows, wanted: int) -> Rows:
        scores, local = _best_of_block(queries[some], vectors, knn, wanted, kind, worst[some])
        more = scores[:, -1] < worst[some] if kind == faiss.METRIC_L2 else scores[:, -1] > worst[some]
        enough = np.flatnonzero(~more) if wanted < most else np.arange(len(some))
        rows = local[enough] + first
        # Of equal scores a heap drops the highest number by l2, the lowest by the inner product.
        best.add_result_subset(some[enough], scores[enough], rows if kind == faiss.METRIC_L2 else HIGHEST - rows)
        return np.setdiff1d(some, some[enough])

    asked = add(np.arange(len(queries)), wanted)
    if len(asked):
        add(asked, most)


def _best_of_block(
    queries: Vectors, vectors: Vectors, knn: Knn, wanted: int, kind: int, worst: Vectors
) -> tuple[Vectors, Rows]:  # fmt: skip
    """The `wanted` best rows of a block for each query, of equal ones at the last place those of the lowest numbers.

    Which of equal ones FAISS keeps is chance, so one row more is asked for: where it ties with the last that is wanted,
    and beats what the heap has, all rows of the block are ranked.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    scores, local = knn(queries, vectors, min(wanted + 1, len(vectors)), kind)
    if (local < 0).any():
        raise not_finite()
    if wanted < scores.shape[1]:
        last = scores[:, wanted - 1]
        beats = last < worst if kind == faiss.METRIC_L2 else last > worst
        tied = np.flatnonzero((last == scores[:, wanted]) & beats)
        scores, local = scores[:, :wanted].copy(), local[:, :wanted].copy()
        for start in range(0, len(tied), RANKED_AT_ONCE):
            some = tied[start : start + RANKED_AT_ONCE]
            every, rows = knn(queries[some], vectors, len(vectors), kind)
            scores[some], local[some] = every[:, :wanted], by_row_where_tied(rows, every)[:, :wanted]
    # A heap takes no row that ties with its worst, so the lowest numbers have to come first.
    return scores, by_row_where_tied(local, scores)


def checked_near_origin(
    blocks: Iterable[tuple[int, Vectors]], queries: Vectors, metric: Metric
) -> tuple[Iterator[tuple[int, Vectors]], Vectors]:  # fmt: skip
    """Blocks, checked as they come, and queries; for `l2` both moved to the origin if they lie far from it.

    Args:
        blocks: see `exact_neighbours`.
        queries: float32 (n_queries, dim), at least one.
        metric: see `exact_neighbours`.

    Raises:
        InputError: while the blocks are read, for one of another dimension.
    """
    checked = _checked(blocks, queries)
    centre = centre_of(queries) if metric == "l2" else None
    return (checked, queries) if centre is None else (shifted(checked, centre), queries - centre)


def _checked(blocks: Iterable[tuple[int, Vectors]], queries: Vectors) -> Iterator[tuple[int, Vectors]]:
    for first, vectors in blocks:
        _check_block(vectors, queries, first)
        yield first, vectors


def _check_block(vectors: Vectors, queries: Vectors, first: int) -> None:
    """Raise InputError when a block of vectors, whose first row is `first`, has not the queries' dimension."""
    if vectors.ndim != 2 or vectors.shape[1] != queries.shape[1]:
        raise InputError(
            f"The queries have {queries.shape[1]} dimensions, the vectors at row {first} have the shape "
            f"{vectors.shape}",
            allowed=f"vectors of {queries.shape[1]} dimensions",
            next_step="Embed queries and corpus with the same model",
        )


def check_counted(done: int, n: int) -> None:
    """Raise InputError when the blocks held another number of vectors than was said."""
    if done != n:
        raise InputError(
            f"The blocks hold {done} vectors", allowed=f"{n}, as counted before", next_step="Check the vector store"
        )


def not_finite() -> InputError:
    """The error for scores that are no numbers."""
    return InputError(
        "Some scores are not numbers",
        allowed="finite vectors whose inner products fit float32",
        next_step="Look for NaN or infinite values in the queries and vectors",
    )


def _rescored(rows: Rows, queries: Vectors, metric: Metric, gather: Callable[[Rows], Vectors]) -> Neighbours:
    n_queries, kept = rows.shape
    dim = queries.shape[1]
    ids, scores = np.empty_like(rows), np.empty(rows.shape, np.float64)
    step = max(1, RESCORE_BYTES // (kept * dim * 8))
    for start in range(0, n_queries, step):
        part = np.sort(rows[start : start + step], axis=1)
        unique, places = np.unique(part, return_inverse=True)
        vectors = gather(unique).astype(np.float64)[places.reshape(part.shape)]
        query = queries[start : start + step].astype(np.float64)
        # einsum adds each row in the same order, so equal vectors get equal scores; BLAS does not promise that.
        if metric == "l2":
            vectors -= query[:, None, :]
            score = -np.einsum("qkd,qkd->qk", vectors, vectors)
        else:
            score = np.einsum("qkd,qd->qk", vectors, query)
        # The rows come in ascending order, so a stable sort breaks ties by the lower row.
        order = np.argsort(-score, axis=1, kind="stable")
        ids[start : start + step] = np.take_along_axis(part, order, axis=1)
        scores[start : start + step] = np.take_along_axis(score, order, axis=1)
    return Neighbours(ids, scores)


def recall_vs_exact(found: Rows, exact: Neighbours, *, k: int) -> NDArray[np.float32]:
    """Share of each query's k exact neighbours that an index returned among its first k.

    Rows that tie with the k-th neighbour are as good as it: they count as far as places are left behind the strictly
    better ones. A row returned twice counts once.

    Args:
        found: int64 (n_queries, >= k) rows, best first; -1 means none.
        exact: what `exact_neighbours` returned for at least k.
        k: neighbours counted.

    Returns:
        float32 (n_queries,) in [0, 1].

    Raises:
        InputError: other query counts, or fewer than k columns in either.

    Source: docs/method-measure.md#exact-neighbours.

    >>> exact = Neighbours(np.array([[7, 3, 5]]), np.array([[0.9, 0.8, 0.8]]))
    >>> recall_vs_exact(np.array([[5, -1]]), exact, k=2)
    array([0.5], dtype=float32)
    """
    if found.ndim != 2 or len(found) != len(exact.ids) or not 1 <= k <= min(found.shape[1], exact.ids.shape[1]):
        raise InputError(
            f"Cannot compare found rows {found.shape} with exact neighbours {exact.ids.shape} at k = {k}",
            allowed="the same queries, and at least k columns in both",
            next_step="Search the same queries with at least k results",
        )
    last = exact.scores[:, k - 1 : k]
    # Nothing behind the last row that ties with the k-th can count.
    width = int((exact.scores >= last).sum(axis=1).max())
    ids, scores = exact.ids[:, :width], exact.scores[:, :width]
    hit = np.zeros(ids.shape, bool)
    for place in range(k):
        hit |= ids == found[:, place : place + 1]
    better = scores > last
    places_left = k - better.sum(axis=1)
    tied = (hit & (scores == last)).sum(axis=1)
    hits = (hit & better).sum(axis=1) + np.minimum(tied, places_left)
    return np.asarray(hits / k, dtype=np.float32)
