"""Take the codes of some rows out of a flat index into a small index of its own, without decoding them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.fast_scan_blocks import BLOCK, packed, unpacked

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    set_codes(small, flat_codes(index, rows))
    return small


def flat_codes(index: Any, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """A copy of the codes of some rows of a FAISS IndexFlatCodes, uint8 (m, code_size)."""
    return stored_codes(index).reshape(index.ntotal, index.code_size)[rows]


def set_codes(index: Any, codes: NDArray[np.uint8]) -> None:
    """Give a FAISS IndexFlatCodes other codes, uint8 (m, code_size), in memory of its own."""
    import faiss  # noqa: PLC0415 - loaded when first used

    owned: Any = vars(faiss)["MaybeOwnedVectorUInt8"]()
    owned.resize(codes.size)
    if codes.size:
        faiss.memcpy(owned.data(), faiss.swig_ptr(codes), codes.nbytes)
    index.codes = owned
    index.ntotal = len(codes)


def stored_codes(index: Any) -> NDArray[np.uint8]:
    """The bytes of all codes; valid as long as the index is."""
    import faiss  # noqa: PLC0415 - loaded when first used

    if not index.ntotal:  # faiss makes float32 of a pointer to nothing
        return np.empty(0, dtype=np.uint8)
    is_table = isinstance(index, faiss.IndexFastScan)
    stored: NDArray[np.uint8] = faiss.rev_swig_ptr(
        index.codes.get() if is_table else index.codes.data(), index.codes.size()
    )
    return stored


def _fast_scan_of_rows(index: Any, rows: NDArray[np.int64]) -> Any:
    import faiss  # noqa: PLC0415 - loaded when first used

    small: Any = faiss.IndexPQFastScan(index.d, index.pq.M, index.pq.nbits, index.metric_type, BLOCK)
    small.pq, small.implem, small.is_trained = index.pq, index.implem, True
    codes = packed(unpacked(stored_codes(index), index.M2 // 2, rows))
    small.codes.resize(codes.size)
    if codes.size:
        faiss.memcpy(small.codes.get(), faiss.swig_ptr(codes), codes.nbytes)
    small.ntotal, small.ntotal2 = len(rows), -(-len(rows) // BLOCK) * BLOCK
    return small
