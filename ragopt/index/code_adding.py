"""Add ready codes to a FAISS index of product-quantizer codes, flat or in lists, in FastScan's blocks or row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.fast_scan_blocks import BLOCK, packed, unpacked

if TYPE_CHECKING:
    from numpy.typing import NDArray


def add_codes(index: Any, codes: NDArray[np.uint8], lists: NDArray[np.int64] | None = None) -> None:
    """Append codes to an index, which then is what it would be had FAISS encoded the vectors itself.

    FAISS's own `add_sa_codes` serves where codes lie row by row. Over FastScan's blocks FAISS 1.15.1 refuses it for a
    flat index and ends the process for lists, so that blocks are written here.

    Args:
        index: trained FAISS IndexPQ, IndexPQFastScan, IndexIVFPQ or IndexIVFPQFastScan; it is filled.
        codes: uint8 (m, code_size); with 4 bits two parts a byte, the even one in its lower half.
        lists: int64 (m,) list of each code; None for a flat index.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    if not len(codes):
        return
    if isinstance(index, faiss.IndexPQFastScan):
        _append_flat_blocks(index, codes)
    elif isinstance(index, faiss.IndexIVFPQFastScan):
        _append_listed_blocks(index, codes, _checked(lists))
    elif isinstance(index, faiss.IndexIVFPQ):
        in_lists: Any = index
        size = in_lists.coarse_code_size()
        # FAISS writes the number in as few bytes as the lists need, the lowest first.
        numbers = _checked(lists).astype("<i8").view(np.uint8).reshape(-1, 8)[:, :size]
        ids = np.arange(index.ntotal, index.ntotal + len(codes))
        index.add_sa_codes(np.hstack([numbers, codes]), ids)
    else:
        index.add_sa_codes(codes)


def _checked(lists: NDArray[np.int64] | None) -> NDArray[np.int64]:
    if lists is None:
        raise ValueError("an index with inverted lists needs the list of each code")
    return lists


def _append_flat_blocks(index: Any, codes: NDArray[np.uint8]) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    before, after = index.ntotal, index.ntotal + len(codes)
    block_bytes = index.M2 // 2 * BLOCK
    table = index.codes
    old = faiss.rev_swig_ptr(table.get(), table.size()) if before else np.empty(0, np.uint8)
    first, blocks = _behind(old, before, codes)
    table.resize(-(-after // BLOCK) * block_bytes)
    faiss.rev_swig_ptr(table.get(), table.size())[first * block_bytes :] = blocks
    index.ntotal, index.ntotal2 = after, -(-after // BLOCK) * BLOCK


def _append_listed_blocks(index: Any, codes: NDArray[np.uint8], lists: NDArray[np.int64]) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    inverted: Any = faiss.downcast_InvertedLists(index.invlists)
    order = np.argsort(lists, kind="stable")
    edges = np.searchsorted(lists[order], np.arange(index.nlist + 1))
    for number in np.flatnonzero(np.diff(edges)).tolist():
        rows = order[edges[number] : edges[number + 1]]
        before = inverted.list_size(number)
        after = before + len(rows)
        size = -(-before // BLOCK) * inverted.block_size
        old = faiss.rev_swig_ptr(inverted.get_codes(number), size) if before else np.empty(0, np.uint8)
        first, blocks = _behind(old, before, codes[rows])
        inverted.resize(number, after)
        stored = faiss.rev_swig_ptr(inverted.get_codes(number), -(-after // BLOCK) * inverted.block_size)
        stored[first * inverted.block_size :] = blocks
        faiss.rev_swig_ptr(inverted.get_ids(number), after)[before:] = index.ntotal + rows
    index.ntotal += len(codes)


def _behind(stored: NDArray[np.uint8], n: int, codes: NDArray[np.uint8]) -> tuple[int, NDArray[np.uint8]]:
    """The first block that codes behind n others fall into, and all bytes from there on."""
    first = n // BLOCK
    rows = np.arange(first * BLOCK, n)
    if len(rows):
        codes = np.concatenate([unpacked(stored, codes.shape[1], rows), codes])
    return first, packed(codes).reshape(-1)
