"""Take the codes of some rows out of a flat index into a small index of its own, without decoding them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 32
"""Vectors whose 4-bit codes FAISS interleaves (the default `bbs` of FastScan, the one its factory uses)."""

PERMUTED = np.array([0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15])
"""Which vector of a half block each byte belongs to (perm0 in faiss/impl/pq_4bit/pq4_fast_scan.cpp, FAISS 1.15.1)."""


def has_row_codes(index: Any) -> bool:
    """Whether `index_of_rows` can take rows out of an index: flat codes, and PQ in FastScan's blocks."""
    import faiss  # noqa: PLC0415 - loaded when first used

    if isinstance(index, faiss.IndexPQFastScan):
        return int(index.bbs) == BLOCK
    return isinstance(index, faiss.IndexFlatCodes)


def index_of_rows(index: Any, rows: NDArray[np.int64]) -> Any:
    """Make an index of some rows of another, with the same quantizer and their very codes.

    Args:
        index: FAISS index for which `has_row_codes` holds; only read, so it may be memory-mapped.
        rows: int64 (m,) rows, each from 0 to ntotal - 1.

    Returns:
        A FAISS index that owns its m codes: its row i is `rows[i]`, with the same score for every query.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    if isinstance(index, faiss.IndexPQFastScan):
        return _fast_scan_of_rows(index, rows)
    # The clone of a mapped index is a view on the same file, and so costs no more than the codebooks.
    small: Any = faiss.clone_index(index)
    taken: Any = vars(faiss)["MaybeOwnedVectorUInt8"]()
    codes = _stored(index).reshape(index.ntotal, index.code_size)[rows]
    taken.resize(codes.size)
    if codes.size:
        faiss.memcpy(taken.data(), faiss.swig_ptr(codes), codes.nbytes)
    small.codes = taken
    small.ntotal = len(rows)
    return small


def _stored(index: Any) -> NDArray[np.uint8]:
    """The bytes of all codes; valid as long as the index is."""
    import faiss  # noqa: PLC0415 - loaded when first used

    is_table = isinstance(index, faiss.IndexFastScan)
    stored: NDArray[np.uint8] = faiss.rev_swig_ptr(
        index.codes.get() if is_table else index.codes.data(), index.codes.size()
    )
    return stored


def _fast_scan_of_rows(index: Any, rows: NDArray[np.int64]) -> Any:
    import faiss  # noqa: PLC0415 - loaded when first used

    small: Any = faiss.IndexPQFastScan(index.d, index.pq.M, index.pq.nbits, index.metric_type, BLOCK)
    small.pq, small.implem, small.is_trained = index.pq, index.implem, True
    codes = _packed(_unpacked(_stored(index), index.M2 // 2, rows))
    small.codes.resize(codes.size)
    if codes.size:
        faiss.memcpy(small.codes.get(), faiss.swig_ptr(codes), codes.nbytes)
    small.ntotal, small.ntotal2 = len(rows), -(-len(rows) // BLOCK) * BLOCK
    return small


def _unpacked(stored: NDArray[np.uint8], n_pairs: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Codes of some rows, uint8 (m, n_pairs): two parts a byte, the even one in its lower four bits."""
    blocks = stored.reshape(-1, n_pairs, BLOCK)
    vector = rows % BLOCK
    byte = np.argsort(PERMUTED)[vector % 16]
    shift = np.where(vector < 16, 0, 4).astype(np.uint8)[:, None]
    pair = np.arange(n_pairs)
    block = (rows // BLOCK)[:, None]
    even = blocks[block, pair, byte[:, None]] >> shift & 15
    odd = blocks[block, pair, byte[:, None] + 16] >> shift & 15
    return np.asarray(even | odd << 4, dtype=np.uint8)


def _packed(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes (m, n_pairs) in FastScan's blocks, filled up with zeros."""
    n_blocks = -(-len(codes) // BLOCK)
    filled = np.zeros((n_blocks * BLOCK, codes.shape[1]), dtype=np.uint8)
    filled[: len(codes)] = codes
    by_pair = filled.reshape(n_blocks, BLOCK, -1).transpose(0, 2, 1)
    even, odd = by_pair & 15, by_pair >> 4
    halves = [part[:, :, PERMUTED] | part[:, :, PERMUTED + 16] << 4 for part in (even, odd)]
    return np.ascontiguousarray(np.concatenate(halves, axis=2))
