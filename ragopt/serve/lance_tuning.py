"""How to search an index of LanceDB: settings that are accurate enough on queries of the run, fastest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.measure.intervals import mean_interval
from ragopt.measure.latency import time_searches
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.serve.lance_index import LanceSearch, is_graph, keeps_vectors
from ragopt.serve.lance_search import TableSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from ragopt.measure.neighbours import Neighbours
    from ragopt.records import LatencyMs, Metric
    from ragopt.serve.lance_index import LanceType

MOST_TUNING = 500
"""Queries that parameters are tuned on: shares near 0.95 are known to two points, and tens of settings are tried."""
REFINE_FACTORS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Times the results that are rescored: each twice the one before. IVF_PQ over wordllama's vectors of squad-100k shares
0.9206 with exact search at 32, 0.9573 at 64, 0.9757 at 128 (docs/method-serve.md); the last reads 1,280 vectors for ten
results, about the 1,000 that a sweep rescores at most."""
EF_FACTORS = (1, 2, 4, 8, 16, 32)
"""Candidates of a graph's search, times the results of the index: LanceDB's default is 1.5."""
MOST_EF = 1024
"""Candidates of a graph's search, times the results, that are tried: both factors at 32."""
N_TIMED, N_WARMUP, MOST_SECONDS = 100, 10, 1.5
"""As few timed searches per setting as give a p99, as when a sweep times finalists."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Queries with their exact neighbours, and what is asked of them.

    Attributes:
        vectors: float32 (n, dim). exact: of each at least k.
        k: neighbours counted. n_results: that a search asks for. metric: of the vectors.
    """

    vectors: NDArray[np.float32]
    exact: Neighbours
    k: int
    n_results: int
    metric: Metric

    def found(self, table: Any, search: LanceSearch) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Float32 scores and int64 rows, (n, n_results), as a served folder finds them."""
        return TableSearch(table, self.metric, search).nearest(self.vectors, self.n_results)

    def latency(self, table: Any, search: LanceSearch, *, most_timed: int) -> LatencyMs:
        """Wall time of one search after the other; LanceDB uses as many threads as it likes."""
        asked = TableSearch(table, self.metric, search)
        timed = self.vectors[: most_timed + N_WARMUP]
        timing = time_searches(lambda query: asked.nearest(query, self.n_results), timed,
                               warmup=min(N_WARMUP, len(timed) // 10), most_seconds=MOST_SECONDS)  # fmt: skip
        return timing.latency


def halves(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the queries to tune on, `MOST_TUNING` at most, and of those to measure on; no query is in both."""
    order = np.random.default_rng([seed, n]).permutation(n)
    return np.sort(order[: n // 2][:MOST_TUNING]), np.sort(order[n // 2 :])


def tuned(
    table: Any, index_type: LanceType, n_partitions: int, questions: Questions, min_recall: float
) -> list[LanceSearch]:
    """For every refine factor the least effort whose lower bound reaches the limit, fastest first; the strongest last.

    Args:
        table: with that index.
        index_type: its kind.
        n_partitions: of the index.
        questions: to tune on.
        min_recall: of the lower 95 % bound of recall_vs_exact@k.

    Returns:
        Settings to measure on other queries; of those before the last the limit is met on these queries.
    """
    known: dict[LanceSearch, bool] = {}

    def good(search: LanceSearch) -> bool:
        if search not in known:
            rows = questions.found(table, search)[1]
            known[search] = mean_interval(recall_vs_exact(rows, questions.exact, k=questions.k)).low >= min_recall
        return known[search]

    found, most = list[LanceSearch](), None
    ladders = list(efforts(index_type, n_partitions, questions.n_results, table.count_rows()))
    for settings in ladders:
        # A deeper rescoring never needs more effort; where it does not need less either, it only costs more.
        place = least(settings[:most], good)
        if place is not None:
            found.append(settings[place])
            most = place
    found.sort(key=lambda search: questions.latency(table, search, most_timed=N_TIMED).p50)
    strongest = ladders[-1][-1]
    return [*(search for search in found if search != strongest), strongest]


def efforts(index_type: LanceType, n_partitions: int, n_results: int, n_vectors: int) -> Iterator[list[LanceSearch]]:
    """For every refine factor up to the first that rescores all vectors the settings to choose from, by effort.

    >>> [str(one) for one in next(efforts("IVF_PQ", 3, 10, 800))]
    ['nprobes=1,refine_factor=1', 'nprobes=2,refine_factor=1', 'nprobes=3,refine_factor=1']
    """
    probes = [2**power for power in range(n_partitions.bit_length()) if 2**power < n_partitions] + [n_partitions]
    for factor in (0,) if keeps_vectors(index_type) else REFINE_FACTORS:
        if factor > 1 and factor // 2 * n_results >= n_vectors:
            return
        if is_graph(index_type):
            least_ef = max(factor, 1)
            times = [one for one in EF_FACTORS if least_ef * one <= MOST_EF]
            yield [LanceSearch(n_partitions, factor, n_results * least_ef * one) for one in times]
        else:
            yield [LanceSearch(nprobes, factor) for nprobes in probes]


def least(settings: list[LanceSearch], good: Callable[[LanceSearch], bool]) -> int | None:
    """Place of the first good setting, by halving; None where the last one is not good either."""
    if not settings or not good(settings[-1]):
        return None
    low, high = 0, len(settings) - 1
    while low < high:
        middle = (low + high) // 2
        if good(settings[middle]):
            high = middle
        else:
            low = middle + 1
    return high
