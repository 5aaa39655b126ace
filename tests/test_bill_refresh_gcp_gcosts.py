"""gcosts' pricing.yml becomes Google Cloud prices."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from ragopt.bill.price_book import PriceBook
from ragopt.bill.refresh.fetching import Fetcher, FetchLimits
from ragopt.bill.refresh.gcp_gcosts import read_gcp_gcosts
from ragopt.errors import PriceError
from tests.price_server import Answer, PriceServer, page, price

TODAY = dt.date(2026, 11, 23)


def gcp(item, usd, unit, group, region="us-central1"):
    return price(item, usd, unit, group=group, provider="gcp", region=region)


VM = gcp("n2-highmem-8", "0.52", "hour", "vms")


def read(answer, *prices):
    routes = {"/pricing.yml": answer}
    with PriceServer(routes) as server, Fetcher(server.url, FetchLimits(timeout_s=2, attempts=1)) as fetcher:
        return read_gcp_gcosts(fetcher, PriceBook(prices), TODAY)


@pytest.mark.parametrize(
    ("known", "usd"),
    [
        (VM, "0.524056"),
        (gcp("n2-highmem-8", "0.5", "hour", "vms", region="europe-west4"), "0.576944"),
        (gcp("g2-standard-4", "0.7", "hour", "gpu_vms"), "0.706832255"),
        (gcp("n2-highmem-8", "0.25", "hour", "spot"), "0.24856"),
        (gcp("n2-highmem-8", "0.3", "hour", "vms_1_year"), "0.330136"),
        (gcp("pd-ssd", "0.17", "GiB-month", "block_storage"), "0.17"),
        (gcp("gcs-standard-storage", "0.02", "GiB-month", "object_storage"), "0.02"),
        (gcp("gcs-archive-storage", "0.0012", "GB-month", "object_storage"), "0.0012"),
        (gcp("gcs-nearline-retrieval", "0.01", "GiB", "object_storage"), "0.01"),
    ],
    ids=lambda value: f"{value.group}-{value.region}" if hasattr(value, "group") else value,
)
def test_each_kind_of_price_is_found(known, usd):
    """On demand is `hour`, not the discounted `month`; a one-year month of 240.99928 / 730 h = 0.330136 USD an hour."""
    reading = read(page("gcosts_pricing.yml"), known)
    assert reading.refused == ()
    (found,) = reading.found
    assert (found.new.usd, found.new.as_of) == (Decimal(usd), "2026-11-19")


def test_a_division_is_rounded_to_a_millionth_of_a_millionth():
    """325.07215214 / 730 = 0.44530431799999..., kept to 12 digits."""
    (found,) = read(page("gcosts_pricing.yml"), gcp("g2-standard-4", "0.4", "hour", "vms_1_year")).found
    assert found.new.usd == (Decimal("325.07215214") / 730).quantize(Decimal("1E-12"))


def test_the_month_of_a_commitment_is_renewed_with_its_hour():
    """The book keeps the month beside the hour: both are of the same page."""
    known = gcp("g2-standard-4", "0.4", "hour", "vms_1_year")
    known = replace(known, attributes={"usd_per_month": Decimal("300.1")})
    (found,) = read(page("gcosts_pricing.yml"), known).found
    assert found.new.attributes == {"usd_per_month": Decimal("325.07215214")}


def test_what_the_file_lacks_is_refused():
    """A machine type, a region and a class that are not there are named by their path."""
    fields = [
        read(page("gcosts_pricing.yml"), known).refused[0].field
        for known in (
            gcp("n9-mega", "1", "hour", "vms"),
            gcp("n2-highmem-8", "1", "hour", "vms", region="mars-west1"),
            gcp("gcs-coldline-storage", "1", "GiB-month", "object_storage"),
        )
    ]
    assert fields == [
        "compute.instance.n9-mega.cost.us-central1.hour",
        "compute.instance.n2-highmem-8.cost.mars-west1.hour",
        "storage.bucket.coldline.cost.us-central1.month",
    ]


@pytest.mark.parametrize("value", ["0", "-0.5", ".nan", "NaN", "cheap", "1,5", "inf", "sNaN", "1E+999999"])
def test_a_figure_that_cannot_be_a_price_is_refused(value):
    """The file writes 0 for types that a region does not sell; nothing of this kind is a price."""
    reading = read(page("gcosts_pricing.yml", ("hour: 0.524056", f"hour: {value}")), VM)
    (refusal,) = reading.refused
    assert (reading.found, refusal.field) == ((), "compute.instance.n2-highmem-8.cost.us-central1.hour")
    assert refusal.allowed == "a number above 0 up to 1,000,000,000"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (page("gcosts_pricing.yml", ("timestamp: 1795060436", "timestamp: soon")), "has about.timestamp 'soon'"),
        (page("gcosts_pricing.yml", ("timestamp: 1795060436\n", "x: 1\n")), "has about.timestamp ''"),
        (page("gcosts_pricing.yml", ("1795060436", "1895060436")), "has about.timestamp '2030-01-19"),
        (page("gcosts_pricing.yml", ("1795060436", "9" * 30)), "has about.timestamp '999"),
        (Answer(b"404: Not Found"), "has about.timestamp ''"),
        (Answer(b"\xff\xfe\x00"), "is no UTF-8 text"),
        (Answer(b""), "has about.timestamp ''"),
    ],
    ids=range(7),
)
def test_a_file_without_its_time_is_one_error(answer, message):
    """A price without a day is none; the file's own time is the day."""
    with pytest.raises(PriceError) as caught:
        read(answer, VM)
    assert message in str(caught.value)


def test_no_google_price_in_the_book_is_no_request():
    """A book without them asks nothing, and groups that the file lacks are not asked for."""
    others = (price("r7g.large", "0.1", "hour", group="vms"), gcp("internet-egress", "0.12", "GiB", "network"))
    assert read(Answer(status=404), *others).found == ()
