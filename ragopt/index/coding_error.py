"""How far codes lie from the vectors they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.fast_scan_blocks import BLOCK
from ragopt.index.inner import inner_index, refined_parts
from ragopt.index.template import make_empty

if TYPE_CHECKING:
    import faiss
    from numpy.typing import NDArray


def coding_errors(template: faiss.Index, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Relative squared error of the codes of some vectors: ||x - decoded||^2 / ||x||^2.

    Measured on the codes that searches compare, not on a rescoring tier. What decoding gives is FAISS's own
    reconstruction: for RaBitQ that of the sign bits alone.

    Args:
        template: trained, empty index; never changed.
        rows: float32 (n, dim) vectors of its space.

    Returns:
        float64 (n,); 0 for a vector of zeros, which has no relative error.
    """
    if not len(rows):
        return np.empty(0)
    decoded = _decoded(refined_parts(template)[0], rows).astype(np.float64)
    exact = rows.astype(np.float64)
    lengths = (exact**2).sum(axis=1)
    errors = np.zeros(len(rows))
    np.divide(((exact - decoded) ** 2).sum(axis=1), lengths, out=errors, where=lengths > 0)
    return errors


def _decoded(template: Any, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    import faiss  # noqa: PLC0415 - loaded when first used

    # FAISS 1.15.1 cannot clone RaBitQ's FastScan.
    codes: Any = faiss.deserialize_index(faiss.serialize_index(template))
    inner = inner_index(codes)
    lists: Any = inner
    is_rabitq = isinstance(inner, faiss.IndexIVFRaBitQFastScan)
    if isinstance(inner, faiss.IndexIVFFastScan) and not is_rabitq:
        # FAISS 1.15.1 does not set it on reading, and ends the process on decoding without it.
        lists.fine_quantizer = lists.pq if isinstance(inner, faiss.IndexIVFPQFastScan) else lists.aq
    # In RaBitQ's lists FAISS 1.15.1 decodes the first block alone as it was encoded.
    at_once = BLOCK if is_rabitq else len(rows)
    decoded = np.empty_like(rows)
    for first in range(0, len(rows), at_once):
        some = rows[first : first + at_once]
        make_empty(codes)
        codes.add(some)
        decoded[first : first + at_once] = codes.reconstruct_n(0, len(some))
    return decoded
