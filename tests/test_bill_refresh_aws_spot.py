"""The Spot Advisor's savings become estimated spot prices."""

import datetime as dt
from decimal import Decimal

import pytest

from ragopt.bill.price_book import PriceBook
from ragopt.bill.refresh.aws_spot import read_aws_spot
from ragopt.bill.refresh.fetching import Fetcher, FetchLimits
from ragopt.errors import PriceError
from tests.price_server import LAST_MODIFIED, Answer, PriceServer, page, price

TODAY = dt.date(2026, 11, 23)
ON_DEMAND = price("r7g.2xlarge", "0.4284", "hour", group="vms")
SPOT = price("r7g.2xlarge", "0.15", "hour", group="spot")


def advisor(*changes, headers=None):
    recorded = page("aws_spot_advisor.json", *changes)
    return Answer(recorded.body, headers=LAST_MODIFIED if headers is None else headers)


def read(answer, *prices):
    routes = {"/spot-advisor-data.json": answer}
    with PriceServer(routes) as server, Fetcher(server.url, FetchLimits(timeout_s=2, attempts=1)) as fetcher:
        return read_aws_spot(fetcher, PriceBook(prices), TODAY)


def test_a_spot_price_is_on_demand_less_the_saving():
    """0.4284 USD less 67 % = 0.4284 x 0.33 = 0.141372, marked as an estimate with the date of its base."""
    (found,) = read(advisor(), ON_DEMAND, SPOT).found
    assert (found.new.usd, found.new.as_of) == (Decimal("0.141372"), "2026-11-20")
    assert dict(found.new.attributes) == {
        "savings_percent": 67,
        "interruption_percent_low": 20,
        "interruption_percent_high": 100,
    }
    assert found.new.caution.startswith("An estimate: 0.4284 USD on demand (2026-07-10) less 67 %")
    assert found.new.source.endswith("/spot-advisor-data.json")


@pytest.mark.parametrize(
    ("item", "on_demand", "usd", "band"),
    [("g5.xlarge", "1.006", "0.41246", (59, 5, 10)), ("p5.48xlarge", "55.04", "61.6448", (0, 5))],
)
def test_gpus_and_negative_savings(item, on_demand, usd, band):
    """1.006 x 0.41 = 0.41246; a saving of -12 % is dearer than on demand, 55.04 x 1.12 = 61.6448, and no size."""
    prices = (price(item, on_demand, "hour", group="gpu_vms"), price(item, usd, "hour", group="spot"))
    (found,) = read(advisor(), *prices).found
    assert found.new.usd == Decimal(usd)
    assert tuple(found.new.attributes.values()) == band


def test_no_spot_price_in_the_book_is_no_request():
    """A book without AWS spot prices asks nothing: the page is not even there."""
    assert read(Answer(status=404), ON_DEMAND, price("n2", "1", "hour", group="spot", provider="gcp")).found == ()


@pytest.mark.parametrize(
    ("old", "new", "field", "found"),
    [
        ('"s": 67', '"s": 100', "spot_advisor.us-east-1.Linux.r7g.2xlarge.s", "100"),
        ('"s": 67', '"s": -1E+999999', "spot_advisor.us-east-1.Linux.r7g.2xlarge.s", "Decimal('-1E+999999')"),
        ('"s": 67', '"s": null', "spot_advisor.us-east-1.Linux.r7g.2xlarge.s", "None"),
        ('"s": 67', '"s": NaN', "spot_advisor.us-east-1.Linux.r7g.2xlarge.s", "Decimal('NaN')"),
        ('"r": 4', '"r": 7', "spot_advisor.us-east-1.Linux.r7g.2xlarge.r", "7"),
        ('"Linux": {\n    "r7g.2xlarge"', '"Linux": {\n    "r8g.2xlarge"', "spot_advisor.us-east-1.Linux.r7g.2xlarge",
         "not there"),
        ('"us-east-1"', '"us-east-9"', "spot_advisor.us-east-1.Linux.r7g.2xlarge", "not there"),
    ],
)  # fmt: skip
def test_a_saving_that_cannot_be_one_is_refused(old, new, field, found):
    """Each is reported with its field and what stands there; the price stays."""
    reading = read(advisor((old, new)), ON_DEMAND, SPOT)
    (refusal,) = reading.refused
    assert (reading.found, refusal.field, refusal.found) == ((), field, found)


def test_a_type_without_a_price_on_demand_is_refused():
    """A saving alone is no price."""
    (refusal,) = read(advisor(), SPOT).refused
    assert "the book has no such price" in refusal.sentence


@pytest.mark.parametrize(
    ("changes", "headers", "message"),
    [
        ((), {}, "has Last-Modified ''. Allowed: a date up to 2026-11-23"),
        ((), {"Last-Modified": "Fri, 04 Dec 2026 18:00:00 GMT"}, "has Last-Modified 'Fri, 04 Dec 2026"),
        ((('"<5%"', '"few"'),), None, "has ranges.label 'few'. Allowed: a band like <5%, 5-10% or >20%"),
        ((('"spot_advisor"', '"advice"'),), None, "has no field spot_advisor"),
        ((('"r7g.2xlarge": {\n     "s": 67,\n     "r": 4\n    }', '"r7g.2xlarge": 67'),), None, "of the type int"),
        ((('"ranges"', '"bands"'),), None, "has no field ranges"),
    ],
)
def test_a_page_without_date_or_of_another_shape_is_one_error(changes, headers, message):
    """An estimate without a date is worth nothing; a changed shape names its field."""
    with pytest.raises(PriceError) as caught:
        read(advisor(*changes, headers=headers), ON_DEMAND, SPOT)
    assert message in str(caught.value)
