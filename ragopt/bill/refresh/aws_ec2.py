"""AWS's EC2 offer: VMs on demand and EBS volumes, from a table of hundreds of megabytes that is read row by row.

The table is the CSV form of the region's offer file: five rows about the file, a row of column names, a row per price
(https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.refresh.aws_region_index import current_offer_url, usage_type_pattern
from ragopt.bill.refresh.fetching import Fetcher, Page
from ragopt.bill.refresh.outcome import Found, Reading, Refusal, Unit
from ragopt.bill.refresh.page_fields import UNTOUCHED, number, published
from ragopt.bill.refresh.quoting import Quote, quoted
from ragopt.errors import PriceError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook

OFFER = "AmazonEC2"

HOUR = Unit("Hrs", ("hour",))

VOLUME_ITEMS = {
    "gp3-storage": ("EBS:VolumeUsage.gp3", Unit("GB-Mo", ("GB-month", "GiB-month"))),
    "gp3-iops": ("EBS:VolumeP-IOPS.gp3", Unit("IOPS-Mo", ("IOPS-month",))),
    # Listed by the GiB/s, which are 1,024 of the MiB/s that AWS writes as MB/s.
    "gp3-throughput": ("EBS:VolumeP-Throughput.gp3", Unit("GiBps-mo", ("MB/s-month",), 1 / Decimal(1024))),
}
"""Items of block_storage: the usage type and unit of each."""

VM_COLUMNS = {
    "Operating System": "Linux",
    "Tenancy": "Shared",
    "Pre Installed S/W": "NA",
    "CapacityStatus": "Used",
}
"""What tells the plain Linux VM from the other prices of its type: licences, dedicated hosts, reserved capacity."""

FIRST_TIER = {"TermType": "OnDemand", "StartingRange": "0", "Currency": "USD"}

COLUMNS = ("usageType", "Unit", "PricePerUnit", *FIRST_TIER, *VM_COLUMNS)

MOST_HEAD_ROWS = 20
"""Rows before the column names: five in 2026-04; more than this is another shape (ragopt's own bound)."""


@dataclass(frozen=True, slots=True)
class Table:
    """What was read of a region's table: its address and day, and unit and USD of each usage type that was asked."""

    url: str
    as_of: str
    prices: Mapping[str, frozenset[tuple[str, Decimal]]]


def read_aws_ec2(fetcher: Fetcher, book: PriceBook, today: dt.date) -> Reading:
    """Read what the EC2 offer says of the book's AWS VMs on demand and gp3 volumes; one table per region.

    Raises:
        PriceError: a table that does not come whole, or has no date or other columns.
    """
    by_region: dict[str, list[tuple[Price, str, Unit]]] = {}
    for price in book:
        place = _place(price)
        if place is not None:
            by_region.setdefault(price.region, []).append((price, *place))
    results: list[Found | Refusal] = []
    for region, wanted in by_region.items():
        url = current_offer_url(fetcher, OFFER, region).removesuffix(".json") + ".csv"
        usagetypes = {usagetype for _, usagetype, _ in wanted}

        def take(found_at: str, lines: Iterator[str], usagetypes: set[str] = usagetypes) -> Table:
            return _table(found_at, lines, usagetypes, today)

        table = fetcher.read_lines(url, take)
        results += [_read(price, usagetype, unit, table) for price, usagetype, unit in wanted]
    return Reading.of(results)


def _place(price: Price) -> tuple[str, Unit] | None:
    if price.provider != "aws":
        return None
    if price.group in {"vms", "gpu_vms"}:
        return f"BoxUsage:{price.item}", HOUR
    return VOLUME_ITEMS.get(price.item) if price.group == "block_storage" else None


def _table(url: str, lines: Iterator[str], usagetypes: set[str], today: dt.date) -> Table:
    head, columns = _head(url, lines)
    as_of = published(Page(url, b"", "", ""), "Publication Date", head.get("Publication Date", ""), today)
    # Most of a million rows are of other terms and usage types: parsing only what can be asked for takes seconds.
    hints = {usagetype.partition(":")[0] for usagetype in usagetypes}
    any_region = usage_type_pattern("")
    found: dict[str, set[tuple[str, Decimal]]] = {}
    for line in lines:
        if "OnDemand" not in line or not any(hint in line for hint in hints):
            continue
        row = dict(zip(columns, _cells(url, line), strict=False))
        usagetype = any_region.sub("", row.get("usageType", ""), count=1)
        if usagetype in usagetypes and _is_wanted(row, usagetype):
            found.setdefault(usagetype, set()).add((row.get("Unit", ""), number(row.get("PricePerUnit"))))
    return Table(url, as_of, {usagetype: frozenset(prices) for usagetype, prices in found.items()})


def _cells(url: str, line: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r")]), []) or [""]
    except csv.Error as error:
        raise PriceError(f"The price page {url} has a row that is no CSV: {error}", next_step=UNTOUCHED) from error


def _head(url: str, lines: Iterator[str]) -> tuple[dict[str, str], list[str]]:
    """The rows about the file, and the column names."""
    head: dict[str, str] = {}
    for _, line in zip(range(MOST_HEAD_ROWS), lines, strict=False):
        cells = _cells(url, line)
        if cells[0] == "SKU":
            missing = [name for name in COLUMNS if name not in cells]
            if missing:
                raise PriceError(f"The price page {url} has no column {missing[0]!r}", allowed=", ".join(COLUMNS),
                                 next_step=UNTOUCHED)  # fmt: skip
            return head, cells
        head[cells[0]] = cells[1] if len(cells) > 1 else ""
    raise PriceError(f"The price page {url} has no row of column names", allowed="a row that begins with SKU",
                     next_step=UNTOUCHED)  # fmt: skip


def _is_wanted(row: dict[str, str], usagetype: str) -> bool:
    columns = {**FIRST_TIER, **(VM_COLUMNS if usagetype.startswith("BoxUsage:") else {})}
    return all(row.get(name) == value for name, value in columns.items())


def _read(price: Price, usagetype: str, unit: Unit, table: Table) -> Found | Refusal:
    prices = table.prices.get(usagetype, frozenset())
    # One charge can be listed in two units; and a free variant can stand beside it.
    prices = frozenset(one for one in prices if one[0] == unit.page) or prices
    prices = frozenset(one for one in prices if one[1] != 0) or prices
    if len(prices) != 1:
        what = f"there at {' and '.join(sorted(str(usd) for _, usd in prices))} USD" if prices else "not there"
        return Refusal(price, table.url, f"the row of usageType {usagetype!r}", what, "one first-tier price on demand")
    (page_unit, usd) = next(iter(prices))
    return quoted(
        price, unit, Quote(usd, page_unit, table.url, f"PricePerUnit of usageType {usagetype!r}", table.as_of)
    )
