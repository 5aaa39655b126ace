"""Quality of what a row found for the reported queries, by ragopt's own measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from frontier_data import N_SELECT, Data, K

from ragopt.measure.intervals import Interval, mean_interval, paired_difference
from ragopt.measure.judged import Judge, documents_of
from ragopt.measure.neighbours import Neighbours, recall_vs_exact

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Scorer:
    """Scores rows against exact search over the same queries."""

    def __init__(self, data: Data) -> None:
        """Score exact search once."""
        self._data = data
        self._ids = data.query_ids[N_SELECT:]
        self._judge = Judge(data.qrels, k=K)
        self._truth = Neighbours(data.exact.ids[N_SELECT:], data.exact.scores[N_SELECT:])
        self._exact = self._judged(self._truth.ids[:, :K])

    def _judged(self, found: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        # The order found is what is judged: peers' own scores differ in sign and scale, and trec_eval sorts by score.
        order = np.broadcast_to(-np.arange(found.shape[1], dtype=np.float32), found.shape)
        return self._judge.scores(self._ids, documents_of(found, order, self._data.corpus_ids, {}))

    def exact(self) -> dict[str, Any]:
        """Quality of exact search, the reference of every loss."""
        return {name: _shown(mean_interval(values)) for name, values in self._exact.items()}

    def score(self, found: NDArray[np.int64]) -> dict[str, Any]:
        """Recall and judged quality of int64 (n_reported, 10) rows, with paired losses (exact minus found)."""
        judged = self._judged(found)
        return {
            f"recall_vs_exact@{K}": _shown(mean_interval(recall_vs_exact(found, self._truth, k=K))),
            **{name: _shown(mean_interval(values)) for name, values in judged.items()},
            **{
                f"{name}_loss": _shown(paired_difference(self._exact[name], judged[name]))
                for name in ("ndcg@10", "mrr@10")
            },
        }


def _shown(interval: Interval) -> dict[str, float]:
    return {
        "value": round(interval.value, 6),
        "low": round(interval.low, 6),
        "high": round(interval.high, 6),
        "n": interval.n,
    }
