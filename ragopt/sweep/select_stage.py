"""Third stage: every trial, measured on the selection queries.

Trials that share their codes share one build: the codes are trained and filled once, searched once at the largest
rescoring depth, and every depth is read off that shortlist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragopt.errors import InputError, SpecError
from ragopt.index.build import faiss_metric, set_search, with_refine
from ragopt.index.factory import parse_factory
from ragopt.index.size import FLOAT, HEADER
from ragopt.measure.latency import SearchTiming, one_thread, time_searches
from ragopt.records import IndexBytes, Space, Trial
from ragopt.sweep.bench import Bench
from ragopt.sweep.measured import Measured, check_found, read_measured, write_measured
from ragopt.sweep.model_stage import queries_fingerprint
from ragopt.sweep.rescoring import best_rescored, rescore_shortlist
from ragopt.sweep.settings import SELECT_TRAIN_ROWS
from ragopt.sweep.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.sweep.model_stage import ModelData, Report
    from ragopt.sweep.settings import SearchPlan

N_TIMED = 64
"""Queries timed per trial while selecting; finalists are timed on many more."""
N_WARMUP = 8

RESCORING_SEARCH = "k_factor_rf"


@dataclass(frozen=True, slots=True)
class Group:
    """Trials that share their codes: one space and one factory without its rescoring tier."""

    space: Space
    base: str
    trials: tuple[Trial, ...]


def groups_of(trials: Sequence[Trial]) -> list[Group]:
    """Group trials by space and codes, keeping the grid's order."""
    members: dict[tuple[Space, str], list[Trial]] = {}
    for trial in trials:
        factory = parse_factory(trial.factory, trial.space.dim)
        members.setdefault((trial.space, factory.base_text), []).append(trial)
    return [Group(space, base, tuple(group)) for (space, base), group in members.items()]


def search_factor(search: str) -> int:
    """Return k_factor_rf of a search string, 1 when it names none.

    >>> search_factor("nprobe=16,k_factor_rf=10")
    10
    """
    values = dict(part.split("=", 1) for part in search.split(",") if "=" in part)
    try:
        factor = float(values.get(RESCORING_SEARCH, "1"))
    except ValueError:
        factor = 0.0
    if factor < 1 or factor != int(factor):
        raise SpecError(f"Cannot rescore with {search!r}", allowed="k_factor_rf as a whole number from 1",
                        next_step="Correct the search string")  # fmt: skip
    return int(factor)


def without_factor(search: str) -> str:
    """Return a search string without k_factor_rf: what the codes alone are searched with.

    >>> without_factor("nprobe=16,k_factor_rf=10")
    'nprobe=16'
    """
    return ",".join(part for part in search.split(",") if part and not part.startswith(RESCORING_SEARCH))


class _Shortlists:
    """What the codes of one group find, searched once per nprobe at the largest rescoring depth."""

    def __init__(self, bench: Bench, group: Group, base: Any) -> None:
        self.bench, self.group, self.base = bench, group, base
        self._by_codes: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
        self._by_tier: dict[tuple[str, str], NDArray[np.float32]] = {}

    def depth(self, trial: Trial) -> int:
        """Vectors that a trial rescores per query."""
        return min(self.bench.n_results * search_factor(trial.search), self.bench.data.vectors.n)

    def by_codes(self, trial: Trial) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and scores by the codes alone, as deep as any trial with these lists needs."""
        search = without_factor(trial.search)
        if search not in self._by_codes:
            deepest = max(self.depth(other) for other in self.group.trials if without_factor(other.search) == search)
            set_search(self.base, search)
            distances, rows = self.base.search(self.bench.queries, deepest)
            check_found(trial, rows, self.bench.data.vectors.n)
            self._by_codes[search] = (rows, self.bench.sign(distances))
        return self._by_codes[search]

    def found(self, trial: Trial, tier: str, refine: Any) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and scores that a trial returns; `tier` names its rescoring codec, empty for none."""
        rows, scores = self.by_codes(trial)
        n_results = self.bench.n_results
        if not tier:
            return rows[:, :n_results], scores[:, :n_results]
        key = (without_factor(trial.search), tier)
        if key not in self._by_tier:
            self._by_tier[key] = rescore_shortlist(refine, self.bench.queries, rows, metric=self.bench.metric)
        return best_rescored(rows, self._by_tier[key], depth=self.depth(trial), k=n_results)


def measure_group(bench: Bench, group: Group) -> list[Measured]:
    """Build the codes of a group once and measure every trial of it.

    Raises:
        SpecError: this corpus cannot train it.
    """
    base = bench.build(parse_factory(group.base, group.space.dim), group.space)
    shortlists = _Shortlists(bench, group, base.index)
    measured = []
    for trial in group.trials:
        tier = parse_factory(trial.factory, trial.space.dim).refine_text
        refine = bench.refine(tier, group.space) if tier else None
        found, scores = shortlists.found(trial, tier, refine.index if refine else None)
        index = with_refine(base.index, refine.index) if refine else base.index
        set_search(index, trial.search)
        measured.append(
            Measured(
                trial,
                found,
                scores,
                refined_bytes(base.sizes, refine.sizes) if refine else base.sizes,
                time_trial(bench, trial.space, index, bench.data.select_queries, n_timed=N_TIMED),
                base.train_seconds + (refine.train_seconds if refine else 0.0),
                base.build_seconds + (refine.build_seconds if refine else 0.0),
            )
        )
    return measured


def refined_bytes(base: IndexBytes, refine: IndexBytes) -> IndexBytes:
    """Bytes of an IndexRefine from those of its two parts, which are checked each."""
    return IndexBytes(
        ram_bytes_per_vector=base.ram_bytes_per_vector,
        ram_fixed_bytes=HEADER + base.ram_fixed_bytes + refine.ram_fixed_bytes + FLOAT,
        disk_bytes_per_vector=refine.ram_bytes_per_vector,
        file_bytes=HEADER + base.file_bytes + refine.file_bytes + FLOAT,
    )


def time_trial(
    bench: Bench, space: Space, index: Any, queries: NDArray[np.float32], *, n_timed: int
) -> SearchTiming:  # fmt: skip
    """Time single searches on one thread, the query's own projection into the space included."""
    rows = queries[: n_timed + N_WARMUP]
    warmup = min(N_WARMUP, max(len(rows) - 2, 0))
    return time_searches(lambda query: index.search(bench.project(query, space), bench.n_results), rows, warmup=warmup)


def select(
    store: ArtifactStore,
    data: ModelData,
    trials: Sequence[Trial],
    plan: SearchPlan,
    report: Report,
) -> tuple[list[Measured], dict[Trial, str]]:
    """Measure every trial of one model on its selection queries; groups that are stored are read back.

    Args:
        store: artifact store.
        data: the model's vectors, queries and exact neighbours.
        trials: of this model.
        plan: how they are built and searched.
        report: called with (trials done, trials).

    Returns:
        What was measured, and the reason for each trial that this corpus cannot train.
    """
    bench = Bench(data, plan)
    measured: list[Measured] = []
    unsuitable: dict[Trial, str] = {}
    groups = groups_of(trials)
    queries_key = queries_fingerprint(data.select_queries)
    done = 0
    with worker_pool() as pool:
        for space in dict.fromkeys(group.space for group in groups):
            members = [group for group in groups if group.space == space]
            for group, outcome in zip(members, _space_outcomes(pool, store, bench, members, queries_key), strict=True):
                if isinstance(outcome, str):
                    unsuitable |= dict.fromkeys(group.trials, outcome)
                else:
                    measured += outcome
                done += len(group.trials)
                report(done, len(trials))
    return measured, unsuitable


def _space_outcomes(
    pool: ThreadPoolExecutor, store: ArtifactStore, bench: Bench, groups: Sequence[Group], queries_key: str
) -> Iterator[list[Measured] | str]:  # fmt: skip
    """Measure the groups of one space side by side; a text is the reason why a group cannot be measured."""
    recipes = [_group_recipe(bench, group, queries_key) for group in groups]
    if not all(store.has(recipe) for recipe in recipes):
        try:
            bench.enter(groups[0].space)
        except InputError as error:
            yield from [str(error)] * len(groups)
            return
    yield from pool.map(lambda group, recipe: _group_outcome(store, bench, group, recipe), groups, recipes)


def _group_outcome(
    store: ArtifactStore, bench: Bench, group: Group, recipe: Mapping[str, Any]
) -> list[Measured] | str:  # fmt: skip
    def make(folder: Path) -> None:
        write_measured(folder, measure_group(bench, group))

    try:
        with one_thread():
            return read_measured(store.get_or_make(recipe, make))
    except (SpecError, InputError) as error:
        # Too few vectors for a codebook, or a vector that a reduction leaves empty: other trials go on.
        return str(error)


def _group_recipe(bench: Bench, group: Group, queries_key: str) -> dict[str, Any]:
    import faiss  # noqa: PLC0415 - loaded when first used

    return {
        "kind": "selection",
        "format": 2,
        "vectors": bench.data.vectors.fingerprint,
        "queries": queries_key,
        "metric": faiss_metric(bench.metric),
        "cosine": bench.metric == "cosine",
        "space": str(group.space),
        "trials": [str(trial) for trial in group.trials],
        "n_results": bench.n_results,
        "seed": bench.seed,
        "train_rows": SELECT_TRAIN_ROWS,
        "faiss": faiss.__version__,
    }
