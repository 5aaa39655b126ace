"""Confidence intervals of means over queries: closed forms that cover what they say when few queries err.

A percentile bootstrap of an all-perfect sample has no width and covers 77 % at 100 queries, so there is none here.
The forms, their sources and their measured coverage are in docs/method-measure.md#intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError
from ragopt.records import Quality

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

MIN_QUERIES = 2
"""One query has no spread: the least number from which a variance can be estimated."""

FEW_QUERIES = 100
"""The smallest sample that the coverage of these intervals was checked at (docs/method-measure.md#intervals)."""

DF_PER_ERRING_QUERY = 4.0
"""Degrees of freedom of Student's t per effective erring query.

The variance of a sparse sample rests on the queries that err, not on all. Chosen in a search of 2026-11-23 over
cells like those of eval/interval_coverage.py: 3, 4 and 6 cover within half a point of each other, normal ones less.
"""

ONE_SIDED_SHARE = 0.75
"""Share of the error kept in the one tail that can miss when the true mean is very near the boundary.

Equal tails would waste half of it (coverage 97.5 %), all of it in one tail falls to 91 % because counts of lost
neighbours are whole numbers. In a search of 2026-11-23 over cells like eval/interval_coverage.py's .70 and .80 left
5 of 429 cells outside 93-97 %, 1.0 left 13 and .60 left 36.
"""

_ROUNDING = 1e-6
"""Scores come as float32, whose spacing at 1 is 1.2e-7: anything further outside [0, 1] is no score."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `n` queries with its interval: `low <= value <= high`."""

    value: float
    low: float
    high: float
    n: int


def few_queries_warning(n: int) -> str | None:
    """Say that `n` queries are few, or return None from `FEW_QUERIES` on."""
    if n >= FEW_QUERIES:
        return None
    return f"Only {n} queries: intervals are wide and were checked from {FEW_QUERIES} queries on; use more queries."


def best_lower_bound(n: int) -> float:
    """Lower 95 % bound of a sample of `n` perfect scores: no sample of that size can promise more.

    >>> round(best_lower_bound(15), 4)
    0.7961
    """
    return mean_interval(np.ones(n)).low


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Mean of per-query scores with its confidence interval.

    Wilson's score interval at the effective sample size, with a Student quantile for the erring queries and with a
    floor: the far limit is never nearer than that of a sample without any error.

    Args:
        values: (n,) scores in [0, 1], one a query; n >= 2.
        confidence: share of samples whose interval shall hold the true mean.

    Raises:
        InputError: fewer than 2 queries, a score outside [0, 1] or not finite, a confidence outside (0, 1).

    Source: docs/method-measure.md#intervals.

    >>> interval = mean_interval([1.0] * 1000)
    >>> round(interval.low, 4), interval.high
    (0.9962, 1.0)
    """
    scores = _checked(values)
    if not 0 < confidence < 1:
        raise InputError(
            f"No interval has the confidence {confidence}", allowed="0 < confidence < 1", next_step="Use 0.95"
        )
    mean = float(scores.mean())
    # Worked from the nearer boundary: 1 - mean loses digits when the mean is close to 1.
    flipped = mean > 0.5
    # 1 - scores rounds away what lies nearer to 0 than the spacing at 1: both sides take scores as that leaves them.
    side = 1 - scores if flipped else 1 - (1 - scores)
    share = side.mean()
    near, far = share_limits(share, (side**2).mean(), len(side), confidence=confidence)
    low, high = (1 - float(far), 1 - float(near)) if flipped else (float(near), float(far))
    return Interval(mean, min(low, mean), max(high, mean), len(scores))


def share_limits(
    share: ArrayLike, mean_square: ArrayLike, n: int, *, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Limits of the mean of a quantity in [0, 1] that is near 0: the loss of good scores, the gain of bad ones.

    Args:
        share: (...) sample means.
        mean_square: (...) sample means of the squares.
        n: sample size, one for all.
        confidence: as in `mean_interval`.

    Returns:
        float64 (...) lower and upper limits.

    Source: docs/method-measure.md#intervals.
    """
    from scipy.special import ndtri, stdtrit  # noqa: PLC0415 - loaded when first used

    mean, square = np.asarray(share, dtype=np.float64), np.asarray(mean_square, dtype=np.float64)
    tail = (1 - confidence) / 2
    spread = mean * (1 - mean)
    # A loss whose square underflows is no loss; a mean of 1 has no spread either.
    clean = (spread <= 0) | (square < np.finfo(np.float64).tiny)
    ratio = (square - mean**2) / np.where(clean, 1, spread)
    # Without an error nothing is known of how errors clump: whole queries may be lost. A sample of equal values
    # other than 0 must not have zero width either, hence the floor of 1/n.
    ratio = np.where(clean, 1, np.clip(ratio, 1 / n, 1))
    erring = n * mean**2 / np.where(clean, 1, square)

    def limit(upper_tail: float, sign: int) -> Floats:
        t = stdtrit(np.maximum(DF_PER_ERRING_QUERY * erring, 1), 1 - upper_tail)
        scale = np.where(clean, ndtri(1 - upper_tail), t) ** 2 * ratio / n
        root = np.sqrt(scale * spread + scale**2 / 4)
        return np.asarray((mean + scale / 2 + sign * root) / (1 + scale), dtype=np.float64)

    z = float(ndtri(1 - tail))
    clean_limit = z**2 / (n + z**2)
    far = np.maximum(limit(tail, +1), clean_limit)
    one_sided = limit(2 * tail * ONE_SIDED_SHARE, -1)
    near = np.maximum(limit(tail, -1), np.minimum(one_sided, clean_limit))
    return np.where(clean & (mean <= 0), 0.0, np.clip(near, 0, mean)), np.minimum(far, 1.0)


def paired_difference(a: ArrayLike, b: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Mean of a - b over the same queries with its two-sided interval.

    Gains and losses are bounded apart as shares of [0, 1] and joined by the method of variance estimates recovery, so
    that a sample without any difference still has the width of a sample without any error.

    Args:
        a: (n,) scores in [0, 1].
        b: (n,) scores in [0, 1] of the same queries in the same order.
        confidence: as in `mean_interval`; a test among many takes 1 - 0.05 / tests (Bonferroni).

    Raises:
        InputError: other lengths, fewer than 2 queries, a score outside [0, 1] or not finite.

    Source: docs/method-measure.md#intervals.
    """
    left, right = _checked(a), _checked(b)
    if left.shape != right.shape:
        raise InputError(
            f"Cannot pair {len(left)} scores with {len(right)}",
            allowed="scores of the same queries",
            next_step="Measure both trials on the same queries",
        )
    gains, losses = np.maximum(left - right, 0), np.maximum(right - left, 0)
    low, high = difference_limits(
        gains.mean(), (gains**2).mean(), losses.mean(), (losses**2).mean(), len(left), confidence=confidence
    )
    return Interval(float((left - right).mean()), float(low), float(high), len(left))


def independent_difference(a: Quality, b: Quality) -> Interval:
    """Mean of a minus mean of b over two independent samples, from the 95 % interval of each (MOVER).

    Each end takes the distance of the one mean to its own end and of the other mean to its opposite end, added as
    squares.

    Returns:
        The difference with its interval; `n` is the smaller sample.

    Source: docs/method-measure.md#intervals.

    >>> found = independent_difference(Quality(0.9, 0.86, 0.93, 100), Quality(0.8, 0.76, 0.83, 200))
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4), found.n
    (0.1, 0.05, 0.15, 100)
    """
    value = a.value - b.value
    low = value - float(np.hypot(a.value - a.low, b.high - b.value))
    high = value + float(np.hypot(a.high - a.value, b.value - b.low))
    return Interval(value, max(low, -1.0), min(high, 1.0), min(a.n_queries, b.n_queries))


def difference_limits(
    gain: ArrayLike,
    gain_square: ArrayLike,
    loss: ArrayLike,
    loss_square: ArrayLike,
    n: int,
    *,
    confidence: float = 0.95,
) -> tuple[Floats, Floats]:
    """Limits of mean gain minus mean loss, where no query has both.

    Args:
        gain: (...) means of the gains.
        gain_square: (...) means of their squares.
        loss: (...) means of the losses.
        loss_square: (...) means of their squares.
        n: sample size.
        confidence: as in `mean_interval`.

    Returns:
        float64 (...) lower and upper limits.

    Source: docs/method-measure.md#intervals (MOVER).
    """
    up, down = np.asarray(gain, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    up_low, up_high = share_limits(up, gain_square, n, confidence=confidence)
    down_low, down_high = share_limits(down, loss_square, n, confidence=confidence)
    # No query both gains and loses, so the covariance of one query's gain and loss is exactly -up * down.
    variances = (np.asarray(gain_square) - up**2) * (np.asarray(loss_square) - down**2)
    correlation = np.clip(-up * down / np.sqrt(np.where(variances > 0, variances, np.inf)), -1, 0)

    def reach(first: Floats, second: Floats) -> Floats:
        return np.asarray(np.sqrt(np.maximum(first**2 + second**2 - 2 * correlation * first * second, 0)))

    low = up - down - reach(up - up_low, down_high - down)
    high = up - down + reach(up_high - up, down - down_low)
    return np.maximum(low, -1), np.minimum(high, 1)


def quality(values: ArrayLike, *, estimated: float | None = None) -> Quality:
    """Mean of per-query scores with its 95 % interval as the record that a trial carries.

    Args:
        values: (n,) scores in [0, 1].
        estimated: the figure that the selection stage gave.

    Raises:
        InputError: see `mean_interval`.
    """
    interval = mean_interval(values)
    return Quality(interval.value, interval.low, interval.high, interval.n, estimated)


def _checked(values: ArrayLike) -> Floats:
    scores = np.array(values, dtype=np.float64)
    if scores.ndim != 1 or len(scores) < MIN_QUERIES:
        raise InputError(
            f"Cannot give an interval for scores of shape {scores.shape}",
            allowed=f"one score a query, at least {MIN_QUERIES} queries",
            next_step="Give more queries with --queries or a larger --n-queries",
        )
    bad = ~((scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING))
    if bad.any():
        raise InputError(
            f"The score of query row {int(bad.argmax())} is {scores[bad.argmax()]}",
            allowed="0 to 1",
            next_step="Check the measure that made the scores",
        )
    return np.asarray(np.clip(scores, 0, 1))
