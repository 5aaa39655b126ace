"""Which storage tier: a hand calculation with its break-evens, and every read count tried as oracle."""

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.decisions.tier import Documents, Line, break_evens, decide_tier, lower_envelope
from ragopt.bill.price_book import PriceBook
from ragopt.errors import InputError, PriceError
from tests.storage_prices import MIB, PLACES, REQUESTS, TIB, storage_book, storage_prices

AWS = PLACES["s3"]
BOOK = storage_book()


def decide(reads, *, hours="0", n_bytes=TIB, size=MIB, writes="0", place=AWS, book=BOOK, any_tier=False):
    documents = Documents(n_bytes, size, Decimal(reads), Decimal(writes), Decimal(hours))
    return decide_tier(documents, *place, book, any_tier=any_tier)


def test_a_hand_calculation():
    """1 TiB in objects of 1 MiB, at once: USD a month = fixed + reads x per read, with 1,048.576 k objects.

    Glacier Instant  1,024 x 0.004  =  4.096   1,024 x 0.03 + 1,048.576 x 0.01   = 41.20576
    Standard-IA      1,024 x 0.0125 = 12.800   1,024 x 0.01 + 1,048.576 x 0.001  = 11.288576
    Standard         1,024 x 0.023  = 23.552                1,048.576 x 0.0004   =  0.4194304
    Instant = IA        at (12.8 - 4.096) / (41.20576 - 11.288576)  = 0.290936 reads, both 16.08
    IA      = Standard  at (23.552 - 12.8) / (11.288576 - 0.4194304) = 0.989222 reads, both 23.97
    At 0.1 reads: Instant, 4.10 + 1.05 + 3.07 = 8.22.
    """
    decision = decide("0.1")
    assert (decision.tier, decision.usd_per_month) == ("s3-glacier-instant", Decimal("8.22"))
    assert [(even.colder, even.hotter, even.reads_per_month, even.usd_per_month) for even in decision.break_evens] == [
        ("s3-glacier-instant", "s3-standard-ia", Decimal("0.290936"), Decimal("16.08")),
        ("s3-standard-ia", "s3-standard", Decimal("0.989222"), Decimal("23.97")),
    ]
    assert decision.sentence == (
        "1.1 TB read 0.1 times a month are cheapest in s3-glacier-instant for aws us-east-1, at USD 8.22 a month; "
        "above 0.29 reads a month s3-standard-ia is cheaper."
    )


@pytest.mark.parametrize(("reads", "tier"), [("0.29", "s3-glacier-instant"), ("0.292", "s3-standard-ia"),
                                             ("0.98", "s3-standard-ia"), ("1", "s3-standard")])  # fmt: skip
def test_the_choice_changes_at_the_break_evens(reads, tier):
    """On each side of 0.2909 and 0.9892 reads a month another tier is chosen."""
    assert decide(reads).tier == tier


def test_reads_that_may_wait_open_the_archives():
    """With 48 hours to wait, Deep Archive is cheapest up to 0.62 reads a month; with 12, up to 0.034.

    Deep: fixed 1,056 x 0.00099 + 8 x 0.023 = 1.22944; per read 1,048.576 x 0.0254 + 1,024 x 0.0025 = 29.19383, and
    copies for a day, 1,024 x 24 / 730 x 0.023 = 0.774312. Standard-IA has 12.8 and 11.288576: equal at
    11.57056 / 18.679566 = 0.619423. In 12 hours Deep is read at 0.1004 and 0.02: 105.27703 + 20.48 + 0.774312 =
    126.531342; Glacier Instant has 4.096 and 41.20576: equal at 2.86656 / 85.325582 = 0.033596.
    """
    decision = decide("0.1", hours="48")
    assert decision.tier == "s3-deep-archive"
    assert decision.break_evens[0].reads_per_month == Decimal("0.619423")
    sooner = decide("0.1", hours="12")
    assert sooner.tier == "s3-glacier-instant"
    assert sooner.break_evens[0].reads_per_month == Decimal("0.0335956")
    assert sooner.sentence.endswith(
        "below 0.034 reads a month s3-deep-archive is cheaper and above 0.29 reads a month s3-standard-ia is cheaper."
    )
    assert decide("0", hours="12").tier == "s3-deep-archive"


def test_what_is_cheaper_elsewhere_is_said_but_not_chosen():
    """R2 costs 16.49 + 0.38 for a read of 1 TiB a month, Standard 23.97: the sentence says so, --any-tier takes it."""
    decision = decide("1")
    assert decision.tier == "s3-standard"
    assert " r2-standard would cost USD 16.87, but is not chosen unasked: Cloudflare holds it." in decision.sentence
    assert " s3-one-zone-ia would cost USD 21.53, but is not chosen unasked: one zone holds it" in decision.sentence
    taken = decide("1", any_tier=True)
    assert (taken.tier, taken.notes) == ("r2-standard", ("r2-standard: Cloudflare holds it.",))


def test_a_choice_among_some_tiers_says_so():
    """Where tiers of the provider lack a price, the sentence speaks of those that have one, a note names the others."""
    book = storage_book(without={"gcs-coldline-put", "gcs-archive-put"})
    decision = decide("0.1", writes="0.1", place=PLACES["gcs"], book=book)
    assert (
        "are cheapest in gcs-nearline for gcp us-central1 of the tiers that have a price, at USD " in decision.sentence
    )
    assert decision.notes[0].startswith(
        "Documents: gcs-coldline, gcs-archive not compared: No price for gcs-coldline-put"
    )
    assert "that have a price" not in decide("0.1", place=PLACES["gcs"]).sentence


def test_a_way_of_reading_without_a_price_becomes_a_note():
    """Without the price of bulk restores the answer for reads that may wait 48 hours names it."""
    book = storage_book(without={"s3-deep-archive-get-bulk"})
    assert decide("0.1", hours="48", book=book).notes[0] == (
        "Documents in s3-deep-archive: retrieval bulk not compared: No price for s3-deep-archive-get-bulk at aws "
        "us-east-1 in ragopt/bill/prices/object_storage.toml."
    )
    assert not any("not compared" in note for note in decide("0.1", hours="48").notes)


def test_what_the_book_says_of_a_price_is_passed_on():
    """A caution of a price that the chosen tier is billed with becomes a note; that of another tier does not."""
    cautious = [
        dataclasses.replace(price, caution=f"an undated reading of {price.item}")
        for price in storage_prices()
        if price.item in ("s3-glacier-instant-get", "s3-glacier-instant-put", "s3-standard-get")
    ]
    book = BOOK.over(cautious)
    note = "Price s3-glacier-instant-get: an undated reading of s3-glacier-instant-get."
    assert decide("0.1", book=book).notes == (note,)
    assert decide("0", book=book).notes == ()


def test_frequent_rewrites_make_cold_tiers_dear():
    """Rewritten ten times a month and read once in ten: 30 days billed for each of ten copies; Standard is cheapest."""
    assert decide("0.1", writes="10").tier == "s3-standard"


def test_without_any_price_there_is_no_choice():
    """No request prices at all: an error that names what is missing, never a tier for nothing."""
    with pytest.raises(PriceError, match=r"No storage tier of gcp us-central1 can be billed .*gcs-standard-get"):
        decide("1", place=PLACES["gcs"], book=storage_book(without=set(REQUESTS)))


COSTS = st.integers(0, 50).map(Decimal)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(COSTS, COSTS), min_size=1, max_size=8), st.lists(st.integers(0, 1000), min_size=1))
def test_the_envelope_is_never_beaten(costs, tried):
    """At every number of reads the envelope's own tier costs as little as the cheapest of all lines."""
    lines = [Line(str(i), fixed, per_read) for i, (fixed, per_read) in enumerate(costs)]
    envelope = lower_envelope(lines)
    evens = break_evens(envelope)
    assert [even.reads_per_month for even in evens] == sorted(even.reads_per_month for even in evens)
    for tenths in tried:
        reads = Decimal(tenths) / 10
        place = sum(even.reads_per_month < reads for even in evens)
        least = min(line.usd(reads) for line in lines)
        assert envelope[place].usd(reads) - least <= Decimal("0.01") * (1 + least)


def test_no_lines_have_no_envelope():
    """Where every tier lacks a price of reading there are no break-evens."""
    assert lower_envelope([]) == ()
    decision = decide("0", book=storage_book(without={item for item in REQUESTS if "get" in item}))
    assert (decision.tier, decision.break_evens) == ("s3-glacier-instant", ())
    assert decision.notes == ("A price of reading s3-glacier-instant is missing, so that it has no break-even.",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_bytes": 10**20 - 1}, r"--document-bytes is 9{20}\. Allowed: a whole number from 0 to 1,0{3},0"),
        ({"n_bytes": -1}, "--document-bytes is -1"),
        ({"size": 0}, r"--object-bytes is 0\. Allowed: a whole number from 1 to 10,000,000,000,000 "),
        ({"reads": "99999999999999999999"}, r"--reads-per-month is 9{20}\. Allowed: a decimal number from 0 to 1,000 "),
        ({"reads": "NaN"}, "--reads-per-month is NaN"),
        (
            {"writes": "1e19"},
            r"--writes-per-month is 1E\+19\. Allowed: .* 0 to 1,000 \(times .* it is rewritten\)",
        ),
        ({"hours": "169"}, r"--most-retrieval-hours is 169\. Allowed: a decimal number from 0 to 168 "),
    ],
)
def test_a_figure_out_of_its_bounds_is_refused(change, message):
    """Bytes up to 10^18, reads and rewrites up to 1,000 a month, a wait of up to a week, as in a workload file."""
    with pytest.raises(InputError, match=message):
        decide(**{"reads": "1", **change})


@pytest.mark.parametrize("place", ["s3", "gcs", "azure", "r2"])
@pytest.mark.parametrize(("size", "n_bytes"), [(1, 10**18), (10**13, 10**18), (10**13, 0)])
@pytest.mark.parametrize("often", ["0", "1000"])
def test_every_figure_within_its_bounds_has_an_answer(place, size, n_bytes, often):
    """At the ends of all bounds the tests' prices and those of the package give an answer whose lines add up."""
    for book in (BOOK, PriceBook.packaged()):
        if place != "s3" and book is BOOK and often != "0":
            continue  # no price of what leaves for R2 in the tests' book
        decision = decide(often, hours="168", n_bytes=n_bytes, size=size, writes=often, place=PLACES[place], book=book)
        chosen = next(bill for bill in decision.bills if bill.tier == decision.tier)
        assert decision.usd_per_month == sum((line.usd for line in chosen.lines), Decimal(0))
        assert (decision.usd_per_month == 0) == (n_bytes == 0)
