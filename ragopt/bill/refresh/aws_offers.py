"""AWS offer files: storage, requests, retrieval and network, from pages that need no key.

An index names each region's file; a file holds products by SKU and, apart from them, their terms:
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragopt.bill.refresh.aws_offer_items import OFFER_ITEMS, OfferItem
from ragopt.bill.refresh.aws_region_index import current_offer_url, usage_type_pattern
from ragopt.bill.refresh.outcome import Found, Reading, Refusal
from ragopt.bill.refresh.page_fields import at, json_of, number, published
from ragopt.bill.refresh.quoting import Quote, quoted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from decimal import Decimal

    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.refresh.fetching import Fetcher, Page

ITEMS = {(one.group, one.item): one for one in OFFER_ITEMS}


def read_aws_offers(fetcher: Fetcher, book: PriceBook, today: dt.date) -> Reading:
    """Read what the offer files say of the book's AWS storage and network prices; one file per offer and region.

    Raises:
        PriceError: a page that does not come, is no JSON or has another shape.
    """
    wanted: dict[tuple[str, str], list[tuple[Price, OfferItem]]] = {}
    for price in book:
        item = ITEMS.get((price.group, price.item))
        if price.provider == "aws" and item is not None:
            wanted.setdefault((item.offer, price.region), []).append((price, item))
    results: list[Found | Refusal] = []
    for (offer, region), pairs in wanted.items():
        page = fetcher.get(current_offer_url(fetcher, offer, region))
        content = json_of(page)
        date = published(page, "publicationDate", at(page, content, ["publicationDate"], str), today)
        results += [_read(price, item, page, content, date) for price, item in pairs]
    return Reading.of(results)


def _read(price: Price, item: OfferItem, page: Page, content: Any, as_of: str) -> Found | Refusal:
    usagetype = usage_type_pattern(item.usagetype)
    tiers: set[tuple[str, Decimal]] = set()
    for sku, product in at(page, content, ["products"], dict).items():
        attributes = at(page, product, ["attributes"], dict)
        if usagetype.fullmatch(str(attributes.get("usagetype"))) and all(
            attributes.get(name) == value for name, value in item.attributes.items()
        ):
            tiers.update(_first_tiers(page, content, sku))
    # A free variant of a charge stands beside it under a SKU of its own, in AWSDataTransfer for example.
    charged = {tier for tier in tiers if tier[1] != 0} or tiers
    name = ", ".join(f"{name} {value!r}" for name, value in {"usagetype": item.usagetype, **item.attributes}.items())
    if len(charged) != 1:
        what = "not there" if not charged else f"there at {' and '.join(sorted(str(usd) for _, usd in charged))} USD"
        return Refusal(price, page.url, f"the product with {name}", what, "one price from beginRange 0 on")
    (unit, usd) = next(iter(charged))
    field = f"pricePerUnit.USD of the product with {name}"
    return quoted(price, item.unit, Quote(usd, unit, page.url, field, as_of))


def _first_tiers(page: Page, content: Any, sku: str) -> Iterator[tuple[str, Decimal]]:
    """Unit and USD of the dimensions of a SKU that begin at 0, as the book's prices are those of the first tier."""
    on_demand = at(page, content, ["terms", "OnDemand"], dict)
    for term in at(page, on_demand, [sku], dict).values() if sku in on_demand else ():
        for dimension in at(page, term, ["priceDimensions"], dict).values():
            if at(page, dimension, ["beginRange"], str) == "0":
                usd = at(page, dimension, ["pricePerUnit"], dict).get("USD")
                yield at(page, dimension, ["unit"], str), number(usd)
