"""Percentiles with distribution-free intervals: two order statistics hold the true one with known probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Quantile:
    """A percentile of a sample with its 95 % interval.

    Attributes:
        value: of the sample, by linear interpolation.
        low: lower end; None when the sample is too small to have one.
        high: upper end; None when the sample is too small to have one.
        n: values in the sample.
        n_independent: values that count as independent of each other.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    n_independent: int


def quantile_interval(
    values: ArrayLike, share: float, *, n_independent: int | None = None, confidence: float = 0.95
) -> Quantile:
    """The value that a share of a population lies below, with the interval from order statistics.

    The number of n independent values below the true percentile is binomial, whatever their distribution: the r-th
    smallest is its lower limit for the largest r with P(Bin(n, share) < r) <= 2.5 %, the s-th its upper limit for the
    smallest s with P(Bin(n, share) >= s) <= 2.5 %. Where values come in clumps that rise and fall together, the ranks
    are those of `n_independent` values, stretched over all.

    Args:
        values: (n,) numbers, n >= 1.
        share: 0.99 for p99; between 0 and 1.
        n_independent: clumps among the values, at most n; None where each value stands for itself.
        confidence: of the interval.

    Raises:
        InputError: no value, a share outside (0, 1), a number of clumps that is not 1 to n.

    Source: docs/method-measure.md#serving.

    >>> quantile_interval(range(1, 7), 0.5)
    Quantile(value=3.5, low=1.0, high=6.0, n=6, n_independent=6)
    """
    from scipy.special import bdtr, bdtrc  # noqa: PLC0415 - loaded when first used

    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    m = n if n_independent is None else n_independent
    if not 0 < share < 1 or not 1 <= m <= n:
        raise InputError(
            f"No interval for the share {share} of {n} values in {m} clumps",
            allowed="at least one value, 0 < share < 1 and 1 to n clumps",
            next_step="Measure longer",
        )
    tail, counts = (1 - confidence) / 2, np.arange(m)
    low_rank = int((bdtr(counts, m, share) <= tail).sum())
    high_rank = m + 1 - int((bdtrc(counts, m, share) <= tail).sum())
    # Ranks of m values stretched over n, outwards, so that the interval never gets shorter by rounding.
    low = float(ordered[max(low_rank * n // m, 1) - 1]) if low_rank else None
    high = float(ordered[-(-high_rank * n // m) - 1]) if high_rank <= m else None
    return Quantile(float(np.percentile(ordered, 100 * share)), low, high, n, m)


def values_needed(share: float, *, confidence: float = 0.95) -> int:
    """The fewest independent values whose largest is an upper limit of a percentile: 368 for p99.

    Source: share^n <= 2.5 %, the chance that all lie below it.

    >>> values_needed(0.99), values_needed(0.5)
    (368, 6)
    """
    tail = (1 - confidence) / 2
    return int(np.ceil(np.log(tail) / np.log(share)))
