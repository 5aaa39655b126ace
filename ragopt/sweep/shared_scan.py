"""One scan of a built index's codes for all finalists that differ in rescoring depth and tier only.

A scan of all codes is most of what measuring a finalist costs (2,000 queries x 1,000,000 codes of 36 bytes take 15 s on
two cores), and a shallow search returns the first of what a deep one does. So the codes are searched once, as deep as
any of these finalists goes, and each tier rescores as much of that as its trial would.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.choose import is_exact
from ragopt.index.candidate_scores import scores_at
from ragopt.sweep.codec_scoring import searched_at_depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ragopt.index.factory import Factory
    from ragopt.records import Trial

QUERIES_AT_ONCE = 256
"""Queries searched at once: enough to keep every core busy, and results of a thousand vectors each stay small."""


def can_share(base: Factory, trials: Sequence[Trial]) -> bool:
    """Whether one scan serves these trials of the same codes.

    Not for codes whose first results depend on how many are asked for or that tie, nor for FastScan, whose rounded
    scores tie and whose scan costs next to nothing, nor for lists and graphs, which read few codes.
    """
    return (
        sum(not is_exact(trial) for trial in trials) > 1
        and base.codec.scores_single and not searched_at_depth(base) and not base.nlist
        and not base.is_graph
    )  # fmt: skip


@dataclass(frozen=True)
class SharedScan:
    """The codes' shortlists of some queries, made when first asked for.

    Attributes:
        index: filled FAISS index of the codes alone. queries: float32 (n_queries, dim) in its space.
        depth: how many results are taken of each query.
    """

    index: Any
    queries: NDArray[np.float32]
    depth: int
    _rescored: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @functools.cached_property
    def shortlist(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Distances, float32, and rows, int64, (n_queries, depth), best first, -1 behind them."""
        parts = [
            self.index.search(self.queries[first : first + QUERIES_AT_ONCE], self.depth)
            for first in range(0, len(self.queries), QUERIES_AT_ONCE)
        ]
        return np.vstack([part[0] for part in parts]), np.vstack([part[1] for part in parts])

    def results(
        self, tier: Any, name: str, *, depth: int, n_results: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:  # fmt: skip
        """Give what a search with this tier and depth returns.

        Args:
            tier: filled FAISS index of the rescoring vectors; None for the codes alone.
            name: of the tier; it rescores the whole shortlist once.
            depth: how many of the shortlist are rescored.
            n_results: how many are returned.

        Returns:
            Distances, float32, and rows, int64, (n_queries, n_results), best first.
        """
        distances, rows = self.shortlist
        if tier is None:
            return distances[:, :n_results], rows[:, :n_results]
        if name not in self._rescored:
            self._rescored[name] = scores_at(tier, self.queries, rows)
        first, scores = rows[:, :depth], self._rescored[name][:, :depth]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n_results]
        found = np.take_along_axis(scores, order, axis=1)
        return (found if is_similarity(tier) else -found), np.take_along_axis(first, order, axis=1)


def is_similarity(index: Any) -> bool:
    """Whether larger distances of an index are better: inner products are."""
    import faiss  # noqa: PLC0415 - loaded when first used

    return bool(index.metric_type == faiss.METRIC_INNER_PRODUCT)
