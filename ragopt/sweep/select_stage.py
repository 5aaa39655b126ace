"""Third stage: every trial, measured on the selection queries.

Trials that share their codes share one build: the codes are trained and filled once, searched once at the largest
rescoring depth, and every depth is read off that shortlist.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import ArtifactStore, canonical_json, write_atomically
from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import Rotation, fit_rotation, project
from ragopt.errors import InputError, SpecError
from ragopt.index.build import SharedPca, add_blocks, faiss_metric, set_search, train_index, with_refine
from ragopt.index.factory import Factory, parse_factory
from ragopt.index.serialized import checked_bytes
from ragopt.index.size import FLOAT, HEADER
from ragopt.measure.latency import SearchTiming, time_searches
from ragopt.records import IndexBytes, LatencyMs, Space, Trial
from ragopt.sweep.model_stage import ModelData, Report, queries_fingerprint
from ragopt.sweep.rescoring import best_rescored, rescore_shortlist
from ragopt.sweep.settings import SELECT_TRAIN_ROWS, SearchPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one trial.

    Attributes:
        trial: what was tried.
        found: int64 (n_queries, n_results) rows, best first. scores: float32, higher is better.
        index_bytes: where its bytes live.
        timing: of single searches on one thread.
        train_seconds, build_seconds: wall time of the shared build, rescoring tier included.
    """

    trial: Trial
    found: NDArray[np.int64]
    scores: NDArray[np.float32]
    index_bytes: IndexBytes
    timing: SearchTiming
    train_seconds: float
    build_seconds: float


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


@dataclass(frozen=True, slots=True)
class Built:
    """A filled index, its bytes and what it took to build.

    Attributes:
        index: FAISS index.
        sizes: by formula, checked against what FAISS writes.
        train_seconds, build_seconds: wall time.
    """

    index: Any
    sizes: IndexBytes
    train_seconds: float
    build_seconds: float


class Bench:
    """One model's training sample, rotation and rescoring tiers, made when first needed and shared by groups."""

    def __init__(self, data: ModelData, plan: SearchPlan) -> None:
        """Prepare; nothing is computed before it is asked for."""
        self.data, self.metric, self.seed, self.n_results = data, plan.metric, plan.seed, plan.n_results
        self._sample: NDArray[np.float32] | None = None
        self._rotation: Rotation | None = None
        self._pca: SharedPca | None = None
        self._refine: dict[str, Built] = {}
        self._refine_space: Space | None = None

    @property
    def sample(self) -> NDArray[np.float32]:
        """Training rows at full dimension, float32 (<= SELECT_TRAIN_ROWS, dim)."""
        if self._sample is None:
            self._sample = training_sample(self.data.vectors, max_rows=SELECT_TRAIN_ROWS, seed=self.seed)
        return self._sample

    def project(self, rows: NDArray[np.float32], space: Space, first_row: int = 0) -> NDArray[np.float32]:
        """Map full-dimension rows into a space; the rotation is fitted once per model."""
        if space.reduction == "pca" and self._rotation is None:
            self._rotation = fit_rotation(self.sample)
        return project(rows, space, rotation=self._rotation, metric=self.metric, first_row=first_row)

    def blocks(self, space: Space) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Stream the corpus in a space."""
        for start, block in self.data.vectors.blocks():
            yield start, self.project(block, space, start)

    def build(self, factory: Factory, space: Space) -> Built:
        """Train and fill an index and check its bytes."""
        sample = self.project(self.sample, space)
        if space.reduction == "none" and self._pca is None:
            self._pca = SharedPca(sample)
        began = time.perf_counter()
        pca = self._pca if space.reduction == "none" else None
        index = train_index(factory, sample, metric=self.metric, seed=self.seed, pca=pca)
        trained = time.perf_counter()
        add_blocks(index, self.blocks(space))
        built = time.perf_counter()
        return Built(index, checked_bytes(factory, index), trained - began, built - trained)

    def refine(self, text: str, space: Space) -> Built:
        """Give the rescoring tier of a space, built once; those of another space are let go."""
        if self._refine_space != space:
            self._refine, self._refine_space = {}, space
        if text not in self._refine:
            self._refine[text] = self.build(parse_factory(text, space.dim), space)
        return self._refine[text]

    def sign(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn FAISS's distances into scores: higher is better."""
        return -distances if self.metric == "l2" else distances


class _Shortlists:
    """What the codes of one group find, searched once per nprobe at the largest rescoring depth."""

    def __init__(self, bench: Bench, group: Group, base: Any) -> None:
        self.bench, self.group, self.base = bench, group, base
        self.queries = bench.project(bench.data.select_queries, group.space)
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
            distances, rows = self.base.search(self.queries, deepest)
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
            self._by_tier[key] = rescore_shortlist(refine, self.queries, rows, metric=self.bench.metric)
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
                _both(base.sizes, refine.sizes) if refine else base.sizes,
                time_trial(bench, trial.space, index, bench.data.select_queries, n_timed=N_TIMED),
                base.train_seconds + (refine.train_seconds if refine else 0.0),
                base.build_seconds + (refine.build_seconds if refine else 0.0),
            )
        )
    return measured


def _both(base: IndexBytes, refine: IndexBytes) -> IndexBytes:
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
    warmup = min(N_WARMUP, len(rows) - 1)
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
    done = 0
    for group in groups_of(trials):
        try:
            measured += _stored_group(store, bench, group)
        except (SpecError, InputError) as error:
            # Too few vectors for a codebook, or a vector that a reduction leaves empty: other trials go on.
            unsuitable |= dict.fromkeys(group.trials, str(error))
        done += len(group.trials)
        report(done, len(trials))
    return measured, unsuitable


def _stored_group(store: ArtifactStore, bench: Bench, group: Group) -> list[Measured]:
    import faiss  # noqa: PLC0415 - loaded when first used

    recipe: Mapping[str, Any] = {
        "kind": "selection",
        "format": 1,
        "vectors": bench.data.vectors.fingerprint,
        "queries": queries_fingerprint(bench.data.select_queries),
        "metric": faiss_metric(bench.metric),
        "cosine": bench.metric == "cosine",
        "space": str(group.space),
        "trials": [str(trial) for trial in group.trials],
        "n_results": bench.n_results,
        "seed": bench.seed,
        "train_rows": SELECT_TRAIN_ROWS,
        "faiss": faiss.__version__,
    }

    def make(folder: Path) -> None:
        write_measured(folder, measure_group(bench, group))

    return read_measured(store.get_or_make(recipe, make))


def write_measured(folder: Path, measured: Sequence[Measured]) -> None:
    """Write what was measured of some trials into a folder."""
    np.savez(
        folder / "found.npz",
        found=np.stack([one.found for one in measured]),
        scores=np.stack([one.scores for one in measured]),
    )
    figures = [
        {
            "trial": str(one.trial),
            "index_bytes": asdict(one.index_bytes),
            "timing": asdict(one.timing),
            "train_seconds": one.train_seconds,
            "build_seconds": one.build_seconds,
        }
        for one in measured
    ]
    write_atomically(folder / "figures.json", canonical_json(figures))


def read_measured(folder: Path) -> list[Measured]:
    """Read back what `write_measured` wrote."""
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    with np.load(folder / "found.npz") as arrays:
        found, scores = arrays["found"], arrays["scores"]
    return [
        Measured(
            Trial.parse(one["trial"]),
            found[number],
            scores[number],
            IndexBytes(**one["index_bytes"]),
            SearchTiming(**{**one["timing"], "latency": LatencyMs(**one["timing"]["latency"])}),
            one["train_seconds"],
            one["build_seconds"],
        )
        for number, one in enumerate(figures)
    ]
