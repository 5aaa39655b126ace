"""Footprints, workloads and bills that the vendor tests share."""

from decimal import Decimal

from ragopt.bill.price_book import Price, PriceBook
from ragopt.bill.targets import TARGETS, Footprint, bill_index
from ragopt.bill.workload import Workload
from ragopt.records import IndexBytes

BOOK = PriceBook.packaged()
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


def supplied(vendor, region="global", unit="", **usd):
    """The book with prices that a user supplies, in the vendor's units: USD, or (USD, bytes_per_unit) by item.

    An item's `-` is written `_`.
    """
    prices = []
    for name, value in usd.items():
        item = name.replace("_", "-")
        amount, size = value if isinstance(value, tuple) else (value, None)
        price = Price(
            provider=vendor,
            region=region,
            group=vendor,
            item=item,
            unit=unit or TARGETS[vendor].rules.units[item],
            usd=Decimal(amount),
            as_of="2026-11-01",
            source="my contract",
            attributes={} if size is None else {"bytes_per_unit": Decimal(size)},
        )
        prices.append(price)
    return BOOK.over(prices)
