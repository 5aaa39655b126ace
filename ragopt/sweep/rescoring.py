"""One shortlist for every rescoring depth: what FAISS's IndexRefine finds, without searching the codes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.records import Metric

GATHER_VALUES = 1 << 23
"""Decoded values held at once: 32 MB of float32."""


def rescore_shortlist(
    refine: Any, queries: NDArray[np.float32], shortlist: NDArray[np.int64], *, metric: Metric
) -> NDArray[np.float32]:
    """Score every shortlisted vector with the rescoring codec, as IndexRefine does.

    Args:
        refine: filled FAISS index of the rescoring codes.
        queries: float32 (n_queries, dim).
        shortlist: int64 (n_queries, depth) rows, -1 for none.
        metric: l2 gives minus the squared distance, so that higher is always better.

    Returns:
        float32 (n_queries, depth); minus infinity where the shortlist holds none.
    """
    n_queries, depth = shortlist.shape
    dim = queries.shape[1]
    scores = np.full(shortlist.shape, -np.inf, dtype=np.float32)
    step = max(1, GATHER_VALUES // (depth * dim))
    for start in range(0, n_queries, step):
        rows = shortlist[start : start + step]
        asked = queries[start : start + step]
        vectors = refine.reconstruct_batch(np.where(rows < 0, 0, rows).reshape(-1)).reshape(*rows.shape, dim)
        if metric == "l2":
            found = -np.square(vectors - asked[:, None, :]).sum(axis=2)
        else:
            found = np.einsum("qrd,qd->qr", vectors, asked)
        scores[start : start + step] = np.where(rows < 0, -np.inf, found)
    return scores


def best_rescored(
    shortlist: NDArray[np.int64], scores: NDArray[np.float32], *, depth: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keep the k best of the first `depth` of a shortlist by their rescored scores.

    Args:
        shortlist: int64 (n_queries, >= depth), in the order of the codes.
        scores: float32 of the same shape.
        depth: how many are rescored.
        k: how many are kept.

    Returns:
        int64 rows and float32 scores, (n_queries, k), best first; equal scores keep the codes' order.

    >>> best_rescored(np.array([[7, 8, 9]]), np.array([[0.1, 0.3, 0.9]], dtype=np.float32), depth=2, k=1)[0]
    array([[8]])
    """
    order = np.argsort(-scores[:, :depth], axis=1, kind="stable")[:, :k]
    return np.take_along_axis(shortlist, order, axis=1), np.take_along_axis(scores, order, axis=1)
