"""One part of a built index, its codes or its rescoring tier: what it depends on, its training, its rows."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import project
from ragopt.index.build import SharedPca
from ragopt.index.factory import parse_factory
from ragopt.index.trained import train_on, trainer_recipe
from ragopt.sweep.model_stage import ModelData, fitted_on, rotation_of
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS, SearchPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.embed.spaces import Rotation
    from ragopt.records import Trial

ADD_ROWS = 16_384
"""Rows encoded at once: 25 MB of 384 dimensions; a multiple of FastScan's 32. In memory and shard by shard alike: the
last bit of a matrix product, and so now and then a code, depends on how many rows are in it."""


def built_recipe(data: ModelData, trial: Trial, plan: SearchPlan) -> dict[str, Any]:
    """Everything that a built index depends on."""
    import faiss  # noqa: PLC0415 - loaded when first used

    return {
        "vectors": data.vectors.fingerprint,
        "space": str(trial.space),
        "fitted_on": fitted_on(data, trial.space),
        "factory": trial.factory,
        "metric": plan.metric,
        "seed": plan.seed,
        "train_rows": CONFIRM_TRAIN_ROWS,
        "faiss": faiss.__version__,
        **trainer_recipe(parse_factory(trial.factory, trial.space.dim), plan.device),
    }


class Part:
    """A trial without rescoring tier over a model's vectors, or that tier alone.

    Attributes:
        data: the vectors. trial: space and factory. plan: metric and seed.
        factory: the parsed factory.
        rotation: that the space needs, None for one that needs none: known once `trained` has returned, or given from
            an earlier training, so that every row goes through the same one.
    """

    def __init__(self, data: ModelData, trial: Trial, plan: SearchPlan) -> None:
        """Nothing is read before the first use."""
        self.data, self.trial, self.plan = data, trial, plan
        self.factory = parse_factory(trial.factory, trial.space.dim)
        self.rotation: Rotation | None = None

    @property
    def n(self) -> int:
        """Vectors in the whole corpus."""
        return self.data.vectors.n

    def trained(self) -> tuple[Any, float]:
        """Train an empty FAISS index; wall seconds of that."""
        sample = training_sample(self.data.vectors, max_rows=CONFIRM_TRAIN_ROWS, seed=self.plan.seed)
        self.rotation = rotation_of(self.data, self.trial.space, sample)
        projected = self._projected(sample)
        began = time.perf_counter()
        index = train_on(self.plan.device, self.factory, projected, metric=self.plan.metric, seed=self.plan.seed,
                         pca=SharedPca(projected))  # fmt: skip
        return index, time.perf_counter() - began

    def blocks(self, first_row: int, stop_row: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Rows in their space, block by block: first row, float32 (m, dim). `first_row` is a multiple of `ADD_ROWS`."""
        n_blocks = -(-(stop_row - first_row) // ADD_ROWS)
        for start, block in islice(self.data.vectors.blocks(ADD_ROWS, first_row=first_row), n_blocks):
            yield start, self._projected(block, start)

    def _projected(self, rows: NDArray[np.float32], first_row: int = 0) -> NDArray[np.float32]:
        space, metric = self.trial.space, self.plan.metric
        return project(rows, space, rotation=self.rotation, metric=metric, first_row=first_row)
