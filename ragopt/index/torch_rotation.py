"""Rotations in torch, on any device: principal directions, and the optimized rotation of a product quantizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.torch_kmeans import FLOAT_BYTES, Kmeans, assigned, in_parts, kmeans, scores_budget
from ragopt.index.torch_loaded import load_torch
from ragopt.index.torch_memory import RowBudget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensor = Any
    """A torch tensor; torch is not imported for types."""

OPQ_CENTROIDS = 256
"""The quantizer that OPQ trains has 8 bits, whatever the codec (faiss/VectorTransform.cpp, FAISS 1.15.1)."""

OPQ_ROWS = 65_536
"""Rows that OPQ trains on: max_train_points of FAISS, 256 for each centroid."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Principal directions of some rows.

    Attributes:
        mean: float64 (dim,) that was subtracted; zeros when nothing was.
        variances: float64 (dim,) sums of squares along each direction, descending, as FAISS's `eigenvalues`.
        directions: float64 (dim, dim), orthonormal; rows are directions. The largest component of each is positive.
    """

    mean: NDArray[np.float64]
    variances: NDArray[np.float64]
    directions: NDArray[np.float64]


def principal_directions(rows: Tensor, *, centred: bool, memory_bytes: int = 0) -> Principal:
    """Find the directions in which rows have most of their squared length.

    Products are summed block by block on the device in float32, the sums over blocks and the decomposition in float64.

    Args:
        rows: float32 tensor (n, dim).
        centred: subtract the mean first, as FAISS's PCAMatrix does. The space `pca` of ragopt does not: without it the
            map is a rotation, which keeps every inner product.
        memory_bytes: bound on one block; 0 asks the device for what is free. Halved, as often as needed, when it runs
            out of memory.

    Returns:
        The directions.

    Raises:
        InputError: the device has too little memory for a single row.
    """
    n, dim = rows.shape
    asked = f"a matrix of {dim} x {dim} and one row"
    budget = RowBudget(rows.device, dim * FLOAT_BYTES, asked, memory_bytes=memory_bytes)
    mean, moment = np.zeros(dim), np.zeros((dim, dim))

    def summed(block: slice) -> None:
        mean[:] += rows[block].sum(dim=0).cpu().numpy()

    if centred:
        budget.pieces(n, summed)
        mean /= n
    shift = load_torch("Training on a device").from_numpy(mean.astype(np.float32)).to(rows.device)

    def multiplied(block: slice) -> None:
        around = rows[block] - shift
        moment[:] += (around.T @ around).cpu().numpy()

    budget.pieces(n, multiplied)
    variances, columns = np.linalg.eigh(moment)
    directions = columns.T[::-1]
    strongest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(dim), strongest])
    # A tiny negative variance is rounding.
    return Principal(mean, np.maximum(variances[::-1], 0.0), directions * signs[:, None])


@dataclass(frozen=True, slots=True)
class Opq:
    """How to optimize a rotation for a product quantizer.

    Attributes:
        n_parts: parts of the quantizer.
        dim_out: dimensions that it sees.
        n_iterations: rounds of quantizing and turning; FAISS takes 50.
        first_rounds: rounds of k-means before the first turn; FAISS takes 40.
        rounds: rounds of k-means before each further turn; FAISS takes 4.
        seed: of the first rotation and of the k-means.
        memory_bytes: bound on what is held at once on the device beside four copies of the rows; 0 asks the device for
            what is free.
    """

    n_parts: int
    dim_out: int
    seed: int
    memory_bytes: int = 0
    n_iterations: int = 50
    first_rounds: int = 40
    rounds: int = 4


def opq_rotation(rows: Tensor, settings: Opq) -> NDArray[np.float32]:
    """Find a rotation after which a product quantizer has a smaller error.

    Quantizing and the best rotation for what was quantized, by a singular value decomposition, take turns (Ge, He, Ke
    and Sun, Optimized Product Quantization, TPAMI 36 (2014) 744-755; OPQMatrix::train in faiss/VectorTransform.cpp).
    It starts from a random rotation, as FAISS's.

    Args:
        rows: float32 tensor (n, dim), n at least 256; `OPQ_ROWS` of them are used.
        settings: how.

    Returns:
        float32 (dim_out, dim), orthonormal rows.
    """
    torch = load_torch("Training on a device")
    generator = torch.Generator().manual_seed(settings.seed)
    if len(rows) > OPQ_ROWS:
        rows = rows[torch.randperm(len(rows), generator=generator)[:OPQ_ROWS].to(rows.device)]
    rows = rows - rows.mean(dim=0)
    dim = rows.shape[1]
    first = torch.linalg.qr(torch.randn(dim, dim, generator=generator, dtype=torch.float64))[0]
    rotation = first[: settings.dim_out].to(torch.float32).to(rows.device)
    codebooks = None
    for number in range(settings.n_iterations):
        parts = in_parts(rows @ rotation.T, settings.n_parts)
        how = Kmeans(
            OPQ_CENTROIDS,
            settings.rounds if number else settings.first_rounds,
            settings.seed,
            settings.memory_bytes,
            most_rows_per_centroid=OPQ_ROWS // OPQ_CENTROIDS,
        )
        codebooks = kmeans(parts, how, start=codebooks)
        decoded = _decoded(parts, codebooks, settings.memory_bytes)
        left, _, right = np.linalg.svd((rows.T @ decoded).cpu().numpy().astype(np.float64), full_matrices=False)
        rotation = torch.from_numpy((left @ right).T.astype(np.float32)).to(rows.device)
    found: NDArray[np.float32] = np.ascontiguousarray(rotation.cpu().numpy())
    return found


def _decoded(parts: Tensor, codebooks: Tensor, memory_bytes: int) -> Tensor:
    """What the quantizer keeps of each row, float32 (n, dim_out)."""
    torch = load_torch("Training on a device")
    n_parts, n, width = parts.shape
    part = torch.arange(n_parts, device=parts.device)[:, None]
    best = assigned(parts, codebooks, spherical=False, budget=scores_budget(codebooks, memory_bytes))
    kept = codebooks[part, best]
    return kept.transpose(0, 1).reshape(n, n_parts * width)
