"""Google Cloud prices as gcosts publishes them: one file for all regions, made weekly from the Cloud Billing API.

Google's own API needs a key. The file is `pricing.yml` of https://github.com/Cyclenerd/google-cloud-pricing-cost-calculator
(Apache-2.0). Its `month` of a VM already holds the sustained-use discount: an hour on demand is `hour`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from ragopt.bill.refresh.nested_lines import leaves
from ragopt.bill.refresh.outcome import Found, Reading, Refusal, Unit
from ragopt.bill.refresh.page_fields import UNTOUCHED, number, published
from ragopt.bill.refresh.quoting import Quote, quoted
from ragopt.errors import PriceError
from ragopt.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.refresh.fetching import Fetcher

BASE_URL = "https://raw.githubusercontent.com/Cyclenerd/google-cloud-pricing-cost-calculator/master"

HOUR = Unit("hour", ("hour",))
MONTH_OF_HOURS = Unit("month", ("hour",), 1 / Decimal(HOURS_PER_MONTH))
GIB_MONTH = Unit("month", ("GiB-month", "GB-month"))
GIB = Unit("month", ("GiB", "GB"))
"""The file writes `month` over what is per GiB read as well."""

VM_FIELDS = {
    "vms": ("hour", HOUR),
    "gpu_vms": ("hour", HOUR),
    "spot": ("hour_spot", HOUR),
    "vms_1_year": ("month_1y", MONTH_OF_HOURS),
}
"""Groups of VMs: the field of compute.instance.<item>.cost.<region> that prices them."""

STORAGE_PATHS = {
    ("object_storage", "gcs-standard-storage"): (("storage", "bucket", "standard"), GIB_MONTH),
    ("object_storage", "gcs-nearline-storage"): (("storage", "bucket", "nearline"), GIB_MONTH),
    ("object_storage", "gcs-coldline-storage"): (("storage", "bucket", "coldline"), GIB_MONTH),
    # The file's own spelling.
    ("object_storage", "gcs-archive-storage"): (("storage", "bucket", "archiv"), GIB_MONTH),
    ("object_storage", "gcs-nearline-retrieval"): (("storage", "retrieval", "nearline"), GIB),
    ("object_storage", "gcs-coldline-retrieval"): (("storage", "retrieval", "coldline"), GIB),
    ("object_storage", "gcs-archive-retrieval"): (("storage", "retrieval", "archiv"), GIB),
    ("block_storage", "pd-balanced"): (("compute", "storage", "balanced"), GIB_MONTH),
    ("block_storage", "pd-ssd"): (("compute", "storage", "ssd"), GIB_MONTH),
    ("block_storage", "pd-standard"): (("compute", "storage", "hdd"), GIB_MONTH),
    ("block_storage", "pd-extreme"): (("compute", "storage", "extreme"), GIB_MONTH),
    ("block_storage", "hyperdisk-extreme"): (("compute", "storage", "hyperdisk-extreme"), GIB_MONTH),
    ("block_storage", "local-ssd"): (("compute", "storage", "local"), GIB_MONTH),
}
"""Storage: the path down to `cost`, below which each region has a `month`."""


def read_gcp_gcosts(fetcher: Fetcher, book: PriceBook, today: dt.date) -> Reading:
    """Read what gcosts says of the book's Google Cloud prices.

    Raises:
        PriceError: a file that does not come, or without the time it was made at.
    """
    wanted = [(price, place) for price in book if (place := _place(price)) is not None]
    if not wanted:
        return Reading.of(())
    page = fetcher.get(f"{fetcher.base_url}/pricing.yml")
    try:
        text = page.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PriceError(f"The price page {page.url} is no UTF-8 text", next_step=UNTOUCHED) from error
    paths = {path for _, (path, _) in wanted} | {("about", "timestamp")}
    values = {path: value for path, value in leaves(text) if path in paths}
    as_of = published(page, "about.timestamp", _iso(values.get(("about", "timestamp"), "")), today)
    results: list[Found | Refusal] = []
    for price, (path, unit) in wanted:
        field = ".".join(path)
        if path not in values:
            results.append(Refusal(price, page.url, field, "not there", f"USD per {unit.page}"))
        else:
            result = quoted(price, unit, Quote(number(values[path]), unit.page, page.url, field, as_of))
            results.append(_with_month(result, values[path]) if isinstance(result, Found) else result)
    return Reading.of(results)


def _place(price: Price) -> tuple[tuple[str, ...], Unit] | None:
    if price.provider != "gcp":
        return None
    if price.group in VM_FIELDS:
        field, unit = VM_FIELDS[price.group]
        return ("compute", "instance", price.item, "cost", price.region, field), unit
    if (price.group, price.item) not in STORAGE_PATHS:
        return None
    path, unit = STORAGE_PATHS[price.group, price.item]
    return (*path, "cost", price.region, "month"), unit


def _with_month(found: Found, value: str) -> Found:
    """Renew the month that the book keeps beside an hour under a commitment."""
    if "usd_per_month" not in found.new.attributes:
        return found
    attributes = MappingProxyType({**found.new.attributes, "usd_per_month": Decimal(value)})
    return replace(found, new=replace(found.new, attributes=attributes))


def _iso(timestamp: str) -> str:
    """Seconds since 1970 as an ISO time; the text itself where it is no such number, to be refused by its name."""
    try:
        return dt.datetime.fromtimestamp(int(timestamp), tz=dt.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return timestamp
