"""Seed every random start inside a FAISS index and keep its training quiet."""

from __future__ import annotations

from typing import Any

from ragopt.index.inner import first_transform, inner_index

ROWS_ENCODED_AT_ONCE = 512
"""Rows whose distances to all centroids a product quantizer of 16 and more dimensions a part holds at once; FAISS's own
262,144 are 400 MB for PQ24np of 16,384 rows, and take three times as long (19 against 6.8 microseconds a vector of 384
dimensions, the same codes; FAISS 1.15.1, 2026-11-25)."""

MOST_DISTANCE_BYTES = 64 << 20
"""Distances between residuals and codebook entries held at once; blocks of vectors are split to fit."""


def seed_training(index: Any, seed: int) -> list[Any]:
    """Seed every k-means and graph inside an index and stop FAISS's warnings about few points.

    ragopt reports too few training rows itself. A random rotation (RR, and the start of OPQ) has FAISS's own fixed
    seed and stays as it is.

    Args:
        index: untrained FAISS index.
        seed: of the run.

    Returns:
        Objects that FAISS points to: hold them until the training is over, then call `release_training`.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    if isinstance(outer, faiss.IndexRefine):
        return [*seed_training(outer.base_index, seed), *seed_training(outer.refine_index, seed)]
    held = _seed_rotation(first_transform(outer), seed)
    inner = inner_index(outer)
    if isinstance(inner, faiss.IndexIVF):
        _seed_clustering(inner.cp, seed)
    if isinstance(inner, faiss.IndexHNSW):
        graph: Any = inner.hnsw
        graph.rng = vars(faiss)["RandomGenerator"](seed)
        inner = faiss.downcast_index(inner.storage)
    for name in ("pq", "rq", "prq"):
        if hasattr(inner, name):
            _seed_quantizer(getattr(inner, name), seed)
    return held


def release_training(index: Any) -> None:
    """Take away from an index what `seed_training` lent to it, so that nothing points to freed memory."""
    import faiss  # noqa: PLC0415 - loaded when first used

    rotation = first_transform(index)
    if isinstance(rotation, faiss.OPQMatrix):
        rotation.pq = None


def _seed_clustering(parameters: Any, seed: int) -> None:
    parameters.seed = seed
    parameters.min_points_per_centroid = 1


def _seed_rotation(rotation: Any, seed: int) -> list[Any]:
    """Lend OPQ a seeded product quantizer: the one that it makes itself has a fixed seed and warns."""
    import faiss  # noqa: PLC0415 - loaded when first used

    if not isinstance(rotation, faiss.OPQMatrix):
        return []
    # 8 bits as in OPQMatrix::train (faiss/VectorTransform.cpp, FAISS 1.15.1).
    quantizer = faiss.ProductQuantizer(rotation.d_out, rotation.M, 8)
    _seed_clustering(quantizer.cp, seed)
    rotation.pq = quantizer
    return [quantizer]


def _seed_quantizer(quantizer: Any, seed: int) -> None:
    """A product of residual quantizers has one quantizer per split.

    FAISS's type stubs leave out what its names are looked up for here.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    if hasattr(quantizer, "cp"):
        _seed_clustering(quantizer.cp, seed)
    for split in range(getattr(quantizer, "nsplits", 0)):
        of_split = vars(faiss)["downcast_AdditiveQuantizer"](quantizer.subquantizer(split))
        _seed_quantizer(of_split, seed)


def bound_memory(index: Any) -> None:
    """Bound what product and residual quantizers allocate while they encode: FAISS's own bounds are gigabytes.

    That of product quantizers is one of the process, and leaves every code as it is.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    vars(faiss)["cvar"].product_quantizer_compute_codes_bs = ROWS_ENCODED_AT_ONCE
    outer: Any = faiss.downcast_index(index)
    inner = inner_index(outer.base_index if isinstance(outer, faiss.IndexRefine) else outer)
    if hasattr(inner, "rq"):
        inner.rq.max_mem_distances = MOST_DISTANCE_BYTES
    if hasattr(inner, "prq"):
        for part in range(inner.prq.nsplits):
            quantizer: Any = vars(faiss)["downcast_AdditiveQuantizer"](inner.prq.subquantizer(part))
            quantizer.max_mem_distances = MOST_DISTANCE_BYTES
