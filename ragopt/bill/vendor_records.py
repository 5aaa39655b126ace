"""The rules of a vendor's bill, as records: what it stores, what it counts, how it takes writes, what it caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.bill.footprint import Scalar
    from ragopt.records import Part

FROM_PRICE = "price"
"""Stands in a capacity for the price's own attribute `bytes_per_unit`: a size that only the user's contract tells."""


@dataclass(frozen=True, slots=True)
class SoldScalar:
    """A scalar that the vendor stores a dimension in, with the bytes it bills for one.

    Attributes:
        name: `float32`, `float16`, `int8` or `binary`.
        stored: bytes per dimension that storage bills.
        queried: bytes per dimension that queries bill.
        written: bytes per dimension that writes bill.
    """

    name: Scalar
    stored: Decimal
    queried: Decimal
    written: Decimal


@dataclass(frozen=True, slots=True)
class Limit:
    """The most of something that the vendor sells.

    Attributes:
        of: what is capped, one of `vendor_limits.LIMITED`.
        most: the highest figure sold.
        on_request: whether the vendor's page offers more on request, or another plan: noted, not refused.
        source: where that was read.
        as_of: when, YYYY-MM-DD.
    """

    of: str
    most: Decimal
    on_request: bool
    source: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a graded rate: what lies below `up_to` (None: all the rest) counts `weight` times."""

    up_to: Decimal | None
    weight: Decimal


@dataclass(frozen=True, slots=True)
class Each:
    """How much one query counts for.

    Attributes:
        of: what is measured, one of `vendor_quantities.EACH`.
        tiers: grades of it; empty: all of it counts once.
        points: published pairs (measure, units), read between by straight lines on two logarithmic scales.
        floor: the least that a query counts for.
        free: what of it is not billed.
        least_per_result: the least bytes that one returned result counts for.
        times_vector_bytes: whether the measure counts vectors, each of which stands for the bytes a query goes through.
    """

    of: str
    tiers: tuple[Tier, ...] = ()
    points: tuple[tuple[Decimal, Decimal], ...] = ()
    floor: Decimal = Decimal(0)
    free: Decimal = Decimal(0)
    least_per_result: Decimal = Decimal(0)
    times_vector_bytes: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """One thing that is billed every month: (counted - included) / per, at the price of `item`.

    Attributes:
        item: the price's name in the vendor's group.
        part: which part of the service it pays for.
        what: the line's text.
        counts: what is counted, one of `vendor_quantities.COUNTED`.
        per: counted units in one priced unit.
        included: counted units that the month includes.
        each: how much one of the counted queries counts for; None: one.
        hours: whether the price is per hour: times 730.
        replicas: whether every replica pays it.
    """

    item: str
    part: Part
    what: str
    counts: str
    per: Decimal
    included: Decimal = Decimal(0)
    each: Each | None = None
    hours: bool = False
    replicas: bool = False


@dataclass(frozen=True, slots=True)
class WriteCharge:
    """One thing that is billed for written vectors.

    Attributes:
        item: the price's name in the vendor's group.
        what: the line's text.
        counts: `bytes`, `vectors`, `requests` or `units`.
        per: counted units in one priced unit.
        least_bytes: bytes that a request is billed for at least.
        unit_bytes: bytes of one write unit; a request is rounded up to whole units.
        least_units: units that a request is billed for at least.
        replaced_again: whether a vector that replaces an older one is billed for both.
        replaced_only: whether vectors that replace older ones alone are billed: what deleting the old ones costs.
    """

    item: str
    what: str
    counts: str
    per: Decimal
    least_bytes: Decimal = Decimal(0)
    unit_bytes: Decimal = Decimal(1)
    least_units: Decimal = Decimal(0)
    replaced_again: bool = False
    replaced_only: bool = False


@dataclass(frozen=True, slots=True)
class WritePath:
    """One way to load vectors.

    Attributes:
        path: `upsert` or `bulk`.
        most_vectors: vectors in one request at most; None: no cap is known.
        most_bytes: bytes in one request at most; None: no cap is known.
        charges: what it costs; empty where the vendor does not bill writes.
    """

    path: str
    most_vectors: Decimal | None
    most_bytes: Decimal | None
    charges: tuple[WriteCharge, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One size of capacity unit.

    Attributes:
        item: the price of one unit for an hour.
        holds: counted bytes that one unit holds, by what is counted; None stands for the price's `bytes_per_unit`.
        step: units come in multiples of it.
        least: fewest units of one copy.
        sizes: the only numbers of units that are sold; empty: any multiple of `step`.
        most_replicas: copies sold at most; None: no cap is known.
        most_units: units of all copies together at most; None: no cap is known.
        optional: whether the option is passed over where the book has no price for it.
    """

    item: str
    holds: Mapping[str, Decimal | None]
    step: Decimal = Decimal(1)
    least: Decimal = Decimal(1)
    sizes: tuple[Decimal, ...] = ()
    most_replicas: Decimal | None = None
    most_units: Decimal | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """Capacity that runs all month, in units of the cheapest option that holds everything.

    Attributes:
        what: the line's text.
        options: sizes to choose from.
        most_copies: copies that are billed at most, however many replicas are asked for; None: every replica.
    """

    what: str
    options: tuple[Option, ...]
    most_copies: Decimal | None = None


@dataclass(frozen=True, slots=True)
class VendorRules:
    """Everything that a vendor's file says beside its prices.

    Attributes:
        name: of the vendor, its file, its price group and its target.
        summary: what is kept where, in one sentence.
        region: region of the prices where the workload's own has none.
        compression: what compression is worth there, in one sentence.
        assumptions: what the bill takes for granted, one sentence each.
        scalars: what it stores a dimension in, finest first.
        limits: what it caps.
        charges: what a month costs.
        writes: how it takes vectors.
        capacities: what runs all month.
        minimum_item: price of the monthly minimum; empty where there is none.
        user_supplied: unit of each price that the vendor does not publish, by item.
        units: unit that the rules count in of every price, by item; a price in another unit is refused.
        memory_factor: bytes in memory per byte of vectors and links.
        memory_bytes_per_vector: bytes of links per vector.
        least_latency_ms: fastest answer that the vendor's page promises; None: it publishes none.
    """

    name: str
    summary: str
    region: str
    compression: str
    assumptions: tuple[str, ...]
    scalars: tuple[SoldScalar, ...]
    limits: tuple[Limit, ...]
    charges: tuple[Charge, ...]
    writes: tuple[WritePath, ...]
    capacities: tuple[Capacity, ...]
    minimum_item: str
    user_supplied: Mapping[str, str]
    units: Mapping[str, str]
    memory_factor: Decimal
    memory_bytes_per_vector: Decimal
    least_latency_ms: Decimal | None
