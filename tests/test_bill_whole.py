"""The bill of one index everywhere: what is in it, what is left out, and that all views of it agree."""

import dataclasses
import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.bill_json import bill_json, bill_of
from ragopt.bill.described import describe_by_bytes, describe_by_factory, finest_scalar
from ragopt.bill.monte_carlo import bill_range
from ragopt.bill.old_prices import old_price_warnings
from ragopt.bill.price_book import PriceBook
from ragopt.bill.projection import bill_by_month, mean_usd_per_month, stops
from ragopt.bill.reasoning import largest_part, needs_consent, reason_of
from ragopt.bill.scan_cost import SCAN
from ragopt.bill.targets import TARGETS, bill_index
from ragopt.bill.whole_bill import CHEAPEST, RECOMMENDED, SERVES, bill_everywhere, whole_tornado
from ragopt.bill.whole_bill_json import whole_bill_json
from ragopt.bill.whole_billing import bill_with_shared
from ragopt.bill.workload import Workload
from ragopt.errors import InputError, PriceError
from ragopt.index.factory import parse_factory
from ragopt.records import Bill, BillLine

BOOK = PriceBook.packaged()
MILLION = 1_000_000
TODAY = dt.date(2026, 11, 26)
TEN_MILLION = Workload(10 * MILLION, metadata_bytes=1024)
FLOAT32 = describe_by_bytes(4096.0, 0.0, 1024, 10 * MILLION)


def everywhere(workload=TEN_MILLION, footprint=FLOAT32, **more):
    return bill_everywhere(footprint, workload, BOOK, today=TODAY, **more)


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        (MILLION, {"turbopuffer": 53, "s3-vectors": "99.4", "pinecone": 835, "upstash": 17, "weaviate": 53,
                   "vectorize": 118}),
        (10_000, {"turbopuffer": 17, "s3-vectors": "3.83", "pinecone": 25}),
    ],
)  # fmt: skip
def test_the_published_table_before_minimums(queries, expected):
    """10 M x 1,024 float32 values and 1 KB of metadata, one namespace, each within 2 % of the figures known."""
    found = {
        bill.target: bill for bill in everywhere(dataclasses.replace(TEN_MILLION, queries_per_month=queries)).targets
    }
    for name, usd in expected.items():
        assert abs(found[name].usd_before_minimum / Decimal(usd) - 1) < Decimal("0.02"), name


def test_every_target_is_billed_or_says_why_not():
    """No target is lost: it has a bill or a reason, and the cheapest stands first."""
    whole = everywhere()
    billed = [bill.target for bill in whole.targets]
    assert sorted([*billed, *whole.not_billed]) == sorted(TARGETS)
    assert [bill.usd_per_month for bill in whole.targets] == sorted(bill.usd_per_month for bill in whole.targets)
    assert whole.not_billed["faiss-ram-nvme"] == "the index has no rescoring tier to keep out of RAM"
    assert "--prices" in whole.not_billed["qdrant-cloud"]


def test_a_named_target_without_a_bill_is_an_error():
    """Asked for by name, a target that cannot be billed stops the command instead of going missing."""
    with pytest.raises(PriceError, match="qdrant-cloud publishes no price"):
        everywhere(targets=["qdrant-cloud"])
    with pytest.raises(InputError, match="no rescoring tier"):
        everywhere(targets=["faiss-ram-nvme"])
    with pytest.raises(InputError, match="Unknown target 'pinecon'"):
        everywhere(targets=["pinecon"])


def test_json_adds_up_and_names_what_a_reader_needs():
    """Each target's lines sum to its total to the cent; with the shared lines to the other total."""
    told = json.loads(json.dumps(whole_bill_json(everywhere())))
    shared = Decimal(told["shared"]["usd_per_month"])
    assert shared == sum(Decimal(line["usd"]) for line in told["shared"]["lines"]) > 0
    for target in told["targets"]:
        assert {"name", "usd_per_month", "usd_before_minimum", "lines", "low", "high", "serves_the_index"} <= set(
            target
        )
        usd = Decimal(target["usd_per_month"])
        assert usd == sum(Decimal(line["usd"]) for line in target["lines"])
        assert Decimal(target["low"]) <= usd <= Decimal(target["high"])
        both = {name: Decimal(value) for name, value in target["with_shared"].items()}
        assert both["usd_per_month"] == Decimal(target["usd_per_month_with_shared"]) == usd + shared
        assert both["low"] <= both["usd_per_month"] <= both["high"]
        for line in target["lines"]:
            assert line["formula"], line["item"]
            assert line["source"], line["item"]
            dt.date.fromisoformat(line["as_of"])


ANSWERING = dataclasses.replace(TEN_MILLION, generator="openai:gpt-4o-mini", reranker="voyage:rerank-2.5")


def test_the_range_with_shared_lines_is_that_of_whole_bills():
    """Sums of single draws are what drawing target and shared lines as one bill gives, to a cent of rounding."""
    whole = everywhere(ANSWERING, targets=["weaviate", "s3-vectors"])
    for bill in whole.targets:
        both = whole.with_shared[bill.target]
        again = bill_range(FLOAT32, ANSWERING, BOOK, target=bill.target, spreads=both.spreads, billing=bill_with_shared)
        assert both.usd_per_month == again.usd_per_month == bill.usd_per_month + whole.shared_usd_per_month
        assert abs(both.low - again.low) <= Decimal("0.02")
        assert abs(both.high - again.high) <= Decimal("0.02")
        assert both.high - both.usd_per_month > bill.high - bill.usd_per_month


def test_a_target_s_own_range_names_only_what_moves_it():
    """Chunk text, prompts and answers are shared lines: no target's own note speaks of them, and ranges stay."""
    # A reranker's candidates are returned by the target, so it would move targets too.
    whole = everywhere(dataclasses.replace(ANSWERING, reranker="", document_bytes=10**12))
    for bill in whole.targets:
        drawn = bill.notes[-1]
        for words in ("chunk text", "source documents", "instructions in the prompt", "answer length", "chunk length"):
            assert words not in drawn, bill.target
    notes = {bill.target: bill.notes[-1] for bill in whole.targets}
    assert "metadata" in notes["weaviate"]
    assert "CPU time" not in notes["weaviate"]
    assert {"text_bytes_per_chunk", "answer_tokens"} <= {
        spread.name for spread in whole.with_shared["weaviate"].spreads
    }
    plain = {bill.target: (bill.low, bill.high) for bill in everywhere().targets}
    assert {bill.target: (bill.low, bill.high) for bill in whole.targets} == plain


def test_without_shared_lines_both_ranges_are_one():
    """A workload that keeps no text and names no model has nothing to add."""
    whole = everywhere(dataclasses.replace(TEN_MILLION, text_bytes_per_chunk=0), targets=["weaviate"])
    [bill], both = whole.targets, whole.with_shared["weaviate"]
    assert (both.usd_per_month, both.low, both.high) == (bill.usd_per_month, bill.low, bill.high)
    assert whole.shared == ()


def test_the_tornado_of_the_whole_bill_turns_with_the_shared_lines():
    """A reranker and a generator outweigh any target: queries move the sum most, then the length of chunks."""
    whole = everywhere(ANSWERING)
    swings = whole_tornado(whole)
    assert [swing.name for swing in swings[:2]] == ["queries", "tokens_per_chunk"]
    explained, _ = whole.explained
    assert {swing.usd_per_month for swing in swings} == {whole.with_shared[explained.target].usd_per_month}
    assert whole_tornado(whole, "weaviate")[0].usd_per_month == whole.with_shared["weaviate"].usd_per_month


def test_the_explained_bill_is_the_runs_then_one_that_serves_then_the_cheapest():
    """The recommended target where it was billed; else the cheapest whose recall was measured; else the cheapest."""
    whole = everywhere(TEN_MILLION)
    serving = [bill.target for bill in whole.targets if TARGETS[bill.target].serves_the_index]
    assert whole.cheapest.target not in serving
    assert whole.explained == (next(bill for bill in whole.targets if bill.target == serving[0]), SERVES)
    recommended = dataclasses.replace(whole, recommended="weaviate")
    assert (recommended.explained[0].target, recommended.explained[1]) == ("weaviate", RECOMMENDED)
    assert whole_tornado(recommended)[0].usd_per_month == whole.with_shared["weaviate"].usd_per_month
    vendors = dataclasses.replace(everywhere(TEN_MILLION, targets=["weaviate", "pinecone"]), recommended="faiss-ram")
    assert vendors.explained == (vendors.cheapest, CHEAPEST)


def test_draws_that_a_model_does_not_take_are_counted_not_raised():
    """450 chunks of 256 tokens fit the 128,000 of gpt-4o-mini, longer ones do not; a cached prompt may halve."""
    long = dataclasses.replace(ANSWERING, reranker="", k=450)
    both = everywhere(long, targets=["weaviate"]).with_shared["weaviate"]
    assert 0 < both.n_refused < both.n_samples
    assert whole_tornado(everywhere(long, targets=["weaviate"]))
    cached = dataclasses.replace(ANSWERING, prompt_tokens=1200, cached_prompt_share=Decimal("0.5"))
    assert everywhere(cached, targets=["weaviate"]).with_shared["weaviate"].n_refused == 0


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        ("openai:text-embeding-9", PriceError, "^No token price is known of 'text-embeding-9' at openai"),
        ("openai:gpt-4o", InputError, "^openai:gpt-4o is a model that answers"),
    ],
)
def test_a_wrong_embedding_model_is_told_once(model, error, said):
    """It is no reason of each target: the whole bill fails with it, and says it once."""
    with pytest.raises(error, match=said):
        everywhere(dataclasses.replace(TEN_MILLION, embedding_model=model))


def test_a_bill_survives_json():
    """What is written of a bill reads back equal, parts and formulas included."""
    for bill in everywhere().targets:
        assert bill_of(bill.target, json.loads(json.dumps(bill_json(bill)))) == bill


def test_growth_is_billed_at_the_average_and_by_month():
    """100 GB, 10 more each month for 3 months: weaviate's storage of 100, 110 and 120 are 110 on average."""
    growing = Workload(10 * MILLION, metadata_bytes=1024, growth_vectors_per_month=MILLION, horizon_months=3)
    months = bill_by_month(FLOAT32, growing, BOOK, target="weaviate")
    assert [month.n_vectors for month in months] == [10 * MILLION, 11 * MILLION, 12 * MILLION]
    average = bill_index(FLOAT32, growing, BOOK, target="weaviate")
    assert abs(mean_usd_per_month(months) - average.usd_per_month) <= Decimal("0.02")
    assert months[1].usd_per_month == average.usd_per_month
    assert months[0].usd_per_month < months[1].usd_per_month < months[2].usd_per_month


def test_what_is_loaded_once_is_the_first_months_size_in_every_month():
    """S3 Vectors bills the first load of 10 M vectors in each month's share, however many there are by then."""
    growing = Workload(10 * MILLION, growth_vectors_per_month=MILLION, horizon_months=3)
    target = TARGETS["s3-vectors"]
    loads = {
        next(line.quantity for line in target.charges(FLOAT32, month, BOOK, 1.0).lines if "first load" in line.item)
        for month in (growing.in_month(1), growing.in_month(3), growing.at_average())
    }
    assert len(loads) == 1


def test_a_described_index_has_the_size_of_its_formula():
    """PQ64x4fs is 32 bytes, SQ8 rescoring 128 bytes at 128 dimensions; CPU time is the table's."""
    found = describe_by_factory("PQ64x4fs,Refine(SQ8)", 128, "k_factor_rf=4", MILLION, k=10)
    assert (found.index_bytes.ram_bytes_per_vector, found.index_bytes.disk_bytes_per_vector) == (32.0, 128.0)
    assert (found.dim, found.scalar, found.rescored_per_query) == (128, "int8", 40)


def test_bytes_alone_are_scanned_as_flat():
    """1 M vectors of 4,096 bytes: 1e6 x (0.4768 + 0.0303 x 4096) ns = 124.6 ms, from the table of scan costs."""
    flat = SCAN["Flat"]
    found = describe_by_bytes(4096.0, 0.0, 1024, MILLION)
    assert found.cpu_ms_per_query == pytest.approx((flat.ns_per_vector + flat.ns_per_byte * 4096) * 1e6 / 1e6)
    assert describe_by_bytes(4096.0, 0.0, 1024, MILLION, cpu_ms=2.5).cpu_ms_high == 2.5
    with pytest.raises(InputError, match=r"--bytes is 0\.0 bytes per vector"):
        describe_by_bytes(0.0, 0.0, 8, 10)


@pytest.mark.parametrize(
    ("factory", "scalar"),
    [("Flat", "float32"), ("SQfp16", "float16"), ("SQ8", "int8"), ("PQ16np", "int8"), ("RaBitQ", "binary"),
     ("RaBitQ4", "int8"), ("RaBitQ,Refine(SQfp16)", "float16"), ("PQ16x4fs,Refine(Flat)", "float32")],
)  # fmt: skip
def test_the_finest_scalar_is_that_of_codes_or_rescoring_tier(factory, scalar):
    """What a vendor has to store so that nothing of the index's own precision is lost."""
    assert finest_scalar(parse_factory(factory, 64)) == scalar


@pytest.mark.parametrize(
    ("ram", "disk", "scalar"),
    [(4096, 0, "float32"), (2048, 0, "float16"), (64, 1024, "int8"), (129, 0, "int8"), (128, 0, "binary")],
)
def test_bytes_say_which_scalar_they_can_hold(ram, disk, scalar):
    """At 1,024 dimensions: 4 bytes each are float32, 2 float16, a bit each binary, between them int8."""
    assert describe_by_bytes(float(ram), float(disk), 1024, 1000).scalar == scalar


def line_of(usd, part, as_of="2026-11-01", source="s"):
    return BillLine("item", Decimal(1), "month", Decimal(usd), Decimal(usd), source, as_of, part, "1")


def test_reasoning_names_the_largest_part_and_what_compression_is_worth():
    """Two storage lines of 2 outweigh a query line of 3: 4 of 7 are 57 %."""
    lines = (line_of("2", "storage"), line_of("3", "queries"), line_of("2", "storage"))
    assert largest_part(lines) == ("storage", 57)
    assert largest_part(()) == ("", 0)
    bill = Bill("t", Decimal(7), Decimal(7), Decimal(7), lines, None, ("A note.", "Compression: bytes are billed."))
    assert reason_of(bill) == "57 % storage; bytes are billed."
    assert reason_of(dataclasses.replace(bill, lines=(), notes=())) == "nothing to pay"


def test_old_prices_are_named_once_by_source_and_day():
    """91 days are old, 90 are not; four prices of one source are one warning that names three and what they are for."""
    lines = [dataclasses.replace(line_of(str(n), "queries", as_of="2026-08-27"), item=f"Queries {n}: many of them")
             for n in (1, 1, 2, 3, 4)]  # fmt: skip
    fresh = line_of("9", "queries", as_of="2026-08-28")
    [warning] = old_price_warnings([*lines, fresh], TODAY)
    assert warning == (
        "Queries 1 (USD 1 per month), Queries 2 (USD 2 per month), Queries 3 (USD 3 per month) and 1 more: 91 days old "
        "(as of 2026-08-27, over 90; s). Compare with the source; `ragopt prices refresh` renews prices of AWS, Azure "
        "and GCP, --prices takes your own."
    )


def test_undated_prices_are_named_however_lately_they_were_read():
    """Read today: the date is not the price's, and the warning says so."""
    line = dataclasses.replace(
        line_of("2", "rerank", as_of=TODAY.isoformat()), item="Reranking: 5 searches", undated=True
    )
    [warning] = old_price_warnings([line, line], TODAY)
    assert warning.startswith(
        f"Reranking (USD 2 per month): read on {TODAY}, the page carries no date (s). Compare with the source;"
    )


@settings(max_examples=25, deadline=None)
@given(
    n_vectors=st.integers(1, 10**9), dim=st.integers(8, 1536), metadata=st.integers(0, 4000),
    queries=st.integers(0, 5 * 10**6), growth=st.integers(0, 10**6), reindexes=st.decimals(0, 4, places=2),
)  # fmt: skip
def test_no_line_is_negative_and_lines_sum_to_the_cent(n_vectors, dim, metadata, queries, growth, reindexes):
    """For any workload, at every target that takes it."""
    workload = Workload(n_vectors, metadata_bytes=metadata, queries_per_month=queries, growth_vectors_per_month=growth,
                        reindexes_per_month=reindexes)  # fmt: skip
    footprint = describe_by_bytes(4.0 * dim, 0.0, dim, n_vectors, cpu_ms=1.0)
    for name, target in TARGETS.items():
        if target.why_not(footprint, workload.at_average()):
            continue
        try:
            bill = bill_index(footprint, workload, BOOK, target=name)
        except PriceError:
            continue
        assert bill.usd_per_month == sum((line.usd for line in bill.lines), Decimal(0))
        assert all(line.usd > 0 for line in bill.lines), name
        assert bill.usd_before_minimum <= bill.usd_per_month


def test_the_cheapest_is_one_that_can_simply_be_bought():
    """Upstash bills 10 M x 1,024 d least but has to agree first; Vectorize is outgrown: neither is led with."""
    whole = everywhere()
    assert needs_consent(whole.targets[0])
    assert whole.cheapest == next(bill for bill in whole.targets if not needs_consent(bill))
    growing = dataclasses.replace(
        TEN_MILLION, n_vectors=9 * MILLION, growth_vectors_per_month=600_000, horizon_months=3
    )
    [vectorize] = everywhere(growing, targets=["vectorize"]).targets
    assert stops(vectorize)
    assert sum("10,200,000" in note for note in vectorize.notes) == 1


def test_prices_are_called_old_on_the_day_one_looks():
    """A bill of a past day keeps its range and warns of what is old now."""
    then, now = dt.date(2026, 7, 1), dt.date(2026, 11, 26)
    late, early = (bill_everywhere(FLOAT32, TEN_MILLION, BOOK, targets=["weaviate"], today=then, warned_on=day)
                   for day in (now, then))  # fmt: skip
    assert late.targets == early.targets
    assert len(late.warnings) > len(early.warnings)
