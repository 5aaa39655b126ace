"""Bytes of an index by formula, equal to the length of the file that FAISS 1.15 writes.

Each constant is the sum of the fields that ``faiss/impl/index_write.cpp`` (FAISS 1.15.1) writes for that part;
`tests/test_index_size.py` compares every formula with a saved file.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from ragopt.records import IndexBytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.index.factory import Codec, Factory, Transform

HEADER = 4 + 4 + 8 + 16 + 1 + 4
"""fourcc, d, ntotal, two reserved words, is_trained, metric."""
LENGTH = 8
"""Every array is preceded by its length."""
FLOAT = 4
ID_BYTES = 8
"""FAISS ids are int64."""
FASTSCAN_BLOCK = 32
"""Vectors per FastScan block; a block is always whole (faiss/impl/pq4_fast_scan.h)."""
RABITQ_FACTORS = 8
"""Two float32 per vector beside the sign bits (faiss/impl/RaBitQUtils.h)."""
RABITQ_EXTRA_FACTORS = 12
"""Three more float32 per vector in the multi-bit form: RaBitQ4 at 128 d is 84 B (faiss tests/test_rabitq.py)."""


def code_bytes(codec: Codec, dim: int) -> int:
    """Bytes of one vector's code in `dim` dimensions, padding of blocks left out."""
    if codec.family == "Flat":
        return FLOAT * dim
    if codec.family == "SQ":
        return ceil(dim * codec.bits / 8)
    if codec.family == "PQ":
        return codec.parts
    if codec.family == "PQfs":
        return ceil(codec.parts / 2)
    signs = ceil(dim / 8) + RABITQ_FACTORS
    return signs if codec.bits == 1 else signs + ceil(dim * (codec.bits - 1) / 8) + RABITQ_EXTRA_FACTORS


def _quantizer_bytes(codec: Codec, dim: int) -> int:
    """Bytes of the trained quantizer itself: codebooks, ranges, centre."""
    if codec.family == "Flat":
        return 0
    if codec.family == "SQ":
        if codec.text.startswith("SQtqmse"):
            trained = FLOAT * ((1 << (codec.bits + 1)) - 1)
        else:
            trained = 0 if codec.bits == 16 else FLOAT * 2 * dim
        return 3 * 4 + 2 * 8 + LENGTH + trained
    if codec.family in ("PQ", "PQfs"):
        return 3 * 8 + LENGTH + FLOAT * dim * (1 << codec.bits)
    return 8 + 8 + 4 + (8 if codec.bits > 1 else 0)


def _flat_codes(codec: Codec, dim: int, n: int) -> int:
    """File bytes of a codec without inverted lists, holding `n` vectors."""
    fixed = HEADER + _quantizer_bytes(codec, dim) + LENGTH
    if codec.family == "PQ":
        fixed += 4 + 1 + 4
    if codec.family == "PQfs":
        fixed += 3 * 4 + 2 * 8
        n = ceil(n / FASTSCAN_BLOCK) * FASTSCAN_BLOCK
    if codec.family == "RaBitQ":
        fixed += LENGTH + FLOAT * dim + 1
    return fixed + n * code_bytes(codec, dim)


def _transform(transform: Transform, dim: int) -> int:
    linear = 4 + 1 + LENGTH + FLOAT * transform.dim_out * dim + LENGTH + 4 + 4 + 1
    if transform.kind in ("OPQ", "RR"):
        return linear
    # A PCA keeps its mean, all eigenvalues and the whole eigenvector matrix beside the map that it applies.
    bias = FLOAT * transform.dim_out
    return linear + bias + (4 + 4 + 1 + 4) + 3 * LENGTH + FLOAT * (dim + dim + dim * dim)


def _inverted_lists(codec: Codec, dim: int, nlist: int, list_sizes: Sequence[int]) -> int:
    per_vector = code_bytes(codec, dim) + ID_BYTES
    if codec.family == "PQfs":
        padded = sum(ceil(size / FASTSCAN_BLOCK) * FASTSCAN_BLOCK for size in list_sizes)
        return 4 + 4 * 8 + nlist * 2 * LENGTH + padded * code_bytes(codec, dim) + sum(list_sizes) * ID_BYTES
    filled = sum(size > 0 for size in list_sizes)
    sizes = LENGTH + (8 * nlist if filled > nlist // 2 else 16 * filled)
    return 4 + 8 + 8 + 4 + sizes + sum(list_sizes) * per_vector


def _ivf(codec: Codec, dim: int, nlist: int, list_sizes: Sequence[int]) -> int:
    coarse = HEADER + LENGTH + FLOAT * nlist * dim
    fixed = HEADER + 8 + 8 + coarse + 1 + LENGTH + _quantizer_bytes(codec, dim)
    fixed += {"Flat": 0, "SQ": 9, "PQ": 9, "PQfs": 33, "RaBitQ": 10}[codec.family]
    return fixed + _inverted_lists(codec, dim, nlist, list_sizes)


def even_lists(n: int, nlist: int) -> tuple[int, ...]:
    """List sizes of `n` vectors spread evenly: what a prediction assumes before the lists are known."""
    return tuple(n // nlist + (number < n % nlist) for number in range(nlist))


def index_bytes(factory: Factory, n: int, *, list_sizes: Sequence[int] | None = None) -> IndexBytes:
    """Give the bytes of an index of `n` vectors by formula.

    Args:
        factory: the parsed factory string.
        n: vectors in the index.
        list_sizes: vectors in each inverted list; None assumes even lists, exact for the file only up to the
            padding of FastScan blocks and the sparse form of a table with many empty lists.

    Returns:
        The split of the bytes; `file_bytes` equals the length of the file that FAISS writes.
    """
    dim, codec = factory.codec_dim, factory.codec
    if factory.nlist:
        sizes = even_lists(n, factory.nlist) if list_sizes is None else list_sizes
        base = _ivf(codec, dim, factory.nlist, sizes)
        per_vector = code_bytes(codec, dim) + ID_BYTES
    else:
        base = _flat_codes(codec, dim, n)
        per_vector = code_bytes(codec, dim)
    if factory.transform:
        base += HEADER + 4 + _transform(factory.transform, factory.dim)
    total, disk = base, 0
    if factory.refine:
        disk = code_bytes(factory.refine, factory.dim)
        total = HEADER + base + _flat_codes(factory.refine, factory.dim, n) + FLOAT
    return IndexBytes(
        ram_bytes_per_vector=float(per_vector),
        ram_fixed_bytes=total - n * (per_vector + disk),
        disk_bytes_per_vector=float(disk),
        file_bytes=total,
    )
