"""Which size of a cache is worth its memory: savings against size, their concave hull, and the price of a gigabyte."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from ragopt.bill.workload import SECONDS_PER_MONTH
from ragopt.units import GB


def concave_hull(sizes_bytes: Sequence[int], saved_usd: Sequence[Decimal]) -> tuple[int, ...]:
    """Return the positions of the sizes on the upper concave hull of savings against size, nothing at size 0 included.

    Between two of them the slope falls from one to the next, so the last of them whose slope is at or above the price
    of memory saves most less its memory; a point below the hull is beaten by a mix of its neighbours.

    Args:
        sizes_bytes: rising, above 0.
        saved_usd: a month, at each size.
    """
    hull: list[int] = []
    points = [(0, Decimal(0)), *zip(sizes_bytes, saved_usd, strict=True)]
    kept = [points[0]]
    for position, point in enumerate(points[1:]):
        while len(kept) > 1 and _slope(kept[-2], kept[-1]) <= _slope(kept[-1], point):
            kept.pop()
            hull.pop()
        kept.append(point)
        hull.append(position)
    while hull and kept[-1][1] <= kept[-2][1]:  # larger and no better
        kept.pop()
        hull.pop()
    return tuple(hull)


def _slope(low: tuple[int, Decimal], high: tuple[int, Decimal]) -> Decimal:
    """USD per GB."""
    return (high[1] - low[1]) * GB / (high[0] - low[0])


def marginal_usd_per_gb(sizes_bytes: Sequence[int], saved_usd: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Return what the last bytes of each size save a month, by the GB: the slope of the hull up to that size.

    Sizes past the hull's end save nothing more: 0.

    >>> marginal_usd_per_gb([10**9, 2 * 10**9, 4 * 10**9], [Decimal(6), Decimal(9), Decimal(9)])
    (Decimal('6'), Decimal('3'), Decimal('0'))
    """
    points = [(0, Decimal(0)), *zip(sizes_bytes, saved_usd, strict=True)]
    ends = [0, *(position + 1 for position in concave_hull(sizes_bytes, saved_usd))]
    slopes = [Decimal(0)] * len(sizes_bytes)
    for low, high in pairwise(ends):
        for position in range(low, high):
            slopes[position] = _slope(points[low], points[high])
    return tuple(slopes)


def most_net(sizes_bytes: Sequence[int], saved_usd: Sequence[Decimal], usd_per_gb_month: Decimal) -> int | None:
    """Return the position of the size where the marginal saving meets the price of memory; None where none pays.

    The largest size on the hull whose slope is at or above the price: there saved - price x size is greatest.
    """
    slopes = marginal_usd_per_gb(sizes_bytes, saved_usd)
    worth = [position for position in concave_hull(sizes_bytes, saved_usd) if slopes[position] >= usd_per_gb_month]
    return worth[-1] if worth else None


def break_even_seconds(usd_per_hit: Decimal, item_bytes: float, usd_per_gb_month: Decimal) -> float | None:
    """Return the reuse interval at which an item's memory costs what a hit saves: T* = v / (c x bytes).

    The five-minute rule (Gray & Putzolu, SIGMOD 1987, p. 395), with the month of the bill. None where a hit saves
    nothing or an item takes no memory.
    """
    cost = usd_per_gb_month * Decimal(item_bytes) / GB
    if usd_per_hit <= 0 or cost <= 0:
        return None
    return float(usd_per_hit / cost) * SECONDS_PER_MONTH
