"""Footprints, workloads and bills that the vendor tests share."""

from decimal import Decimal

from ragopt.bill.price_book import Price, PriceBook
from ragopt.bill.targets import Footprint, bill_index
from ragopt.bill.workload import Workload
from ragopt.records import IndexBytes

BOOK = PriceBook.load()
MILLION = 1_000_000


def vectors_of(dim, scalar="float32"):
    """A footprint of which a vendor sees the dimension and the scalar alone."""
    return Footprint(IndexBytes(16.0, 0, 0.0, 16 * MILLION), MILLION, 1.0, 1.0, 1.0, dim=dim, scalar=scalar)


def bill_at(target, n_vectors, dim=1024, *, scalar="float32", book=BOOK, **workload):
    """The bill of a workload at a vendor."""
    return bill_index(vectors_of(dim, scalar), Workload(n_vectors, **workload), book, target=target)


def lines_of(bill):
    """What a bill charges: part, quantity, unit, price and USD of each line."""
    return [(line.part, str(line.quantity), line.unit, str(line.usd_per_unit), str(line.usd)) for line in bill.lines]


def used(bill):
    """The lines of a month in use: neither the first load nor the minimum."""
    return [line for line in bill.lines if "first load" not in line.item and line.part != "minimum"]


def supplied(vendor, region="global", **usd):
    """The book with prices that a user supplies; an item's `-` is written `_`."""
    prices = [
        Price(
            provider=vendor, region=region, group=vendor, item=item.replace("_", "-"), unit="unit",
            usd=Decimal(str(value[0] if isinstance(value, tuple) else value)), as_of="2026-11-01", source="my contract",
            attributes={"bytes_per_unit": Decimal(value[1])} if isinstance(value, tuple) else {},
        )
        for item, value in usd.items()
    ]  # fmt: skip
    return BOOK.over(prices)
