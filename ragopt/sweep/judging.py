"""From found rows to quality: recall against exact search, and judged quality where there are judgements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.measure.chunk_recall import BY_CHUNKS, depths_of, recall_by_chunks
from ragopt.measure.judged import Judge, documents_of
from ragopt.measure.neighbours import Neighbours, recall_vs_exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Judging:
    """What found rows are judged by.

    Attributes:
        query_ids: of one set of queries, in the order of its vectors.
        document_ids: by row. duplicates: row to further documents with the same text.
        judge: of the judged queries; None when there are no judgements.
        k: neighbours counted.
    """

    query_ids: Sequence[str]
    document_ids: Sequence[str]
    duplicates: Mapping[int, Sequence[str]]
    judge: Judge | None
    k: int

    def scores(
        self, found: NDArray[np.int64], found_scores: NDArray[np.float32], exact: Neighbours
    ) -> dict[str, NDArray[np.float32]]:
        """Score every query.

        Args:
            found: int64 (n_queries, >= k) rows, best first, -1 for none.
            found_scores: float32 of the same shape, higher is better.
            exact: neighbours of the same queries.

        Returns:
            float32 by quality name; judged qualities only for judged queries.
        """
        scores = {f"recall_vs_exact@{self.k}": recall_vs_exact(found, exact, k=self.k)}
        if self.judge is not None:
            rankings = documents_of(found, found_scores, self.document_ids, self.duplicates)
            scores |= self.judge.scores(self.query_ids, rankings)
        return scores

    def recall_by_chunks(self, found: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Share of each judged query's documents among its first chunks; empty without judgements.

        Args:
            found: int64 (n_queries, n_results) rows, best first, -1 for none.

        Returns:
            float32 (n_judged,) by name, `recall_by_chunks@<number of chunks>`.
        """
        if self.judge is None:
            return {}
        depths = depths_of(self.k, found.shape[1])
        rows = self.judge.rows(self.query_ids)
        scores = recall_by_chunks(
            found[rows], self.judge.relevant(self.query_ids), self.document_ids, self.duplicates, depths
        )
        return {f"{BY_CHUNKS}{depth}": scores[:, column] for column, depth in enumerate(depths)}
