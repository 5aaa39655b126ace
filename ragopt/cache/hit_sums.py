"""Hits of many cache sizes, summed over bins of time as a log goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.time_bins import TimeBins

    Floats = NDArray[np.float64]


class HitSums:
    """Sums of reads and of requests per bin, and of their hits at each size.

    Attributes:
        reads: float64 (n_bins,).
        hits: float64 (n_bins, n_sizes) reads that hit.
        requests: float64 (n_bins,) requests that read anything.
        all_hits: float64 (n_bins, n_sizes) requests whose every read hit.
    """

    def __init__(self, bins: TimeBins, warm: int, n_sizes: int) -> None:
        """Count the requests from number `warm` on, which `bins` holds."""
        self._bins, self._warm, self._n_sizes = bins, warm, n_sizes
        self.reads: Floats = np.zeros(bins.n_bins)
        self.requests: Floats = np.zeros(bins.n_bins)
        self.hits: Floats = np.zeros((bins.n_bins, n_sizes))
        self.all_hits: Floats = np.zeros((bins.n_bins, n_sizes))

    def add(self, first: int, starts: NDArray[np.int64], level: NDArray[np.int64]) -> None:
        """Count some requests whose hits never become misses at a larger size.

        Args:
            first: number of the first of them.
            starts: int64 (n + 1,) where their reads start, in the whole log.
            level: int64 (reads of them,) smallest size, by its number, at which each read hits; `n_sizes` where none.
        """
        if first < self._warm:
            skipped = min(self._warm - first, len(starts) - 1)
            level, starts, first = level[starts[skipped] - starts[0] :], starts[skipped:], first + skipped
        lengths = np.diff(starts)
        bins = self._bins.of(first - self._warm, first - self._warm + len(lengths))
        reading = lengths > 0
        if reading.any():
            self._count(np.repeat(bins, lengths), level, self.reads, self.hits)
            # All reads of a request hit from the size on at which the last of them does.
            worst = np.maximum.reduceat(level, starts[:-1][reading] - starts[0])
            self._count(bins[reading], worst, self.requests, self.all_hits)

    def of_one_size(self) -> HitSums:
        """Empty sums over the same requests for one size, for `put`."""
        return HitSums(self._bins, self._warm, 1)

    def put(self, one: HitSums, column: int) -> None:
        """Take the sums of a single size as those of size number `column`."""
        self.reads, self.requests = one.reads, one.requests
        self.hits[:, column] = one.hits[:, 0]
        self.all_hits[:, column] = one.all_hits[:, 0]

    def _count(self, bins: NDArray[np.int64], level: NDArray[np.int64], number: Floats, hits: Floats) -> None:
        # Bins never fall, so that these requests touch few of them in a row.
        low, high = int(bins[0]), int(bins[-1]) + 1
        n_levels = self._n_sizes + 1
        at_level = np.bincount((bins - low) * n_levels + level, minlength=(high - low) * n_levels).reshape(-1, n_levels)
        number[low:high] += at_level.sum(axis=1)
        hits[low:high] += np.cumsum(at_level[:, :-1], axis=1)
