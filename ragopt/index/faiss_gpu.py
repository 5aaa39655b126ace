"""Train with FAISS's own GPU code, where the wheel `faiss-gpu` is installed in place of `faiss-cpu`.

FAISS's k-means assigns rows to centroids by an index; here that is lent one on the GPU. What comes out is a plain index
of the CPU. Never run on a GPU by ragopt's authors: tested with FAISS's CPU indexes in place of those of the GPU.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ragopt.devices import faiss_gpus
from ragopt.errors import DeviceFull, InputError
from ragopt.index.build import train_index
from ragopt.index.inner import first_transform, inner_index, refined_parts
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import faiss
    import numpy as np
    from numpy.typing import NDArray

    from ragopt.index.build import SharedPca
    from ragopt.index.factory import Factory
    from ragopt.records import Metric

FULL_WORDS = ("alloc fail", "out of memory")
"""What FAISS's GPU code says of a full device (in libfaiss.so of faiss-gpu 1.15.1), and what CUDA says."""


def faiss_gpu_trains(factory: Factory) -> bool:
    """Whether any part of a factory's training is k-means, which is what a GPU is lent for."""
    return not factory.is_graph and (bool(factory.nlist) or factory.codec.family in ("PQ", "PQfs"))


def check_gpu(number: int) -> None:
    """Raise InputError unless FAISS has that GPU: FAISS 1.15.1 ends the process when it is given another."""
    n_gpus = faiss_gpus()
    if not 0 <= number < n_gpus:
        raise InputError(
            f"FAISS has no GPU {number} on this machine",
            allowed=", ".join(str(one) for one in range(n_gpus)) or "none: the installed FAISS sees no GPU",
            next_step="Choose another GPU, or run on the CPU with --device cpu",
        )


@contextlib.contextmanager
def told_when_gpu_full(number: int, asked: str) -> Iterator[None]:
    """Turn FAISS's errors of a full GPU into a clear one.

    Args:
        number: of the GPU.
        asked: what it shall hold, with its size.

    Raises:
        DeviceFull: the GPU has too little memory.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in FULL_WORDS):
            raise
        raise DeviceFull(
            f"GPU {number} has too little memory for {asked}",
            next_step="Free memory on the device, or run on the CPU with --device cpu",
        ) from error


def train_with_faiss_gpu(
    factory: Factory,
    sample: NDArray[np.float32],
    *,
    metric: Metric,
    number: int,
    seed: int,
    pca: SharedPca | None = None,
) -> faiss.Index:
    """Make an empty index and train it, its k-means on a GPU; otherwise as `train_index`.

    Args:
        factory: one for which `faiss_gpu_trains` holds.
        sample: float32 (n_train, dim) rows of the space that is indexed; never changed.
        metric: cosine expects unit rows.
        number: of the GPU, as CUDA counts.
        seed: of every k-means inside.
        pca: a shared decomposition of the same sample, for factories that begin with PCA or PCAR.

    Returns:
        A trained, empty FAISS index of the CPU that any FAISS opens.

    Raises:
        InputError: there is no such GPU, or it has too little memory.
        SpecError: as `train_index`.
    """
    check_gpu(number)
    asked = f"training on {len(sample)} vectors of {sample.shape[1]} dimensions, {format_bytes(sample.nbytes)}"

    @contextlib.contextmanager
    def lent(index: faiss.Index) -> Iterator[None]:
        with told_when_gpu_full(number, asked), _lent(index, number):
            yield

    return train_index(factory, sample, metric=metric, seed=seed, pca=pca, around=lent)


@contextlib.contextmanager
def _lent(index: Any, number: int) -> Iterator[None]:
    """Let every k-means inside an index assign its rows on a GPU; taken back whatever happens.

    FAISS keeps no reference to what it is lent, so that all has to be held here.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    resources = vars(faiss)["StandardGpuResources"]()
    lent = []
    for owner, name, dim, metric in _assigners(index):
        flat = _flat_on_gpu(resources, number, dim, metric)
        setattr(owner, name, flat)
        lent.append((owner, name, flat))
    try:
        yield
    finally:
        for owner, name, _ in lent:
            setattr(owner, name, None)


def _assigners(index: Any) -> Iterator[tuple[Any, str, int, int]]:
    """Where an index asks for another index to assign rows by: owner, field, dimensions and metric."""
    import faiss  # noqa: PLC0415 - loaded when first used

    rotation = first_transform(index)
    if isinstance(rotation, faiss.OPQMatrix) and rotation.pq is not None:
        yield rotation.pq, "assign_index", rotation.pq.dsub, faiss.METRIC_L2
    for part in refined_parts(index):
        if part is None:
            continue
        inner = inner_index(part)
        if isinstance(inner, faiss.IndexIVF):
            yield inner, "clustering_index", inner.d, inner.metric_type
        if hasattr(inner, "pq"):
            yield inner.pq, "assign_index", inner.pq.dsub, faiss.METRIC_L2


def _flat_on_gpu(resources: Any, number: int, dim: int, metric: int) -> Any:
    import faiss  # noqa: PLC0415 - loaded when first used

    config = vars(faiss)["GpuIndexFlatConfig"]()
    config.device = number
    return vars(faiss)["GpuIndexFlat"](resources, dim, metric, config)
