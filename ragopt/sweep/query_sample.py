"""A part of the selection queries with their candidates: what one round of a race is run on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.measure.neighbours import Neighbours
from ragopt.sweep.model_stage import queries_fingerprint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.sweep.model_stage import ModelData

CANDIDATES_PER_K = 50
"""Least candidates per neighbour counted: with fewer the estimate is up to 0.7 points too high
(facts measured on 2 M and 200 k vectors, 2026-11; docs/method.md#estimate)."""

CANDIDATES_PER_DEPTH = 5
"""Least candidates per rescored vector: at 2.5 the estimate was 0.3 to 0.6 points too high for 16-byte codes, at 5 at
most 0.13 (22,067 vectors, 2026-11)."""


MOST_SCORES = 1 << 22
"""Scores of one codec held at once, queries x candidates: 16 MB of float32. Where doubling the candidates would pass
it, the estimate stays marked as an upper bound."""


@dataclass(frozen=True, slots=True)
class QuerySample:
    """Some queries of one model.

    Attributes:
        queries: float32 (m, dim) at full dimension.
        exact: their neighbours, which recall is counted against.
        candidates: int32 (m, K) rows, exact nearest first.
        key: SHA-256 of the queries.
    """

    queries: NDArray[np.float32]
    exact: Neighbours
    candidates: NDArray[np.int32]
    key: str

    @classmethod
    def of(cls, data: ModelData, rows: NDArray[np.int64]) -> QuerySample:
        """Take some of a model's selection queries, in the order of `rows`."""
        chosen, exact = data.select_queries[rows], data.select_exact
        return cls(chosen, Neighbours(exact.ids[rows], exact.scores[rows]), data.candidates[rows],
                   queries_fingerprint(chosen))  # fmt: skip

    def candidates_key(self, n_candidates: int) -> str:
        """SHA-256 of the first `n_candidates` candidates: equal scores may come in another order from another pass."""
        return hashlib.sha256(np.ascontiguousarray(self.candidates[:, :n_candidates]).data).hexdigest()


def candidates_wanted(depth: int, *, k: int, n_vectors: int) -> int:
    """How many candidates an estimate at a rescoring depth starts with: the larger of 50 k and 5 x depth.

    >>> candidates_wanted(10, k=10, n_vectors=10**6), candidates_wanted(400, k=10, n_vectors=10**6)
    (500, 2000)
    """
    return min(max(CANDIDATES_PER_K * k, CANDIDATES_PER_DEPTH * depth), n_vectors)


def racing_order(n_queries: int, *, seed: int) -> NDArray[np.int64]:
    """A seeded order of the selection queries: every round takes the first so many of it."""
    return np.random.default_rng(seed).permutation(n_queries).astype(np.int64)
