"""Train and fill a factory where the device says: k-means on an accelerator, everything else by FAISS on the CPU."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from ragopt.index.build import add_blocks, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.faiss_gpu import faiss_gpu_trains, train_with_faiss_gpu
from ragopt.index.torch_encoding import add_with_torch
from ragopt.index.torch_training import torch_trains, train_with_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import faiss
    import numpy as np
    from numpy.typing import NDArray

    from ragopt.devices import Device, Trainer
    from ragopt.index.build import SharedPca
    from ragopt.index.coarse import SharedCoarse
    from ragopt.index.factory import Factory
    from ragopt.records import Metric

    Blocks = Iterable[tuple[int, NDArray[np.float32]]]


def trainer_of(factory: Factory, device: Device) -> Trainer:
    """What trains a factory on a device: torch or faiss-gpu where they do and were chosen, FAISS for the rest."""
    trains = (device.trainer == "torch" and torch_trains(factory)) or (
        device.trainer == "faiss-gpu" and faiss_gpu_trains(factory)
    )
    return device.trainer if trains else "faiss"


def trainer_recipe(factory: Factory, device: Device) -> Mapping[str, list[Trainer] | str]:
    """What the trainers of codes and rescoring tier add to an artifact's recipe.

    Nothing for FAISS on the CPU, so that what it trained is found again. The device is left out: it moves codebooks by
    rounding only.
    """
    texts = [text for text in (factory.base_text, factory.refine_text) if text]
    trainers = [trainer_of(parse_factory(text, factory.dim), device) for text in texts]
    if set(trainers) == {"faiss"}:
        return {}
    if "torch" not in trainers:
        return {"trainers": trainers}
    return {"trainers": trainers, "torch": importlib.metadata.version("torch").partition("+")[0]}


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
        SpecError: see `train_index`.
        InputError: the device has too little memory.
        MissingExtra: torch is to train and is not installed.
    """
    trainer = trainer_of(factory, device)
    if trainer == "torch":
        return train_with_torch(factory, sample, metric=metric, device=device.name, seed=seed)
    if trainer == "faiss-gpu":
        return train_with_faiss_gpu(factory, sample, metric=metric, number=device.number, seed=seed, pca=pca)
    return train_index(factory, sample, metric=metric, seed=seed, pca=pca, coarse=coarse)


def adder_on(device: Device, factory: Factory) -> Callable[[Any, Blocks], None]:
    """What fills a trained index: torch on an accelerator where it trained, else FAISS on the CPU.

    Returns:
        Called with the index and (first row, float32 (m, dim)) blocks in row order.
    """
    if device.is_cpu or trainer_of(factory, device) != "torch":
        return add_blocks
    return lambda index, blocks: add_with_torch(index, blocks, device=device.name)
