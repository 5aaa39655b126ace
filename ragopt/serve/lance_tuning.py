"""The cheapest way to search an index of LanceDB that is accurate enough, measured on queries of the run."""

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
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from ragopt.measure.intervals import Interval
    from ragopt.measure.neighbours import Neighbours
    from ragopt.records import Metric
    from ragopt.serve.lance_index import LanceType

MOST_TUNING = 500
"""Queries that parameters are tuned on: shares near 0.95 are known to two points, and tens of settings are tried."""
REFINE_FACTORS = (1, 2, 4, 8, 16, 32)
"""Times the results that are rescored: each twice the one before; beyond 32 reading the vectors takes longer than
searching more partitions (scifact, 2026-11-26)."""
EF_FACTORS = (1, 2, 4, 8, 16, 32)
"""Candidates of a graph's search, times the results of the index: LanceDB's default is 1.5."""
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


@dataclass(frozen=True, slots=True)
class Tuned:
    """A setting that was tried.

    Attributes:
        search: the setting. recall: recall_vs_exact@k over the tuning queries.
        p50_ms: median wall time of a search; infinite where it was not timed, because the setting is not good enough.
    """

    search: LanceSearch
    recall: Interval
    p50_ms: float = float("inf")


def halves(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the queries to tune on, `MOST_TUNING` at most, and of those to measure on; no query is in both."""
    order = np.random.default_rng([seed, n]).permutation(n)
    return np.sort(order[: n // 2][:MOST_TUNING]), np.sort(order[n // 2 :])


def tuned(
    table: Any, index_type: LanceType, build: Mapping[str, int], questions: Questions, min_recall: float
) -> list[Tuned]:
    """Try settings of one index: for every refine factor the least effort whose lower bound reaches the limit.

    Args:
        table: with that index.
        index_type: its kind.
        build: what it was built with.
        questions: to tune on.
        min_recall: of the lower 95 % bound of recall_vs_exact@k.

    Returns:
        Good settings, timed; where there is none, the best one, not timed.
    """
    tried: dict[LanceSearch, Interval] = {}

    def recall(search: LanceSearch) -> Interval:
        if search not in tried:
            asked = TableSearch(table, questions.metric, search)
            rows = asked.nearest(questions.vectors, questions.n_results)[1]
            tried[search] = mean_interval(recall_vs_exact(rows, questions.exact, k=questions.k))
        return tried[search]

    good = []
    most = None
    for settings in efforts(index_type, build, questions.n_results):
        # A deeper rescoring never needs more effort; where it does not need less either, it only costs more.
        place = least(settings[:most], lambda search: recall(search).low >= min_recall)
        if place is not None:
            good.append(settings[place])
            most = place
    if not good:
        best = max(tried, key=lambda search: tried[search].low)
        return [Tuned(best, tried[best])]
    return [Tuned(search, tried[search], _p50_ms(table, search, questions)) for search in good]


def efforts(index_type: LanceType, build: Mapping[str, int], n_results: int) -> Iterator[list[LanceSearch]]:
    """For every refine factor the settings to choose from, by effort.

    >>> [str(one) for one in next(efforts("IVF_PQ", {"num_partitions": 5}, 10))]
    ['nprobes=1,refine_factor=1', 'nprobes=2,refine_factor=1', 'nprobes=4,refine_factor=1', 'nprobes=5,refine_factor=1']
    """
    partitions = build["num_partitions"]
    probes = [2**power for power in range(partitions.bit_length()) if 2**power < partitions] + [partitions]
    for factor in (0,) if keeps_vectors(index_type) else REFINE_FACTORS:
        if is_graph(index_type):
            yield [LanceSearch(partitions, factor, n_results * max(factor, 1) * times) for times in EF_FACTORS]
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


def _p50_ms(table: Any, search: LanceSearch, questions: Questions) -> float:
    asked = TableSearch(table, questions.metric, search)
    timed = questions.vectors[: N_TIMED + N_WARMUP]
    timing = time_searches(lambda query: asked.nearest(query, questions.n_results), timed,
                           warmup=min(N_WARMUP, len(timed) // 10), most_seconds=MOST_SECONDS)  # fmt: skip
    return timing.latency.p50
