"""Third stage: every trial, measured on the selection queries.

Trials that share their codes share one build: the codes are trained and filled once, searched once at the largest
rescoring depth, and every depth is read off that shortlist.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import ArtifactStore, canonical_json, write_atomically
from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import Rotation, fit_rotation, project
from ragopt.errors import SpecError
from ragopt.index.build import SharedPca, add_blocks, faiss_metric, set_search, train_index, with_refine
from ragopt.index.factory import Factory, parse_factory
from ragopt.index.serialized import checked_bytes
from ragopt.index.size import FLOAT, HEADER
from ragopt.measure.latency import SearchTiming, time_searches
from ragopt.records import IndexBytes, LatencyMs, Metric, Space, Trial
from ragopt.sweep.model_stage import ModelData, Report, queries_fingerprint
from ragopt.sweep.rescoring import best_rescored, rescore_shortlist
from ragopt.sweep.settings import SELECT_TRAIN_ROWS

if TYPE_CHECKING:
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
        found: int64 (n_queries, k) rows, best first. scores: float32, higher is better.
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


class Bench:
    """One model's training sample, rotation and rescoring tiers, made when first needed and shared by groups."""

    def __init__(self, data: ModelData, *, metric: Metric, seed: int, k: int) -> None:
        """Prepare; nothing is computed before it is asked for."""
        self.data, self.metric, self.seed, self.k = data, metric, seed, k
        self._sample: NDArray[np.float32] | None = None
        self._rotation: Rotation | None = None
        self._pca: SharedPca | None = None
        self._refine: dict[str, tuple[Any, float, float]] = {}
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

    def build(self, factory: Factory, space: Space) -> tuple[Any, float, float]:
        """Train and fill an index; returns it with its training and filling seconds."""
        sample = self.project(self.sample, space)
        if space.reduction == "none" and self._pca is None:
            self._pca = SharedPca(sample)
        began = time.perf_counter()
        pca = self._pca if space.reduction == "none" else None
        index = train_index(factory, sample, metric=self.metric, seed=self.seed, pca=pca)
        trained = time.perf_counter()
        add_blocks(index, self.blocks(space))
        return index, trained - began, time.perf_counter() - trained

    def refine(self, text: str, space: Space) -> tuple[Any, float, float]:
        """Give the rescoring tier of a space, built once; those of another space are let go."""
        if self._refine_space != space:
            self._refine, self._refine_space = {}, space
        if text not in self._refine:
            self._refine[text] = self.build(parse_factory(text, space.dim), space)
        return self._refine[text]

    def sign(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn FAISS's distances into scores: higher is better."""
        return -distances if self.metric == "l2" else distances


def measure_group(bench: Bench, group: Group) -> list[Measured]:
    """Build the codes of a group once and measure every trial of it.

    Raises:
        SpecError: this corpus cannot train it.
    """
    base_factory = parse_factory(group.base, group.space.dim)
    base, train_seconds, build_seconds = bench.build(base_factory, group.space)
    base_bytes = checked_bytes(base_factory, base)
    queries = bench.project(bench.data.select_queries, group.space)
    shortlists: dict[str, tuple[Any, Any, dict[str, NDArray[np.float32]]]] = {}
    measured = []
    for trial in group.trials:
        factory = parse_factory(trial.factory, trial.space.dim)
        shallow = without_factor(trial.search)
        if shallow not in shortlists:
            deepest = max(_depth(other, bench) for other in group.trials if without_factor(other.search) == shallow)
            set_search(base, shallow)
            distances, rows = base.search(queries, deepest)
            shortlists[shallow] = (bench.sign(distances), rows, {})
        scores, rows, rescored = shortlists[shallow]
        if factory.refine is None:
            found, found_scores = rows[:, : bench.k], scores[:, : bench.k]
            index, sizes, extra = base, base_bytes, (0.0, 0.0)
            set_search(index, trial.search)
        else:
            refine, *extra = bench.refine(factory.refine_text, group.space)
            if factory.refine_text not in rescored:
                rescored[factory.refine_text] = rescore_shortlist(refine, queries, rows, metric=bench.metric)
            found, found_scores = best_rescored(
                rows, rescored[factory.refine_text], depth=_depth(trial, bench), k=bench.k
            )
            index = with_refine(base, refine)
            set_search(index, trial.search)
            refine_bytes = checked_bytes(parse_factory(factory.refine_text, factory.dim), refine)
            sizes = _both(base_bytes, refine_bytes)
        timing = time_trial(bench, trial.space, index, bench.data.select_queries, n_timed=N_TIMED)
        measured.append(
            Measured(trial, found, found_scores, sizes, timing, train_seconds + extra[0], build_seconds + extra[1])
        )
    return measured


def _depth(trial: Trial, bench: Bench) -> int:
    return min(bench.k * search_factor(trial.search), bench.data.vectors.n)


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
    return time_searches(lambda query: index.search(bench.project(query, space), bench.k), rows, warmup=warmup)


def select(
    store: ArtifactStore, data: ModelData, trials: Sequence[Trial], *, metric: Metric, k: int, seed: int, report: Report
) -> tuple[list[Measured], dict[Trial, str]]:
    """Measure every trial of one model on its selection queries; groups that are stored are read back.

    Args:
        store: artifact store.
        data: the model's vectors, queries and exact neighbours.
        trials: of this model.
        metric: of the vectors.
        k: neighbours.
        seed: of samples and k-means.
        report: called with (trials done, trials).

    Returns:
        What was measured, and the reason for each trial that this corpus cannot train.
    """
    bench = Bench(data, metric=metric, seed=seed, k=k)
    measured: list[Measured] = []
    unsuitable: dict[Trial, str] = {}
    done = 0
    for group in groups_of(trials):
        try:
            measured += _stored_group(store, bench, group)
        except SpecError as error:
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
        "k": bench.k,
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
