"""How far codes lie from the vectors they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.index.inner import refined_parts

if TYPE_CHECKING:
    import faiss
    from numpy.typing import NDArray


def coding_errors(template: faiss.Index, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Relative squared error of the codes of some vectors: ||x - decoded||^2 / ||x||^2.

    Measured on the codes that searches compare, not on a rescoring tier. What decoding gives is FAISS's own
    reconstruction: for RaBitQ that of the sign bits alone.

    Args:
        template: trained, empty index; never changed.
        rows: float32 (n, dim) vectors of its space; none of them all zeros.

    Returns:
        float64 (n,).
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    if not len(rows):
        return np.empty(0)
    codes = faiss.clone_index(refined_parts(template)[0])
    codes.add(rows)
    decoded = codes.reconstruct_n(0, len(rows)).astype(np.float64)
    exact = rows.astype(np.float64)
    return np.asarray(((exact - decoded) ** 2).sum(axis=1) / (exact**2).sum(axis=1))
