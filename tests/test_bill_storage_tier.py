"""Storage tiers: worked examples by hand and from providers' pages, a simulated calendar as oracle, what must hold."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.price_book import PriceBook
from ragopt.bill.storage_tier import compare_tiers, tier_charges
from ragopt.bill.storage_tier_facts import FREE, TIERS
from ragopt.errors import InputError, PriceError
from tests.storage_prices import GIB, MIB, PLACES, REQUESTS, TIB, a_price, storage_book, storage_prices

BOOK = storage_book()
AWS = PLACES["s3"]


def bills_of(n_bytes=TIB, reads="0.1", size=MIB, writes="0", hours="0", place=AWS, book=BOOK):
    every = compare_tiers(n_bytes, Decimal(reads), size, Decimal(writes), Decimal(hours), *place, book)
    return {bill.tier: bill for bill in every}


def lines_of(tier, n_bytes=TIB, reads="0.1", size=MIB, writes="0", hours="0", place=AWS, book=BOOK):
    return charges_of(tier, n_bytes, reads, size, writes, hours, place, book).lines


def charges_of(tier, n_bytes=TIB, reads="0.1", size=MIB, writes="0", hours="0", place=AWS, book=BOOK, loads="0"):
    return tier_charges(n_bytes, Decimal(reads), size, Decimal(writes), Decimal(hours), *place, book, tier,
                        part="documents", what="Documents", loads_per_month=Decimal(loads))  # fmt: skip


def shown(lines):
    return [(line.item, line.usd) for line in lines]


def test_one_tebibyte_read_every_ten_months_in_every_s3_class():
    """1 TiB = 1,024 billed GB in 1,048,576 objects of 1 MiB, a tenth of it read a month, which may wait for 48 hours.

    Standard          1,024 x 0.023 = 23.552 -> 23.55; gets 104.8576 k x 0.0004 = 0.0419 -> 0.04          = 23.59
    Standard-IA       1,024 x 0.0125 = 12.80; gets x 0.001 = 0.10; 102.4 GB x 0.01 = 1.02                 = 13.92
    One Zone-IA       1,024 x 0.01 = 10.24; 0.10; 1.02                                                    = 11.36
    Glacier Instant   1,024 x 0.004 = 4.096 -> 4.10; gets x 0.01 = 1.05; 102.4 x 0.03 = 3.07              =  8.22
    Glacier Flexible  (1,024 + 32 of 32 KiB an object) x 0.0036 = 3.80; 8 KiB an object = 8 GB x 0.023 = 0.18;
                      104.8576 k x (restore 0.05 + get 0.0004) = 5.28; bulk is free per GB; copies for a day
                      102.4 GB x 24/730 months x 0.023 = 0.08                                             =  9.34
    Deep Archive      1,056 x 0.00099 = 1.05; 0.18; 104.8576 k x (bulk 0.025 + 0.0004) = 2.66;
                      102.4 x 0.0025 = 0.26; copies 0.08                                                  =  4.23
    """
    usd = {name: bill.usd_per_month for name, bill in bills_of(hours="48").items() if name.startswith("s3")}
    assert usd == {
        "s3-standard": Decimal("23.59"), "s3-standard-ia": Decimal("13.92"), "s3-one-zone-ia": Decimal("11.36"),
        "s3-glacier-instant": Decimal("8.22"), "s3-glacier-flexible": Decimal("9.34"),
        "s3-deep-archive": Decimal("4.23"),
    }  # fmt: skip
    assert shown(lines_of("s3-deep-archive", hours="48")) == [
        ("Documents kept in s3-deep-archive", Decimal("1.05")),
        ("Documents in s3-deep-archive: names and metadata in s3-standard", Decimal("0.18")),
        ("Documents in s3-deep-archive: requests s3-deep-archive-get-bulk", Decimal("2.66")),
        ("Documents in s3-deep-archive: retrieval (bulk, up to 48 hours)", Decimal("0.26")),
        ("Documents in s3-deep-archive: restored copies in s3-standard", Decimal("0.08")),
    ]


@pytest.mark.parametrize(
    ("hours", "option", "usd"), [("5", "standard", Decimal("1774.00")), ("0.1", "expedited", Decimal("153072.00"))]
)
def test_the_provider_s_own_example_of_a_glacier_restore(hours, option, usd):
    """AWS (repost.aws/knowledge-center/s3-manage-data-retrieval): 15 M objects, 100 TB = 102,400 GB, read once.

    Standard: 15,000 x 0.05 + 102,400 x 0.01 = 750 + 1,024 = 1,774 USD. Expedited: 15,000 x 10 + 102,400 x 0.03 =
    150,000 + 3,072 = 153,072 USD. Not in that example: a get after each restore, 15,000 x 0.0004 = 6 USD, and copies.
    """
    each = 7_330_078  # 102,400 GB / 15 M, rounded up
    lines = lines_of("s3-glacier-flexible", n_bytes=15_000_000 * each, size=each, reads="1", hours=hours)
    restored = [line for line in lines if "s3-glacier-flexible-get" in line.item or f"retrieval ({option}" in line.item]
    assert sum(line.usd for line in restored) - 6 == usd


def test_the_own_example_of_r2():
    """Cloudflare's example: 1,000 objects of 1 GB written once, each read 1,000 times, in Standard: 14.85 USD.

    It takes off its free tier: 10 GB (0.15) and 1 M reads (0.36). Without it: 15.00 + 0.36; 1,000 writes are no cent.
    """
    bill = bills_of(10**12, "1000", 10**9, "1", place=PLACES["r2"])["r2-standard"]
    assert bill.usd_per_month == Decimal("14.85") + Decimal("0.15") + Decimal("0.36")
    assert bill.by_name_only == ""


def test_rewrites_before_the_shortest_stay_are_billed_for_it():
    """1 TiB in Glacier Instant, rewritten 4 times a month: each copy stays 7.6 days and is billed for 90.

    4 x 90 x 24 / 730 = 11.835616 copies: 1,024 x 11.835616 x 0.004 = 48.48; puts 4 x 1,048.576 k x 0.02 = 83.89.
    Rewritten every 4 months it stays 121.7 days, more than 90: one copy is billed.
    """
    often = lines_of("s3-glacier-instant", reads="0", writes="4")
    assert [line.usd for line in often] == [Decimal("48.48"), Decimal("83.89")]
    assert often[0].formula == (
        "1,099,511,627,776 bytes, at least 131,072 an object, x 4 rewrites x 90 billed days / 30.4167"
    )
    assert lines_of("s3-glacier-instant", reads="0", writes="0.25")[0].usd == Decimal("4.10")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.sampled_from([30, 90, 180, 365]))
def test_the_shortest_stay_agrees_with_a_calendar(rewrites_per_year, min_days):
    """A calendar of single copies, each billed from its own upload to the later of its end and its shortest stay."""
    book = storage_book().over([a_price("gcs-archive-storage", "1", "GB-month", bytes_per_unit=GIB, min_days=min_days)])
    writes = Decimal(rewrites_per_year) / 12
    line = lines_of("gcs-archive", GIB, "0", GIB, writes, place=PLACES["gcs"], book=book)[0]
    n_copies = 1000
    days_between = 365 / rewrites_per_year
    billed = sum(max(days_between * (i + 1), days_between * i + min_days) - days_between * i for i in range(n_copies))
    assert float(line.quantity) == pytest.approx(billed / (n_copies * days_between), rel=1e-6)


def test_small_objects_are_billed_at_the_smallest_size():
    """10 GiB in objects of 4 KiB are 2,621,440 objects; at 128 KiB each they are billed as 320 GB in the IA class.

    Standard: 10 x 0.023 = 0.23. IA: 320 x 0.0125 = 4.00. Deep Archive: 10 + 2,621,440 x 32 KiB = 90 GB x 0.00099 =
    0.09 and 2,621,440 x 8 KiB = 20 GB x 0.023 = 0.46. A last object that is part full is billed whole: 4 KiB + 1 byte
    are two objects, 256 KiB.
    """
    bills = bills_of(10 * GIB, "0", 4096, hours="48")
    usd = {name: bill.usd_per_month for name, bill in bills.items()}
    assert (usd["s3-standard"], usd["s3-standard-ia"]) == (Decimal("0.23"), Decimal("4.00"))
    assert usd["s3-deep-archive"] == Decimal("0.55")
    assert bills_of(4097, "0", 4096)["s3-standard-ia"].usd_fixed == Decimal("0.000244") * Decimal("0.0125")


def test_a_tier_that_answers_too_late_is_named_with_its_hours():
    """Deep Archive takes 12 hours at least: no choice for reads that wait for 5; Flexible then is standard."""
    bills = bills_of(hours="5")
    assert bills["s3-deep-archive"].why_not == "its first byte takes up to 12 hours, more than 5"
    assert (bills["s3-glacier-flexible"].retrieval, bills["s3-glacier-flexible"].hours) == ("standard", Decimal(5))
    with pytest.raises(InputError, match="first byte takes up to 12 hours, more than 5"):
        lines_of("s3-deep-archive", hours="5")
    assert bills_of(place=PLACES["gcs"])["gcs-archive"].usd_per_month is not None


def test_a_missing_request_price_is_said_and_never_taken_for_nothing():
    """Without its get price Glacier Instant has no bill, the next cheapest is taken; without reads it needs none."""
    book = storage_book(without={"s3-glacier-instant-get"})
    bill = bills_of(book=book)["s3-glacier-instant"]
    assert bill.usd_per_month is None
    assert bill.why_not == (
        "not billed: No price for s3-glacier-instant-get at aws us-east-1 in ragopt/bill/prices/object_storage.toml"
    )
    assert "s3-standard-ia" in lines_of("cheapest", book=book)[0].item
    with pytest.raises(PriceError, match="s3-glacier-instant-get at aws us-east-1"):
        lines_of("s3-glacier-instant", book=book)
    unread = bills_of(reads="0", book=book)["s3-glacier-instant"]
    assert (unread.usd_per_month, unread.usd_per_read) == (Decimal("4.10"), None)
    with pytest.raises(PriceError, match=r"No storage tier of gcp us-central1 .*gcs-standard: not billed"):
        lines_of("cheapest", place=PLACES["gcs"], book=storage_book(without=set(REQUESTS)))


def test_the_packaged_book_reads_deep_archive_in_bulk():
    """10^12 bytes in 10^6 objects of 1 MB at the book's own prices, a tenth read a month, which may wait 48 hours.

    kept      10^12 bytes + 10^6 x 32 KiB = 931.3226 + 30.5176 GB of 2^30 = 961.8402 x 0.00099 = 0.95
    names     10^6 x 8 KiB = 7.6294 GB x 0.023                                                   = 0.18
    requests  0.1 x 1,000 k x (bulk restore 0.025 + get 0.0004)                                  = 2.54
    bytes     93.1323 GB x 0.0025                                                                = 0.23
    copies    93.1323 GB x 24 / 730 x 0.023                                                      = 0.07
    together 3.97. In 12 hours it is read by standard: 100 k x 0.1004 = 10.04 and 93.1323 x 0.02 = 1.86 in their place.
    """
    book = PriceBook.packaged()
    lines = lines_of("cheapest", 10**12, "0.1", 10**6, hours="48", book=book)
    assert [line.usd for line in lines] == [Decimal(usd) for usd in ("0.95", "0.18", "2.54", "0.23", "0.07")]
    assert sum(line.usd for line in lines) == Decimal("3.97")
    assert lines[3].item == "Documents in s3-deep-archive: retrieval (bulk, up to 48 hours)"
    sooner = lines_of("s3-deep-archive", 10**12, "0.1", 10**6, hours="12", book=book)
    assert [line.usd for line in sooner][2:4] == [Decimal("10.04"), Decimal("1.86")]


def test_the_packaged_book_has_a_price_of_every_way_to_read_s3():
    """Whatever a read of an S3 class may wait for, no way of reading it is left out for want of a price."""
    bills = bills_of(hours="48", book=PriceBook.packaged())
    assert {name: bill.ways_without_price for name, bill in bills.items() if name.startswith("s3-")} == {
        name: () for name in TIERS if name.startswith("s3-")
    }
    expedited = bills_of(10**12, "0.1", 10**9, hours="1", book=PriceBook.packaged())["s3-glacier-flexible"]
    # 0.1 x 1 k x 10.0004 = 1.00 and 93.1323 GB x 0.03 = 2.79
    assert (expedited.retrieval, [line.usd for line in expedited.lines][1:3]) == (
        "expedited", [Decimal("1.00"), Decimal("2.79")]
    )  # fmt: skip


@pytest.mark.parametrize("missing", ["s3-deep-archive-get-bulk", "s3-deep-archive-retrieval-bulk"])
def test_a_way_of_reading_without_a_price_is_named(missing):
    """Without a price of bulk, Deep Archive is billed as read by standard, and the bill says what was left out."""
    book = storage_book(without={missing})
    (way,) = bills_of(hours="48", book=book)["s3-deep-archive"].ways_without_price
    where = f"bulk not compared: No price for {missing} at aws us-east-1 in ragopt/bill/prices/object_storage.toml"
    assert way == where
    for tier in ("s3-deep-archive", "cheapest"):
        assert charges_of(tier, hours="48", book=book).notes == (f"Documents in s3-deep-archive: retrieval {where}.",)
        assert charges_of(tier, hours="48", reads="0", book=book).notes == ()
    assert charges_of("s3-standard", hours="48", book=book).notes == ()
    assert charges_of("cheapest", hours="12", book=book).notes == ()
    assert bills_of(hours="48", reads="0", book=book)["s3-deep-archive"].ways_without_price == (where,)


def test_tiers_that_could_not_be_compared_are_named():
    """Without their put prices Coldline and Archive cannot be compared once something is written; else they can."""
    book = storage_book(without={"gcs-coldline-put", "gcs-archive-put"})
    charges = charges_of("cheapest", place=PLACES["gcs"], book=book, loads="0.1")
    assert "gcs-nearline" in charges.lines[0].item
    (note,) = charges.notes
    assert note.startswith("Documents: gcs-coldline, gcs-archive not compared: No price for gcs-coldline-put at gcp ")
    assert note.endswith("ragopt/bill/prices/object_storage.toml.")
    assert charges_of("gcs-nearline", place=PLACES["gcs"], book=book, loads="0.1").notes == ()
    assert charges_of("cheapest", place=PLACES["gcs"], book=book).notes == ()


def test_the_first_upload_is_not_in_a_month_in_use():
    """Glacier Instant at 0.1 reads: 8.22; a twelfth of 1,048.576 k puts x 0.02 = 1.75 more, once."""
    charges = charges_of("cheapest", loads=str(Decimal(1) / 12))
    assert (sum(line.usd for line in charges.lines), charges.usd_before_minimum) == (Decimal("9.97"), Decimal("8.22"))


def test_what_costs_nothing_is_declared_with_a_page():
    """Every price item that a tier asks for is in the book or declared free, with the page that says so."""
    known = {price.item for price in storage_prices()} | set(FREE)
    for tier in TIERS.values():
        assert tier.source.startswith("https://")
        for way in tier.retrievals:
            if (tier.name, way.name) != ("azure-archive", "high"):  # no price of it in this book
                assert {way.bytes_item, *way.request_items} <= known
    assert all(page.startswith("https://") for page in FREE.values())


def test_the_facts_agree_with_the_book():
    """Where a price of the package states a shortest stay, a smallest object, an overhead or a wait, it is ours too."""
    prices = {price.item: price.attributes for price in PriceBook.packaged() if price.group == "object_storage"}
    for tier in TIERS.values():
        ours = {
            "min_days": tier.min_days, "min_object_bytes": tier.min_object_bytes,
            "overhead_bytes": tier.overhead_bytes, "overhead_standard_bytes": tier.hot_overhead_bytes,
        }  # fmt: skip
        theirs = prices.get(f"{tier.name}-storage", {})
        assert {name: theirs[name] for name in ours if name in theirs} == {
            name: ours[name] for name in ours if name in theirs
        }
        for way in tier.retrievals:
            assert prices.get(way.bytes_item, {}).get("retrieval_hours", way.hours) == way.hours


def test_r2_and_one_zone_have_to_be_asked_for():
    """R2 would be cheapest for hot data on AWS, but `cheapest` stays with the provider; by name it is billed.

    1 TiB read ten times a month: R2 1,099.511628 GB x 0.015 = 16.49 and 10,485.76 k gets x 0.00036 = 3.77; nothing for
    what leaves it. Written once a month from AWS, 1,024 GB x 0.09 = 92.16 are paid to AWS, and 4.72 for puts.
    """
    bills = bills_of(reads="10")
    assert next(iter(bills)) == "r2-standard"
    assert bills["r2-standard"].by_name_only == "Cloudflare holds it"
    assert bills["s3-one-zone-ia"].by_name_only
    assert "s3-standard" in lines_of("cheapest", reads="10")[0].item
    assert shown(lines_of("r2-standard", reads="10", writes="1")) == [
        ("Documents kept in r2-standard", Decimal("16.49")),
        ("Documents in r2-standard: requests r2-standard-put", Decimal("4.72")),
        ("Documents sent from aws to r2-standard", Decimal("92.16")),
        ("Documents in r2-standard: requests r2-standard-get", Decimal("3.77")),
    ]


def test_azure_archive_is_read_through_hot_copies():
    """1 TiB of 1 GiB blobs read once from Azure's archive: restores, writes and reads of the copies, and their day.

    2.048 kept; 1.024 k x (0.55 + 0.0055 + 0.00044) = 0.56 + 0.01 + 0.00; 1,024 x 0.02 = 20.48; copies 1,024 x 24/730 x
    0.0208 = 0.70.
    """
    lines = lines_of("azure-archive", reads="1", size=GIB, hours="15", place=PLACES["azure"])
    assert [line.usd for line in lines] == [Decimal(usd) for usd in ("2.05", "0.56", "0.01", "20.48", "0.70")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tier": "s3-standrad"}, "no storage tier 's3-standrad'. Allowed: cheapest, "),
        ({"n_bytes": -1}, "n_bytes is -1. Allowed: 0 or more"),
        ({"size": 0}, "object_bytes is 0. Allowed: 1 or more"),
        ({"reads": "NaN"}, "reads_per_month is NaN"),
        ({"writes": "-1"}, "writes_per_month is -1"),
        (
            {"place": ("oracle", "us-ashburn-1")},
            "No storage tiers are known for provider 'oracle'. Allowed: aws, azure",
        ),
    ],
)
def test_what_cannot_be_billed_is_refused(change, message):
    """One clear error for an unknown tier or provider and for impossible figures."""
    with pytest.raises(InputError, match=message):
        lines_of(**{"tier": "cheapest", **change})


def test_an_unknown_unit_of_requests_is_refused():
    """A price per day of requests is no price that can be used."""
    book = storage_book().over([a_price("s3-standard-get", "0.4", "1k days")])
    assert "has the unit '1k days'" in bills_of(book=book)["s3-standard"].why_not


AMOUNTS = {
    "n_bytes": st.integers(0, 10**15), "reads": st.decimals(0, 100, places=3), "size": st.integers(1000, 10**10),
    "writes": st.decimals(0, 10, places=3),
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(AMOUNTS), st.sampled_from(["s3", "gcs", "azure"]), st.integers(0, 10**13))
def test_more_bytes_or_reads_never_cost_less(use, place, more):
    """In every tier: no negative line, lines add up to the bill, and more bytes, reads or rewrites cost no less."""
    use = {**use, "hours": "48", "place": PLACES[place]}
    book = BOOK.over([a_price("internet-egress", "0.1", "GB", "network", PLACES[place], bytes_per_unit=GIB)])
    first = bills_of(**use, book=book)
    changes = [{"n_bytes": use["n_bytes"] + more}, {"reads": use["reads"] + 1}, {"writes": use["writes"] + 1}]
    larger = [bills_of(**{**use, **change}, book=book) for change in changes]
    for tier, bill in first.items():
        assert bill.usd_per_month == sum((line.usd for line in bill.lines), Decimal(0))
        assert all(line.usd > 0 for line in bill.lines)
        assert all(other[tier].usd_per_month >= bill.usd_per_month for other in larger)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(AMOUNTS))
def test_twice_the_prices_are_twice_the_bill(use):
    """Doubling every unit price doubles what is billed before rounding, exactly."""
    once, twice = bills_of(**use, hours="48"), bills_of(**use, hours="48", book=storage_book(factor=2))
    for tier, bill in once.items():
        assert twice[tier].usd_fixed == 2 * bill.usd_fixed
        assert twice[tier].usd_per_read == 2 * bill.usd_per_read
