"""What a gigabyte of RAM for a cache costs a month: that of the VM type which sells it cheapest."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.faiss_vm import instances_of
from ragopt.bill.packing import USABLE_RAM_SHARE
from ragopt.units import GB, GIB, HOURS_PER_MONTH

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload


@dataclass(frozen=True, slots=True)
class MemoryPrice:
    """The price of RAM.

    Attributes:
        usd_per_gb_month: for 10^9 bytes that a process can fill, through 730 hours.
        vm: the type that it is the price of.
        formula: how it comes from the hourly price.
        source, as_of: of that price.
    """

    usd_per_gb_month: Decimal
    vm: str
    formula: str
    source: str
    as_of: str

    def usd(self, size_bytes: float) -> Decimal:
        """What so many bytes cost a month."""
        return self.usd_per_gb_month * Decimal(size_bytes) / GB


def memory_price(book: PriceBook, workload: Workload) -> MemoryPrice:
    """Find the VM type whose usable RAM is cheapest by the byte; the whole VM is taken as paid for by its RAM.

    That is the price at which a cache grows: a larger VM, or one more. A cache that fits into RAM that is paid for and
    idle costs less, down to nothing.

    Raises:
        PriceError: no VM type has a price there.
    """
    instances, _ = instances_of(book, workload)
    best = min(instances, key=lambda one: (_per_gb(one), one.item))
    ram = best.attribute("ram_gib")
    return MemoryPrice(
        _per_gb(best),
        best.item,
        f"{best.usd} USD per hour x {HOURS_PER_MONTH} / ({ram:f} GiB x {USABLE_RAM_SHARE} usable)",
        best.source,
        best.as_of,
    )


def _per_gb(instance: Price) -> Decimal:
    usable = instance.attribute("ram_gib") * GIB * USABLE_RAM_SHARE
    return instance.usd * HOURS_PER_MONTH / usable * GB
