"""The EC2 offer, a table read row by row, becomes prices of VMs on demand and of volumes."""

import datetime as dt
import tracemalloc
from decimal import Decimal

import pytest

from ragopt.bill.price_book import PriceBook
from ragopt.bill.refresh.aws_ec2 import COLUMNS, read_aws_ec2
from ragopt.bill.refresh.fetching import Fetcher, FetchLimits
from ragopt.bill.refresh.refreshing import APIS, refresh
from ragopt.errors import PriceError
from tests.price_server import LAST_MODIFIED, Answer, PriceServer, page, price

TODAY = dt.date(2026, 11, 23)
QUICK = FetchLimits(timeout_s=2, attempts=2, first_wait_s=0.01)
VM = price("r7g.2xlarge", "0.42", "hour", group="vms")
INDEX = "/offers/v1.0/aws/AmazonEC2/current/region_index.json"
TABLE = "/offers/v1.0/aws/AmazonEC2/20261120180000/us-east-1/index.csv"


def routes(*changes):
    return {INDEX: page("aws_AmazonEC2_index.json"), TABLE: page("aws_AmazonEC2.csv", *changes)}


def read(served, *prices, limits=QUICK):
    with PriceServer(served) as server, Fetcher(server.url, limits) as fetcher:
        return read_aws_ec2(fetcher, PriceBook(prices), TODAY)


@pytest.mark.parametrize(
    ("known", "usd"),
    [
        (VM, "0.4284"),
        (price("g5.xlarge", "1", "hour", group="gpu_vms"), "1.006"),
        (price("gp3-storage", "0.09", "GB-month", group="block_storage"), "0.08"),
        (price("gp3-iops", "0.005", "IOPS-month", group="block_storage"), "0.005"),
        (price("gp3-throughput", "0.05", "MB/s-month", group="block_storage"), "0.04"),
    ],
    ids=lambda value: getattr(value, "item", ""),
)
def test_each_kind_of_price_is_found(known, usd):
    """Linux without licence, not reserved; throughput of 40.96 USD per GiB/s is 40.96 / 1024 = 0.04 per MB/s."""
    reading = read(routes(), known)
    assert reading.refused == ()
    (found,) = reading.found
    assert (found.new.usd, found.new.as_of) == (Decimal(usd), "2026-11-20")
    assert found.new.source.endswith(TABLE)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('"BoxUsage:r7g.2xlarge"', '"BoxUsage:r7g.3xlarge"', "not there"),
        ('"Linux"', '"linux"', "not there"),
        ('"USD"', '"CNY"', "not there"),
        ('"0","Inf"', '"5","Inf"', "not there"),
        ('"0.4284000000"', '"free"', "NaN USD"),
        ('"0.4284000000"', '"0.0000000000"', "0E-10 USD"),
        ('"Hrs"', '"Days"', "'Days'"),
        ('"RHEL","Box', '"Linux","Box', "there at 0.4284000000 and 0.5584000000 USD"),
    ],
)
def test_a_row_that_cannot_be_the_price_is_refused(old, new, found):
    """Each is reported with what stands there; the price stays."""
    reading = read(routes((old, new)), VM)
    (refusal,) = reading.refused
    assert (reading.found, refusal.found) == ((), found)
    assert "usageType 'BoxUsage:r7g.2xlarge'" in refusal.field


@pytest.mark.parametrize("prefix", ["USE1-", "EU-", "EUC1-"])
def test_a_region_may_put_its_code_before(prefix):
    """The usage types of a region's own table carry its code, or none."""
    assert len(read(routes(('"BoxUsage:', f'"{prefix}BoxUsage:')), VM).found) == 1


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_is_gone_is_named(column):
    """Another set of columns is another shape: nothing is guessed."""
    with pytest.raises(PriceError, match=f"has no column '{column}'. Allowed: usageType"):
        read(routes((f'"{column}"', '"Other"')), VM)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({TABLE: page("aws_AmazonEC2.csv", ('"Publication Date"', '"Date"'))}, "has Publication Date ''"),
        ({TABLE: page("aws_AmazonEC2.csv", ('"SKU"', '"Sku"'))}, "has no row of column names"),
        ({TABLE: Answer(b"")}, "has no row of column names"),
        ({TABLE: Answer(b"\xff\n" * 100)}, "has no row of column names"),
        ({TABLE: Answer(b"x" * (2**20 + 2**17))}, "has a line of more than 1048576 bytes"),
        ({TABLE: Answer(status=404)}, "answers HTTP 404"),
        ({TABLE: Answer(b'"' + b"x" * 200_000)}, "has a row that is no CSV"),
    ],
    ids=range(7),
)
def test_a_table_of_another_shape_is_one_error(changed, message):
    """The error names the page."""
    with pytest.raises(PriceError) as caught:
        read({**routes(), **changed}, VM)
    assert message in str(caught.value)


def test_a_table_that_breaks_off_is_begun_again():
    """HTTP 503, then the whole table: the second try is read from its first row."""
    assert len(read({**routes(), TABLE: [Answer(status=503), routes()[TABLE]]}, VM).found) == 1


def test_a_table_beyond_its_bound_is_refused():
    """The bound of a page that is read row by row is one of its own."""
    limits = FetchLimits(timeout_s=2, attempts=1, most_streamed_bytes=3000)
    with pytest.raises(PriceError, match="larger than 3000 bytes"):
        read(routes(), VM, limits=limits)


def test_a_long_table_is_never_held_whole():
    """32 MB of rows of other terms are read in less than 8 MB."""
    table = routes()[TABLE].body
    row = next(line for line in table.splitlines(keepends=True) if b'"Reserved"' in line)
    answer = Answer(table + row * (32 * 10**6 // len(row)))
    with PriceServer({**routes(), TABLE: answer}) as server, Fetcher(server.url, QUICK) as fetcher:
        tracemalloc.start()
        try:
            assert len(read_aws_ec2(fetcher, PriceBook([VM]), TODAY).found) == 1
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak_bytes < 8 * 10**6


def test_it_is_asked_only_when_it_is_named():
    """Hundreds of megabytes are not fetched unasked."""
    assert [name for name, api in APIS.items() if not api.by_default] == ["aws-ec2"]


def test_spot_prices_are_made_from_the_renewed_price(tmp_path):
    """On demand moves from 0.42 to 0.4284 in the same refresh: spot is 0.4284 x 0.33 = 0.141372, not 0.1386."""
    advisor = Answer(page("aws_spot_advisor.json").body, headers=LAST_MODIFIED)
    book = PriceBook([VM, price("r7g.2xlarge", "0.15", "hour", group="spot")])
    with PriceServer({**routes(), "/spot-advisor-data.json": advisor}) as server:
        addresses = dict.fromkeys(("aws-ec2", "aws-spot"), server.url)
        report = refresh(book, tmp_path, today=TODAY, addresses=addresses, limits=QUICK)
    assert [one.new.usd for one in report.outcomes["aws-spot"]] == [Decimal("0.141372")]
    assert sorted(path.name for path in report.files) == ["spot.toml", "vms.toml"]
