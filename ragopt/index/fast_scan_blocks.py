"""FastScan's blocks of 32 interleaved 4-bit codes: take codes out, lay them out again, clear free places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 32
"""Vectors whose 4-bit codes FAISS interleaves (the default `bbs` of FastScan, the one its factory uses)."""

PERMUTED = np.array([0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15])
"""Which vector of a half block each byte belongs to (perm0 in faiss/impl/pq_4bit/pq4_fast_scan.cpp, FAISS 1.15.1)."""


def unpacked(stored: NDArray[np.uint8], n_pairs: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Codes of some rows, uint8 (m, n_pairs): two parts a byte, the even one in its lower four bits."""
    blocks = stored.reshape(-1, n_pairs, BLOCK)
    vector = rows % BLOCK
    byte = np.argsort(PERMUTED)[vector % 16]
    shift = np.where(vector < 16, 0, 4).astype(np.uint8)[:, None]
    pair, block = np.arange(n_pairs), (rows // BLOCK)[:, None]
    even = blocks[block, pair, byte[:, None]] >> shift & 15
    odd = blocks[block, pair, byte[:, None] + 16] >> shift & 15
    return np.asarray(even | odd << 4, dtype=np.uint8)


def packed(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes (m, n_pairs) in FastScan's blocks, filled up with zeros."""
    n_blocks = -(-len(codes) // BLOCK)
    filled = np.zeros((n_blocks * BLOCK, codes.shape[1]), dtype=np.uint8)
    filled[: len(codes)] = codes
    by_pair = filled.reshape(n_blocks, BLOCK, -1).transpose(0, 2, 1)
    even, odd = by_pair & 15, by_pair >> 4
    halves = [part[:, :, PERMUTED] | part[:, :, PERMUTED + 16] << 4 for part in (even, odd)]
    return np.ascontiguousarray(np.concatenate(halves, axis=2))


def clear_free_places(index: Any) -> None:
    """Zero the places behind the last vector of an owned FastScan index, flat or in lists.

    FAISS adds by a bitwise or into places that it takes to be zero, but leaves old codes there when it removes or
    merges: vectors added after `remove_ids` or `merge_from` get wrong codes without a word (FAISS 1.15.1).
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    n_pairs = index.M2 // 2
    if isinstance(index, faiss.IndexIVF):
        inverted: Any = index.invlists
        lists: Any = faiss.downcast_InvertedLists(inverted)
        for number in range(index.nlist):
            if n := lists.list_size(number):
                size = -(-n // BLOCK) * lists.block_size
                _clear_last(faiss.rev_swig_ptr(lists.get_codes(number), size), n, n_pairs)
    elif index.ntotal:
        _clear_last(faiss.rev_swig_ptr(index.codes.get(), index.codes.size()), index.ntotal, n_pairs)


def _clear_last(stored: NDArray[np.uint8], n: int, n_pairs: int) -> None:
    """Zero the 4-bit codes of the last block behind vector n; RaBitQ's factors, behind the codes, are overwritten."""
    if n % BLOCK == 0:
        return
    used = np.arange(BLOCK) < n % BLOCK
    half = np.where(used[PERMUTED], 15, 0) | np.where(used[PERMUTED + 16], 240, 0)
    last = stored.reshape(-(-n // BLOCK), -1)[-1, : n_pairs * BLOCK].reshape(n_pairs, BLOCK)
    last &= np.concatenate([half, half]).astype(np.uint8)
