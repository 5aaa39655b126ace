"""AWS offer files become storage, request and network prices."""

import datetime as dt
import json
from decimal import Decimal

import pytest

from ragopt.bill.price_book import PriceBook
from ragopt.bill.refresh.aws_offer_items import OFFER_ITEMS
from ragopt.bill.refresh.aws_offers import read_aws_offers
from ragopt.bill.refresh.fetching import Fetcher, FetchLimits
from ragopt.errors import PriceError
from tests.price_server import Answer, PriceServer, aws_routes, page, price

TODAY = dt.date(2026, 11, 23)
STANDARD = price("s3-standard-storage", "0.023", "GB-month")


def read(routes, *prices):
    with PriceServer(routes) as server, Fetcher(server.url, FetchLimits(timeout_s=2, attempts=1)) as fetcher:
        return read_aws_offers(fetcher, PriceBook(prices), TODAY)


def refused(reading):
    assert reading.found == ()
    (refusal,) = reading.refused
    return refusal


@pytest.mark.parametrize(
    ("known", "usd"),
    [
        (STANDARD, "0.023"),
        (price("s3-deep-archive-storage", "0.00099", "GB-month"), "0.00099"),
        (price("s3-glacier-instant-storage", "0.004", "GiB-month"), "0.004"),
        (price("s3-standard-put", "0.004", "1k requests"), "0.005"),
        (price("s3-standard-get", "0.0004", "1k requests"), "0.0004"),
        (price("s3-glacier-flexible-put", "0.03", "1k requests"), "0.03"),
        (price("s3-deep-archive-put", "0.05", "1k requests"), "0.05"),
        (price("s3-glacier-flexible-retrieval", "0.01", "GB"), "0.01"),
        (price("s3-deep-archive-retrieval", "0.02", "GB"), "0.02"),
        (price("internet-egress", "0.09", "GB", group="network"), "0.09"),
        (price("cross-zone", "0.02", "GB", group="network"), "0.02"),
    ],
    ids=lambda value: getattr(value, "item", ""),
)
def test_each_kind_of_price_is_found(known, usd):
    """The first tier in the book's unit: a request at 0.000005 USD is 0.005 per 1k, 0.01 at each end 0.02 across zones.

    Traps in the recorded pages: a restore under the usage type of a put, a free variant of egress, transfer to another
    region, Deep Archive's staging.
    """
    reading = read(aws_routes(), known)
    assert reading.refused == ()
    (found,) = reading.found
    assert found.new.usd == Decimal(usd)
    assert (found.new.as_of, found.new.unit, found.new.attributes) == ("2026-11-20", known.unit, known.attributes)
    assert found.new.source.startswith("http://127.0.0.1:")
    assert found.new.source.endswith("/20261120180000/us-east-1/index.json")


def test_every_item_of_the_table_is_in_the_recorded_pages():
    """A book with all items of the table finds each of them: the table has no entry that another one hides."""
    names = {"GB-Mo": "GB-month", "GB": "GB", "Requests": "1k requests"}
    prices = [price(one.item, "1", names[one.unit.page], group=one.group) for one in OFFER_ITEMS]
    reading = read(aws_routes(), *prices)
    assert [found.book.item for found in reading.found] == [one.item for one in OFFER_ITEMS if one.offer == "AmazonS3"
            ] + ["s3-deep-archive-storage", "s3-deep-archive-put", "internet-egress", "cross-zone"]  # fmt: skip
    assert reading.refused == ()


def test_other_prices_are_not_asked_for():
    """A price of another provider, or one that no offer has, costs no request."""
    with PriceServer() as server, Fetcher(server.url, FetchLimits()) as fetcher:
        book = PriceBook(
            [price("pd-ssd", "1", "GB-month", provider="gcp"), price("r7g.large", "1", "hour", group="vms")]
        )
        assert read_aws_offers(fetcher, book, TODAY).found == ()
        assert server.asked == []


def test_a_prefix_of_the_region_is_no_other_usage_type():
    """EUC1-TimedStorage-ByteHrs is TimedStorage-ByteHrs in Frankfurt; X-TimedStorage-ByteHrs is something else."""
    routes = aws_routes(('"TimedStorage-ByteHrs"', '"EUC1-TimedStorage-ByteHrs"'))
    assert len(read(routes, STANDARD).found) == 1
    routes = aws_routes(('"TimedStorage-ByteHrs"', '"Annotation-TimedStorage-ByteHrs"'))
    assert refused(read(routes, STANDARD)).found == "not there"


@pytest.mark.parametrize(
    ("old", "new", "field", "found", "allowed"),
    [
        ('"0.0230000000"', '"free"', "pricePerUnit.USD of the product", "NaN USD", "a number above 0"),
        ('"0.0230000000"', '"Infinity"', "pricePerUnit.USD of the product", "Infinity USD", "a number above 0"),
        ('"0.0230000000"', "NaN", "pricePerUnit.USD of the product", "NaN USD", "a number above 0"),
        ('"0.0230000000"', '"0.0"', "pricePerUnit.USD of the product", "0.0 USD", "a number above 0"),
        ('"0.0230000000"', '"-1"', "pricePerUnit.USD of the product", "-1 USD", "a number above 0"),
        ('"USD": "0.0230000000"', '"CNY": "0.0230000000"', "pricePerUnit.USD", "NaN USD", "a number above 0"),
        ('"GB-Mo"', '"TB-Mo"', "the unit of pricePerUnit.USD", "'TB-Mo'", "'GB-Mo'"),
        ('"beginRange": "0"', '"beginRange": "1"', "the product with usagetype", "not there", "one price from"),
    ],
)  # fmt: skip
def test_a_figure_that_cannot_be_a_price_is_refused(old, new, field, found, allowed):
    """Each is reported with page, field, what stands there and what would have been taken."""
    refusal = refused(read(aws_routes((old, new)), STANDARD))
    assert refusal.field.startswith(field)
    assert "TimedStorage-ByteHrs" in refusal.field
    assert refusal.found == found
    assert refusal.page.endswith("us-east-1/index.json")
    assert refusal.allowed.startswith(allowed)


def test_two_prices_for_one_item_are_refused():
    """The put and the restore of Glacier Flexible share a usage type: with one operation they are two prices."""
    routes = aws_routes(('"operation": "RestoreObject"', '"operation": "PutObject"'))
    refusal = refused(read(routes, price("s3-glacier-flexible-put", "0.03", "1k requests")))
    assert refusal.found == "there at 0.0000300000 and 0.0000500000 USD"


def test_a_book_in_another_unit_is_refused():
    """A book that prices a month in TB is not given a price per GB."""
    refusal = refused(read(aws_routes(), price("s3-standard-storage", "23", "TB-month")))
    assert refusal.found == "'GB-Mo', of the book 'TB-month'"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"publicationDate": "2026-11-20T18:00:00Z"', '"published": ""', "has no field publicationDate. Allowed: a fi"),
        ('"2026-11-20T18:00:00Z"', '"soon"', "has publicationDate 'soon'. Allowed: a date up to 2026-11-23"),
        ('"2026-11-20T18:00:00Z"', '"2026-11-25T18:00:00Z"', "has publicationDate '2026-11-25T18:00:00Z'"),
        ('"products": {', '"goods": {', "has no field products. Allowed: a field products: dict"),
        ('"terms": {', '"conditions": {', "has no field terms. Allowed: a field terms.OnDemand: dict"),
        ('"priceDimensions": {', '"dimensions": {', "has no field priceDimensions"),
        ('"pricePerUnit": {', '"price": {', "has no field pricePerUnit"),
        ('"attributes": {', '"attribute": {', "has no field attributes"),
        ('"beginRange": "0"', '"beginRange": 0', "has beginRange of the type int. Allowed: str"),
        ('{\n "formatVersion"', "{\n formatVersion", "is no JSON: Expecting property name"),
    ],
)  # fmt: skip
def test_a_page_that_changed_its_shape_is_one_error(old, new, message):
    """The error names the page and the field; nothing of the page is taken."""
    with pytest.raises(PriceError) as caught:
        read(aws_routes((old, new)), STANDARD)
    assert message in str(caught.value)
    assert str(caught.value).startswith("The price page http://127.0.0.1:")


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("https://elsewhere.example/index.json", "Allowed: a path that begins with / and ends with .json"),
        ("//elsewhere.example/index.json", "leads to another host|answers HTTP 404"),
        ("/offers/index.html", "Allowed: a path that begins with / and ends with .json"),
        ("", "Allowed: a path that begins with / and ends with .json"),
    ],
)
def test_an_index_leads_to_its_own_host_only(link, message):
    """A currentVersionUrl that is no path of this host is refused."""
    routes = aws_routes()
    index = page("aws_AmazonS3_index.json", ("/offers/v1.0/aws/AmazonS3/20261120180000/us-east-1/index.json", link))
    with pytest.raises(PriceError, match=message):
        read({**routes, "/offers/v1.0/aws/AmazonS3/current/region_index.json": index}, STANDARD)


def test_a_region_that_an_offer_lacks_is_named():
    """A region that is not in the index is a field that is not there."""
    with pytest.raises(PriceError, match=r"has no field regions\.mars-1"):
        read(aws_routes(), price("s3-standard-storage", "0.023", "GB-month", region="mars-1"))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff\xfe{", b"[" * 100_000, json.dumps([1]).encode()])
def test_no_page_breaks_the_reader(body):
    """Whatever comes instead of an index is an error that names the page."""
    with pytest.raises(PriceError, match="The price page http"):
        read({"/offers/v1.0/aws/AmazonS3/current/region_index.json": Answer(body)}, STANDARD)
