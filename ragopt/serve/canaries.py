"""Canaries: queries whose exact neighbours are kept with the index, so that it can be asked again at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.records import Metric

N_CANARIES = 256
"""Queries kept: 256 are embedded in seconds on a CPU, and their mean is known to two points at 95 % even where half of
them differ (1.96 * 0.16 / 16)."""

DEPTH = 100
"""Exact neighbours kept of each canary, so that ten times k of them may be deleted before one is unknown."""

UNKNOWN, DELETED = -1, -2
"""Instead of a row: there was no further vector; or it was deleted and numbered anew since. A deleted one keeps its
place and score, so that what is known to lie behind it stays known."""


def exact_scores(queries: NDArray[np.float32], vectors: NDArray[np.float32], metric: Metric) -> NDArray[np.float64]:
    """Score every query with every vector in float64: inner product, or minus the squared distance.

    Args:
        queries: float32 (m, dim).
        vectors: float32 (n, dim), of unit length for cosine.
        metric: of the vectors.

    Returns:
        float64 (m, n), higher is nearer.
    """
    left, right = queries.astype(np.float64), vectors.astype(np.float64)
    if metric != "l2":
        return np.asarray(left @ right.T)
    # By differences: the expanded form would lose digits where vectors are close (docs/method-measure.md).
    return np.stack([-((right - query) ** 2).sum(axis=1) for query in left]) if len(left) else np.empty((0, len(right)))


def with_rows(
    rows: NDArray[np.int64], scores: NDArray[np.float64], new_rows: NDArray[np.int64], new_scores: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Exact neighbours after rows were added: the best of both, ties by the lower row.

    Args:
        rows: int64 (m, depth), `UNKNOWN` where there was no further vector.
        scores: float64 (m, depth).
        new_rows: int64 (n,).
        new_scores: float64 (m, n).

    Returns:
        int64 and float64 (m, max(depth, DEPTH) or all there are).
    """
    depth = min(max(rows.shape[1], DEPTH), rows.shape[1] + len(new_rows))
    every = np.concatenate([rows, np.broadcast_to(new_rows, (len(rows), len(new_rows)))], axis=1)
    score = np.concatenate([np.where(rows == UNKNOWN, -np.inf, scores), new_scores], axis=1)
    order = np.lexsort((every, -score), axis=1)[:, :depth]
    return np.take_along_axis(every, order, axis=1), np.take_along_axis(score, order, axis=1)


def alive_first(rows: NDArray[np.int64], dead: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put the neighbours that are not deleted first, in their order.

    Args:
        rows: int64 (m, depth), best first.
        dead: bool (n_rows,).

    Returns:
        int64 (m, depth) rows, `UNKNOWN` behind those that are alive, and int64 (m, depth) places that they came from.
    """
    gone = rows < 0
    if len(dead):
        gone |= dead[np.maximum(rows, 0)]
    order = np.argsort(gone, axis=1, kind="stable")
    last = np.take_along_axis(gone, order, axis=1)
    return np.where(last, UNKNOWN, np.take_along_axis(rows, order, axis=1)), order


def alive_neighbours(rows: NDArray[np.int64], dead: NDArray[np.bool_], k: int) -> tuple[NDArray[np.int64], int]:
    """The k nearest rows of each canary that are not deleted.

    Args:
        rows: int64 (m, depth) exact neighbours among all rows, best first.
        dead: bool (n_rows,).
        k: wanted.

    Returns:
        int64 (m, k), `UNKNOWN` where too many are deleted to tell, and the number of canaries that are known whole.
    """
    found = alive_first(rows, dead)[0][:, :k]
    if found.shape[1] < k:
        found = np.pad(found, ((0, 0), (0, k - found.shape[1])), constant_values=UNKNOWN)
    return found, int((found != UNKNOWN).all(axis=1).sum())
