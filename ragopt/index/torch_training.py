"""Train a product-quantized FAISS index with torch, on any device: the result is a plain FAISS index.

FAISS makes the empty index of the factory; what it would train is found by torch and written into its fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import InputError
from ragopt.index.build import check_sample, empty_index, use_reservoirs
from ragopt.index.inner import first_transform, inner_index, refined_parts
from ragopt.index.seeding import bound_memory
from ragopt.index.torch_encoding import TorchMap, residuals
from ragopt.index.torch_kmeans import Kmeans, in_parts, kmeans
from ragopt.index.torch_loaded import load_torch
from ragopt.index.torch_memory import budget_bytes, told_when_full
from ragopt.index.torch_rotation import Opq, opq_rotation, principal_directions
from ragopt.units import format_bytes

if TYPE_CHECKING:
    import faiss
    from numpy.typing import NDArray

    from ragopt.index.factory import Factory
    from ragopt.records import Metric

    Tensor = Any
    """A torch tensor; torch is not imported for types."""

FAMILIES = ("PQ", "PQfs")
"""Codecs whose training is long and is k-means; SQ and RaBitQ need next to none, and stay with FAISS."""


def torch_trains(factory: Factory) -> bool:
    """Whether `train_with_torch` takes a factory: PQ codes, flat or in lists, with any transform and rescoring tier."""
    return factory.codec.family in FAMILIES and not factory.is_graph


def train_with_torch(
    factory: Factory,
    sample: NDArray[np.float32],
    *,
    metric: Metric,
    device: Any,
    seed: int,
    memory_bytes: int = 0,
) -> faiss.Index:
    """Make an empty index and train it on a device; as `train_index`, which does it with FAISS on the CPU.

    Args:
        factory: one for which `torch_trains` holds.
        sample: float32 (n_train, dim) rows of the space that is indexed; never changed.
        metric: cosine expects unit rows.
        device: a torch device or its name.
        seed: of every random start. The same seed gives the same index on the same device.
        memory_bytes: bound on the scores and blocks held at once on the device, beside the sample and its copies; 0
            asks the device for what is free. Halved, as often as needed, when it runs out of memory.

    Returns:
        A trained, empty FAISS index that any FAISS opens.

    Raises:
        MissingExtra: torch is not installed.
        InputError: the sample is not finite, or the device has too little memory for it.
        SpecError: as `train_index`.
        ValueError: `torch_trains` does not hold.
    """
    if not torch_trains(factory):
        raise ValueError(f"torch does not train {factory}")
    check_sample(factory, sample)
    index = empty_index(factory, metric)
    fill_with_torch(index, sample, device=device, seed=seed, memory_bytes=memory_bytes)
    return index


def fill_with_torch(
    index: faiss.Index, sample: NDArray[np.float32], *, device: Any, seed: int, memory_bytes: int = 0
) -> None:
    """Train what is not yet trained of an empty product-quantized index: transform, lists, codebooks, rescoring tier.

    A transform that is trained and centroids that are there stay as they are, so that several indexes may share them.
    Arguments and errors: see `train_with_torch`.
    """
    load_torch(f"Training on the device {device}")
    bound_memory(index)
    # The codebooks' k-means holds the rows a second time, in parts; an optimized rotation two times more.
    asked = f"{len(sample)} training vectors of {sample.shape[1]} dimensions, {format_bytes(sample.nbytes)} a copy"
    with told_when_full(device, asked):
        _fill(index, sample, device=device, seed=seed, memory_bytes=memory_bytes)
    index.is_trained = True
    use_reservoirs(index)


def _fill(index: faiss.Index, sample: NDArray[np.float32], *, device: Any, seed: int, memory_bytes: int) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    torch = load_torch(f"Training on the device {device}")
    # A copy: torch warns of arrays that it may not write into.
    rows = torch.tensor(np.asarray(sample, dtype=np.float32), device=device)
    # With the sample there, so that it is no part of what is free.
    memory_bytes = budget_bytes(device, memory_bytes)
    if not bool(torch.isfinite(rows).all()):
        raise InputError(
            f"The training sample of {len(rows)} vectors holds values that are not finite",
            next_step="Look for NaN or infinite values in the vectors",
        )
    base, tier = refined_parts(index)
    if isinstance(base, faiss.IndexPreTransform):
        transform = first_transform(base)
        if not transform.is_trained:
            _fill_transform(transform, rows, seed=seed, memory_bytes=memory_bytes)
        below = TorchMap(transform, device=rows.device).apply(rows)
        _fill_codes(inner_index(base), below, seed=seed, memory_bytes=memory_bytes)
    else:
        _fill_codes(base, rows, seed=seed, memory_bytes=memory_bytes)
    base.is_trained = True
    if isinstance(tier, faiss.IndexPQ):
        _fill_codes(tier, rows, seed=seed, memory_bytes=memory_bytes)
    elif tier is not None and not tier.is_trained:
        tier.train(sample)


def _fill_transform(transform: Any, rows: Tensor, *, seed: int, memory_bytes: int) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    if isinstance(transform, faiss.PCAMatrix):
        found = principal_directions(rows, centred=True, memory_bytes=memory_bytes)
        for name, values in (("mean", found.mean), ("eigenvalues", found.variances), ("PCAMat", found.directions)):
            _copy(values, getattr(transform, name))
        transform.prepare_Ab()  # FAISS's own: PCAR also turns by a random rotation of a fixed seed
    elif isinstance(transform, faiss.OPQMatrix):
        how = Opq(
            transform.M, transform.d_out, seed, memory_bytes, transform.niter, transform.niter_pq_0, transform.niter_pq
        )
        _copy(opq_rotation(rows, how), transform.A)
        transform.set_is_orthonormal()
    else:  # a random rotation looks at no row
        transform.train(rows[:1].cpu().numpy())
    transform.is_trained = True


def _fill_codes(index: Any, rows: Tensor, *, seed: int, memory_bytes: int) -> None:
    """Train the lists, if any, and the codebooks of an index of product-quantizer codes."""
    import faiss  # noqa: PLC0415 - loaded when first used

    if isinstance(index, faiss.IndexIVF):
        _fill_lists(index, rows, seed=seed, memory_bytes=memory_bytes)
    _fill_codebooks(index, rows, seed=seed, memory_bytes=memory_bytes)
    index.is_trained = True
    if isinstance(index, faiss.IndexIVFPQ) and index.by_residual:
        index.precompute_table()  # FAISS makes one for l2 only


def _fill_lists(index: Any, rows: Tensor, *, seed: int, memory_bytes: int) -> None:
    if index.quantizer.ntotal:
        return
    clustering = index.cp
    how = Kmeans(
        index.nlist,
        clustering.niter,
        seed,
        memory_bytes,
        spherical=clustering.spherical,
        most_rows_per_centroid=clustering.max_points_per_centroid,
    )
    index.quantizer.add(kmeans(rows[None], how)[0].cpu().numpy())


def _fill_codebooks(index: Any, rows: Tensor, *, seed: int, memory_bytes: int) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    quantizer = index.pq
    how = Kmeans(
        quantizer.ksub,
        quantizer.cp.niter,
        seed,
        memory_bytes,
        most_rows_per_centroid=quantizer.cp.max_points_per_centroid,
    )
    rows = _some(rows, how.n_centroids * how.most_rows_per_centroid, seed)
    if isinstance(index, faiss.IndexIVF) and index.by_residual:
        rows = residuals(index, rows, memory_bytes=memory_bytes)
    _copy(kmeans(in_parts(rows, quantizer.M), how).cpu().numpy(), quantizer.centroids)


def _some(rows: Tensor, most: int, seed: int) -> Tensor:
    """At most so many rows, drawn at random."""
    torch = load_torch("Training on a device")
    if len(rows) <= most:
        return rows
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:most].to(rows.device)]


def _copy(values: NDArray[Any], field: Any) -> None:
    """Write an array into a std::vector<float> of FAISS."""
    import faiss  # noqa: PLC0415 - loaded when first used

    faiss.copy_array_to_vector(np.ascontiguousarray(values, dtype=np.float32).ravel(), field)
