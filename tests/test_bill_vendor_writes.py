"""Writes at vendors: batches, minimums per request, re-indexes, the first load's share and the monthly minimum."""

from decimal import Decimal

import pytest

from ragopt.bill.targets import TARGETS
from ragopt.bill.vendor_lines import path_of
from ragopt.bill.vendor_quantities import Holding
from ragopt.bill.vendor_writes import vectors_per_request
from ragopt.bill.workload import Workload
from tests.vendor_bills import MILLION, bill_at, used, vectors_of


def writes(bill):
    """The lines of every month's writes."""
    return [line for line in used(bill) if line.part == "writes"]


def added(target, n_added, dim=1024, **workload):
    """What one month's added vectors are billed, at a tiny index."""
    return writes(bill_at(target, 1, dim, growth_vectors_per_month=n_added, horizon_months=1, **workload))


def test_one_vector_per_put_costs_21_times():
    """1,536 d are 6,144 B: 1 M of them in batches are 5.722046 x 2^30 B, 1.14 USD; one a PUT bills 131,072 B each.

    That is 122.070312 x 2^30 B, 24.41 USD: 131,072 / 6,144 = 21.3 times. 22 a PUT (135,168 B) are over the minimum.
    """
    single, batched, enough = (added("s3-vectors", MILLION, 1536, vectors_per_write=size)[0] for size in (1, 500, 22))
    assert (batched.quantity, batched.usd) == (Decimal("5.722046"), Decimal("1.14"))
    assert (single.quantity, single.usd) == (Decimal("122.070312"), Decimal("24.41"))
    # The last request holds 12 vectors (73,728 B) and is billed as 128 KB: 57,344 B, 0.000053 x 2^30, more.
    assert enough.quantity == Decimal("5.722099")


@pytest.mark.parametrize(
    ("target", "wanted", "metadata_bytes", "dim", "allowed"),
    [
        ("s3-vectors", 10_000, 0, 1024, 500),  # at most 500
        ("s3-vectors", 10_000, 40_960, 4096, 365),  # 20 MiB / 57,344 B = 365.7
        ("s3-vectors", 100, 40_960, 4096, 100),
        ("pinecone", 1000, 904, 1024, 400),  # 2 MB / 5,000 B
        ("upstash", 1000, 904, 1024, 1000),  # no cap is known
    ],
)
def test_a_request_holds_what_the_vendor_takes(target, wanted, metadata_bytes, dim, allowed):
    """The batch that a workload asks for is cut to the vectors and to the bytes of one request."""
    rules = TARGETS[target].rules
    workload = Workload(MILLION, metadata_bytes=metadata_bytes, vectors_per_write=wanted)
    held = Holding.of(rules, dim, vectors_of(dim), workload)
    assert vectors_per_request(path_of(rules, "upsert"), held) == allowed


def test_pinecone_write_units_are_whole_and_five_at_least():
    """A record of 768 d and 100 B is 3,172 B: alone it takes the least, 5 units; two are 6,344 B, 7 units.

    1,000 records: 5,000 units one by one, 500 x 7 = 3,500 in twos. (The vendor's table says 5 and 7 too.)
    """
    for size, millions in ((1, "0.005"), (2, "0.0035")):
        line = added("pinecone", 1000, 768, metadata_bytes=100, vectors_per_write=size)[0]
        assert (line.quantity, line.unit) == (Decimal(millions), "1M write units")


def test_pinecone_upserts_over_existing_records_are_billed_for_both():
    """1 M x 5,120 B re-indexed by upserts: 10,000 requests of 2 x 500 units = 10 M, 40.00 USD; added once, 20.00.

    By import into a new namespace it is 5.12 GB x 0.25 = 1.28.
    """
    once = {"metadata_bytes": 1024, "reindexes_per_month": Decimal(1)}
    assert [line.usd for line in writes(bill_at("pinecone", MILLION, write_path="upsert", **once))] == [Decimal(40)]
    assert [line.usd for line in writes(bill_at("pinecone", MILLION, write_path="bulk", **once))] == [Decimal("1.28")]
    assert [line.usd for line in added("pinecone", MILLION, metadata_bytes=1024)] == [Decimal(20)]


def test_turbopuffer_bills_ten_kilobytes_a_request_and_four_bytes_a_dimension():
    """1 M x 256 d (1,024 B): one a request 10 GB x 2 = 20.00, a hundred a request 1.024 GB = 2.05, int8 or not."""
    assert added("turbopuffer", MILLION, 256, vectors_per_write=1)[0].usd == Decimal("20.00")
    assert added("turbopuffer", MILLION, 256)[0].usd == Decimal("2.05")
    assert added("turbopuffer", MILLION, 256, scalar="int8")[0].usd == Decimal("2.05")


def test_topk_bills_bytes_and_requests():
    """1 M x 4,096 B = 3.814697 GiB x 0.50 = 1.91; 10,000 requests of 100 are 10 x 0.01 = 0.10."""
    lines = added("topk", MILLION, queries_per_month=0)
    assert [str(line.usd) for line in lines] == ["1.91", "0.10"]


def test_a_re_index_bills_every_write_again():
    """Two re-indexes and one re-embedding of 1 M vectors are 3 M upserts: 30 x 0.40 = 12.00 at Upstash."""
    (line,) = writes(
        bill_at("upstash", MILLION, reindexes_per_month=Decimal(2), reembeddings_per_month=Decimal(1))
    )  # fmt: skip
    assert (line.quantity, line.usd, line.part) == (Decimal(30), Decimal("12.00"), "writes")
    assert line.formula == "(reindexes_per_month + reembeddings_per_month) x n_vectors / 100,000"


def test_a_bulk_load_that_is_not_sold_falls_to_upserts():
    """Zilliz imports for nothing and bills upserts; S3 Vectors has upserts alone, and says so if asked for bulk."""
    work = {"reindexes_per_month": Decimal(1)}
    assert not writes(bill_at("zilliz", MILLION, **work))
    assert writes(bill_at("zilliz", MILLION, write_path="upsert", **work))
    bulk, upsert = (bill_at("s3-vectors", MILLION, write_path=path, **work) for path in ("bulk", "upsert"))
    assert bulk.lines == upsert.lines
    assert "s3-vectors sells no bulk load: whole indexes are written by upserts." in bulk.notes
    assert "s3-vectors sells no bulk load: whole indexes are written by upserts." not in upsert.notes


def test_the_first_load_is_a_line_of_its_own_and_no_part_of_a_month_in_use():
    """Upstash: 1 M operations once are 4.00 USD; over 12 months 0.833333 x 0.40 = 0.33 a month."""
    bill = bill_at("upstash", MILLION)
    load = bill.lines[-1]
    assert load.item == "Upserts, one operation for each vector: first load, spread over 12 months"
    assert (load.quantity, load.usd, load.part) == (Decimal("0.833333"), Decimal("0.33"), "writes")
    assert bill.usd_per_month == bill.usd_before_minimum + Decimal("0.33")


def test_the_first_load_is_that_of_the_first_month():
    """1 M vectors that grow by 1 M a month are 6.5 M on average; the first load is 1 M, the rest comes monthly.

    Upstash over 12 months: 1 M / 12 once, and 1 M every month: 0.33 and 4.00.
    """
    bill = bill_at("upstash", MILLION, growth_vectors_per_month=MILLION)
    assert [line.usd for line in bill.lines if line.part == "writes"] == [Decimal("4.00"), Decimal("0.33")]


@pytest.mark.parametrize(
    ("millions", "months", "usd", "load", "minimum"),
    [
        # 4.096 GB: 1.35 + 4.10 = 5.45 in use, load 8.192. Top-ups 11 x 10.55 and 2.358: 9.867 on average.
        (1, 12, "16.00", "0.68", "9.87"),
        (1, 1, "16.00", "8.19", "2.36"),
        # 8.192 GB: 2.70 + 8.19 = 10.89, load 16.384. First month 27.274, others 16: 16.9395 on average.
        (2, 12, "16.94", "1.37", "4.68"),
        # 20.48 GB: 6.76 + 20.48 = 27.24 is past the minimum; load 40.96 / 12 = 3.41.
        (5, 12, "30.65", "3.41", None),
    ],
)
def test_the_minimum_is_filled_up_on_average_over_the_horizon(millions, months, usd, load, minimum):
    """Turbopuffer's 16 USD: what use leaves of it in each month, less in the first, which also pays the first load."""
    bill = bill_at("turbopuffer", millions * MILLION, horizon_months=months)
    by_part = {line.part: str(line.usd) for line in bill.lines}
    assert (str(bill.usd_per_month), by_part["writes"], by_part.get("minimum")) == (usd, load, minimum)
    assert bill.usd_before_minimum == sum(line.usd for line in used(bill))
    for line in bill.lines:
        assert abs(line.quantity * line.usd_per_unit - line.usd) <= Decimal("0.005")


def test_zilliz_bills_the_delete_of_what_an_upsert_replaces():
    """1 M x 768 d: 0.75 M vCU to insert, 3.00 USD; a re-index by upserts deletes 1 M entities first, 1 M vCU, 4.00.

    Vectors added replace nothing, and a bulk import goes to a new collection: neither deletes.
    """
    again = bill_at("zilliz", MILLION, 768, write_path="upsert", reindexes_per_month=Decimal(2))
    assert [(str(line.quantity), str(line.usd)) for line in used(again) if line.part == "writes"] == [
        ("1.5", "6.00"), ("2", "8.00"),
    ]  # fmt: skip
    assert "(reindexes_per_month + reembeddings_per_month) x n_vectors / 1,000,000" in [
        line.formula for line in used(again)
    ]
    grown = bill_at("zilliz", MILLION, 768, growth_vectors_per_month=MILLION, horizon_months=1, write_path="upsert")
    assert [str(line.usd) for line in grown.lines if line.part == "writes"] == ["3.00", "3.00"]
    assert not writes(bill_at("zilliz", MILLION, reindexes_per_month=Decimal(2)))
