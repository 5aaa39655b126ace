"""The float32 scan of the exact neighbours by FAISS's GPU code, in place of `faiss.knn`.

Never run on a GPU by ragopt's authors: tested with FAISS's CPU code in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.faiss_gpu import check_gpu, told_when_gpu_full
from ragopt.measure.neighbours import not_finite
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SELECTED = 2048
"""Rows that the GPU picks of a block for one query at most (k on the GPU, FAISS wiki, "Faiss on the GPU")."""


class GpuScan:
    """The best rows of a block by brute force on a GPU; called as `faiss.knn`, for `exact_neighbours`."""

    def __init__(self, number: int) -> None:
        """Take a GPU by its number, as CUDA counts.

        Raises:
            InputError: FAISS has no such GPU.
        """
        import faiss  # noqa: PLC0415 - loaded when first used

        check_gpu(number)
        self._number = number
        # Not to be shared by threads (FAISS wiki, "Running on GPUs"): one scan is one thread's.
        self._resources: Any = vars(faiss)["StandardGpuResources"]()

    def __call__(
        self, queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int, metric: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the best k of a block for each query.

        Args:
            queries: float32 (n_queries, dim).
            vectors: float32 (m, dim), on the CPU.
            k: 1 to m.
            metric: FAISS's number, the inner product or l2.

        Returns:
            Scores float32 (n_queries, k), squared distances for l2, and rows of the block int64 (n_queries, k), best
            first. Which of several equal rows are taken at the last place is the GPU's choice.

        Raises:
            InputError: values are not finite, or the GPU has too little memory for the block.
        """
        if not np.isfinite(vectors).all():
            raise not_finite()
        width = min(MOST_SELECTED, len(vectors))
        asked = f"{len(queries)} queries and a block of {format_bytes(vectors.nbytes)}"
        with told_when_gpu_full(self._number, asked):
            if k <= width:
                return self._best(queries, vectors, k, metric)
            # More than the GPU can pick at once: the best of each 2,048 rows, which are all of them, merged here.
            parts = [vectors[first : first + width] for first in range(0, len(vectors), width)]
            found = [self._best(queries, part, len(part), metric) for part in parts]
        scores = np.hstack([part for part, _ in found])
        rows = np.hstack([local + number * width for number, (_, local) in enumerate(found)])
        return _lowest(scores, rows, k) if _is_distance(metric) else _highest(scores, rows, k)

    def _best(
        self, queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int, metric: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        import faiss  # noqa: PLC0415 - loaded when first used

        scores, rows = vars(faiss)["knn_gpu"](self._resources, queries, vectors, k, metric=metric, device=self._number)
        if not np.isfinite(scores).all():
            raise not_finite()
        return scores, rows


def _is_distance(metric: int) -> bool:
    import faiss  # noqa: PLC0415 - loaded when first used

    return metric == int(faiss.METRIC_L2)


def _lowest(
    scores: NDArray[np.float32], rows: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k lowest scores of each query with their rows, ties by the lower row."""
    order = np.lexsort((rows, scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _highest(
    scores: NDArray[np.float32], rows: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    lowest, best = _lowest(-scores, rows, k)
    return -lowest, best
