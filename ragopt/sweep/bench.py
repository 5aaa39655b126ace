"""What the trials of one model share: sample, rotation, PCA, centroids, trained codecs, candidates in a space."""

from __future__ import annotations

import functools
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import canonical_json, key_of, write_atomically
from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import project
from ragopt.index.build import SharedPca, faiss_metric
from ragopt.index.candidates import Candidates
from ragopt.index.coarse import SharedCoarse
from ragopt.index.inner import below_pca, transform_fingerprint
from ragopt.index.trained import train_on, trainer_recipe
from ragopt.measure.latency import use_threads
from ragopt.measure.memory import release_free_memory
from ragopt.sweep.gathered import MEMORY_BYTES, GatheredStore
from ragopt.sweep.model_stage import fitted_on, rotation_of
from ragopt.sweep.settings import SELECT_TRAIN_ROWS
from ragopt.sweep.workers import n_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.embed.spaces import Rotation
    from ragopt.index.factory import Factory
    from ragopt.measure.shortlist import Places
    from ragopt.records import Space
    from ragopt.sweep.gathered import ReadRows
    from ragopt.sweep.model_stage import ModelData
    from ragopt.sweep.query_sample import QuerySample
    from ragopt.sweep.settings import SearchPlan

    Map = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def identity(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Leave vectors as they are."""
    return rows


@dataclass(frozen=True, slots=True)
class TrainedCodec:
    """An empty trained index of one space.

    Attributes:
        index: FAISS index, the caller's own copy. factory: what it was made from.
        key: of the artifact that holds it. train_seconds: wall time that its training took.
    """

    index: Any
    factory: Factory
    key: str
    train_seconds: float


@dataclass(frozen=True, slots=True)
class Feed:
    """What a codec is filled with and asked for.

    Attributes:
        index: the codec, below a PCA that others share.
        read: gives the vectors of candidates as this index takes them. queries: float32 (n_queries, dim), likewise.
    """

    index: Any
    read: ReadRows
    queries: NDArray[np.float32]


class Bench:
    """One model's shared parts for the trials of one space at a time; safe for several threads.

    `enter` a space before its codecs are asked for: that makes what they share, and lets go of the former space's.
    """

    def __init__(self, store: ArtifactStore, data: ModelData, plan: SearchPlan) -> None:
        """Prepare; nothing is computed before it is asked for."""
        self.store, self.data, self.plan = store, data, plan
        self._lock, self.tier_lock = threading.Lock(), threading.Lock()
        self.tiers: dict[tuple[str, str, str, int], tuple[Places, float]] = {}
        self._rotations: dict[str, Rotation | None] = {}
        self._candidates: dict[tuple[str, int], Candidates] = {}
        self._gathered = GatheredStore(store.root / "gathered")

    @functools.cached_property
    def _full_sample(self) -> NDArray[np.float32]:
        return training_sample(self.data.vectors, max_rows=SELECT_TRAIN_ROWS, seed=self.plan.seed)

    def _rotation(self) -> Rotation | None:
        """The rotation of the entered space; one per model and reduction serves all its dimensions."""
        reduction = self.space.reduction
        if reduction not in self._rotations:
            self._rotations[reduction] = rotation_of(self.data, self.space, self._full_sample)
        return self._rotations[reduction]

    def enter(self, space: Space) -> None:
        """Choose the space that follows work in; what its trials share is made at the first use."""
        self.space = space
        release_free_memory()
        self._trained_on: NDArray[np.float32] | None = None
        self._gathered.clear()

    def _sample(self) -> NDArray[np.float32]:
        """The training sample in the entered space. Raises InputError: a sampled row is empty there."""
        with self._lock:
            if self._trained_on is None:
                self._trained_on = self.project(self._full_sample)
                self._pca, self._coarse = SharedPca(self._trained_on), SharedCoarse(self._trained_on)
            return self._trained_on

    def project(self, rows: NDArray[np.float32], first_row: int = 0) -> NDArray[np.float32]:
        """Map full-dimension rows into the entered space; the rotation is fitted once per model."""
        return project(rows, self.space, rotation=self._rotation(), metric=self.plan.metric, first_row=first_row)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Stream the corpus in the entered space."""
        for start, block in self.data.vectors.blocks():
            yield start, self.project(block, start)

    def candidates(self, sample: QuerySample, n_candidates: int) -> Candidates:
        """Give the first `n_candidates` candidates of a sample's queries, divided into blocks once."""
        key = (sample.key, n_candidates)
        with self._lock:
            if key not in self._candidates:
                self._candidates[key] = Candidates.of(sample.candidates[:, :n_candidates])
            return self._candidates[key]

    def forget_candidates(self) -> None:
        """Let go of a round's candidates and of what was kept of the last space."""
        self._candidates.clear()
        self._gathered.clear()
        self._trained_on = None
        release_free_memory()

    def reader(self, sample: QuerySample, n_candidates: int) -> ReadRows:
        """Return a function that gives the vectors of a sample's candidates in the entered space."""
        return self._gathered_rows(sample, n_candidates)

    def feed(self, codec: TrainedCodec, sample: QuerySample, n_candidates: int) -> Feed:
        """Give what a codec is filled with and asked for; all codecs behind one PCA share its turned vectors."""
        queries = self.project(sample.queries)
        transform = codec.factory.transform
        if transform is None or transform.kind not in ("PCA", "PCAR"):
            return Feed(codec.index, self.reader(sample, n_candidates), queries)
        index, into = below_pca(codec.index)
        # One decomposition serves the space (SharedPca). Its numbers name it all the same: a codec of another run may
        # have been trained on another machine.
        name = transform_fingerprint(codec.index)
        return Feed(index, self._gathered_rows(sample, n_candidates, name, transform.dim_out, into), into(queries))

    def _gathered_rows(
        self, sample: QuerySample, n_candidates: int, transform: str = "", dim: int = 0, into: Map = identity
    ) -> ReadRows:  # fmt: skip
        """Give the candidates' vectors in the entered space, mapped by `into`; each kind is made once."""
        candidates, stored = self.candidates(sample, n_candidates), self.data.vectors
        if self.space.reduction == "none" and not transform and 4 * candidates.n_distinct * stored.dim > MEMORY_BYTES:
            # As they are stored: a copy for every codec costs less than to gather them all.
            return stored.reader()
        name = (str(self.space), sample.key, n_candidates, transform)
        blocks, take = [block.rows for block in candidates.blocks], stored.reader()

        def read(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            with use_threads(n_workers()):  # the others wait for these vectors
                return into(self.project(take(rows)))

        return self._gathered.get(name, blocks, dim or self.space.dim, read).read

    def codec_recipe(self, factory: Factory) -> dict[str, Any]:
        """Everything that a trained codec of the entered space depends on."""
        import faiss  # noqa: PLC0415 - loaded when first used

        return {
            "kind": "codec",
            "format": 1,
            "vectors": self.data.vectors.fingerprint,
            "space": str(self.space),
            "fitted_on": fitted_on(self.data, self.space),
            "factory": factory.text,
            "metric": faiss_metric(self.plan.metric),
            "cosine": self.plan.metric == "cosine",
            "seed": self.plan.seed,
            "train_rows": SELECT_TRAIN_ROWS,
            "faiss": faiss.__version__,
            **trainer_recipe(factory, self.plan.device),
        }

    def codec(self, factory: Factory) -> TrainedCodec:
        """Train a codec in the entered space, or read it back.

        Raises:
            SpecError: this corpus cannot train it. InputError: a sampled row is empty in this space.
        """
        import faiss  # noqa: PLC0415 - loaded when first used

        recipe = self.codec_recipe(factory)

        def make(folder: Path) -> None:
            sample = self._sample()
            began = time.perf_counter()
            index = train_on(self.plan.device, factory, sample, metric=self.plan.metric, seed=self.plan.seed,
                             pca=self._pca, coarse=self._coarse)  # fmt: skip
            seconds = time.perf_counter() - began
            faiss.write_index(index, str(folder / "codec.faiss"))
            write_atomically(folder / "figures.json", canonical_json({"train_seconds": seconds}))

        folder = self.store.get_or_make(recipe, make)
        index = faiss.read_index(str(folder / "codec.faiss"))
        figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
        return TrainedCodec(prepared(index), factory, key_of(recipe), figures["train_seconds"])


def prepared(index: Any) -> Any:
    """Set on an index that was read what its file does not hold."""
    from ragopt.index.build import use_reservoirs  # noqa: PLC0415 - loaded when first used
    from ragopt.index.seeding import bound_memory  # noqa: PLC0415 - loaded when first used

    use_reservoirs(index)
    bound_memory(index)
    return index
