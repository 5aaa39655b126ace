"""Bytes of an index by formula, equal to the length of the file that FAISS 1.15 writes.

Each constant is the sum of the fields that ``faiss/impl/index_write.cpp`` (FAISS 1.15.1) writes for that part;
`tests/test_index_size.py` compares every formula with a saved file.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from ragopt.index.codec_size import FLOAT, LENGTH, code_bytes, opened_table_bytes, quantizer_bytes
from ragopt.index.graph_size import expected_upper_levels, graph_fixed_bytes, link_bytes_per_vector
from ragopt.records import IndexBytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.index.codec import Codec
    from ragopt.index.factory import Factory, Transform

HEADER = 4 + 4 + 8 + 16 + 1 + 4
"""fourcc, d, ntotal, two reserved words, is_trained, metric."""
ID_BYTES = 8
"""FAISS ids are int64."""
FASTSCAN_BLOCK = 32
"""Vectors per FastScan block; a block is always whole (faiss/impl/pq4_fast_scan.h)."""
FLAT_FIELDS = {"PQ": 4 + 1 + 4, "PQfs": 3 * 4 + 2 * 8, "RaBitQfs": 3 * 4 + 2 * 8}
"""PQ: search_type, encode_signs, polysemous_ht. FastScan: implem, bbs, qbs, ntotal2, M2."""
FLAT_ADDITIVE_FIELDS = 8
"""code_size."""
FLAT_ADDITIVE_FASTSCAN_FIELDS = 3 * 4 + 6 * 8 + 1 + 4 + 8
"""implem, bbs, qbs; M, nbits, ksub, code_size, ntotal2, M2; rescale_norm, norm_scale, max_train_points."""
IVF_FIELDS = {"Flat": 0, "SQ": 9, "PQ": 9, "PQfs": 33, "RaBitQ": 10, "RaBitQfs": 35}
"""code_size and by_residual; PQfs: bbs, M2, implem, qbs2 too; RaBitQ: qb; RaBitQfs: both, and whether it is centred."""
IVF_ADDITIVE_FIELDS = 8 + 1 + 4
"""code_size, by_residual, use_precomputed_table."""
IVF_ADDITIVE_FASTSCAN_FIELDS = 1 + FLAT_ADDITIVE_FASTSCAN_FIELDS
"""by_residual, then what the flat form has."""


def _flat_codes(codec: Codec, dim: int, n: int) -> int:
    """File bytes of a codec without inverted lists, holding `n` vectors."""
    fixed = HEADER + quantizer_bytes(codec, dim) + LENGTH + FLAT_FIELDS.get(codec.family, 0)
    if codec.is_additive:
        fixed += FLAT_ADDITIVE_FASTSCAN_FIELDS if codec.is_fast_scan else FLAT_ADDITIVE_FIELDS
    if codec.family in ("RaBitQ", "RaBitQfs"):
        fixed += LENGTH + FLOAT * dim + 1
    return fixed + _padded(codec, n) * code_bytes(codec, dim)


def _padded(codec: Codec, n: int) -> int:
    return ceil(n / FASTSCAN_BLOCK) * FASTSCAN_BLOCK if codec.is_fast_scan else n


def _transform(transform: Transform, dim: int) -> int:
    linear = 4 + 1 + LENGTH + FLOAT * transform.dim_out * dim + LENGTH + 4 + 4 + 1
    if transform.kind in ("OPQ", "RR"):
        return linear
    # A PCA keeps its mean, all eigenvalues and the whole eigenvector matrix beside the map that it applies.
    bias = FLOAT * transform.dim_out
    return linear + bias + (4 + 4 + 1 + 4) + 3 * LENGTH + FLOAT * (dim + dim + dim * dim)


def _inverted_lists(codec: Codec, dim: int, nlist: int, list_sizes: Sequence[int]) -> int:
    per_vector = code_bytes(codec, dim) + ID_BYTES
    if codec.is_fast_scan:
        padded = sum(_padded(codec, size) for size in list_sizes)
        return 4 + 4 * 8 + nlist * 2 * LENGTH + padded * code_bytes(codec, dim) + sum(list_sizes) * ID_BYTES
    filled = sum(size > 0 for size in list_sizes)
    sizes = LENGTH + (8 * nlist if filled > nlist // 2 else 16 * filled)
    return 4 + 8 + 8 + 4 + sizes + sum(list_sizes) * per_vector


def _ivf(codec: Codec, dim: int, nlist: int, list_sizes: Sequence[int]) -> int:
    coarse = HEADER + LENGTH + FLOAT * nlist * dim
    fixed = HEADER + 8 + 8 + coarse + 1 + LENGTH + quantizer_bytes(codec, dim)
    if codec.is_additive:
        fixed += IVF_ADDITIVE_FASTSCAN_FIELDS if codec.is_fast_scan else IVF_ADDITIVE_FIELDS
    else:
        fixed += IVF_FIELDS[codec.family]
    return fixed + _inverted_lists(codec, dim, nlist, list_sizes)


def even_lists(n: int, nlist: int) -> tuple[int, ...]:
    """List sizes of `n` vectors spread evenly: what a prediction assumes before the lists are known."""
    return tuple(n // nlist + (number < n % nlist) for number in range(nlist))


def index_bytes(
    factory: Factory, n: int, *, list_sizes: Sequence[int] | None = None, upper_levels: int | None = None
) -> IndexBytes:
    """Give the bytes of an index of `n` vectors by formula.

    Args:
        factory: the parsed factory string.
        n: vectors in the index.
        list_sizes: vectors in each inverted list; None assumes even lists, exact for the file only up to the
            padding of FastScan blocks and the sparse form of a table with many empty lists.
        upper_levels: of a graph: over all vectors, the sum of the levels that each is on above the lowest; None takes
            the expected number, n / (M - 1), and then `file_bytes` is the expected length.

    Returns:
        The split of the bytes; `file_bytes` equals the length of the file that FAISS writes.
    """
    dim, codec = factory.codec_dim, factory.codec
    per_vector = float(code_bytes(codec, dim))
    if factory.nlist:
        sizes = even_lists(n, factory.nlist) if list_sizes is None else list_sizes
        base = _ivf(codec, dim, factory.nlist, sizes)
        per_vector += ID_BYTES
    else:
        base = _flat_codes(codec, dim, n)
    if factory.is_graph:
        expected = upper_levels is None or n == 0
        upper = expected_upper_levels(factory.links) if expected else (upper_levels or 0) / n
        of_links = link_bytes_per_vector(factory.links, upper)
        base += HEADER + graph_fixed_bytes(factory.links) + round(n * of_links)
        per_vector += of_links
    if factory.transform:
        base += HEADER + 4 + _transform(factory.transform, factory.dim)
    total, disk = base, 0
    if factory.refine:
        disk = code_bytes(factory.refine, factory.dim)
        total = HEADER + base + _flat_codes(factory.refine, factory.dim, n) + FLOAT
    return IndexBytes(
        ram_bytes_per_vector=per_vector,
        # Rounded: a graph's links per vector are an average.
        ram_fixed_bytes=total - n * disk - round(n * per_vector) + opened_table_bytes(codec),
        disk_bytes_per_vector=float(disk),
        file_bytes=total,
    )
