"""The plan of a cache with keys, a policy and a size: answers, query vectors, results, chunks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.advice import Buys, CachePlan, SizePoint, UsdRange
from ragopt.cache.curves import hit_curve, size_grid
from ragopt.cache.plan_setting import TIE, UNNOTICED_USD, both, is_for_money
from ragopt.cache.records import DEPLOYABLE, Curve, Policy, Reads
from ragopt.cache.requests import hits_at_sizes, n_reads, per_request
from ragopt.cache.sizing import break_even_seconds, marginal_usd_per_gb, most_net

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.plan_setting import Setting
    from ragopt.cache.records import CacheName, Share

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

LEAST_HITS = 0.01
"""A cache for latency alone that hits under 1 % of its reads is off: nobody would notice (an assumption)."""

REFERENCES: tuple[Policy, ...] = ("SIEVE", "S3-FIFO", "Belady")
"""Drawn beside the deployable policies for the chunk cache, where which items stay matters most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one cache is asked for.

    Attributes:
        name: of the cache.
        alone: its reads with no cache before it.
        behind: its reads behind the caches before it.
        usd_per_hit: float64 (n_reads of `behind`,): what each hit spares by the piece.
        searching: bool (n_requests,) that were searched before it, where a hit spares the search; None where not.
        ttl_s: seconds that an entry lives; None is for ever.
    """

    name: CacheName
    alone: Reads
    behind: Reads
    usd_per_hit: Floats
    searching: Bools | None = None
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A cache's plan and what it hits.

    Attributes:
        plan: without its reason and notes.
        hits: bool (n_reads of `Asked.behind`,) at the recommended size; none where no size is recommended.
    """

    plan: CachePlan
    hits: Bools


@dataclass(frozen=True, slots=True)
class _At:
    policy: Policy
    size_bytes: int
    hits: Bools
    share: Share
    saved: UsdRange
    memory: Decimal

    @property
    def net(self) -> Decimal:
        return self.saved.value - self.memory


def plan_keyed(setting: Setting, asked: Asked, usd_before: Decimal) -> Planned:
    """Choose policy and size of a cache: for money where it saves at least 1 % of the bill and USD 1, else for latency.

    For money, the size where the marginal saving meets the price of memory, then the smallest whose saving less its
    memory is within 1 % of that. For latency, the smallest whose hit share is within a standard error of the largest's,
    if its memory costs under 1 % of the bill, or under USD 1. LFU is taken only where it saves over 1 % more than LRU,
    or hits more than the upper end of LRU's interval: of equals the one that also expires entries is simpler to run.

    Args:
        setting: the log and the prices.
        asked: what it is asked for.
        usd_before: the bill of a month without caches.
    """
    sizes = size_grid(asked.alone, setting.n_sizes)
    policies = DEPLOYABLE if asked.ttl_s is None else DEPLOYABLE[:1]
    by_policy = {policy: _at_sizes(setting, asked, policy, sizes) for policy in policies}
    lru, *lfu = (_for_money(setting, found) for found in by_policy.values())
    best = next((one for one in lfu if one.net > lru.net + abs(lru.net) * TIE), lru)
    buys: Buys = "money" if is_for_money(best.saved, usd_before, best.memory) else "latency"
    if buys == "latency":
        lru, *lfu = (_for_latency(found) for found in by_policy.values())
        best = next((one for one in lfu if one.share.value > lru.share.high), lru)
    rare = buys == "latency" and best.share.value < LEAST_HITS
    if rare or (buys == "latency" and best.memory > max(TIE * usd_before, UNNOTICED_USD)):
        buys = "nothing"
    on = buys != "nothing"
    alone = _curves(setting, asked, sizes)
    chosen = by_policy[best.policy]
    item_bytes = float(np.mean(asked.alone.item_bytes))
    plan = CachePlan(
        asked.name, on=on, buys=buys, reason="", policy=best.policy, size_bytes=best.size_bytes,
        n_items=int(best.size_bytes // item_bytes), ttl_s=asked.ttl_s,
        alone=next(point.hits for curve in alone if curve.policy == best.policy for point in curve.points
                   if point.size_bytes == best.size_bytes),
        hits=best.share, all_hits=_all_hits(setting, asked.behind, best.hits), saved=best.saved,
        memory_usd_per_month=best.memory,
        break_even_s=_break_even(setting, asked, best, item_bytes),
        curves=alone, sizes=_size_points(chosen),
    )  # fmt: skip
    return Planned(plan, best.hits if on else np.zeros_like(best.hits))


def _at_sizes(setting: Setting, asked: Asked, policy: Policy, sizes: tuple[int, ...]) -> list[_At]:
    reads, found = asked.behind, []
    for size, hits in hits_at_sizes(reads, policy, sizes, asked.ttl_s):
        saved = setting.usd_per_month(per_request(reads, hits * asked.usd_per_hit))
        if asked.searching is not None:
            saved = both(saved, setting.search_saved(asked.searching, per_request(reads, hits) > 0))
        share = setting.share(per_request(reads, hits), n_reads(reads))
        found.append(_At(policy, size, hits, share, saved, setting.memory.usd(size)))
    return found


def _for_money(setting: Setting, found: list[_At]) -> _At:
    sizes, saved = [one.size_bytes for one in found], [one.saved.value for one in found]
    position = most_net(sizes, saved, setting.memory.usd_per_gb_month)
    if position is None:
        return found[0]
    best = found[position]
    return next(one for one in found if one.net >= best.net * (1 - TIE))


def _for_latency(found: list[_At]) -> _At:
    largest = found[-1].share
    standard_error = (largest.high - largest.low) / (2 * 1.96)
    return next(one for one in found if one.share.value >= largest.value - standard_error)


def _curves(setting: Setting, asked: Asked, sizes: tuple[int, ...]) -> tuple[Curve, ...]:
    policies = DEPLOYABLE[:1] if asked.ttl_s is not None else DEPLOYABLE
    if asked.name == "chunk":
        policies = (*policies, *REFERENCES)
    return tuple(hit_curve(asked.alone, policy, sizes, ttl_s=asked.ttl_s, seed=setting.seed) for policy in policies)


def _all_hits(setting: Setting, reads: Reads, hits: Bools) -> Share:
    counts, found = n_reads(reads), per_request(reads, hits)
    return setting.share((counts > 0) & (found == counts), counts > 0)


def _break_even(setting: Setting, asked: Asked, best: _At, item_bytes: float) -> float | None:
    """The reuse interval that pays for an item, with what a hit spares on average, searches included."""
    hits = float(per_request(asked.behind, best.hits)[setting.warm :].mean())
    usd_per_hit = best.saved.value / (setting.month * Decimal(f"{hits:.15f}")) if hits else Decimal(0)
    return break_even_seconds(usd_per_hit, item_bytes, setting.memory.usd_per_gb_month)


def _size_points(found: list[_At]) -> tuple[SizePoint, ...]:
    slopes = marginal_usd_per_gb([one.size_bytes for one in found], [one.saved.value for one in found])
    return tuple(
        SizePoint(one.size_bytes, one.saved, one.memory, slope) for one, slope in zip(found, slopes, strict=True)
    )
