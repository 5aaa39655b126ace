"""The cache advisor's answer: one plan per cache, in the order in which a request meets them, and the bill."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ragopt.cache.memory_price import MemoryPrice
    from ragopt.cache.records import CacheName, Curve, Policy, Share
    from ragopt.cache.unit_prices import PriceUsed

Buys = Literal["money", "latency", "nothing"]
"""What a cache is for: it saves at least 1 % of the bill; it saves less, but spares work; it does neither."""

REPLAYED, MODELLED = "replay", "model, not measured"
"""Where the figures come from: a log, or a Zipf model without one."""


@dataclass(frozen=True, slots=True)
class UsdRange:
    """USD a month with its 95 % interval."""

    value: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class SizePoint:
    """What a cache saves at one size, behind the caches before it.

    Attributes:
        size_bytes: capacity.
        saved: a month, before its memory is paid.
        memory_usd_per_month: what so much memory costs.
        marginal_usd_per_gb: what the last bytes save a month, by the GB: the slope of the savings' upper concave hull
            up to this size.
    """

    size_bytes: int
    saved: UsdRange
    memory_usd_per_month: Decimal
    marginal_usd_per_gb: Decimal


@dataclass(frozen=True, slots=True)
class TtlPoint:
    """An unlimited cache whose entries expire.

    Attributes:
        ttl_s: seconds after which an entry is gone; None is never.
        hits: share of requests, first half of the log warming.
    """

    ttl_s: float | None
    hits: Share


@dataclass(frozen=True, slots=True)
class CachePlan:
    """One cache.

    Attributes:
        name: which.
        on: whether it is recommended.
        buys: what it is for.
        reason: why, in one sentence with figures.
        policy: what it evicts; None where nothing is evicted by size (a provider's prefix cache, a cache that is off).
        size_bytes: recommended capacity; None where it has none.
        n_items: items that fit on average; None where it has no capacity.
        ttl_s: seconds that an entry lives; None is for ever.
        alone: share of its reads that hit with no cache before it; None where it was not replayed.
        hits: the same behind the caches before it.
        all_hits: share of the requests that get this far with every read a hit.
        saved: USD a month behind the caches before it; of a cache that is off, what it would have saved.
        memory_usd_per_month: of the recommended capacity.
        break_even_s: an item that is read again within this many seconds on average is worth its memory; None where a
            hit saves nothing.
        curves: hits against size, alone, by policy.
        sizes: savings against size.
        ttls: hits against TTL; empty for caches without one.
        notes: what a reader has to know: assumptions, risks, what would help.
        guess: what its figures rest on that nobody measured, as a clause; empty where all of it was measured. It stands
            beside the figures wherever they do.
        behind_results: share of the questions that no result answered whose vector was there: what a service finds that
            looks for results first, as `ragopt.open` does; None but for the cache of query vectors.
    """

    name: CacheName
    on: bool
    buys: Buys
    reason: str
    policy: Policy | None = None
    size_bytes: int | None = None
    n_items: int | None = None
    ttl_s: float | None = None
    alone: Share | None = None
    hits: Share | None = None
    all_hits: Share | None = None
    saved: UsdRange = UsdRange(Decimal(0), Decimal(0), Decimal(0))
    memory_usd_per_month: Decimal = Decimal(0)
    break_even_s: float | None = None
    curves: tuple[Curve, ...] = ()
    sizes: tuple[SizePoint, ...] = ()
    ttls: tuple[TtlPoint, ...] = ()
    notes: tuple[str, ...] = ()
    guess: str = ""
    behind_results: Share | None = None

    @classmethod
    def off(cls, name: CacheName, why: str) -> CachePlan:
        """The plan of a cache that was not replayed, with the clause that says why."""
        return cls(name, on=False, buys="nothing", reason=f"off: {why}.")

    @property
    def net(self) -> UsdRange:
        """What it saves a month less its memory."""
        cost = self.memory_usd_per_month
        return UsdRange(self.saved.value - cost, self.saved.low - cost, self.saved.high - cost)


@dataclass(frozen=True, slots=True)
class FalseHitPoint:
    """False hits of a semantic cache at one threshold.

    Attributes:
        threshold: least similarity that is served.
        n_labelled, n_wrong: labelled hits at or above it, and those that were wrong.
        high: upper end of the one-sided 95 % Clopper-Pearson bound of the false-hit rate.
    """

    threshold: float
    n_labelled: int
    n_wrong: int
    high: float


@dataclass(frozen=True, slots=True)
class PromptOrder:
    """A prompt's order and what a prefix cache would find in it.

    Attributes:
        name: in words.
        hits: share of input tokens that are read from the cache.
        saved: USD a month.
    """

    name: str
    hits: Share
    saved: UsdRange


@dataclass(frozen=True, slots=True)
class LogSummary:
    """What was replayed.

    Attributes:
        source: name of the log.
        n_requests: lines.
        days: between first and last; None without times.
        requests_per_month: that the savings are for.
        rate: where `requests_per_month` comes from, in words.
    """

    source: str
    n_requests: int
    days: float | None
    requests_per_month: Decimal
    rate: str


@dataclass(frozen=True, slots=True)
class CacheAdvice:
    """Which caches, what size, what they save and what they risk.

    Attributes:
        basis: `replay`.
        log: what was replayed.
        plans: one per cache, in the order in which a request meets them.
        usd_before: what the requests of a month cost without a cache: questions, searches, chunk reads, tokens.
        memory: the price of RAM.
        prices: of the work that a hit spares.
        trial, target: the index whose searches were billed, as printed; empty without a run.
        false_hits: of the semantic cache, along its threshold; empty without labels.
        prompt_orders: the order of the log first, then others; empty where prompts are not in the log.
        warnings: of the log and the prices.
        insufficient: why no cache is recommended whatever was saved: the log is too small; empty where it is not.
    """

    basis: str
    log: LogSummary
    plans: tuple[CachePlan, ...]
    usd_before: Decimal
    memory: MemoryPrice
    prices: tuple[PriceUsed, ...]
    trial: str = ""
    target: str = ""
    false_hits: tuple[FalseHitPoint, ...] = ()
    prompt_orders: tuple[PromptOrder, ...] = ()
    warnings: tuple[str, ...] = ()
    insufficient: str = ""

    @property
    def ranked(self) -> tuple[CachePlan, ...]:
        """The plans by what they save less their memory, most first; those that are off last."""
        return tuple(sorted(self.plans, key=lambda plan: (not plan.on, -plan.net.value)))

    @property
    def recommended(self) -> tuple[CachePlan, ...]:
        """The plans that are on, in the order in which a request meets them."""
        return tuple(plan for plan in self.plans if plan.on)

    @property
    def saved_usd_per_month(self) -> Decimal:
        """What the recommended caches save, their memory paid."""
        return sum((plan.net.value for plan in self.recommended), Decimal(0))

    @property
    def usd_after(self) -> Decimal:
        """What the requests of a month cost with the recommended caches, their memory included."""
        return self.usd_before - self.saved_usd_per_month

    def plan(self, name: CacheName) -> CachePlan:
        """The plan of one cache. Raises LookupError: there is none."""
        for plan in self.plans:
            if plan.name == name:
                return plan
        raise LookupError(name)

    def __repr__(self) -> str:
        """Show what is on, and the money, in one line."""
        names = ", ".join(plan.name + " (a guess)" * bool(plan.guess) for plan in self.recommended) or "none"
        return (
            f"<CacheAdvice on {self.log.n_requests:,} requests: {names}; saves USD {self.saved_usd_per_month:,.2f} of "
            f"{self.usd_before:,.2f} per month>"
        )
