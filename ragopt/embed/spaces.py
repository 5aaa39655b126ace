"""Spaces: a model's vectors at a smaller dimension, by truncation or by rotation onto principal directions.

`pca` takes the directions of the documents, `joint` those of documents and queries together.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ragopt.embed.stored_rows import unit_rows
from ragopt.errors import InputError, SpecError
from ragopt.records import Metric, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOMENT_BLOCK_ROWS = 4096  # float64 copies stay small: 4,096 rows of 1,536 dimensions are 50 MB

DEFAULT_SHARES = (Fraction(3, 4), Fraction(1, 2), Fraction(1, 3), Fraction(1, 4))
"""Shares of the full dimension tried by default: from hardly any loss to where recall falls off for most models."""

SMALL_DIM = 64  # up to here steps of 32 would leave no choice


@dataclass(frozen=True)
class Rotation:
    """The principal directions of a model's vectors, one rotation for all dimensions.

    Attributes:
        matrix: float32 (d, d), orthonormal; rows are directions, strongest first.
        explained: float64 (d,), mean squared length along each direction, descending, as shares that sum to 1.
    """

    matrix: NDArray[np.float32]
    explained: NDArray[np.float64]


def fit_rotation(sample: NDArray[np.float32]) -> Rotation:
    """Find the rotation that packs the most squared length into the first dimensions.

    Eigenvectors of the second moment X^T X / n, without subtracting the mean: a rotation keeps every inner product
    and distance, so that search at full dimension stays exact, which a shifted origin would not (Eckart and Young,
    Psychometrika 1 (1936) 211-218: the best rank-m approximation in least squares). Signs are fixed, the component
    of largest magnitude being positive, so that the same sample always gives the same matrix.

    Args:
        sample: float32 (n, d), n at least 1; never changed.

    Returns:
        The rotation.

    Raises:
        InputError: the sample is empty, not finite or all zeros.
    """
    return _rotation_of(_second_moment(sample))


def fit_joint_rotation(sample: NDArray[np.float32], queries: NDArray[np.float32]) -> Rotation:
    """Find the rotation that packs the most squared length of documents and queries together into the first dimensions.

    Eigenvectors of the mean of both second moments, each divided by its trace: directions in which only documents vary
    matter less to an inner product with a query than directions in which both do. One orthonormal map for both sides,
    so that search at full dimension stays exact.

    Args:
        sample: float32 (n, d) documents, n at least 1; never changed.
        queries: float32 (m, d) queries, m at least 1, on which nothing is measured; never changed.

    Returns:
        The rotation.

    Raises:
        InputError: see `fit_rotation`.
    """
    return _rotation_of((_second_moment(sample) + _second_moment(queries)) / 2)


def _second_moment(sample: NDArray[np.float32]) -> NDArray[np.float64]:
    """X^T X over its trace, float64 (d, d)."""
    n, dim = sample.shape
    moment = np.zeros((dim, dim), dtype=np.float64)
    for first in range(0, n, MOMENT_BLOCK_ROWS):
        block = sample[first : first + MOMENT_BLOCK_ROWS].astype(np.float64)
        moment += block.T @ block
    total = float(np.trace(moment))
    if not (np.isfinite(total) and total > 0):
        raise InputError(
            f"Cannot fit a PCA on a sample of {n} vectors whose squared lengths sum to {total}",
            allowed="at least one non-zero vector, all finite",
            next_step="Check the vectors",
        )
    return moment / total


def _rotation_of(moment: NDArray[np.float64]) -> Rotation:
    dim = len(moment)
    eigenvalues, columns = np.linalg.eigh(moment)
    directions = columns.T[::-1]
    strongest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(dim), strongest])
    matrix = np.ascontiguousarray(directions * signs[:, None], dtype=np.float32)
    # A tiny negative eigenvalue is rounding: a second moment has none.
    return Rotation(matrix=matrix, explained=np.maximum(eigenvalues[::-1], 0.0))


def project(
    block: NDArray[np.float32],
    space: Space,
    *,
    rotation: Rotation | None,
    metric: Metric,
    first_row: int = 0,
) -> NDArray[np.float32]:
    """Bring full-dimension vectors into a space.

    Args:
        block: float32 (n, full dimension), of unit length for cosine; never changed.
        space: where to; `none` keeps vectors as they are, `trunc` keeps the first `dim` components, `pca` and `joint`
            the components along the first `dim` directions of `rotation`.
        rotation: from `fit_rotation` or `fit_joint_rotation` of the same model; needed for `pca` and `joint` only.
        metric: `cosine` brings every reduced row back to unit length.
        first_row: number of the block's first row, for errors.

    Returns:
        float32 (n, space.dim); for `none` the block itself.

    Raises:
        SpecError: the space does not fit the block's dimension.
        InputError: a row has no component left in this space under cosine.
        ValueError: `pca` or `joint` without a rotation of the block's dimension.
    """
    full = block.shape[1]
    if space.dim > full or (space.reduction == "none" and space.dim != full):
        raise SpecError(
            f"The space {space} does not fit vectors of {full} dimensions",
            allowed=f"{full} dimensions with none, 1 to {full} with trunc, pca or joint",
            next_step=f"Write it like {space.model}@{min(space.dim, full)}:trunc",
        )
    if space.reduction == "none":
        return block
    if space.reduction == "trunc":
        reduced = np.ascontiguousarray(block[:, : space.dim])
    else:
        if rotation is None or rotation.matrix.shape != (full, full):
            raise ValueError(f"{space} needs a rotation of {full} dimensions")
        reduced = block @ rotation.matrix[: space.dim].T
    if metric != "cosine":
        return reduced if reduced.base is None else reduced.copy()
    empty = ~reduced.any(axis=1)
    if empty.any():
        raise InputError(
            f"Vector {first_row + int(empty.argmax())} (counting from 0) has no component left in {space}",
            allowed="vectors that stay non-zero under the metric cosine",
            next_step="Leave this space out, or remove that row",
        )
    return unit_rows(reduced)


def default_dims(full_dim: int) -> tuple[int, ...]:
    """Dimensions to try for a model, descending: 3/4, 1/2, 1/3 and 1/4 of the full one.

    Rounded to multiples of 32, which suit FastScan and SIMD; of 8 for models of up to 64 dimensions.

    >>> default_dims(384)
    (288, 192, 128, 96)
    """
    step = 8 if full_dim <= SMALL_DIM else 32
    rounded = {max(step, int(full_dim * share / step + Fraction(1, 2)) * step) for share in DEFAULT_SHARES}
    return tuple(sorted((dim for dim in rounded if dim < full_dim), reverse=True))


def default_spaces(model: str, full_dim: int) -> tuple[Space, ...]:
    """Spaces to try for a model: its full vectors, then every default dimension truncated and by PCA.

    >>> [str(space) for space in default_spaces("tiny", 16)]
    ['tiny@16:none', 'tiny@8:trunc', 'tiny@8:pca']
    """
    reduced = (Space(model, dim, reduction) for dim in default_dims(full_dim) for reduction in ("trunc", "pca"))
    return (Space(model, full_dim, "none"), *reduced)
