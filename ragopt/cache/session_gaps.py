"""How far each request stands from the one before it in its session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.column_file import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS_PER_OCTAVE = 8
"""Gaps are counted in bins that grow by 9 %: a difference of two distributions moves by less than a point for it."""


@dataclass(frozen=True, slots=True)
class SessionGaps:
    """Gaps within sessions.

    Attributes:
        n_gaps: requests that another of their session came before.
        distance: Kolmogorov-Smirnov distance between the distribution of these gaps and the one of a shuffled log with
            as many requests in each session: 0 where they are alike, near 1 where the requests of a session follow
            each other closely.
    """

    n_gaps: int
    distance: float


def gaps_by_block(sessions: NDArray[np.int32]) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Stream, for each request, how many requests ago the last one of its session came.

    Only requests that have a session are counted.

    Args:
        sessions: int32 (n_requests,), negative where a request has none.

    Returns:
        Slices of the log, each with int64 gaps: 1 for a direct successor, 0 where no request of its session came
        before or it has none.
    """
    last = np.full(1, -1, dtype=np.int64)
    n_before = 0
    for block in blocks(len(sessions)):
        found = np.asarray(sessions[block])
        rows = np.flatnonzero(found >= 0)
        codes = found[rows]
        gaps = np.zeros(len(found), dtype=np.int64)
        if rows.size:
            highest = int(codes.max())
            if highest >= len(last):
                last = np.concatenate((last, np.full(max(highest + 1 - len(last), len(last)), -1)))
            positions = n_before + np.arange(len(rows))
            order = np.argsort(codes, kind="stable")
            ordered = codes[order]
            is_first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
            previous = np.where(is_first, last[ordered], np.concatenate(([0], positions[order][:-1])))
            gaps[rows[order]] = np.where(previous < 0, 0, positions[order] - previous)
            is_last = np.concatenate((is_first[1:], [True]))
            last[ordered[is_last]] = positions[order][is_last]
            n_before += len(rows)
        yield block, gaps


def session_gaps(sessions: NDArray[np.int32]) -> SessionGaps:
    """Compare the gaps within sessions with those of a shuffled log.

    Were the requests of a log of n in random order, the gap D from one request to the next of a session of m would have
    P(D > g) = C(n - g, m) / C(n, m): spacings between m of n places, which are exchangeable with the first place.

    Args:
        sessions: int32 (n_requests,) in order of time, negative where a request has none.
    """
    n = sum(int((sessions[block] >= 0).sum()) for block in blocks(len(sessions)))
    edges = np.unique(np.floor(2 ** (np.arange(0, np.log2(max(n, 2)) + 1, 1 / BINS_PER_OCTAVE))).astype(np.int64))
    counts = np.zeros(len(edges) + 1, dtype=np.int64)
    sizes = np.zeros(0, dtype=np.int64)
    for block, gaps in gaps_by_block(sessions):
        counts += np.bincount(np.searchsorted(edges, gaps[gaps > 0]), minlength=len(counts))
        found = np.asarray(sessions[block])
        here = np.bincount(found[found >= 0], minlength=len(sizes))
        here[: len(sizes)] += sizes
        sizes = here
    n_gaps = int(counts.sum())
    if n_gaps == 0:
        return SessionGaps(0, 0.0)
    seen = np.cumsum(counts[:-1]) / n_gaps
    return SessionGaps(n_gaps, float(np.abs(seen - _shuffled(n, edges, sizes)).max()))


def _shuffled(n: int, edges: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of gaps up to each edge in a shuffled log."""
    from scipy.special import gammaln  # noqa: PLC0415 - loaded when first used

    sessions_of = np.bincount(sizes)
    result = np.zeros(len(edges))
    weight = 0
    for m in np.flatnonzero(sessions_of):
        n_gaps = int(sessions_of[m]) * (int(m) - 1)
        if n_gaps <= 0:
            continue
        left = np.maximum(n - edges, m)  # below m places, no choice is left: the probability is set to 0
        log_share = gammaln(left + 1) - gammaln(left - m + 1) - gammaln(n + 1) + gammaln(n - m + 1)
        result += n_gaps * (1 - np.where(n - edges < m, 0.0, np.exp(log_share)))
        weight += n_gaps
    return np.asarray(result / weight)
