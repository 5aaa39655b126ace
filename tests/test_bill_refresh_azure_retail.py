"""The Azure retail price list becomes blob, VM and spot prices."""

import datetime as dt
from decimal import Decimal

import pytest

from ragopt.bill.price_book import PriceBook
from ragopt.bill.refresh.azure_retail import MOST_PAGES, read_azure_retail
from ragopt.bill.refresh.fetching import Fetcher, FetchLimits
from ragopt.errors import PriceError
from tests.price_server import Answer, PriceServer, page, price

TODAY = dt.date(2026, 11, 23)
LIST = "/api/retail/prices"


def azure(item, usd, unit, group="object_storage"):
    return price(item, usd, unit, group=group, provider="azure", region="eastus")


HOT = azure("azure-hot-storage", "0.0208", "GB-month")
VM = azure("Standard_E8s_v5", "0.5", "hour", "vms")


def read(route, *prices):
    """Serve `route` (or, of a function, what it makes of the query) and read it."""
    with PriceServer() as server, Fetcher(server.url, FetchLimits(timeout_s=2, attempts=1)) as fetcher:
        server.routes[LIST] = (lambda query: route(server, query)) if callable(route) else route
        reading = read_azure_retail(fetcher, PriceBook(prices), TODAY)
        return reading, server.asked


def recorded(server, query):
    """Blobs on two pages, VMs on one."""
    if "$skip" in query:
        return page("azure_blobs_2.json")
    if "Virtual Machines" in query["$filter"][0]:
        return page("azure_vm.json")
    return page("azure_blobs_1.json", ("BASE", server.url))


def refused(answer, *prices):
    reading, _ = read(answer, *(prices or (HOT,)))
    assert reading.found == ()
    (refusal,) = reading.refused
    return refusal


def test_blobs_of_both_pages_are_found():
    """First tiers only, per 10K operations a tenth for 1k: 0.05 / 10 = 0.005; three requests would be one too many."""
    prices = (
        HOT,
        azure("azure-cool-storage", "0.015", "GB-month"),
        azure("azure-hot-put", "0.0055", "1k requests"),
        azure("azure-hot-get", "0.0004", "1k requests"),
        azure("azure-cool-retrieval", "0.01", "GB"),
        azure("azure-archive-storage", "0.001", "GB-month"),
    )
    reading, asked = read(recorded, *prices)
    assert reading.refused == ()
    assert [str(found.new.usd) for found in reading.found] == ["0.0208", "0.0152", "0.005", "0.0004", "0.01", "0.00099"]
    assert {found.new.as_of for found in reading.found} == {"2026-11-23"}
    assert len(asked) == 2
    assert "currencyCode=USD" in asked[0]


def test_a_vm_is_linux_on_demand_and_spot_beside_it():
    """Of five meters of one size, Windows and Low Priority are neither; both prices come from one request."""
    reading, asked = read(recorded, VM, azure("Standard_E8s_v5", "0.06", "hour", "spot"))
    assert [(found.book.group, found.new.usd) for found in reading.found] == [
        ("vms", Decimal("0.504")),
        ("spot", Decimal("0.09324")),
    ]
    assert len(asked) == 1


def test_a_disk_is_priced_by_the_month():
    """P6 is the meter of the list whose names carry its size; 9.6 USD for one disk and month."""
    disk = azure("premium-ssd-p6", "10.21", "disk-month", "block_storage")
    (found,) = read(page("azure_disk.json"), disk)[0].found
    assert (found.new.usd, found.field) == (Decimal("9.6"), "retailPrice of meterName 'P6 LRS Disk'")
    assert refused(page("azure_disk.json"), azure("premium-ssd-p10", "19.71", "disk-month", "block_storage"))


def test_pounds_are_no_dollars():
    """A page in GBP is refused, with the currency that is taken."""
    refusal = refused(page("azure_gbp.json"))
    assert (refusal.field, refusal.found, refusal.allowed) == (
        "the currency of retailPrice of meterName 'Hot LRS Data Stored'", "GBP", "USD")  # fmt: skip


def test_an_empty_list_is_refused():
    """HTTP 200 without items is no free storage."""
    refusal = refused(page("azure_empty.json"))
    assert refusal.found == "not there: the list is empty"
    assert "azure object_storage" not in refusal.sentence
    assert refusal.sentence.startswith("azure eastus object_storage azure-hot-storage: retailPrice of meterName")


@pytest.mark.parametrize(
    ("old", "new", "found", "allowed"),
    [
        ('"retailPrice": 0.0163', '"retailPrice": 0', "0 USD", "a number above 0"),
        ('"retailPrice": 0.0163', '"retailPrice": -0.1', "-0.1 USD", "a number above 0"),
        ('"retailPrice": 0.0163', '"retailPrice": NaN', "NaN USD", "a number above 0"),
        ('"retailPrice": 0.0163', '"retailPrice": Infinity', "Infinity USD", "a number above 0"),
        ('"retailPrice": 0.0163', '"retailPrice": null', "NaN USD", "a number above 0"),
        ('"retailPrice"', '"price"', "NaN USD", "a number above 0"),
        ('"1 GB/Month"', '"1 TB/Month"', "'1 TB/Month'", "'1 GB/Month'"),
        ('"type": "Consumption"', '"type": "Reservation"', "not there", "one meter of type Consumption with tierMin"),
        ('"tierMinimumUnits": 0', '"tierMinimumUnits": 51200', "not there", "one meter of type Consumption"),
        ('"Hot LRS Data Stored"', '"hot LRS Data Stored"', "not there", "one meter of type Consumption"),
        ('"armRegionName": "eastus"', '"armRegionName": "westus"', "not there", "one meter of type Consumption"),
    ],
)
def test_a_meter_that_cannot_be_the_price_is_refused(old, new, found, allowed):
    """Each is reported with what stands there and what would have been taken."""
    refusal = refused(page("azure_gbp.json", ('"currencyCode": "GBP"', '"currencyCode": "USD"'), (old, new)))
    assert refusal.found == found
    assert refusal.allowed.startswith(allowed)


def test_two_prices_of_one_meter_are_refused():
    """Windows at another price, without its name in productName, leaves two prices: neither is taken."""
    refusal = refused(page("azure_vm.json", ("Esv5 Series Windows", "Esv5 Series")), VM)
    assert refusal.found == "there at 0.504 and 0.872 USD"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Items"', '"Meters"', "has no field Items. Allowed: a field Items: list"),
        ('"NextPageLink"', '"Next"', "has no field NextPageLink"),
        ('"NextPageLink": null', '"NextPageLink": 7', "has NextPageLink of the type int. Allowed: str"),
        ('"Items": []', '"Items": [7]', "of the type int. Allowed: dict"),
        ("{", "<", "is no JSON"),
    ],
)
def test_a_list_that_changed_its_shape_is_one_error(old, new, message):
    """The error names the page and the field."""
    with pytest.raises(PriceError) as caught:
        read(page("azure_empty.json", (old, new)), HOT)
    assert message in str(caught.value)


def test_a_list_without_end_is_left():
    """A NextPageLink that always leads on is followed MOST_PAGES times, no more."""
    counter = iter(range(10**6))

    def endless(server, _query):
        link = f'"NextPageLink": "{server.url}{LIST}?$skip={next(counter)}"'
        return page("azure_empty.json", ('"NextPageLink": null', link))

    asked = []
    with PriceServer() as server, Fetcher(server.url, FetchLimits(timeout_s=2, attempts=1)) as fetcher:
        server.routes[LIST] = lambda query: endless(server, query)
        with pytest.raises(PriceError, match=rf"has no end: after {MOST_PAGES} pages .*Allowed: {MOST_PAGES} pages"):
            read_azure_retail(fetcher, PriceBook([HOT]), TODAY)
        asked += server.asked
    assert len(asked) == MOST_PAGES


def test_a_list_that_turns_in_a_circle_is_left():
    """The second visit of a page ends it."""

    def circle(server, _query):
        return page("azure_empty.json", ('"NextPageLink": null', f'"NextPageLink": "{server.url}{LIST}?$skip=1"'))

    with pytest.raises(PriceError, match="has no end: after 2 pages"):
        read(circle, HOT)


def test_a_list_that_leads_elsewhere_is_left():
    """The next page must be on the same host."""
    link = '"NextPageLink": "https://elsewhere.example/api/retail/prices"'
    with pytest.raises(PriceError, match="leads to another host"):
        read(page("azure_empty.json", ('"NextPageLink": null', link)), HOT)


def test_a_list_without_a_date_is_refused():
    """A price without a day is none."""
    answer = Answer(page("azure_empty.json").body, date="")
    with pytest.raises(PriceError, match=r"has Date ''\. Allowed: a date up to 2026-11-23"):
        read(answer, HOT)
