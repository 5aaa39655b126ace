"""What every plan of a cache is made with: the log, what its requests cost, the price of memory, the index's bill."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.advice import UsdRange
from ragopt.cache.block_bootstrap import mean_with_interval, share_with_interval
from ragopt.cache.costs import peak_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.bill.workload import Workload
    from ragopt.cache.coded_log import CodedLog
    from ragopt.cache.costs import RequestCosts
    from ragopt.cache.memory_price import MemoryPrice
    from ragopt.cache.records import Share
    from ragopt.cache.search_bill import SearchBill
    from ragopt.cache.unit_prices import UnitPrices

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

TIE = Decimal("0.01")
"""A saving under this share of the bill is no reason to run a cache for money: bills within 1 % are ties
(`ragopt.choose.TIE`)."""


UNNOTICED_USD = Decimal(1)
"""USD a month that nobody would ask about (an assumption): a cache that saves less, or less than 1 % of the bill, is
not for money, and the memory of one that buys latency alone may cost as much."""


def is_for_money(saved: UsdRange, usd_before: Decimal, memory: Decimal = Decimal(0)) -> bool:
    """Whether a saving surely pays its memory, and is enough to run a cache for: 1 % of the bill and USD 1 at least."""
    return saved.low > memory and saved.value - memory >= max(TIE * usd_before, UNNOTICED_USD)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for every cache.

    Attributes:
        log: what is replayed; its first half of the requests warms, its second half is counted.
        workload: of the service.
        costs: of each request.
        prices: of one piece of work.
        memory: price of RAM.
        month: requests of a month.
        search: the index's bill; None where no index was named.
        dim: of the query vectors.
        n_sizes: sizes of each curve.
        seed: of the intervals.
    """

    log: CodedLog
    workload: Workload
    costs: RequestCosts
    prices: UnitPrices
    memory: MemoryPrice
    month: Decimal
    search: SearchBill | None
    dim: int
    n_sizes: int = 12
    seed: int = 0

    @property
    def warm(self) -> int:
        """The first request that is counted."""
        return self.log.n_requests // 2

    @property
    def times_s(self) -> Floats | None:
        """When the counted requests came."""
        return None if self.log.times_s is None else self.log.times_s[self.warm :]

    def share(self, part: Bools | Floats, whole: Bools | Floats) -> Share:
        """Share of one figure per request in another, over the counted ones. Raises InputError: nothing to count."""
        return share_with_interval(part[self.warm :], whole[self.warm :], self.times_s, seed=self.seed)

    def usd_per_month(self, usd_per_request: Floats) -> UsdRange:
        """What so many USD of each request (float64 (n_requests,)) are in a month, over the counted requests."""
        mean = mean_with_interval(usd_per_request[self.warm :], self.times_s, seed=self.seed)
        return UsdRange(*(self.month * _decimal(one) for one in (mean.value, mean.low, mean.high)))

    @property
    def usd_before(self) -> Decimal:
        """What the requests of a month cost without a cache: by the piece, and the index's bill."""
        by_piece = self.usd_per_month(self.costs.all).value
        return by_piece + (self.search.usd(1.0, 1.0) if self.search else Decimal(0))

    def search_saved(self, searching: Bools, spared: Bools) -> UsdRange:
        """What the index's bill falls by when some searches do not happen.

        Args:
            searching: bool (n_requests,) that were searched before.
            spared: bool (n_requests,) that are not any more.
        """
        if self.search is None:
            return UsdRange(Decimal(0), Decimal(0), Decimal(0))
        at = slice(self.warm, None)
        before, after = searching[at], (searching & ~spared)[at]
        times_s, searched = self.times_s, float(before.mean())
        peak, left = peak_share(times_s, before), peak_share(times_s, after)
        usd_before = self.search.usd(searched, peak)
        saved = self.share(spared & searching, np.ones_like(spared))
        # The peak falls in proportion at the ends of the interval: it is one hour of the log and has none of its own.
        hit = max(saved.value, 1e-12)
        usd = [
            usd_before - self.search.usd(max(searched - one, 0.0), max(peak - (peak - left) * one / hit, 0.0))
            for one in (saved.value, saved.low, saved.high)
        ]
        return UsdRange(*usd)


def _decimal(usd: float) -> Decimal:
    """A share of a cent as Decimal, to 10^-15 USD."""
    return Decimal(f"{usd:.15f}")


def both(one: UsdRange, other: UsdRange) -> UsdRange:
    """Two savings together; the ends add up, which is too wide where they do not move together."""
    return UsdRange(one.value + other.value, one.low + other.low, one.high + other.high)


@dataclass(frozen=True, slots=True)
class Stage:
    """Which requests get how far.

    Attributes:
        passing: bool (n_requests,): no cache of answers has answered it, so it is embedded, and a prompt is sent.
        searching: bool (n_requests,): no cache has its results either.
        embedded: bool (n_requests,): its vector was in a cache.
    """

    passing: Bools
    searching: Bools
    embedded: Bools
