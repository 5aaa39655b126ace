"""What the trials of one model share while selecting: sample, rotation, PCA and rescoring tiers."""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import fit_rotation, project
from ragopt.index.build import SharedPca, add_blocks, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.serialized import checked_bytes
from ragopt.sweep.settings import SELECT_TRAIN_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.embed.spaces import Rotation
    from ragopt.index.factory import Factory
    from ragopt.records import IndexBytes, Space
    from ragopt.sweep.model_stage import ModelData
    from ragopt.sweep.settings import SearchPlan


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
    """One model's shared parts for the trials of one space at a time; safe for several threads.

    `enter` a space before its groups are built: that makes what they share, and lets go of the former space's.
    """

    def __init__(self, data: ModelData, plan: SearchPlan) -> None:
        """Prepare; nothing is computed before a space is entered."""
        self.data, self.metric, self.seed, self.n_results = data, plan.metric, plan.seed, plan.n_results
        self._lock = threading.Lock()

    @functools.cached_property
    def _full_sample(self) -> NDArray[np.float32]:
        return training_sample(self.data.vectors, max_rows=SELECT_TRAIN_ROWS, seed=self.seed)

    @functools.cached_property
    def _rotation(self) -> Rotation:
        return fit_rotation(self._full_sample)

    def enter(self, space: Space) -> None:
        """Make what the trials of a space share. Raises InputError: a sampled row is empty in this space."""
        self._sample = self.project(self._full_sample, space)
        self._pca = SharedPca(self._sample)
        self._refine: dict[str, Built] = {}
        self.queries = self.project(self.data.select_queries, space)

    def project(self, rows: NDArray[np.float32], space: Space, first_row: int = 0) -> NDArray[np.float32]:
        """Map full-dimension rows into a space; the rotation is fitted once per model."""
        return project(rows, space, rotation=self._rotation, metric=self.metric, first_row=first_row)

    def blocks(self, space: Space) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Stream the corpus in a space."""
        for start, block in self.data.vectors.blocks():
            yield start, self.project(block, space, start)

    def build(self, factory: Factory, space: Space) -> Built:
        """Train and fill an index and check its bytes."""
        began = time.perf_counter()
        index = train_index(factory, self._sample, metric=self.metric, seed=self.seed, pca=self._pca)
        trained = time.perf_counter()
        add_blocks(index, self.blocks(space))
        built = time.perf_counter()
        return Built(index, checked_bytes(factory, index), trained - began, built - trained)

    def refine(self, text: str, space: Space) -> Built:
        """Give the rescoring tier of the entered space, built once."""
        with self._lock:
            if text not in self._refine:
                self._refine[text] = self.build(parse_factory(text, space.dim), space)
            return self._refine[text]

    def sign(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn FAISS's distances into scores: higher is better."""
        return -distances if self.metric == "l2" else distances
