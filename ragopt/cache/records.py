"""What the cache advisor's parts hand to each other: reads, hit curves, advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CacheName = Literal["answer", "semantic", "embedding", "result", "chunk", "prefix"]
"""The caches of a service in the order in which a request meets them."""

Policy = Literal["LRU", "LFU", "SIEVE", "S3-FIFO", "Belady"]
"""What is evicted when a cache is full."""

DEPLOYABLE: tuple[Policy, ...] = ("LRU", "LFU")
"""Policies that Redis and cachebox have; the others are reference lines."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval.

    Attributes:
        value: between 0 and 1.
        low, high: ends of the interval.
        n: how many requests or reads it is a share of.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads of one cache, in order of time.

    Attributes:
        keys: int32 (n_reads,) from 0: equal keys are equal items.
        starts: int64 (n_requests + 1,): request i reads ``keys[starts[i]:starts[i + 1]]``.
        times_s: float64 (n_requests,), never falling; None where the log has no time.
        item_bytes: bytes that an item takes in the cache, overhead included: one figure, or int64 (n_distinct,).
    """

    keys: NDArray[np.int32]
    starts: NDArray[np.int64]
    times_s: NDArray[np.float64] | None
    item_bytes: int | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A cache at one size.

    Attributes:
        size_bytes: capacity.
        hits: share of reads that hit.
        all_hits: share of the requests that read anything whose every read hit.
        n_bypassed: reads of items larger than the whole cache, which are never kept.
    """

    size_bytes: int
    hits: Share
    all_hits: Share
    n_bypassed: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """Hits against size under one policy, sizes rising.

    Attributes:
        policy: what is evicted.
        points: one per size.
        n_distinct: different items in the reads.
        all_bytes: bytes of all of them together: the size from which a cache never evicts.
    """

    policy: Policy
    points: tuple[CurvePoint, ...]
    n_distinct: int
    all_bytes: int
