"""The Azure retail price list: blobs, disks, VMs and spot VMs, page by page.

https://learn.microsoft.com/en-us/rest/api/cost-management/retail-prices/azure-retail-prices. The list has no date of
its own: the figures are those in force on the server's day, the header Date. HTTP 200 without items means that no meter
has these names; and the currency is part of the request, yet only an answer that says USD is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from ragopt.bill.refresh.azure_meters import Meter, filter_of, meter_of
from ragopt.bill.refresh.fetching import Fetcher, Page
from ragopt.bill.refresh.outcome import Found, Reading, Refusal
from ragopt.bill.refresh.page_fields import UNTOUCHED, at, json_of, number, published
from ragopt.bill.refresh.quoting import Quote, quoted
from ragopt.errors import PriceError

if TYPE_CHECKING:
    import datetime as dt

    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook

BASE_URL = "https://prices.azure.com"
API_VERSION = "2023-01-01-preview"

MOST_PAGES = 50
"""Of one filter. A page holds up to 1,000 meters (the API's documentation); the blobs of a region need one or two."""

Entry = tuple[Page, str, dict[str, Any]]
"""An entry of the list with its page and the day of that page."""


def read_azure_retail(fetcher: Fetcher, book: PriceBook, today: dt.date) -> Reading:
    """Read what the retail price list says of the book's Azure prices.

    Raises:
        PriceError: a page that does not come, is no JSON, has another shape, or a list without end.
    """
    listed: dict[str, list[Entry]] = {}
    results = []
    for price in book:
        meter = meter_of(price) if price.provider == "azure" else None
        if meter is None:
            continue
        condition = filter_of(price, meter)
        if condition not in listed:
            listed[condition] = _list(fetcher, condition, today)
        results.append(_read(price, meter, listed[condition], _first_url(fetcher, condition)))
    return Reading.of(results)


def _first_url(fetcher: Fetcher, condition: str) -> str:
    parameters = {"api-version": API_VERSION, "currencyCode": "USD", "$filter": condition}
    return str(httpx.URL(f"{fetcher.base_url}/api/retail/prices", params=parameters))


def _list(fetcher: Fetcher, condition: str, today: dt.date) -> list[Entry]:
    entries: list[Entry] = []
    url = _first_url(fetcher, condition)
    seen: set[str] = set()
    while url:
        if url in seen or len(seen) == MOST_PAGES:
            raise PriceError(f"The price list {_first_url(fetcher, condition)} has no end: after {len(seen)} pages its "
                             f"NextPageLink is {url}", allowed=f"{MOST_PAGES} pages", next_step=UNTOUCHED)  # fmt: skip
        seen.add(url)
        page = fetcher.get(url)
        content = json_of(page)
        day = published(page, "Date", page.date, today)
        entries += [(page, day, at(page, one, [], dict)) for one in at(page, content, ["Items"], list)]
        url = _next_link(page, content)
    return entries


def _next_link(page: Page, content: Any) -> str:
    """Where the list goes on; empty on its last page, whose link is null."""
    link = at(page, content, ["NextPageLink"], object)
    return "" if link is None else at(page, content, ["NextPageLink"], str)


def _is_it(entry: dict[str, Any], price: Price, meter: Meter) -> bool:
    if entry.get("type") != "Consumption" or entry.get("armRegionName") != price.region:
        return False
    if number(entry.get("tierMinimumUnits")) != 0:
        return False
    sku = str(entry.get("skuName"))
    if meter.is_vm:
        return (
            entry.get("armSkuName") == meter.sku
            and "Windows" not in str(entry.get("productName"))
            # "Low Priority" is the older interruptible offer, neither on demand nor spot.
            and "Low Priority" not in sku
            and ("Spot" in sku) == meter.is_spot
        )
    return (entry.get("productName"), sku, entry.get("meterName")) == (meter.product, meter.sku, meter.meter)


def _read(price: Price, meter: Meter, entries: list[Entry], url: str) -> Found | Refusal:
    name = f"{'spot ' * meter.is_spot}{meter.sku}" if meter.is_vm else f"meterName {meter.meter!r}"
    field = f"retailPrice of {name}"
    matches = [entry for entry in entries if _is_it(entry[2], price, meter)]
    if not matches:
        what = "not there" if entries else "not there: the list is empty"
        return Refusal(price, url, field, what, "one meter of type Consumption with tierMinimumUnits 0")
    currencies = {str(entry[2].get("currencyCode")) for entry in matches}
    if currencies != {"USD"}:
        return Refusal(price, url, f"the currency of {field}", " and ".join(sorted(currencies)), "USD")
    # A meter can stand in the list twice, under two names of one place: the same price both times.
    figures = {number(entry[2].get("retailPrice")) for entry in matches}
    units = {str(entry[2].get("unitOfMeasure")) for entry in matches}
    if len(figures) != 1 or len(units) != 1:
        return Refusal(price, url, field, f"there at {' and '.join(sorted(map(str, figures)))} USD", "one price")
    page, day, _ = matches[0]
    return quoted(price, meter.unit, Quote(figures.pop(), units.pop(), page.url, field, day))
