"""A finalist's index, built over the whole corpus, saved and found again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import canonical_json, write_atomically
from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import project
from ragopt.index.build import SharedPca, add_blocks, train_index, with_refine
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
    from ragopt.embed.spaces import Rotation

CODES_FILE, SECONDS_FILE = "codes.faiss", "seconds.json"


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


def build_codes(store: ArtifactStore, data: ModelData, trial: Trial, plan: SearchPlan) -> Path:
    """Train and fill a trial's codes without their rescoring tier, or find them: trials of other tiers share them."""
    factory = parse_factory(trial.factory, trial.space.dim)
    return _part(store, data, Trial(trial.space, factory.base_text), plan)


def build_finalist(store: ArtifactStore, data: ModelData, trial: Trial, plan: SearchPlan) -> Path:
    """Build a trial's index over the whole corpus, or find it built; returns its folder for `open_index`."""
    recipe: Mapping[str, Any] = {"kind": "built", "format": 3, **built_recipe(data, trial, plan)}

    def make(folder: Path) -> None:
        factory = parse_factory(trial.factory, trial.space.dim)
        codes = build_codes(store, data, trial, plan)
        index, seconds = _read_part(codes)
        if factory.refine:
            tier, of_tier = _filled(data, Trial(trial.space, factory.refine_text), plan)
            index = with_refine(index, tier)
            seconds = {name: value + of_tier[name] for name, value in seconds.items()}
        save_index(
            folder,
            index,
            trial=Trial(trial.space, trial.factory),
            metric=plan.metric,
            index_bytes=checked_bytes(factory, index),
            rotation=_rotation(data, trial, plan),
            seconds=seconds,
        )

    return store.get_or_make(recipe, make)


def _part(store: ArtifactStore, data: ModelData, trial: Trial, plan: SearchPlan) -> Path:
    import faiss  # noqa: PLC0415 - loaded when first used

    recipe: Mapping[str, Any] = {"kind": "built-codes", "format": 1, **built_recipe(data, trial, plan)}

    def make(folder: Path) -> None:
        index, seconds = _filled(data, trial, plan)
        faiss.write_index(index, str(folder / CODES_FILE))
        write_atomically(folder / SECONDS_FILE, canonical_json(seconds))

    return store.get_or_make(recipe, make)


def _read_part(folder: Path) -> tuple[Any, dict[str, float]]:
    import faiss  # noqa: PLC0415 - loaded when first used

    seconds = json.loads((folder / SECONDS_FILE).read_text(encoding="utf-8"))
    return faiss.read_index(str(folder / CODES_FILE)), seconds


def _filled(data: ModelData, trial: Trial, plan: SearchPlan) -> tuple[Any, dict[str, float]]:
    """Train an index and add the whole corpus, block by block; wall seconds of `train` and `build`."""
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
    return index, {"train": trained - began, "build": time.perf_counter() - trained}


def _rotation(data: ModelData, trial: Trial, plan: SearchPlan) -> Rotation | None:
    if trial.space.reduction not in ("pca", "joint"):
        return None
    sample = training_sample(data.vectors, max_rows=CONFIRM_TRAIN_ROWS, seed=plan.seed)
    return rotation_of(data, trial.space, sample)
