"""Train a factory where the device says: product quantizers by torch on an accelerator, everything else by FAISS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.index.build import train_index
from ragopt.index.torch_training import torch_trains, train_with_torch
from ragopt.units import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    import faiss
    import numpy as np
    from numpy.typing import NDArray

    from ragopt.devices import Device, Trainer
    from ragopt.index.build import SharedPca
    from ragopt.index.coarse import SharedCoarse
    from ragopt.index.factory import Factory
    from ragopt.records import Metric


def trainer_of(factory: Factory, device: Device) -> Trainer:
    """What trains a factory on a device: torch where it does and was chosen, FAISS for the rest."""
    return "torch" if device.trainer == "torch" and torch_trains(factory) else "faiss"


def trainer_recipe(factory: Factory, device: Device) -> Mapping[str, str]:
    """What the trainer adds to an artifact's recipe: nothing for FAISS, so that what it trained is found again.

    The device is left out: it moves codebooks by rounding only.
    """
    trainer = trainer_of(factory, device)
    return {} if trainer == "faiss" else {"trainer": trainer}


def train_on(  # noqa: PLR0913 - those of `train_index`
    device: Device,
    factory: Factory,
    sample: NDArray[np.float32],
    *,
    metric: Metric,
    seed: int,
    pca: SharedPca | None = None,
    coarse: SharedCoarse | None = None,
) -> faiss.Index:
    """Train a factory where the device says; otherwise as `train_index`.

    Raises:
        SpecError: see `train_index`. MissingExtra: torch is to train and is not installed.
    """
    if trainer_of(factory, device) == "torch":
        return train_with_torch(factory, sample, metric=metric, device=device.name, seed=seed, memory_bytes=256 * MIB)
    return train_index(factory, sample, metric=metric, seed=seed, pca=pca, coarse=coarse)
