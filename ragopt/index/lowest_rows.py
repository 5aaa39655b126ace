"""Put back the rows of the lowest score, which FastScan leaves out of its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Found = tuple[NDArray[np.float32], NDArray[np.int64]]


def with_lowest(index: Any, queries: NDArray[np.float32], found: Found, allowed: NDArray[np.bool_]) -> Found:
    """Put the rows of the lowest score behind the others, where FastScan leaves them out.

    By inner product FAISS keeps only sums above zero, and zero is the sum of a code whose parts are all the least for a
    query: of one part in 16 codes, of n parts in 16^n. RaBitQ's codes, scored otherwise, stay in (FAISS 1.15.1).

    Args:
        index: FAISS index without a transform and a rescoring tier; any other kind than FastScan is left alone.
        queries: float32 (m, dim).
        found: float32 (m, k) scores and int64 (m, k) rows, -1 behind the last, of a search that saw every allowed row;
            changed in place.
        allowed: bool (ntotal,), at least k of them.

    Returns:
        The same arrays.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    scores, rows = found
    if index.metric_type == faiss.METRIC_L2 or not _adds_up_codes(index):
        return found
    for query in np.flatnonzero(rows[:, -1] < 0).tolist():
        score = _least_sum(index, queries[query])
        if np.isfinite(score):  # a query of NaN finds nothing
            empty = np.flatnonzero(rows[query] < 0)
            rows[query, empty] = np.setdiff1d(np.flatnonzero(allowed), rows[query])[: len(empty)]
            scores[query, empty] = np.minimum(score, scores[query, empty[0] - 1]) if empty[0] else score
    return found


def _adds_up_codes(index: Any) -> bool:
    import faiss  # noqa: PLC0415 - loaded when first used

    return isinstance(index, (faiss.IndexFastScan, faiss.IndexIVFFastScan)) and not isinstance(
        index, (faiss.IndexRaBitQFastScan, faiss.IndexIVFRaBitQFastScan)
    )


def _least_sum(index: Any, query: NDArray[np.float32]) -> np.float32:
    """Inner product of a query with the code whose parts are all the least, which is the score of the sum zero.

    Not of a decoded row: FAISS 1.15.1 ends on decoding lists of FastScan codes that it has read.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    asked = np.ascontiguousarray(query)
    if isinstance(index, (faiss.IndexPQFastScan, faiss.IndexIVFPQFastScan)):
        quantizer: Any = index.pq
        products = np.empty((quantizer.M, quantizer.ksub), dtype=np.float32)
        quantizer.compute_inner_prod_table(faiss.swig_ptr(asked), faiss.swig_ptr(products))
    else:
        quantizer = index.aq
        products = np.empty((quantizer.M, quantizer.total_codebook_size // quantizer.M), dtype=np.float32)
        quantizer.compute_LUT(1, faiss.swig_ptr(asked), faiss.swig_ptr(products))
    return np.float32(products.min(axis=1).sum())
