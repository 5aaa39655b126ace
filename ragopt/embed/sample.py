"""The bounded, seeded sample of vectors on which rotations and codebooks are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.embed.store import Vectors


def training_sample(vectors: Vectors, *, max_rows: int, seed: int) -> NDArray[np.float32]:
    """Draw rows uniformly without replacement, in row order; all rows when there are no more than `max_rows`.

    Args:
        vectors: stored vectors.
        max_rows: most rows to draw, at least 1.
        seed: the same seed draws the same rows.

    Returns:
        float32 (min(n, max_rows), dim).

    Raises:
        ValueError: `max_rows` is below 1.
    """
    if max_rows < 1:
        raise ValueError(f"max_rows must be at least 1, not {max_rows}")
    if vectors.n <= max_rows:
        return vectors.rows(np.arange(vectors.n))
    drawn = np.random.default_rng(seed).choice(vectors.n, size=max_rows, replace=False, shuffle=False)
    return vectors.rows(np.sort(drawn))
