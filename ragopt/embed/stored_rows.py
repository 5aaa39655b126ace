"""The form in which vectors are stored: float32, finite, of unit length when the metric is cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ragopt.records import Metric

UNIT_TOLERANCE = 2.0**-23
"""Rounding a unit vector to float32 moves its length by at most 2^-24 (half a unit in the last place of every
component); twice that tells a vector that was normalised before, which is then left bit for bit as it is."""


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length; rows that have it already, and zero rows, stay as they are.

    Args:
        rows: float32 (n, d), finite; never changed.

    Returns:
        float32 (n, d), a new array.
    """
    # float64: the squares of a float32 may overflow or vanish in float32.
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    scale = np.where((norms == 0) | (np.abs(norms - 1.0) <= UNIT_TOLERANCE), 1.0, norms)
    return (rows / scale[:, None]).astype(np.float32)


def embedded_rows(
    block: NDArray[Any], shape: tuple[int, int], metric: Metric, *, describe: Callable[[int], str]
) -> NDArray[np.float32]:
    """Check that an embedder gave one vector a text, of its own dimension, and bring them into their stored form.

    Args:
        block: what it gave.
        shape: number of texts, and the model's full dimension.
        metric: as `stored_rows`.
        describe: likewise.

    Raises:
        InputError: another shape, or as `stored_rows`.
    """
    found = np.shape(block)
    if found != shape:
        raise InputError(f"The embedder gave an array of shape {found} for {shape[0]:,} texts", allowed=f"{shape}",
                         next_step="Give an embedder that returns one vector a text, in their order")  # fmt: skip
    return stored_rows(block, metric, describe=describe)


def stored_rows(block: NDArray[Any], metric: Metric, *, describe: Callable[[int], str]) -> NDArray[np.float32]:
    """Bring a block into its stored form.

    Args:
        block: (n, d) of a real number type; never changed.
        metric: `cosine` scales every row to unit length; `ip` and `l2` keep lengths.
        describe: names a row of this block in an error, `row 12 of corpus.npy` for example.

    Returns:
        float32 (n, d).

    Raises:
        InputError: a row holds NaN or an infinite value, or is all zeros under cosine.
    """
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite and is named below
        rows = np.ascontiguousarray(block, dtype=np.float32)
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        column = int((~np.isfinite(rows[row])).argmax())
        raise InputError(
            f"The vector of {describe(row)} holds {block[row, column]} at position {column}",
            allowed="finite values that fit in float32",
            next_step="Remove or embed again what this row stands for",
        )
    if metric != "cosine":
        return rows
    zero = ~rows.any(axis=1)
    if zero.any():
        raise InputError(
            f"The vector of {describe(int(zero.argmax()))} is all zeros and has no direction",
            allowed="non-zero vectors under the metric cosine",
            next_step="Remove what this row stands for (an empty text?), or use the metric ip or l2",
        )
    return unit_rows(rows)
