"""A worked example for each vendor, its arithmetic written out; what each refuses to sell."""

from decimal import Decimal

import pytest

from ragopt.bill.targets import TARGETS, bills
from ragopt.bill.vendor_target import VendorTarget
from ragopt.bill.workload import Workload
from ragopt.errors import InputError, PriceError
from tests.vendor_bills import BOOK, MILLION, bill_at, lines_of, supplied, used, vectors_of

VENDORS = (
    "azure-ai-search", "chroma", "lancedb-cloud", "mongodb-atlas", "opensearch-serverless", "pinecone", "qdrant-cloud",
    "s3-vectors", "topk", "turbopuffer", "upstash", "vectorize", "vertex-vector-search", "weaviate", "zilliz",
)  # fmt: skip


def test_every_vendor_is_a_target_that_never_serves_the_measured_index():
    """Fifteen vendors are targets by name, and none is billed as a place where the measured index answers."""
    assert tuple(name for name, target in TARGETS.items() if isinstance(target, VendorTarget)) == VENDORS
    assert not [name for name in VENDORS if TARGETS[name].rescoring_in_ram or not TARGETS[name].summary]
    assert set(bills(vectors_of(1024), Workload(MILLION), BOOK)) == {"faiss-ram"}


@pytest.mark.parametrize("metadata_bytes", [1000, 1024])
@pytest.mark.parametrize(
    ("target", "queries", "usd"),
    [
        ("turbopuffer", MILLION, "53"), ("pinecone", MILLION, "835"), ("upstash", MILLION, "17"),
        ("weaviate", MILLION, "53"), ("vectorize", MILLION, "118"), ("s3-vectors", MILLION, "99.4"),
        ("turbopuffer", 10_000, "17"), ("pinecone", 10_000, "25"), ("s3-vectors", 10_000, "3.83"),
    ],
)  # fmt: skip
def test_ten_million_vectors_cost_what_was_worked_out_by_hand(target, queries, usd, metadata_bytes):
    """10 M x 1024-d float32 with 1 KB of metadata, one namespace: within 2 %, before minimums, 1 KB read either way."""
    bill = bill_at(target, 10 * MILLION, metadata_bytes=metadata_bytes, queries_per_month=queries)
    assert abs(bill.usd_before_minimum / Decimal(usd) - 1) <= Decimal("0.02")


def test_pinecone():
    """10 M x (4,096 + 1,024 B) = 51.2 GB: x 0.33 = 16.90; 1 M queries x 51.2 read units x 16 per million = 819.20.

    Returned: 1 M x 10 x 1,024 B = 10.24 GB, of 100 included. In 1,000 namespaces a query pays 0.25 units, not 0.0512:
    0.25 x 16 = 4.00. 20 KB of metadata return 200 GB: 100 x 0.10 = 10.00.
    """
    bill = bill_at("pinecone", 10 * MILLION, metadata_bytes=1024)
    assert lines_of(bill)[:2] == [
        ("storage", "51.2", "GB-month", "0.33", "16.90"),
        ("queries", "51.2", "1M read units", "16", "819.20"),
    ]
    assert bill.usd_before_minimum == Decimal("836.10")
    split = bill_at("pinecone", 10 * MILLION, metadata_bytes=1024, namespaces=1000)
    assert used(split)[1].usd == Decimal("4.00")
    assert used(bill_at("pinecone", MILLION, metadata_bytes=20_000))[2].usd == Decimal("10.00")


def test_turbopuffer_bills_int8_at_a_quarter():
    """float32: 51.2 GB x 0.33 = 16.90; a query pays 32 + 0.2 x 19.2 = 35.84 GB -> 35.84 PB; 10.24 GB returned, 0.51.

    int8: 10 M x (1,024 + 1,024 B) = 20.48 GB: 6.76, and 20.48 PB. In 1,000 namespaces of 20 MB: 1.28 GB a query.
    Metadata that is not filterable, all of it: 10.24 GB x 0.33 = 3.38 and 10.24 x 0.165 = 1.69.
    """
    fine = bill_at("turbopuffer", 10 * MILLION, metadata_bytes=1024)
    assert [str(line.usd) for line in used(fine)] == ["16.90", "35.84", "0.51"]
    small = {"scalar": "int8", "metadata_bytes": 1024}
    assert [str(line.usd) for line in used(bill_at("turbopuffer", 10 * MILLION, **small))] == ["6.76", "20.48", "0.51"]
    assert used(bill_at("turbopuffer", 10 * MILLION, namespaces=1000, **small))[1].usd == Decimal("1.28")
    unindexed = bill_at("turbopuffer", 10 * MILLION, filterable_share=Decimal(0), **small)
    assert [str(line.usd) for line in used(unindexed)[:2]] == ["3.38", "1.69"]


def test_turbopuffer_beyond_128_gb():
    """100 M x 2,048 B = 204.8 GB: 32 + 0.2 x 96 + 0.04 x 76.8 = 54.272 GB a query, 54.27 USD per million."""
    bill = bill_at("turbopuffer", 100 * MILLION, 512)
    assert (used(bill)[1].quantity, used(bill)[1].usd) == (Decimal("54.272"), Decimal("54.27"))


def test_a_scalar_that_is_not_sold_is_billed_as_the_next_finer_one():
    """Turbopuffer has no binary vectors: int8 is billed and said; S3 Vectors bills float32 whatever the index keeps."""
    binary, int8 = (bill_at("turbopuffer", MILLION, scalar=scalar) for scalar in ("binary", "int8"))
    assert lines_of(binary) == lines_of(int8)
    assert "turbopuffer does not sell binary vectors: int8 is billed." in binary.notes
    assert not any("does not sell" in note for note in int8.notes)
    assert lines_of(bill_at("s3-vectors", MILLION, scalar="int8")) == lines_of(bill_at("s3-vectors", MILLION))
    assert any("only fewer dimensions save" in note for note in bill_at("s3-vectors", MILLION).notes)


def test_s3_vectors():
    """10 M x 5,120 B = 47.683716 x 2^30: x 0.06 = 2.86; 1 M requests 2.50; processing 94.06; together 99.42.

    The first 100,000 vectors: 465.661287 TiB x 0.004 = 1.86; the other 9.9 M: 46,100.467443 x 0.002 = 92.20.
    One query returns 10 KB, 512 KB are free.

    At 20 M vectors the third tier bills 10 M x 5,120 B x 1 M = 46,566.128731 TiB x 0.0004 = 18.63.
    """
    bill = bill_at("s3-vectors", 10 * MILLION, metadata_bytes=1024)
    assert lines_of(bill)[:4] == [
        ("storage", "47.683716", "GB-month", "0.06", "2.86"),
        ("queries", "1", "1M requests", "2.5", "2.50"),
        ("queries", "465.661287", "TB", "0.004", "1.86"),
        ("queries", "46100.467443", "TB", "0.002", "92.20"),
    ]
    assert bill.usd_before_minimum == Decimal("99.42")
    twice = bill_at("s3-vectors", 20 * MILLION, metadata_bytes=1024)
    assert (used(twice)[4].quantity, used(twice)[4].usd) == (Decimal("46566.128731"), Decimal("18.63"))


def test_s3_vectors_example_of_the_vendor_is_plausible():
    """AWS's own example, 10 M vectors and 1 M queries, totals 11.38 USD a month; these inputs give 11.37.

    Known: 10 M vectors, 1 M queries, the total. Assumed, since the page was not at hand: 40 indexes of 250,000; 1,024
    dimensions (4 KB), 1 KB filterable and 1 KB other metadata, a key of 0.17 KB; a sixth of the vectors is written.
    Storage 10 M x 6,318 B = 58.84 GB: 3.53. PUT a sixth of it, 9.807 x 0.20 = 1.96. Requests 2.50. Processed, 5,294 B a
    vector: 100,000 x 1 M = 481.5 TiB x 0.004 = 1.93; 150,000 x 1 M = 722.2 x 0.002 = 1.44.
    """
    bill = bill_at(
        "s3-vectors", 10 * MILLION, metadata_bytes=2048, filterable_share=Decimal("0.5"), key_bytes=174, namespaces=40,
        reindexes_per_month=Decimal(1) / 6,
    )  # fmt: skip
    assert [str(line.usd) for line in used(bill)] == ["3.53", "2.50", "1.93", "1.44", "1.96"]
    assert abs(bill.usd_before_minimum - Decimal("11.38")) <= Decimal("0.02")


def test_s3_vectors_bills_what_is_returned_beyond_512_kb():
    """100 results of 40 KB: 4,096,000 - 524,288 B a query, x 1 M / 2^30 = 3,326.416016 GB x 0.01 = 33.26 USD."""
    bill = bill_at("s3-vectors", 1000, k=100, metadata_bytes=40_960, filterable_share=Decimal(0))
    assert (used(bill)[-1].quantity, used(bill)[-1].usd) == (Decimal("3326.416016"), Decimal("33.26"))


def test_weaviate():
    """10,240 M dimensions x 0.00465 = 47.62; 47.683716 GiB x 0.12 = 5.72; a second replica doubles both."""
    bill = bill_at("weaviate", 10 * MILLION, metadata_bytes=1024)
    assert [str(line.usd) for line in bill.lines] == ["47.62", "5.72"]
    assert bill_at("weaviate", 10 * MILLION, metadata_bytes=1024, n_replicas=2).usd_per_month == Decimal("106.67")


def test_upstash():
    """51.2 GB x 0.25 = 12.80; 1 M operations are 10 x 0.40 = 4.00. 10.24 thousand million dimensions need consent."""
    bill = bill_at("upstash", 10 * MILLION, metadata_bytes=1024)
    assert [str(line.usd) for line in used(bill)] == ["12.80", "4.00"]
    assert any("vendor's consent: 10,240,000,000 dimensions per namespace" in note for note in bill.notes)


def test_vectorize():
    """((1 + 10) M x 1,024 - 50 M) x 0.01 per M = 112.14; (10,240 - 10) M x 0.05 per 100 M = 5.115 -> 5.12.

    The vendor's example, 10,000 vectors of 768 and 30,000 queries (30.72 M and 7.68 M dimensions), is all included.
    """
    bill = bill_at("vectorize", 10 * MILLION, metadata_bytes=1024)
    assert [str(line.usd) for line in bill.lines] == ["5.12", "112.14"]
    assert bill_at("vectorize", 10_000, 768, queries_per_month=30_000).lines == ()


def test_zilliz():
    """Published for 1 M queries: 1 M x 768 d 15 M vCU = 60 USD, 100 M x 1,536 d 290 M vCU = 1,160 USD.

    10 M x 1,024 d lies between 55 (768 d) and 75 (1,536 d): 55 x (75/55)^(ln(4/3)/ln 2) = 62.55 M vCU, 250.22 USD; its
    51.2 GB are 15.36. 1,000 vectors take the least, 6 vCU a query: 24 USD. Writing 1 M x 768 d: 0.75 M vCU, 3 USD.
    """
    assert used(bill_at("zilliz", MILLION, 768))[1].usd == Decimal("60.00")
    assert used(bill_at("zilliz", 100 * MILLION, 1536))[1].usd == Decimal("1160.00")
    bill = bill_at("zilliz", 10 * MILLION, metadata_bytes=1024)
    assert [str(line.usd) for line in bill.lines] == ["15.36", "250.22"]
    assert used(bill_at("zilliz", 1000))[-1].usd == Decimal("24.00")
    written = bill_at("zilliz", MILLION, 768, growth_vectors_per_month=MILLION, horizon_months=1)
    assert used(written)[-1].usd == Decimal("3.00")


def test_chroma():
    """2,621,440 x 1,024 d are 10 GiB: x 0.33 = 3.30. 10,000 vector queries go through 97.65625 TiB: x 0.0075 = 0.73.

    The vendor's example multiplies these by 10 for a filter of ten characters, rounds 10 GiB to 0.01 TiB and says 7.50.
    """
    bill = bill_at("chroma", 2_621_440, queries_per_month=10_000)
    assert lines_of(bill)[:2] == [
        ("storage", "10", "GiB-month", "0.33", "3.30"),
        ("queries", "97.65625", "TiB", "0.0075", "0.73"),
    ]


def test_opensearch_serverless_has_a_floor_on_each_side():
    """0.5 + 0.5 OCU x 730 h x 0.24 = 175.20 without standby, 350.40 with one, however many replicas are asked for.

    10 M x 1,024 d: 1.1 x (4,096 + 128) x 10 M = 46.464e9 B of graphs / 1.5 GiB = 28.85 -> 29 OCUs = 5,080.80.
    """
    assert bill_at("opensearch-serverless", 1000).usd_per_month == Decimal("175.20")
    assert bill_at("opensearch-serverless", 1000, n_replicas=2).usd_per_month == Decimal("350.40")
    assert bill_at("opensearch-serverless", 1000, n_replicas=3).usd_per_month == Decimal("350.40")
    assert bill_at("opensearch-serverless", 10 * MILLION).lines[0].usd == Decimal("5080.80")


def test_azure_ai_search_takes_the_cheapest_tier_that_holds_the_vectors():
    """1 M: 1.1 x 4,136 B x 1 M = 4.55e9 B of 5 GiB, disk 13.65e9 of 15 GiB: one Basic unit, 730 x 0.101 = 73.73.

    10 M: 45.5e9 B are more than three Basic partitions (16.1e9): one S2 unit, 730 x 1.344 = 981.12. As int8, 11.7e9 B
    and 35.1e9 B of disk: three Basic units, 221.19. With an S1 price of 0.336: 35 GiB each, two units, 490.56.
    """
    assert bill_at("azure-ai-search", MILLION).usd_per_month == Decimal("73.73")
    assert bill_at("azure-ai-search", MILLION, n_replicas=3).usd_per_month == Decimal("221.19")
    assert bill_at("azure-ai-search", 10 * MILLION).usd_per_month == Decimal("981.12")
    assert bill_at("azure-ai-search", 10 * MILLION, scalar="int8").usd_per_month == Decimal("221.19")
    book = supplied("azure-ai-search", "azure-eastus", standard_s1="0.336")
    priced = bill_at("azure-ai-search", 10 * MILLION, book=book)
    assert priced.usd_per_month == Decimal("490.56")
    assert not any("Not compared" in note for note in priced.notes)


def test_topk_needs_a_price_for_queries():
    """47.683716 GiB x 0.10 = 4.77 without queries; with a million of them their price is the user's to supply."""
    bill = bill_at("topk", 10 * MILLION, metadata_bytes=1024, queries_per_month=0)
    assert [str(line.usd) for line in used(bill)] == ["4.77"]
    with pytest.raises(PriceError, match=r"topk publishes no price for queries, and ragopt/bill/vendors/topk\.toml"):
        bill_at("topk", MILLION)
    assert used(bill_at("topk", MILLION, book=supplied("topk", queries="2")))[-1].usd == Decimal("2.00")


def test_qdrant_cloud_by_a_quote():
    """1 M x 1,024 d x 4 B x 1.5 = 5.722 GiB of RAM (the vendor's example) x 730 h x 0.02 = 83.54; 3.815 GiB x 0.1."""
    bill = bill_at("qdrant-cloud", MILLION, book=supplied("qdrant-cloud", ram="0.02", disk="0.1"))
    assert [str(line.usd) for line in bill.lines] == ["83.54", "0.38"]


def test_vertex_and_atlas_are_sized_by_what_a_node_holds():
    """1 M x 4,096 B on nodes of 2e9 B are 3 nodes x 730 h x 0.5 = 1,095; Atlas has two nodes at least: 730.

    Vertex builds an index of 3.814697 GiB for 3 USD each: 11.44, a twelfth of it a month, 0.95.
    """
    book = supplied("vertex-vector-search", node=("0.5", 2 * 10**9), index_build="3", streaming="0.45")
    assert [str(line.usd) for line in bill_at("vertex-vector-search", MILLION, book=book).lines] == ["1095.00", "0.95"]
    atlas = supplied("mongodb-atlas", search_node=("0.5", 10**10))
    assert bill_at("mongodb-atlas", MILLION, book=atlas).usd_per_month == Decimal("730.00")
    with pytest.raises(PriceError, match=r"has no attribute 'bytes_per_unit'\. Fill attributes\.bytes_per_unit"):
        bill_at("mongodb-atlas", MILLION, book=supplied("mongodb-atlas", search_node="0.5"))


def test_lancedb_cloud_by_a_quote():
    """1 M x 4,096 B = 4.096 GB x 0.1 = 0.41; 1 M queries x 5 = 5.00; 4.096 GB written once x 0.6 / 12 = 0.20."""
    book = supplied("lancedb-cloud", storage="0.1", queries="5", writes="0.6")
    assert [str(line.usd) for line in bill_at("lancedb-cloud", MILLION, book=book).lines] == ["0.41", "5.00", "0.20"]


@pytest.mark.parametrize("target", ["qdrant-cloud", "vertex-vector-search", "mongodb-atlas", "lancedb-cloud"])
def test_a_vendor_without_list_prices_names_what_to_fill(target):
    """Without the user's prices there is no bill: the error names file, group, region and every item with its unit."""
    rules = TARGETS[target].rules
    with pytest.raises(PriceError) as caught:
        bill_at(target, MILLION)
    text = str(caught.value)
    assert f"ragopt/bill/vendors/{target}.toml has none" in text
    assert f"group = {target!r}, provider = {target!r}, region = 'global'" in text
    assert all(f"{item!r} (unit {unit})" in text for item, unit in rules.user_supplied.items())
    assert TARGETS[target].missing_prices(BOOK, Workload(MILLION)) == tuple(rules.user_supplied)


@pytest.mark.parametrize(
    ("target", "dim", "workload", "reason"),
    [
        ("s3-vectors", 4097, {}, "4,097 dimensions are more than the 4,096 that s3-vectors sells"),
        ("s3-vectors", 64, {"metadata_bytes": 2049}, "2,049 bytes of filterable metadata per vector"),
        ("s3-vectors", 64, {"k": 101}, r"101 results per query"),
        ("s3-vectors", 64, {"p99_limit_ms": Decimal(50)}, "s3-vectors publishes 100 ms for its fastest answers"),
        ("vectorize", 1537, {}, "1,537 dimensions"),
        ("vectorize", 64, {"metadata_bytes": 10_241}, "10,241 bytes of metadata"),
        ("pinecone", 20_001, {}, "20,001 dimensions"),
        ("turbopuffer", 10_753, {}, "10,753 dimensions"),
        ("upstash", 3073, {}, "3,073 dimensions"),
        ("zilliz", 32_769, {}, "32,769 dimensions"),
        ("topk", 64, {"metadata_bytes": 199_745}, "200,001 bytes of a vector with key and metadata"),
        ("azure-ai-search", 64, {"n_replicas": 13}, r"none of its sizes \(basic, standard-s2, .* in 13 replicas"),
    ],
)  # fmt: skip
def test_a_vendor_refuses_what_it_does_not_sell(target, dim, workload, reason):
    """Dimensions, metadata, results, latency and sizes beyond what its page sells are refused with figure and page."""
    with pytest.raises(InputError, match=reason):
        bill_at(target, 1000, dim, **workload)


def test_vectors_beyond_an_index_fit_into_more_namespaces():
    """Vectorize holds 10 M vectors in an index: 20 M are refused in one namespace and billed in two."""
    with pytest.raises(InputError, match="20,000,000 vectors per namespace are more than the 10,000,000"):
        bill_at("vectorize", 20 * MILLION)
    assert bill_at("vectorize", 20 * MILLION, namespaces=2).usd_per_month > 0


def test_an_unknown_dimension_is_refused():
    """A vendor holds the vectors themselves: without their dimension there is nothing to bill."""
    with pytest.raises(InputError, match="the dimension of the vectors is unknown"):
        bill_at("pinecone", 1000, None)


def test_prices_of_the_workloads_own_region_go_first():
    """Prices come from the file's region, said in a note, until the book has the workload's own."""
    there = {"provider": "gcp", "region": "us-central1"}
    away = bill_at("s3-vectors", MILLION, **there)
    assert "Prices are those of aws-us-east-1; there are none for gcp-us-central1." in away.notes
    book = supplied("upstash", "gcp-us-central1", storage="1", operations="1", bandwidth="1")
    assert used(bill_at("upstash", MILLION, book=book, **there))[0].usd_per_unit == Decimal(1)


def test_a_price_in_another_unit_is_refused():
    """A replaced price has to be in the unit that the rules count in: TB are not GB."""
    book = supplied("pinecone", "aws-us-east-1", unit="TB-month", storage="330")
    with pytest.raises(
        PriceError, match=r"pinecone aws-us-east-1 storage is in USD per TB-month\. Allowed: USD per GB"
    ):
        bill_at("pinecone", MILLION, book=book)


def test_notes_carry_cautions_of_prices_and_a_latency_that_is_not_published():
    """A doubtful price and a limit that nobody can check are said with the bill."""
    notes = bill_at("vectorize", MILLION, p99_limit_ms=Decimal(50)).notes
    assert any(note.startswith("Price of queried-dimensions: the vendor's page carries no date") for note in notes)
    assert "vectorize publishes no latency: the p99 limit of 50 ms is not checked." in notes
    assert notes[0].startswith("Compression: ")


def test_a_reranker_makes_vendors_return_its_candidates():
    """50 candidates of 1,024 B instead of 10: turbopuffer's returned bytes at 0.05 USD a GB are five times as many."""
    usd = [
        next(line.usd for line in bill_at("turbopuffer", MILLION, metadata_bytes=1024, reranker=reranker).lines
             if "eturned" in line.item)
        for reranker in ("", "cohere:rerank-v3.5")
    ]  # fmt: skip
    assert usd == [Decimal("0.51"), Decimal("2.56")]
