"""From scored candidates to what a search returns: shortlists by code, and the best of them after rescoring.

A place is a candidate's rank among the exact neighbours: 0 is the nearest. Everything here is numpy on small arrays, so
that one scoring serves every rescoring depth, every nprobe and every precision of the rescoring tier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Places: TypeAlias = "NDArray[np.signedinteger[Any]]"
"""Places or ranks: int32, or int16 where all of them fit, which many shortlists are kept as."""


QUERIES_AT_ONCE = 64
"""Queries sorted at once: sorting makes several copies, 2 MB of 5,000 candidates each."""


def shortlist(scores: NDArray[np.float32], by_row: Places, *, depth: int, n_places: int = 0) -> Places:
    """Order candidates by their code's score, best first; equal scores go to the lower corpus row.

    Args:
        scores: float32 (n_queries, K), minus infinity for candidates that a search never returns.
        by_row: int32 (n_queries, K) places in ascending order of their corpus rows.
        depth: how many are kept; at most K.
        n_places: only the first so many places compete; 0 for all.

    Returns:
        int32 (n_queries, depth) places, -1 behind the last one found.

    >>> scores = np.array([[0.5, 0.9, 0.9]], dtype=np.float32)
    >>> shortlist(scores, np.array([[2, 0, 1]], dtype=np.int32), depth=2)
    array([[2, 1]], dtype=int32)
    """
    found = np.empty((len(scores), depth), dtype=np.int32)
    for start in range(0, len(scores), QUERIES_AT_ONCE):
        part, rows = scores[start : start + QUERIES_AT_ONCE], by_row[start : start + QUERIES_AT_ONCE]
        in_row_order = np.take_along_axis(part, rows, axis=1)
        if n_places:
            in_row_order = np.where(rows < n_places, in_row_order, -np.inf)
        order = np.argsort(-in_row_order, axis=1, kind="stable")[:, :depth]
        places = np.take_along_axis(rows, order, axis=1)
        missing = np.isneginf(np.take_along_axis(in_row_order, order, axis=1))
        found[start : start + QUERIES_AT_ONCE] = np.where(missing, np.int32(-1), places)
    return found


def ranks(scores: NDArray[np.float32], by_row: Places) -> Places:
    """Rank of every candidate under the rescoring tier's scores, 0 for the best; equal scores go to the lower row.

    Args:
        scores: float32 (n_queries, K), all finite.
        by_row: int32 (n_queries, K) places in ascending order of their corpus rows.

    Returns:
        int32 (n_queries, K).
    """
    order = shortlist(scores, by_row, depth=scores.shape[1])
    found = np.empty(order.shape, dtype=np.int32)
    np.put_along_axis(found, order, np.arange(order.shape[1], dtype=np.int32)[None], axis=1)
    return found


def best_rescored(places: Places, tier_ranks: Places, *, depth: int, n_results: int) -> Places:
    """Keep the best of the first `depth` places of a shortlist by the rescoring tier.

    Args:
        places: int32 (n_queries, >= depth) shortlist; below 0 for what cannot be among the results.
        tier_ranks: int32 (n_queries, K) from `ranks`.
        depth: how many are rescored.
        n_results: how many are kept; at most `depth`.

    Returns:
        int32 (n_queries, n_results) places, best first, -1 behind the last one found.

    >>> places, tier_ranks = np.array([[0, 2, 1]]), np.array([[2, 1, 0]])
    >>> best_rescored(places, tier_ranks, depth=2, n_results=1)
    array([[2]])
    """
    if depth > places.shape[1] and places.shape[1] < tier_ranks.shape[1]:
        raise ValueError(f"cannot rescore {depth} of a shortlist of {places.shape[1]}")
    first = places[:, :depth]
    worst = np.int32(np.iinfo(np.int32).max)
    keys = np.where(first < 0, worst, np.take_along_axis(tier_ranks, np.maximum(first, 0), axis=1))
    if n_results < keys.shape[1]:
        near = np.argpartition(keys, n_results - 1, axis=1)[:, :n_results]
        keys, first = np.take_along_axis(keys, near, axis=1), np.take_along_axis(first, near, axis=1)
    return np.take_along_axis(first, np.argsort(keys, axis=1, kind="stable"), axis=1)


def narrow(places: Places) -> Places:
    """Keep places or ranks in int16 where all of them fit: hundreds of shortlists are held at once."""
    fits = not places.size or places.max() <= np.iinfo(np.int16).max
    return places.astype(np.int16) if fits else places


def rows_at(rows: NDArray[np.signedinteger[Any]], places: Places) -> NDArray[np.int64]:
    """Corpus rows at places, -1 where there is none.

    Args:
        rows: (n_queries, K) candidates.
        places: (n_queries, n).

    Returns:
        int64 (n_queries, n).
    """
    return np.where(places < 0, np.int64(-1), np.take_along_axis(rows, np.maximum(places, 0), axis=1).astype(np.int64))
