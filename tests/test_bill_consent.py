"""Limits that a vendor lifts on request, and limits that growth breaks: what is cheapest, and what is said."""

from decimal import Decimal

import pytest

from ragopt.bill.decisions.crossovers import crossovers
from ragopt.bill.decisions.target import decide_target, modelled_footprint
from ragopt.bill.price_book import PriceBook
from ragopt.bill.reasoning import CONSENT, UNSIZED, needs_consent
from ragopt.bill.targets import TARGETS
from ragopt.bill.vendor_target import VendorTarget
from ragopt.bill.workload import Workload
from tests.vendor_bills import MILLION, bill_at, vectors_of

BOOK = PriceBook.packaged()
VENDORS = [target for target in TARGETS.values() if isinstance(target, VendorTarget)]


def test_a_bill_says_whether_it_needs_consent():
    """Chroma holds 5 M vectors in a collection without being asked, 5,000,001 on request."""
    assert not needs_consent(bill_at("chroma", 5 * MILLION))
    beyond = bill_at("chroma", 5 * MILLION + 1)
    assert needs_consent(beyond)
    assert any(note.startswith(f"{CONSENT}: 5,000,001 vectors") for note in beyond.notes)


def test_what_may_not_lead_is_drawn_but_never_the_cheapest():
    """A costs 1 and needs consent from 1,000 on, b costs 2: b leads from there, and a keeps its bills."""
    result = crossovers(
        lambda _: {"a": Decimal(1), "b": Decimal(2)}, 100, 100_000, may_lead=lambda name, at: name == "b" or at < 1000
    )
    [change] = result.changes
    assert (change.source, change.to, change.usd_source, change.usd_to) == ("a", "b", None, Decimal(2))
    assert 1000 <= change.at <= 1010
    assert all(point.usd["a"] == 1 for point in result.points)
    assert {point.barred for point in result.points} == {(), ("a",)}


def test_a_vendor_that_has_to_be_asked_is_not_the_answer():
    """Upstash is asked beyond 2e9 dimensions, 1,953,125 vectors of 1,024: not cheapest there, though its bill is."""
    footprint, _ = modelled_footprint(1024, Decimal(4096), None)
    decision = decide_target(
        footprint, Workload(MILLION), BOOK, low=MILLION, high=10 * MILLION, targets=["upstash", "pinecone"]
    )
    [change] = decision.result.changes
    assert (change.source, change.to, change.usd_source) == ("upstash", "pinecone", None)
    assert 1_953_126 <= change.at <= 1_953_126 * 1.01
    last = decision.result.points[-1]
    assert last.usd["upstash"] < last.usd["pinecone"]
    assert "upstash needs the vendor's consent from 1,953,126 vectors on, and is not taken as cheapest there." in (
        decision.notes
    )


def test_consent_over_the_whole_range_leaves_the_others_to_lead():
    """10 M vectors of 1,024 dimensions need consent at any number of queries; alone, nothing could be recommended."""
    footprint, _ = modelled_footprint(1024, Decimal(4096), None)
    decision = decide_target(
        footprint, Workload(10 * MILLION), BOOK, low=MILLION, high=10 * MILLION, by="queries",
        targets=["upstash", "pinecone"],
    )  # fmt: skip
    assert decision.result.leaders == ("pinecone",)
    assert any(note.startswith("upstash needs the vendor's consent over the whole range") for note in decision.notes)


def test_a_leader_whose_peak_is_not_sized_is_named():
    """Weaviate Cloud bills no query and sizes none: where it is cheapest, the decision says so; pinecone bills each."""
    footprint, _ = modelled_footprint(256, Decimal(1024), None)
    workload = Workload(10 * MILLION, queries_per_month=20 * MILLION, peak_qps=Decimal(1000))
    decision = decide_target(
        footprint, workload, BOOK, low=10 * MILLION, high=20 * MILLION, targets=["weaviate", "pinecone"]
    )
    assert decision.result.leaders == ("weaviate",)
    assert [note for note in decision.notes if UNSIZED in note] == [
        next(f"weaviate: {note}" for note in TARGETS["weaviate"].rules.assumptions if note.startswith(UNSIZED))
    ]


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda one: one.name)
def test_a_vendor_bills_queries_or_says_that_the_peak_is_not_sized(vendor):
    """One of the two: a capacity that is bought for bytes alone would be taken for one that answers any load."""
    billed = any(charge.counts in ("queries", "queried_dims") for charge in vendor.rules.charges)
    said = any(note.startswith(UNSIZED) for note in vendor.rules.assumptions)
    assert billed != said


def test_growth_beyond_a_limit_is_said_with_its_month():
    """Vectorize holds 10 M in an index: 8 M and 0.5 M more a month reach 10.5 M in month 6; on average it holds."""
    bill = bill_at("vectorize", 8 * MILLION, growth_vectors_per_month=500_000, horizon_months=8)
    [note] = [one for one in bill.notes if one.startswith("Outgrows")]
    assert note.startswith("Outgrows vectorize in month 6 of 8: 10,500,000 vectors per namespace are more than the ")
    fits = bill_at("vectorize", 8 * MILLION, growth_vectors_per_month=500_000, horizon_months=5)
    assert not any(one.startswith("Outgrows") for one in fits.notes)


def test_growth_beyond_what_needs_no_consent_is_said_with_its_month():
    """Chroma is asked beyond 5 M: 4 M and 1 M more a month are 6 M in month 3; the average of 5 M needs no consent."""
    bill = bill_at("chroma", 4 * MILLION, growth_vectors_per_month=MILLION, horizon_months=3)
    assert not needs_consent(bill)
    [note] = [one for one in bill.notes if one.startswith("Outgrows")]
    assert note.startswith("Outgrows what chroma sells without being asked in month 3 of 3: 6,000,000 vectors per")


def test_growth_beyond_every_size_is_said():
    """Azure: 12 units of 150 GiB hold 424.8 M vectors of 4,549.6 B: 390 M and, a month later, not 440 M."""
    bill = bill_at("azure-ai-search", 390 * MILLION, growth_vectors_per_month=50 * MILLION, horizon_months=2)
    assert any(
        one.startswith("Outgrows azure-ai-search in month 2 of 2: none of its sizes") and "440,000,000" in one
        for one in bill.notes
    )


def test_sizes_without_a_price_are_named_as_not_compared():
    """Azure's S1 holds 10 M vectors in two units but has no price: the note names it and the item to fill."""
    [note] = [one for one in bill_at("azure-ai-search", 10 * MILLION).notes if "standard-s1" in one]
    assert note == (
        "Not compared, for want of a price: standard-s1, which may cost less than what is billed; give item "
        "'standard-s1' of group 'azure-ai-search' with --prices."
    )
    why = TARGETS["azure-ai-search"].why_not(vectors_of(1024), Workload(1000 * MILLION))
    assert "none of its sizes (basic, standard-s2, storage-optimized-l1) holds" in why
