"""Values that stand run after run, one run a request: sums of each, and the runs of some requests alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray


def run_sums(starts: NDArray[np.int64], values: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    """Sum the values of each run.

    Args:
        starts: int64 (n_runs + 1,): run i is ``values[starts[i]:starts[i + 1]]``, which may be empty.
        values: (n,) of all runs.
        dtype: that is summed in and returned.

    Returns:
        (n_runs,).

    >>> run_sums(np.array([0, 2, 2, 3]), [1, 2, 4], np.int64).tolist()
    [3, 0, 4]
    """
    running = np.concatenate([np.zeros(1, dtype), np.cumsum(values, dtype=dtype)])
    return np.asarray(running[starts[1:]] - running[starts[:-1]])


def kept_runs(starts: NDArray[np.int64], kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Empty the runs that are not kept.

    Args:
        starts: int64 (n_runs + 1,).
        kept: bool (n_runs,).

    Returns:
        The starts without them, int64 (n_runs + 1,), and which values stay, bool (n,).

    >>> [found.tolist() for found in kept_runs(np.array([0, 2, 3]), np.array([False, True]))]
    [[0, 0, 1], [False, False, True]]
    """
    counts = np.diff(starts)
    return np.concatenate([[0], np.cumsum(np.where(kept, counts, 0))]).astype(np.int64), np.repeat(kept, counts)
