"""Requests put into short bins of time, a few of which in a row are a block of the bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BIN_S = 600.0
"""Sums over 10 minutes are kept: six in the shortest block, and 52,560 in a year whatever its requests."""

DAY_S = 86_400.0
"""Traffic and its topics follow the day: blocks of whole days hold whole rounds of the cycle."""

BLOCKS_OF_LONG_LOGS = 7
"""Blocks are a seventh of the log in whole days, from 3.5 days on at least one day.

Checked by eval/bootstrap_coverage.py: at 30 days, blocks of one day cover 1 to 2 points less, as what lasts for hours
reaches from one into the next.
"""

HOUR_S = 3600.0
"""Shortest block: requests of one conversation, and users of one event, lie within it."""

BLOCKS_OF_SHORT_LOGS = 3.5
"""A log of under 3.5 days, or one without time, has blocks of 2/7 of it.

Tried with eval/bootstrap_coverage.py: blocks of 3 hours cover 77 to 98 % at 3.5 days, longer ones leave too few.
"""

MOST_REQUEST_BINS = 1008
"""Bins of a log without time: as many as 7 days have bins of 10 minutes."""

FEWEST_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class TimeBins:
    """Bins of the requests that are counted.

    Attributes:
        n_bins: how many.
        block_bins: bins of a block.
        unit_bins: bins that count as one observation where nothing is known of how hits clump: an hour.
        n_requests: requests in them.
        times_s: float64 (n_requests,), or None: bins of equally many requests.
    """

    n_bins: int
    block_bins: int
    unit_bins: int
    n_requests: int
    times_s: Floats | None

    def of(self, first: int, stop: int) -> NDArray[np.int64]:
        """Bin of each of the requests `first` to `stop` - 1: int64 (stop - first,)."""
        if self.times_s is None:
            return np.arange(first, stop) * self.n_bins // self.n_requests
        # The last request may stand on the end of the last bin.
        since = np.asarray(self.times_s[first:stop]) - self.times_s[0]
        return np.asarray(np.minimum((since / BIN_S).astype(np.int64), self.n_bins - 1))

    def sums(self, values: NDArray[np.float64]) -> Floats:
        """Sum a value per request: float64 (n_requests,) to (n_bins,)."""
        found = np.bincount(self.of(0, self.n_requests), weights=values, minlength=self.n_bins)
        return found.astype(np.float64)


def time_bins(times_s: Floats | None, n_requests: int) -> TimeBins:
    """Cut a log into bins, and say how many of them are a block.

    A log of under two hours, which recommends nothing, is cut like one without times.

    Args:
        times_s: float64 (n_requests,) seconds, never falling; None where the log has no time.
        n_requests: how many there are.

    Raises:
        InputError: there are not two blocks.
    """
    if times_s is None:
        return _request_bins(n_requests)
    span_s = float(times_s[-1] - times_s[0]) if n_requests else 0.0
    if span_s < FEWEST_BLOCKS * HOUR_S:
        return _request_bins(n_requests)
    n_bins = math.ceil(span_s / BIN_S)
    if span_s >= BLOCKS_OF_SHORT_LOGS * DAY_S:
        block_s = DAY_S * max(1, span_s // (BLOCKS_OF_LONG_LOGS * DAY_S))
    else:
        block_s = max(HOUR_S, span_s / BLOCKS_OF_SHORT_LOGS)
    return TimeBins(n_bins, round(block_s / BIN_S), round(HOUR_S / BIN_S), n_requests, times_s)


def _request_bins(n_requests: int) -> TimeBins:
    fewest = math.ceil(FEWEST_BLOCKS * BLOCKS_OF_SHORT_LOGS)
    if n_requests < fewest:
        raise InputError(
            f"{n_requests} requests cannot tell how far off a share is",
            allowed=f"{fewest} counted requests, better thousands",
            next_step="Give a longer log",
        )
    n_bins = min(n_requests, MOST_REQUEST_BINS)
    # As many units as a log of 3.5 days has hours.
    unit = math.ceil(n_bins / (BLOCKS_OF_SHORT_LOGS * DAY_S / HOUR_S))
    return TimeBins(n_bins, round(n_bins / BLOCKS_OF_SHORT_LOGS), unit, n_requests, None)
