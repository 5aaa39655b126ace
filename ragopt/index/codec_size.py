"""Bytes of one code and of what a codec learned, by formula.

Each constant is the sum of the fields that ``faiss/impl/index_write.cpp`` (FAISS 1.15.1) writes for that part;
`tests/test_index_size.py` compares every formula with a saved file.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.index.codec import Codec

LENGTH = 8
"""Every array is preceded by its length."""
FLOAT = 4
RABITQ_FACTORS = 8
"""Two float32 per vector beside the sign bits (faiss/impl/RaBitQUtils.h)."""
RABITQ_EXTRA_FACTORS = 12
"""Three more float32 per vector in the multi-bit form: RaBitQ4 at 128 d is 84 B (faiss tests/test_rabitq.py)."""
SQ_FIELDS = 3 * 4 + 2 * 8
"""qtype, rangestat, rangestat_arg; d, code_size."""
PQ_FIELDS = 3 * 8
"""d, M, nbits."""
ADDITIVE_FIELDS = 8 + 8 + LENGTH + 1 + LENGTH + 4 + 4 + 4
"""d, M, the bits of each codebook, is_trained, the codebooks, search_type, norm_min, norm_max."""
RQ_FIELDS = 4 + 4
"""train_type, max_beam_size."""


def code_bytes(codec: Codec, dim: int) -> int:
    """Bytes of one vector's code in `dim` dimensions, padding of blocks left out."""
    if codec.family == "Flat":
        return FLOAT * dim
    if codec.family in ("RaBitQ", "RaBitQfs"):
        signs = ceil(dim / 8) + RABITQ_FACTORS
        return signs if codec.bits == 1 else signs + ceil(dim * (codec.bits - 1) / 8) + RABITQ_EXTRA_FACTORS
    return ceil((dim if codec.family == "SQ" else codec.parts) * codec.bits / 8)


def quantizer_bytes(codec: Codec, dim: int) -> int:
    """Bytes in the file of the trained quantizer itself: codebooks, ranges, centre."""
    if codec.family == "Flat":
        return 0
    if codec.family == "SQ":
        return SQ_FIELDS + LENGTH + FLOAT * _sq_trained(codec, dim)
    if codec.family in ("PQ", "PQfs"):
        return PQ_FIELDS + LENGTH + FLOAT * dim * (1 << codec.bits)
    if codec.is_additive:
        return _additive_bytes(codec, dim)
    # d, code_size, metric; the number of bits where a plain index can have several, always in the FastScan form.
    return 8 + 8 + 4 + (8 if codec.bits > 1 or codec.is_fast_scan else 0)


def opened_table_bytes(codec: Codec) -> int:
    """Bytes of tables that FAISS makes anew in RAM when it opens an index and that no file holds.

    The inner products of all pairs of codebook entries of a residual quantizer: 3.9 MB for RQ6x8
    (`ResidualQuantizer::compute_codebook_tables`, faiss/impl/ResidualQuantizer.cpp, FAISS 1.15.1).
    """
    if not codec.is_additive:
        return 0
    splits = codec.splits or 1
    each = codec.parts // splits
    return splits * FLOAT * (1 << codec.bits) ** 2 * (each * (each - 1) // 2)


def _sq_trained(codec: Codec, dim: int) -> int:
    """Floats that a scalar quantizer learned.

    TurboQuant: 2^bits levels and the edges between them; 16 bits: none; others: a least value and a range per axis.
    """
    if codec.text.startswith("SQtqmse"):
        return (1 << (codec.bits + 1)) - 1
    return 0 if codec.bits == 16 else 2 * dim


def _additive_bytes(codec: Codec, dim: int) -> int:
    """A sum of codebooks over the whole vector; a product has one such quantizer per split, and all again in one."""
    splits = codec.splits or 1
    codebooks = FLOAT * codec.parts * (1 << codec.bits) * (dim // splits)
    bits = 8 * codec.parts
    if not codec.splits:
        return ADDITIVE_FIELDS + bits + codebooks + RQ_FIELDS
    whole = ADDITIVE_FIELDS + bits + codebooks + 8
    return whole + splits * (ADDITIVE_FIELDS + RQ_FIELDS) + bits + codebooks
