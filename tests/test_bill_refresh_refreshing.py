"""A refresh takes what is plausible, keeps what is not, and overwrites nothing on failure."""

import dataclasses
import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.bill.price_book import PriceBook
from ragopt.bill.price_file import read_prices
from ragopt.bill.refresh.fetching import FetchLimits
from ragopt.bill.refresh.judging import judge
from ragopt.bill.refresh.outcome import Found
from ragopt.bill.refresh.refreshing import refresh
from ragopt.bill.refresh.report import refresh_json, refresh_lines
from ragopt.errors import InputError, PriceError, StorageError
from tests.price_server import LAST_MODIFIED, Answer, PriceServer, aws_routes, page, price

TODAY = dt.date(2026, 11, 23)
STANDARD = price("s3-standard-storage", "0.023", "GB-month", attributes={"bytes_per_unit": Decimal(2**30)})
INSTANT = price("s3-glacier-instant-storage", "0.004", "GB-month")
EGRESS = price("internet-egress", "0.09", "GB", group="network")
HOT = price("azure-hot-storage", "0.0208", "GB-month", provider="azure", region="eastus")
QUICK = FetchLimits(timeout_s=0.3, total_s=1.0, attempts=1, first_wait_s=0.01)
BOOK = PriceBook([STANDARD, INSTANT, EGRESS])


def run(server, folder, book=BOOK, apis=("aws-storage",), **more):
    addresses = dict.fromkeys(apis, server.url)
    return refresh(book, folder, today=TODAY, addresses=addresses, limits=QUICK, **more)


def content(folder):
    """Every file below a folder with its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def statuses(report, api="aws-storage"):
    return {one.book.item: one.status for one in report.outcomes[api]}


def test_a_page_gives_an_undated_price_its_date(tmp_path):
    """The day of reading in the book is later than the page's, and gives way all the same; the file says dated."""
    undated = dataclasses.replace(STANDARD, as_of="2026-11-23", undated=True, caution="an undated copy", file="x.toml")
    with PriceServer(aws_routes()) as server:
        report = run(server, tmp_path, PriceBook([undated]))
    assert statuses(report) == {"s3-standard-storage": "confirmed"}
    (written,) = read_prices(tmp_path / "object_storage.toml")
    assert (written.as_of, written.undated, written.caution, written.file) == ("2026-11-20", False, "", "")


def test_a_page_of_tomorrow_is_of_today(tmp_path):
    """A server east of here may be a day ahead; what is written can be loaded on the same day."""
    with PriceServer(aws_routes()) as server:
        refresh(BOOK, tmp_path, today=dt.date(2026, 11, 19), addresses={"aws-storage": server.url}, limits=QUICK)
    assert {one.as_of for one in read_prices(tmp_path / "object_storage.toml")} == {"2026-11-19"}
    assert BOOK.refreshed(tmp_path, today=dt.date(2026, 11, 19)).told


def test_prices_are_renewed_group_by_group(tmp_path):
    """A changed figure and confirmed ones are written with the page's date and address; attributes stay."""
    with PriceServer(aws_routes(('"0.0230000000"', '"0.0245000000"'))) as server:
        report = run(server, tmp_path / "new" / "prices")
    assert report.is_whole
    assert statuses(report) == {
        "s3-standard-storage": "changed", "s3-glacier-instant-storage": "confirmed", "internet-egress": "confirmed",
    }  # fmt: skip
    assert sorted(path.name for path in report.files) == ["network.toml", "object_storage.toml"]
    instant, standard = read_prices(tmp_path / "new" / "prices" / "object_storage.toml")
    assert (standard.usd, standard.as_of, standard.attributes["bytes_per_unit"]) == (
        Decimal("0.0245"),
        "2026-11-20",
        2**30,
    )
    assert standard.source == f"{server.url}/offers/v1.0/aws/AmazonS3/20261120180000/us-east-1/index.json"
    assert (instant.usd, instant.as_of) == (Decimal("0.004"), "2026-11-20")
    assert (
        "changed    aws us-east-1 object_storage s3-standard-storage: 0.023 -> 0.0245 USD" in refresh_lines(report)[0]
    )


def test_a_jump_is_refused_and_the_others_are_taken(tmp_path):
    """0.0575 is 2.5 times 0.023: that price stays, in the file too; Glacier Instant of the same page is renewed."""
    with PriceServer(aws_routes(('"0.0230000000"', '"0.0575000000"'))) as server:
        report = run(server, tmp_path)
    assert not report.is_whole
    assert statuses(report)["s3-standard-storage"] == "refused"
    assert [one.item for one in read_prices(tmp_path / "object_storage.toml")] == ["s3-glacier-instant-storage"]
    (refusal,) = (one.refusal for one in report.outcomes["aws-storage"] if one.refusal)
    assert refusal.sentence == (
        "aws us-east-1 object_storage s3-standard-storage: pricePerUnit.USD of the product with usagetype "
        f"'TimedStorage-ByteHrs', volumeType 'Standard' in {server.url}/offers/v1.0/aws/AmazonS3/20261120180000/"
        "us-east-1/index.json is 0.0575 USD per GB-month. Allowed: 0.0115 to 0.046 USD, half to twice the book's "
        "0.023; if the new price is right, give it with --prices FILE or by a pull request."
    )


@given(
    old=st.decimals(min_value=Decimal("0.0001"), max_value=100, places=4),
    new=st.decimals(min_value=Decimal("0.0001"), max_value=100, places=4),
)
def test_a_jump_is_more_than_a_factor_of_two(old, new):
    """Exactly half and exactly twice are taken; the oracle compares products, not quotients."""
    known = price("x", str(old), "hour")
    outcome = judge(Found(known, price("x", str(new), "hour", as_of="2026-11-20"), "field"))
    assert (outcome.status == "refused") == (new > 2 * old or 2 * new < old)
    assert (outcome.new is None) == (outcome.status == "refused")


def test_an_older_page_does_not_replace_a_newer_price(tmp_path):
    """The book's price is of the day after the page's: it is kept, nothing is written, and that is no failure."""
    book = PriceBook([price("s3-standard-storage", "0.02", "GB-month", as_of="2026-11-21")])
    with PriceServer(aws_routes()) as server:
        report = run(server, tmp_path, book)
    assert statuses(report) == {"s3-standard-storage": "kept"}
    assert report.is_whole
    assert (report.files, content(tmp_path)) == ((), {})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"/offers/v1.0/aws/AWSDataTransfer/current/region_index.json": Answer(b"{}", wait_s=0.8)}, "timed out"),
        ({"/offers/v1.0/aws/AWSDataTransfer/current/region_index.json": Answer(status=500)}, "HTTP 500"),
        ({"/offers/v1.0/aws/AWSDataTransfer/current/region_index.json": Answer(b'{"regions": ')}, "is no JSON"),
        (aws_routes(('"products"', '"goods"'), offer="AWSDataTransfer"), "has no field products"),
        (aws_routes(('"terms"', '"term"'), offer="AmazonS3"), "has no field terms"),
        (aws_routes(('"2026-11-20T18:00:00Z"', '"2036-11-20T18:00:00Z"'), offer="AmazonS3"), "has publicationDate"),
    ],
    ids=["time-out", "500", "JSON", "products", "terms", "date"],
)
def test_nothing_is_overwritten_on_failure(tmp_path, changed, message):
    """The S3 page would change a price, but a page of the same API fails: every file stays, byte for byte."""
    with PriceServer(aws_routes()) as server:
        assert run(server, tmp_path).is_whole
    before = content(tmp_path)
    assert set(before) == {"network.toml", "object_storage.toml"}
    routes = {**aws_routes(('"0.0230000000"', '"0.0245000000"')), **changed}
    with PriceServer(routes) as server:
        report = run(server, tmp_path)
    assert message in report.failures["aws-storage"]
    assert (report.outcomes, report.files, report.is_whole) == ({}, (), False)
    assert content(tmp_path) == before


def test_one_api_that_fails_does_not_stop_the_others(tmp_path):
    """AWS is down, Azure answers: Azure's price is renewed, and the report tells both."""
    blobs = page(
        "azure_blobs_1.json", ('"BASE/api/retail/prices?$skip=1000"', "null"), ('ce": 0.0208', 'ce": 0.02'),
    )  # fmt: skip
    with PriceServer({"/api/retail/prices": blobs}) as server:
        report = run(server, tmp_path, PriceBook([STANDARD, HOT]), ("aws-storage", "azure"))
    assert list(report.failures) == ["aws-storage"]
    assert [(one.status, one.new.usd) for one in report.outcomes["azure"]] == [("changed", Decimal("0.02"))]
    assert list(content(tmp_path)) == ["object_storage.toml"]


def test_an_undated_copy_gives_way_to_a_page(tmp_path):
    """A book's price with a caution, of a later reading day, is replaced; the caution goes with it."""
    copy = price("s3-standard-storage", "0.02", "GB-month", as_of="2026-11-22", caution="an undated copy")
    with PriceServer(aws_routes()) as server:
        assert statuses(run(server, tmp_path, PriceBook([copy]))) == {"s3-standard-storage": "changed"}
    (one,) = read_prices(tmp_path / "object_storage.toml")
    assert (one.usd, one.as_of, one.caution) == (Decimal("0.023"), "2026-11-20", "")


def test_two_apis_write_into_one_file(tmp_path):
    """Azure's renewal keeps what AWS's wrote a moment before."""
    blobs = page("azure_blobs_1.json", ('"BASE/api/retail/prices?$skip=1000"', "null"))
    with PriceServer({**aws_routes(), "/api/retail/prices": blobs}) as server:
        report = run(server, tmp_path, PriceBook([STANDARD, HOT]), ("aws-storage", "azure"))
    assert report.is_whole
    assert [path.name for path in report.files] == ["object_storage.toml"]
    assert [one.provider for one in read_prices(tmp_path / "object_storage.toml")] == ["aws", "azure"]


def test_a_dry_run_writes_nothing(tmp_path):
    """The report is the same, the folder stays empty."""
    with PriceServer(aws_routes()) as server:
        report = run(server, tmp_path, dry_run=True)
    assert {one.status for one in report.outcomes["aws-storage"]} == {"confirmed"}
    assert (content(tmp_path), len(report.files)) == ({}, 2)
    assert refresh_lines(report)[-1].endswith("network.toml: would be written")


def test_the_report_as_json_has_every_price():
    """Money as decimal strings, each refusal with page, field, found and allowed."""
    spot = price("r7g.2xlarge", "0.01", "hour", group="spot")
    on_demand = price("r7g.2xlarge", "0.4284", "hour", group="vms")
    advisor = Answer(page("aws_spot_advisor.json").body, headers=LAST_MODIFIED)
    with PriceServer({"/spot-advisor-data.json": advisor}) as server:
        report = refresh_json(run(server, None, PriceBook([spot, on_demand]), ("aws-spot", "gcp"), dry_run=True))
    (one,) = report["apis"]["aws-spot"]["prices"]
    assert (one["status"], one["usd_before"], one["found"]) == ("refused", "0.01", "0.141372 USD per hour")
    assert one["field"] == "spot_advisor.us-east-1.Linux.r7g.2xlarge.s"
    assert report["apis"]["gcp"] == {"prices": []}
    assert report["whole"] is False


def test_an_unknown_api_is_named():
    """The names that there are stand beside it, and nothing is asked."""
    with pytest.raises(
        InputError, match=r"no price API 'oracle'\. Allowed: aws-storage, aws-ec2, aws-spot, azure, gcp"
    ):
        refresh(BOOK, None, today=TODAY, addresses={"oracle": "http://127.0.0.1:9"})


def test_a_broken_file_of_the_user_stops_the_refresh(tmp_path):
    """It is named and left as it is."""
    (tmp_path / "object_storage.toml").write_text("schema = 9")
    with PriceServer(aws_routes()) as server, pytest.raises(PriceError, match=r"object_storage\.toml has schema 9"):
        run(server, tmp_path)
    assert content(tmp_path)["object_storage.toml"] == b"schema = 9"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    """A file stands where the folder should be."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with PriceServer(aws_routes()) as server, pytest.raises(StorageError, match="Cannot write"):
        run(server, blocked / "prices")
