"""What a vendor counts: bytes and dimensions that it holds, queries, and what of a namespace one query goes through."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from ragopt.bill.retrieved import results_per_query
from ragopt.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.vendor_records import Charge, Each, SoldScalar, Tier, VendorRules
    from ragopt.bill.workload import Workload

FINEST_FIRST = ("float32", "float16", "int8", "binary")

DISK_PER_MEMORY = 3
"""Bytes that a vector index takes on disk per byte in memory at Azure AI Search ("roughly three times",
https://learn.microsoft.com/en-us/azure/search/vector-search-index-size, copy of 2025-01-09)."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a vendor holds and answers for a workload.

    Attributes:
        workload: the month that is billed.
        dim: dimension of the vectors that are uploaded.
        scalar: what a dimension is billed in.
        memory_factor: bytes in memory per byte of vectors and links.
        memory_bytes_per_vector: bytes of links per vector.
    """

    workload: Workload
    dim: int
    scalar: SoldScalar
    memory_factor: Decimal
    memory_bytes_per_vector: Decimal

    @classmethod
    def of(cls, rules: VendorRules, dim: int, footprint: Footprint, workload: Workload) -> Holding:
        """Say what a vendor would hold instead of a measured index."""
        scalar = billed_scalar(rules, footprint)
        return cls(workload, dim, scalar, rules.memory_factor, rules.memory_bytes_per_vector)

    @property
    def n_vectors(self) -> Decimal:
        """Vectors held."""
        return Decimal(self.workload.n_vectors)

    @property
    def beside_bytes(self) -> Decimal:
        """Bytes of key and metadata of one vector."""
        return Decimal(self.workload.key_bytes + self.workload.metadata_bytes)

    @property
    def filterable_bytes(self) -> Decimal:
        """Bytes of one vector's metadata that queries may filter by."""
        return self.workload.metadata_bytes * self.workload.filterable_share

    @property
    def stored_vector_bytes(self) -> Decimal:
        """Bytes of one vector's dimensions that storage bills."""
        return self.dim * self.scalar.stored

    @property
    def written_bytes_per_vector(self) -> Decimal:
        """Bytes of one vector with key and metadata that writes bill."""
        return self.dim * self.scalar.written + self.beside_bytes

    @property
    def scanned_bytes_per_vector(self) -> Decimal:
        """Bytes of one vector with key and filterable metadata that a query goes through."""
        return self.dim * self.scalar.queried + self.workload.key_bytes + self.filterable_bytes

    @property
    def memory_bytes(self) -> Decimal:
        """Bytes that the vendor's index takes in memory: vectors and links."""
        return self.n_vectors * (self.stored_vector_bytes + self.memory_bytes_per_vector) * self.memory_factor

    @property
    def namespace_vectors(self) -> Decimal:
        """Vectors of the namespace that one query searches."""
        return self.n_vectors / self.workload.namespaces


COUNTED: Mapping[str, Callable[[Holding], Decimal]] = MappingProxyType(
    {
        "stored_bytes": lambda held: held.n_vectors * (held.stored_vector_bytes + held.beside_bytes),
        "indexed_bytes": lambda held: (
            held.n_vectors * (held.stored_vector_bytes + held.workload.key_bytes + held.filterable_bytes)
        ),
        "unindexed_bytes": lambda held: held.n_vectors * (held.workload.metadata_bytes - held.filterable_bytes),
        "stored_dims": lambda held: held.n_vectors * held.dim,
        "queried_dims": lambda held: (held.workload.queries_per_month + held.n_vectors) * held.dim,
        "queries": lambda held: Decimal(held.workload.queries_per_month),
        "memory_bytes": lambda held: held.memory_bytes,
        "disk_bytes": lambda held: held.memory_bytes * DISK_PER_MEMORY + held.n_vectors * held.beside_bytes,
    }
)
"""What a charge or a capacity may count, by the name that vendor files use."""

EACH: Mapping[str, Callable[[Holding, Each], Decimal]] = MappingProxyType(
    {
        "namespace_bytes": lambda held, _: (
            held.namespace_vectors * (held.dim * held.scalar.queried + held.beside_bytes)
        ),
        "namespace_vectors": lambda held, _: held.namespace_vectors,
        "namespace_dims": lambda held, _: held.namespace_vectors * held.dim,
        "result_bytes": lambda held, each: (
            results_per_query(held.workload) * max(held.beside_bytes, each.least_per_result)
        ),
    }
)
"""What one query may count for: the namespace that it searches, or key and metadata of the k results it returns."""


def billed_scalar(rules: VendorRules, footprint: Footprint) -> SoldScalar:
    """Return the coarsest scalar sold that is at least as fine as the one the index keeps."""
    wanted = FINEST_FIRST.index(footprint.scalar)
    fine_enough = [one for one in rules.scalars if FINEST_FIRST.index(one.name) <= wanted]
    return max(fine_enough, key=lambda one: FINEST_FIRST.index(one.name))


def graded(amount: Decimal, tiers: tuple[Tier, ...]) -> Decimal:
    """Weigh an amount by tiers: each tier's weight times what of the amount lies in it."""
    weighed, start = Decimal(0), Decimal(0)
    for tier in tiers:
        end = amount if tier.up_to is None else min(amount, tier.up_to)
        weighed += max(Decimal(0), end - start) * tier.weight
        start = end
    return weighed


def between(amount: Decimal, points: tuple[tuple[Decimal, Decimal], ...]) -> Decimal:
    """Read a published table between its points, by straight lines on two logarithmic scales.

    Outside the table the nearest line goes on.
    """
    right = min(max(bisect_right([x for x, _ in points], amount), 1), len(points) - 1)
    (x_low, y_low), (x_high, y_high) = points[right - 1], points[right]
    share = (amount / x_low).ln() / (x_high / x_low).ln()
    return y_low * (share * (y_high / y_low).ln()).exp()


def per_query(each: Each, held: Holding) -> Decimal:
    """How much one query counts for."""
    amount = EACH[each.of](held, each)
    if each.tiers:
        amount = graded(amount, each.tiers)
    elif each.points:
        amount = between(amount, each.points)
    amount = max(Decimal(0), max(each.floor, amount) - each.free)
    return amount * held.scanned_bytes_per_vector if each.times_vector_bytes else amount


def charged_quantity(charge: Charge, held: Holding) -> Decimal:
    """Priced units of a charge in a month."""
    counted = COUNTED[charge.counts](held) * (1 if charge.each is None else per_query(charge.each, held))
    units = max(Decimal(0), counted - charge.included) / charge.per
    return units * (HOURS_PER_MONTH if charge.hours else 1) * (held.workload.n_replicas if charge.replicas else 1)
