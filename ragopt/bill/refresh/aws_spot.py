"""AWS Spot Advisor: what running interruptible instances saved over the past month, as a percentage of on demand.

The page has no prices and no date: a price is on demand less that saving, marked as an estimate, and its date is the
header Last-Modified. A saving can be below 0: spot above on demand, as of some GPUs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ragopt.bill.refresh.outcome import Found, Reading, Refusal, Unit
from ragopt.bill.refresh.page_fields import UNTOUCHED, at, json_of, number, published
from ragopt.bill.refresh.quoting import Quote, quoted
from ragopt.errors import PriceError

if TYPE_CHECKING:
    import datetime as dt

    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.refresh.fetching import Fetcher, Page

BASE_URL = "https://spot-bid-advisor.s3.amazonaws.com"

HOUR = Unit("hour", ("hour",))

BAND = re.compile(r"(?:(?P<low>\d+)-(?P<high>\d+)|<(?P<below>\d+)|>(?P<above>\d+))%")
"""How the page writes its bands of monthly interruption: `<5%`, `5-10%`, `>20%`."""

LEAST_SAVING = Decimal(-1000)
"""In percent: eleven times on demand. ragopt's own bound against nonsense; the Advisor's least was -62 in 2025-06."""

Band = tuple[Decimal, Decimal]


def read_aws_spot(fetcher: Fetcher, book: PriceBook, today: dt.date) -> Reading:
    """Read what the Spot Advisor says of the book's AWS spot prices.

    Raises:
        PriceError: a page that does not come, is no JSON, has no date or another shape.
    """
    wanted = [price for price in book if price.provider == "aws" and price.group == "spot"]
    if not wanted:
        return Reading.of(())
    page = fetcher.get(f"{fetcher.base_url}/spot-advisor-data.json")
    content = json_of(page)
    as_of = published(page, "Last-Modified", page.last_modified, today)
    bands = _bands(page, content)
    on_demand = {(price.region, price.item): price for price in book
                 if price.provider == "aws" and price.group in {"vms", "gpu_vms"}}  # fmt: skip
    results = [
        _read(price, on_demand.get((price.region, price.item)), page, content, as_of=as_of, bands=bands)
        for price in wanted
    ]
    return Reading.of(results)


def _bands(page: Page, content: Any) -> dict[int, Band]:
    bands = {}
    for entry in at(page, content, ["ranges"], list):
        label = at(page, entry, ["label"], str)
        found = BAND.fullmatch(label)
        if found is None:
            raise PriceError(f"The price page {page.url} has ranges.label {label!r}",
                             allowed="a band like <5%, 5-10% or >20%", next_step=UNTOUCHED)  # fmt: skip
        low = found["low"] or found["above"] or "0"
        high = found["high"] or found["below"] or "100"
        bands[at(page, entry, ["index"], int)] = (Decimal(low), Decimal(high))
    return bands


def _read(
    price: Price, on_demand: Price | None, page: Page, content: Any, *, as_of: str, bands: dict[int, Band]
) -> Found | Refusal:
    if on_demand is None:
        return Refusal(price, page.url, "the saving on the price on demand", "of no use: the book has no such price",
                       f"an entry {price.item} in vms or gpu_vms")  # fmt: skip
    path = ("spot_advisor", price.region, "Linux", price.item)
    types = at(page, content, path[:1], dict).get(price.region, {})
    linux = at(page, types, ["Linux"], dict) if types else {}
    if price.item not in linux:
        return Refusal(price, page.url, ".".join(path), "not there", "a saving s and a band r")
    entry = at(page, linux, [price.item], dict)
    saving, band = number(entry.get("s")), entry.get("r")
    if not (saving.is_finite() and LEAST_SAVING <= saving < 100):
        return Refusal(price, page.url, ".".join((*path, "s")), repr(entry.get("s")),
                       f"a percentage from {LEAST_SAVING} to below 100")  # fmt: skip
    if band not in bands:
        return Refusal(price, page.url, ".".join((*path, "r")), repr(band), f"an index of ranges: {sorted(bands)}")
    estimate = on_demand.usd * (1 - saving / 100)
    found = quoted(price, HOUR, Quote(estimate, on_demand.unit, page.url, ".".join((*path, "s")), as_of))
    return found if isinstance(found, Refusal) else _as_estimate(found, on_demand, saving, bands[band])


def _as_estimate(found: Found, on_demand: Price, saving: Decimal, band: Band) -> Found:
    attributes = {
        **found.new.attributes,
        "savings_percent": saving,
        "interruption_percent_low": band[0],
        "interruption_percent_high": band[1],
    }
    if saving < 0:
        # The book's sizes are never negative; the price itself says that spot is the dearer one.
        del attributes["savings_percent"]
    caution = (
        f"An estimate: {on_demand.usd.normalize():f} USD on demand ({on_demand.as_of}) less {saving} %, the saving "
        "over the past month; zones differ and the price moves by the hour"
    )
    return replace(found, new=replace(found.new, attributes=MappingProxyType(attributes), caution=caution))
