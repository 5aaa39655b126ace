"""What written vectors cost in units: batches, the least that a request is billed for, whole write units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.bill.vendor_quantities import Holding
    from ragopt.bill.vendor_records import WriteCharge, WritePath


def vectors_per_request(path: WritePath, held: Holding) -> Decimal:
    """Vectors in one write request: what the workload asks for, or what one request takes at most."""
    wanted = Decimal(held.workload.vectors_per_write)
    if path.most_vectors is not None:
        wanted = min(wanted, path.most_vectors)
    if path.most_bytes is not None:
        fitting = (path.most_bytes / held.written_bytes_per_vector).to_integral_value(rounding=ROUND_FLOOR)
        wanted = min(wanted, max(Decimal(1), fitting))
    return wanted


def written_quantity(
    charge: WriteCharge, path: WritePath, held: Holding, n_written: Decimal, *, replacing: bool
) -> Decimal:
    """Priced units of writing `n_written` vectors: full requests, and one for what is left.

    Args:
        charge: what is billed for writes.
        path: how they are written.
        held: what one vector weighs.
        n_written: vectors written.
        replacing: whether they replace vectors that are there.
    """
    if charge.replaced_only and not replacing:
        return Decimal(0)
    size = vectors_per_request(path, held)
    full = (n_written / size).to_integral_value(rounding=ROUND_FLOOR)
    rest = n_written - full * size
    count = _REQUESTS[charge.counts]
    weight = held.written_bytes_per_vector * (2 if replacing and charge.replaced_again else 1)
    counted = full * count(charge, size, weight) + (count(charge, rest, weight) if rest else 0)
    return counted / charge.per


def _bytes(charge: WriteCharge, n_vectors: Decimal, weight: Decimal) -> Decimal:
    return max(charge.least_bytes, n_vectors * weight)


def _units(charge: WriteCharge, n_vectors: Decimal, weight: Decimal) -> Decimal:
    whole = (n_vectors * weight / charge.unit_bytes).to_integral_value(rounding=ROUND_CEILING)
    return max(charge.least_units, whole)


_REQUESTS: Mapping[str, Callable[[WriteCharge, Decimal, Decimal], Decimal]] = MappingProxyType(
    {
        "bytes": _bytes,
        "units": _units,
        "vectors": lambda _charge, n_vectors, _weight: n_vectors,
        "requests": lambda _charge, _n_vectors, _weight: Decimal(1),
    }
)
WRITE_COUNTED = tuple(_REQUESTS)
"""What a write charge may count, by the name that vendor files use; each is counted per request."""
