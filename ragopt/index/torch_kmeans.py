"""K-means in torch, on any device: all parts of a product quantizer at once, or the centroids of inverted lists.

The algorithm is FAISS's (faiss/Clustering.cpp, FAISS 1.15.1): it starts from random rows, takes a fixed number of
rounds and splits a large cluster where one is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.torch_loaded import load_torch, rows_within
from ragopt.index.torch_memory import RowBudget
from ragopt.index.torch_order import fixed_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensor = Any
    """A torch tensor; torch is not imported for types."""

SPLIT = 1 / 1024
"""How far the two halves of a split cluster are moved apart (EPS in faiss/Clustering.cpp)."""

FAR = 4.0
"""As in `ragopt.measure.off_centre`, which lies above this room."""

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Kmeans:
    """How to cluster.

    Attributes:
        n_centroids: clusters of each part.
        n_iterations: rounds of assignment and update; FAISS takes 10 for inverted lists and 25 for codebooks.
        seed: of the first centroids and the splits. The same seed gives the same centroids on the same device.
        memory_bytes: bound on the scores held at once on the device, beside the rows; 0 asks the device for what is
            free. Halved, as often as needed, when it runs out of memory.
        spherical: assign by the inner product and keep centroids at unit length, as FAISS does for the lists of an
            inner product; otherwise by the squared distance.
        most_rows_per_centroid: further rows are left out at random (max_points_per_centroid of FAISS).
    """

    n_centroids: int
    n_iterations: int
    seed: int
    memory_bytes: int = 0
    spherical: bool = False
    most_rows_per_centroid: int = 256


def kmeans(parts: Tensor, settings: Kmeans, *, start: Tensor | None = None) -> Tensor:
    """Cluster each part of some rows on its own, all parts at once.

    Args:
        parts: float32 tensor (n_parts, n, dim), n at least `n_centroids`; never changed. One part for inverted lists.
        settings: how.
        start: float32 (n_parts, n_centroids, dim) centroids to go on from; random rows when None.

    Returns:
        float32 tensor (n_parts, n_centroids, dim) on the same device.

    Raises:
        InputError: the device has too little memory for the scores of a single row.
    """
    torch = load_torch("Training on a device")
    generator = torch.Generator().manual_seed(settings.seed)
    n_parts, n, dim = parts.shape
    k = settings.n_centroids
    if n > k * settings.most_rows_per_centroid:
        chosen = torch.randperm(n, generator=generator)[: k * settings.most_rows_per_centroid]
        parts = parts[:, chosen.to(parts.device)]
        n = parts.shape[1]
    if start is None:
        # FAISS starts every part from the same rows too: its parts share one seed.
        start = parts[:, torch.randperm(n, generator=generator)[:k].to(parts.device)]
    centroids = _finished(start.clone(), settings)
    if n == k:  # as FAISS: every row is a centroid
        return centroids
    offsets = torch.arange(n_parts, device=parts.device)[:, None] * k
    budget = scores_budget(centroids, settings.memory_bytes)
    for _ in range(settings.n_iterations):
        flat = (assigned(parts, centroids, spherical=settings.spherical, budget=budget) + offsets).reshape(-1)
        counts = torch.bincount(flat, minlength=n_parts * k)
        sums = _sums(flat, parts.reshape(-1, dim), n_parts * k)
        centroids = (sums / counts.clamp(min=1)[:, None]).reshape(n_parts, k, dim)
        _split_empty(centroids, counts.reshape(n_parts, k).cpu().numpy().astype(np.float64), generator)
        centroids = _finished(centroids, settings)
    return centroids


def scores_budget(centroids: Tensor, memory_bytes: int) -> RowBudget:
    """How many rows may be scored at once against centroids (n_parts, n_centroids, dim); 0 bytes ask the device."""
    n_parts, k, _ = centroids.shape
    asked = f"the scores of one row against {n_parts} x {k} centroids"
    return RowBudget(centroids.device, n_parts * k * FLOAT_BYTES, asked, memory_bytes=memory_bytes)


def assigned(parts: Tensor, centroids: Tensor, *, spherical: bool, budget: RowBudget) -> Tensor:
    """As `nearest`, within a budget that is halved where the device runs out of memory."""
    found: list[Tensor] = []

    def score(_rows: int) -> None:
        found.append(nearest(parts, centroids, spherical=spherical, memory_bytes=budget.memory_bytes))

    budget.whole(parts.shape[1], score)
    return found[0]


def nearest(parts: Tensor, centroids: Tensor, *, spherical: bool, memory_bytes: int) -> Tensor:
    """The best centroid of every row of every part.

    By squared distance a centroid scores x.c - |c|^2 / 2, which orders centroids alike and needs no norm of a row.

    Args:
        parts: float32 tensor (n_parts, n, dim).
        centroids: float32 tensor (n_parts, n_centroids, dim).
        spherical: the best is that of the highest inner product, else that of the least distance.
        memory_bytes: bound on the scores held at once.

    Returns:
        int64 tensor (n_parts, n).
    """
    torch = load_torch("Training on a device")
    n_parts, k, _ = centroids.shape
    shift = None if spherical else off_centre(centroids)
    if shift is not None:
        centroids = centroids - shift
    turned = centroids.transpose(1, 2).contiguous()
    bias = torch.zeros(n_parts, 1, k, device=parts.device) if spherical else turned.square().sum(1)[:, None] * -0.5
    rows = rows_within(memory_bytes, n_parts * k * FLOAT_BYTES)
    # One buffer for all blocks: on a CPU a fresh one costs as much as the product that is written into it.
    scores = torch.empty(n_parts * min(rows, parts.shape[1]) * k, device=parts.device)
    found = []
    for first in range(0, parts.shape[1], rows):
        block = parts[:, first : first + rows]
        if shift is not None:
            block = block - shift
        # Not a part of each row of the buffer: outputs with gaps are a special case of every device.
        into = scores[: n_parts * block.shape[1] * k].view(n_parts, block.shape[1], k)
        found.append(torch.baddbmm(bias, block, turned, out=into).argmax(dim=2))
    return torch.cat(found, dim=1)


def off_centre(centroids: Tensor) -> Tensor | None:
    """What to take from rows and centroids far from the origin, (n_parts, 1, dim), before their squared lengths cancel.

    None where the centroids of every part lie near the origin, for their spread; see `ragopt.measure.off_centre`.
    """
    mean = centroids.mean(dim=1, keepdim=True)
    spread = (centroids - mean).square().mean(dim=(1, 2), keepdim=True).sqrt()
    far = mean.abs().amax(dim=2, keepdim=True) > FAR * spread
    return mean * far if bool(far.any()) else None


def in_parts(rows: Tensor, n_parts: int) -> Tensor:
    """Cut rows (n, dim) into equal parts, a tensor (n_parts, n, dim / n_parts) of its own."""
    n, dim = rows.shape
    return rows.reshape(n, n_parts, dim // n_parts).transpose(0, 1).contiguous()


def _sums(flat: Tensor, rows: Tensor, n: int) -> Tensor:
    """Sum of the rows of each cluster, float32 (n, dim).

    On CUDA a plain index_add_ adds in any order, and the same seed would give other centroids. On Apple's GPU the one
    in order runs on a single thread (aten/src/ATen/native/mps/operations/Indexing.mm): the CPU adds there.
    """
    torch = load_torch("Training on a device")
    if rows.device.type == "mps":
        return _sums(flat.cpu(), rows.cpu(), n).to(rows.device)
    sums = torch.zeros(n, rows.shape[1], device=rows.device)
    with fixed_order(torch):
        return sums.index_add_(0, flat, rows)


def _finished(centroids: Tensor, settings: Kmeans) -> Tensor:
    if not settings.spherical:
        return centroids
    return centroids / centroids.norm(dim=2, keepdim=True).clamp(min=1e-30)


def _split_empty(centroids: Tensor, counts: NDArray[np.float64], generator: Any) -> None:
    """Give each empty cluster half of another, drawn by its rows but one (split_clusters in faiss/Clustering.cpp)."""
    torch = load_torch("Training on a device")
    signs = torch.ones(centroids.shape[2], device=centroids.device)
    signs[1::2] = -1
    for part, empty in np.argwhere(counts == 0):
        heights = np.cumsum(np.maximum(counts[part] - 1, 0))
        drawn = torch.rand(1, generator=generator, dtype=torch.float64).item() * heights[-1]
        split = int(np.searchsorted(heights, drawn, side="right"))
        whole = centroids[part, split].clone()
        centroids[part, empty] = whole * (1 + SPLIT * signs)
        centroids[part, split] = whole * (1 - SPLIT * signs)
        counts[part, empty] = counts[part, split] // 2
        counts[part, split] -= counts[part, empty]
