"""Ask the canaries again: what the served index finds of their exact neighbours, and what the embedder says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.measure.intervals import MIN_QUERIES, mean_interval
from ragopt.measure.neighbours import Neighbours, recall_vs_exact
from ragopt.serve.canaries import UNKNOWN, alive_first, alive_neighbours
from ragopt.serve.manifest import CanaryRecall
from ragopt.serve.row_store import row_store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.serve.snapshot import Snapshot

NO_ROW = -3
"""Behind the last known neighbour: equal to no row and to none of the marks of `ragopt.serve.canaries`."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What every canary found.

    Attributes:
        scores: float64 (n_canaries,) recall_vs_exact@k; NaN where the k nearest are not known.
        known: bool (n_canaries,) whether they are.
    """

    scores: NDArray[np.float64]
    known: NDArray[np.bool_]


def replay_canaries(snapshot: Snapshot) -> Replayed:
    """Search a version with its canaries and compare with their exact neighbours among the rows that are not deleted.

    A canary whose kept neighbours are deleted up to fewer than k is unknown: what lies behind them nobody kept.

    Args:
        snapshot: opened.
    """
    manifest, k = snapshot.manifest, snapshot.manifest.k
    rows, scores = snapshot.canary_neighbours
    dead = np.zeros(manifest.n_rows, dtype=bool)
    dead[snapshot.dead_rows] = True
    alive, order = alive_first(rows, dead)
    # Scores decide ties at the k-th place: behind the last known neighbour there are none.
    scores = np.where(alive == UNKNOWN, -np.inf, np.take_along_axis(scores, order, axis=1))
    exact = Neighbours(np.where(alive == UNKNOWN, NO_ROW, alive), scores)
    known = np.asarray((alive_neighbours(rows, dead, k)[0] >= 0).all(axis=1))
    found = np.full(len(rows), np.nan)
    if known.any():
        store = row_store(manifest.engine)
        results = store.nearest(snapshot, snapshot.canaries()[known], max(manifest.n_results, k))[1]
        found[known] = hits_of_k(results, Neighbours(exact.ids[known], exact.scores[known]), k) / k
    return Replayed(found, known)


def hits_of_k(rows: NDArray[np.int64], exact: Neighbours, k: int) -> NDArray[np.int64]:
    """How many of its k exact neighbours each query found, int64 (n_queries,)."""
    return np.rint(recall_vs_exact(rows, exact, k=k).astype(np.float64) * k).astype(np.int64)


def canary_recall(snapshot: Snapshot) -> CanaryRecall | None:
    """recall_vs_exact@k of the canaries, to be kept at the build; None where it is not known of all, or of one only."""
    replayed = replay_canaries(snapshot)
    if len(replayed.scores) < MIN_QUERIES or not replayed.known.all():
        return None
    found = mean_interval(replayed.scores)
    hits = np.rint(replayed.scores * snapshot.manifest.k).astype(int)
    return CanaryRecall(found.value, found.low, found.high, tuple(hits.tolist()))
