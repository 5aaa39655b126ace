"""Without a log: the hit ratio of an LRU cache under popularities of Zipf's form, as a band and never as one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MODEL_LABEL = "model, not measured"
"""What stands beside every figure from here."""

ALPHA_LOW = 0.6
ALPHA_HIGH = 1.1
"""Skews of popularity in logs of caches: 0.64 to 0.83 in six traces of web proxies (Breslau et al., Web Caching and
Zipf-like Distributions, INFOCOM 1999), 0.76 in RAGPulse's chunks (measured), with room on both sides."""

EXACT_RANKS = 4096
"""Ranks summed one by one; those behind are integrated. The midpoint rule's error there is under 1e-8 of the sum."""

PANELS = 64
NODES = 8
"""Gauss-Legendre nodes over the logarithm of the rank: 64 pieces of 8 nodes. Against the direct sum at 100,000 items
hit ratios differ by less than 1e-9."""

ALPHA_MOST = 4.0
"""More than any log's skew, and few enough for popularities of 10^12 items to be told from 0."""

HALVINGS = 200
"""Halvings of the characteristic time's logarithm: more than a double has digits."""


@dataclass(frozen=True, slots=True)
class BandPoint:
    """A cache of one size under both ends of the band.

    Attributes:
        size_items: items that the cache holds.
        low, high: hit ratio with the less and the more skewed popularities.
    """

    size_items: int
    low: float
    high: float


def zipf_band(
    n_items: int, sizes_items: Sequence[int], alpha_low: float = ALPHA_LOW, alpha_high: float = ALPHA_HIGH
) -> tuple[BandPoint, ...]:
    """Estimate the hit ratio of an LRU cache against its size when nothing is known but the number of items.

    Requests are independent of each other; item i is asked for in proportion to i^-alpha. Real logs are not like that:
    sessions come back to the same chunks. With the skew fitted to RAGPulse this model says 28 % (over its corpus) or
    42 % (over the chunks that were read) where the replay gives 55 %: 27 and 13 points too few. It shows what skew can
    do, and is no ground for one size: `MODEL_LABEL` belongs beside it.

    Args:
        n_items: chunks of the corpus, or texts that are asked for.
        sizes_items: capacities in items; 0 hits nothing, `n_items` or more hits all in the long run.
        alpha_low: skew at the lower end, 0 to `ALPHA_MOST`.
        alpha_high: skew at the upper end.

    Returns:
        One point a size, in the order given.

    Raises:
        InputError: no items, a negative size, or skews that are no band.

    Source: Che, Tung and Wang, Hierarchical Web caching systems, IEEE JSAC 20(7), 2002: with the characteristic time T,
    at which the items asked for since then fill the cache, item i hits with 1 - exp(-p_i T).
    """
    if n_items < 1:
        raise InputError(f"No cache holds any of {n_items} items", allowed="1 or more", next_step="Give a corpus")
    if not 0 <= alpha_low <= alpha_high <= ALPHA_MOST:
        raise InputError(
            f"The skews {alpha_low} to {alpha_high} are no band",
            allowed=f"0 to {ALPHA_MOST:g}, the lower one first",
            next_step=f"Use {ALPHA_LOW} and {ALPHA_HIGH}",
        )
    if any(size < 0 for size in sizes_items):
        raise InputError(f"A cache of {min(sizes_items)} items", allowed="0 or more", next_step="Correct the size")
    ranks, counts = _ranks(n_items)
    low, high = (_hit_ratios(ranks, counts, n_items, sizes_items, alpha) for alpha in (alpha_low, alpha_high))
    return tuple(BandPoint(size, one, other) for size, one, other in zip(sizes_items, low, high, strict=True))


def _ranks(n_items: int) -> tuple[Floats, Floats]:
    """Return ranks and how many items each of them stands for: the first ones alone, then nodes of an integral."""
    exact = np.arange(1, min(n_items, EXACT_RANKS) + 1, dtype=np.float64)
    if n_items <= EXACT_RANKS:
        return exact, np.ones(len(exact))
    # A sum over whole ranks is the integral from half a rank before the first to half a rank behind the last.
    edges = np.linspace(np.log(EXACT_RANKS + 0.5), np.log(n_items + 0.5), PANELS + 1)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    logs = (edges[:-1, None] + half) + half * nodes
    tail = np.exp(logs).ravel()
    return np.concatenate([exact, tail]), np.concatenate([np.ones(EXACT_RANKS), (half * weights).ravel() * tail])


def _hit_ratios(ranks: Floats, counts: Floats, n_items: int, sizes: Sequence[int], alpha: float) -> list[float]:
    popularity = ranks**-alpha
    popularity /= float(counts @ popularity)
    return [_hit_ratio(popularity, counts, n_items, size) for size in sizes]


def _hit_ratio(popularity: Floats, counts: Floats, n_items: int, size: int) -> float:
    if size == 0:
        return 0.0
    if size >= n_items:
        return 1.0
    # At T = 1 less than one item has been asked for; at 50 n / p_min every one has, to the last digit.
    low, high = 0.0, float(np.log(n_items / popularity[-1]) + np.log(50))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if float(counts @ -np.expm1(-popularity * np.exp(middle))) < size:
            low = middle
        else:
            high = middle
    return float(counts @ (popularity * -np.expm1(-popularity * np.exp(high))))
