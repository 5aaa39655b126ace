"""A finalist's index, built over the whole corpus, saved and found again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import project
from ragopt.index.build import SharedPca, add_blocks, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.saved import save_index
from ragopt.index.serialized import checked_bytes
from ragopt.records import Trial
from ragopt.sweep.model_stage import ModelData, fitted_on, rotation_of
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS, SearchPlan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ragopt.artifacts import ArtifactStore


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
    }


def build_finalist(store: ArtifactStore, data: ModelData, trial: Trial, plan: SearchPlan) -> Path:
    """Build a trial's index over the whole corpus, or find it built; returns its folder for `open_index`."""
    recipe: Mapping[str, Any] = {"kind": "built", "format": 2, **built_recipe(data, trial, plan)}

    def make(folder: Path) -> None:
        space = trial.space
        factory = parse_factory(trial.factory, space.dim)
        sample = training_sample(data.vectors, max_rows=CONFIRM_TRAIN_ROWS, seed=plan.seed)
        rotation = rotation_of(data, space, sample)
        projected = project(sample, space, rotation=rotation, metric=plan.metric)
        began = time.perf_counter()
        index = train_index(factory, projected, metric=plan.metric, seed=plan.seed, pca=SharedPca(projected))
        trained = time.perf_counter()
        blocks = (
            (start, project(block, space, rotation=rotation, metric=plan.metric, first_row=start))
            for start, block in data.vectors.blocks()
        )
        add_blocks(index, blocks)
        built = time.perf_counter()
        save_index(
            folder,
            index,
            trial=Trial(space, trial.factory),
            metric=plan.metric,
            index_bytes=checked_bytes(factory, index),
            rotation=rotation,
            seconds={"train": trained - began, "build": built - trained},
        )

    return store.get_or_make(recipe, make)
