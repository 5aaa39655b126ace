"""The lines that are the same at every target: worked examples by hand, and what must always hold."""

import dataclasses
import sys
import types
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.embedding_lines import embedding_lines
from ragopt.bill.lines import total
from ragopt.bill.price_book import Price, PriceBook
from ragopt.bill.rerank_lines import rerank_lines
from ragopt.bill.service import shared_lines
from ragopt.bill.targets import Footprint, bill_index
from ragopt.bill.workload import Workload
from ragopt.errors import InputError, PriceError
from ragopt.records import IndexBytes

MILLION = 1_000_000
WHEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
SMALL = "openai:text-embedding-3-small"
HAIKU = "anthropic:claude-haiku-4-5"


def a_price(group, item, usd, unit, *, provider="aws", region="us-east-1", **attributes):
    sizes = {name: Decimal(value) for name, value in attributes.items()}
    return Price(provider, region, group, item, unit, Decimal(usd), "2026-11-01", "https://example.org", sizes)


def vendor_price(group, vendor, item, usd, unit, **attributes):
    return a_price(group, item, usd, unit, provider=vendor, region="global", **attributes)


PRICES = (
    a_price("vms", "r7g.large", "0.1071", "hour", vcpu=2, ram_gib=16),
    a_price("gpu_vms", "g6.xlarge", "0.8048", "hour", vcpu=4, ram_gib=16, gpus=1),
    a_price("object_storage", "s3-standard-storage", "0.023", "GB-month", bytes_per_unit=2**30),
    a_price("object_storage", "s3-standard-get", "0.0004", "1k requests"),
    a_price("object_storage", "s3-standard-put", "0.005", "1k requests"),
    a_price("network", "internet-egress", "0.09", "GB", bytes_per_unit=2**30),
    a_price("network", "cross-zone", "0.02", "GB", bytes_per_unit=10**9),
    vendor_price("rerankers", "cohere", "rerank-v3.5", "0.002", "search"),
    vendor_price("rerankers", "voyage", "rerank-2.5", "0.05", "1M tokens"),
    vendor_price("token_prices", "openai", "text-embedding-3-small:batch", "0.01", "1M input tokens"),
)
BOOK = PriceBook(PRICES)


def shape_of(lines):
    return [(line.item.partition(": ")[2], line.quantity, line.usd) for line in lines]


def usd_of(part, workload, book=BOOK, dim=1024):
    return total(line for line in shared_lines(workload, book, dim=dim, when=WHEN) if line.part == part)


def bare(**fields):
    """A workload of 10 M chunks that keeps no text, so that only what is named is billed."""
    return Workload(**{"n_vectors": 10 * MILLION, "text_bytes_per_chunk": 0, **fields})


def test_embedding_through_an_api():
    """10 M chunks x 256 tokens, 25 % by batch, growth 100 k a month, half a re-embedding a month, 1 M questions x 20.

    Once: 2.56e9 tokens / 12 = 213.333333 M; 75 % = 160 M x 0.02 = 3.20, 25 % = 53.333333 M x 0.01 = 0.53.
    Growth: 25.6 M; 19.2 x 0.02 = 0.38 (0.384), 6.4 x 0.01 = 0.06 (0.064).
    Anew: average 10 M + 100 k x 11 / 2 = 10.55 M chunks x 256 x 0.5 = 1,350.4 M; 1,012.8 x 0.02 = 20.26 (20.256),
    337.6 x 0.01 = 3.38 (3.376). Questions, never by batch: 20 M x 0.02 = 0.40.
    Recurring: 0.38 + 0.06 + 20.26 + 3.38 + 0.40 = 24.48; with the spread first embedding 28.21.
    """
    workload = bare(
        embedding_model=SMALL,
        embedding_batch_share=Decimal("0.25"),
        growth_vectors_per_month=100_000,
        reembeddings_per_month=Decimal("0.5"),
    )
    charges = embedding_lines(workload, BOOK, when=WHEN)
    assert shape_of(charges.lines) == [
        ("the corpus once, spread over the horizon", Decimal(160), Decimal("3.20")),
        ("the corpus once, spread over the horizon", Decimal("53.333333"), Decimal("0.53")),
        ("chunks added", Decimal("19.2"), Decimal("0.38")),
        ("chunks added", Decimal("6.4"), Decimal("0.06")),
        ("every chunk anew", Decimal("1012.8"), Decimal("20.26")),
        ("every chunk anew", Decimal("337.6"), Decimal("3.38")),
        ("questions", Decimal(20), Decimal("0.40")),
    ]
    assert charges.usd_before_minimum == Decimal("24.48")
    assert total(charges.lines) == Decimal("28.21")
    assert charges.lines[1].formula == "10,000,000 chunks x 256 tokens / 12 months x 0.25 / 1,000,000"
    assert {line.part for line in charges.lines} == {"embedding"}
    assert any("does not say when this price was checked" in note for note in charges.notes)


def test_embedding_on_a_vm_of_ones_own():
    """10 M x 256 tokens at 10,000 a second: 2.56e9 / 12 / 1e4 / 3600 = 5.925926 h x 0.8048 = 4.77 USD a month.

    Questions: 20 M / 1e4 / 3600 = 0.555556 h x 0.8048 = 0.45. On the r7g.large at 1,000 a second: 59.259259 h x 0.1071
    = 6.35 and 5.555556 h x 0.1071 = 0.60 (0.59500005).
    """
    speed = {"embedding_model": "self", "embedding_vm": "g6.xlarge", "embedding_tokens_per_second": Decimal(10_000)}
    charges = embedding_lines(bare(**speed), BOOK, when=WHEN)
    assert shape_of(charges.lines) == [
        ("the corpus once, spread over the horizon", Decimal("5.925926"), Decimal("4.77")),
        ("questions", Decimal("0.555556"), Decimal("0.45")),
    ]
    assert "730 hours" in charges.notes[0]
    speed |= {"embedding_vm": "r7g.large", "embedding_tokens_per_second": Decimal(1000)}
    assert [line.usd for line in embedding_lines(bare(**speed), BOOK, when=WHEN).lines] == [
        Decimal("6.35"), Decimal("0.60")
    ]  # fmt: skip
    with pytest.raises(PriceError, match=r"VM type g6\.xlrge at aws us-east-1.*g6\.xlarge.*gpu_vms\.toml"):
        embedding_lines(bare(**{**speed, "embedding_vm": "g6.xlrge"}), BOOK, when=WHEN)


def test_no_model_no_embedding():
    """Without an embedding model nothing is embedded, and no price is asked for."""
    charges = embedding_lines(bare(), PriceBook([]), when=WHEN)
    assert (charges.lines, charges.usd_before_minimum) == ((), Decimal("0.00"))


def test_every_bill_of_an_index_has_the_embedding_lines():
    """The bill of an index rises by the embedding lines; its figure before the minimum leaves the first embedding out.

    10 M chunks x 256 / 12 = 213.333333 M x 0.02 = 4.27 once; questions 20 M x 0.02 = 0.40.
    """
    sizes = IndexBytes(32.0, 0, 0.0, 320 * MILLION)
    index = Footprint(sizes, 10 * MILLION, 0.5, 0.4, 0.6)
    book = PriceBook.packaged()
    plain = bill_index(index, bare(), book, target="faiss-ram")
    embedded = bill_index(index, bare(embedding_model=SMALL), book, target="faiss-ram")
    assert embedded.lines[: len(plain.lines)] == plain.lines
    assert [line.usd for line in embedded.lines[len(plain.lines) :]] == [Decimal("4.27"), Decimal("0.40")]
    for figure in ("usd_per_month", "low", "high"):
        assert getattr(embedded, figure) - getattr(plain, figure) == Decimal("4.67")
    assert embedded.usd_before_minimum - plain.usd_before_minimum == Decimal("0.40")
    assert embedded.usd_per_month == total(embedded.lines)


def test_chunk_text():
    """10 M chunks of 1,024 B = 9.536743 GiB x 0.023 = 0.22; 1 M x 10 reads = 10,000 k x 0.0004 = 4.00.

    Writes: 10 M / 12 = 833.333333 k x 0.005 = 4.17.
    """
    lines = shared_lines(Workload(10 * MILLION), BOOK)
    assert shape_of(lines) == [
        ("text of the chunks", Decimal("9.536743"), Decimal("0.22")),
        ("one per returned chunk", Decimal(10_000), Decimal("4.00")),
        ("one per chunk, the first load spread over the horizon", Decimal("833.333333"), Decimal("4.17")),
    ]
    with pytest.raises(PriceError, match=r"No standard object storage is known of acme"):
        shared_lines(Workload(1000, provider="acme"), BOOK)


def test_reranking_by_the_search_and_by_the_token():
    """50 candidates fit one search of 100: 1 M x 0.002 = 2,000; 101 candidates are two searches: 4,000.

    By the token: 1 M x 50 x (20 + 256) = 13,800 M x 0.05 = 690.
    """
    assert usd_of("rerank", bare(reranker="cohere:rerank-v3.5")) == Decimal("2000.00")
    assert usd_of("rerank", bare(reranker="cohere:rerank-v3.5", rerank_candidates=101)) == Decimal("4000.00")
    for vendor in ("voyage", "voyageai"):
        assert usd_of("rerank", bare(reranker=f"{vendor}:rerank-2.5")) == Decimal("690.00")


def test_long_chunks_count_as_several_documents_of_a_search():
    """With 500 tokens per document, 20 + 1,000 tokens are 3 pieces: 50 x 3 = 150 pieces are two searches of 100."""
    limits = {"documents_per_search": 100, "tokens_per_document": 500}
    book = PriceBook([vendor_price("rerankers", "cohere", "long", "0.002", "search", **limits)])
    (line,) = rerank_lines(bare(reranker="cohere:long", tokens_per_chunk=1000), book)
    assert (line.quantity, line.usd) == (Decimal(2 * MILLION), Decimal("4000.00"))
    (line,) = rerank_lines(bare(reranker="cohere:long", tokens_per_chunk=480), book)
    assert line.usd == Decimal("2000.00")


def test_a_reranker_without_a_usable_price_is_an_error():
    """A missing price names the file, a foreign unit what is allowed."""
    with pytest.raises(
        PriceError, match=r"No price for nothing at cohere global in ragopt/bill/prices/rerankers\.toml"
    ):
        rerank_lines(bare(reranker="cohere:nothing"), BOOK)
    book = PriceBook([vendor_price("rerankers", "cohere", "odd", "0.002", "page")])
    with pytest.raises(PriceError, match=r"has the unit 'page'\. Allowed: search, 1M tokens"):
        rerank_lines(bare(reranker="cohere:odd"), book)


def test_generation_with_prompt_cache_and_batch():
    """claude-haiku-4-5: 1 in, 5 out, 0.10 cache read; by batch half of each. 1 M queries, 40 % by batch, 80 % cached.

    In: 500 x 0.2 + 20 + 10 x 256 = 2,680 tokens; standard 2,680 M x 0.6 = 1,608 M x 1 = 1,608.00; batch 1,072 M x 0.5 =
    536.00. Cache: 400 M x 0.6 x 0.10 = 24.00; 400 M x 0.4 x 0.05 = 8.00. Out: 300 M x 0.6 x 5 = 900.00;
    300 M x 0.4 x 2.5 = 300.00. Sum 3,376.00.
    """
    workload = bare(
        generator=HAIKU, cached_prompt_share=Decimal("0.8"), generation_batch_share=Decimal("0.4")
    )  # fmt: skip
    lines = shared_lines(workload, BOOK, when=WHEN)
    assert [(line.quantity, line.usd) for line in lines] == [
        (Decimal(1608), Decimal("1608.00")),
        (Decimal(240), Decimal("24.00")),
        (Decimal(180), Decimal("900.00")),
        (Decimal(1072), Decimal("536.00")),
        (Decimal(160), Decimal("8.00")),
        (Decimal(120), Decimal("300.00")),
    ]
    assert lines[0].formula == (
        "1,000,000 queries x (100.0 prompt + 20 question + 10 chunks x 256) tokens x 0.6 / 1,000,000"
    )


def test_a_long_prompt_pays_its_tier():
    """claude-haiku-5-5 beyond 100,000 tokens: 0.50 in, 2.50 out. 400 chunks x 256 + 520 = 102,920 tokens x 1,000.

    102.92 M x 0.5 = 51.46; 0.3 M x 2.5 = 0.75. With 380 chunks (97,800 tokens): 97.8 x 0.1 = 9.78 and 0.15.
    """
    one = bare(generator="anthropic:claude-haiku-5-5", queries_per_month=1000, k=400)
    assert [line.usd for line in shared_lines(one, BOOK, when=WHEN)] == [Decimal("51.46"), Decimal("0.75")]
    one = dataclasses.replace(one, k=380)
    assert [line.usd for line in shared_lines(one, BOOK, when=WHEN)] == [Decimal("9.78"), Decimal("0.15")]


def test_generation_on_a_vm_of_ones_own():
    """1 M x (3,080 in + 300 out) / 2,000 a second / 3,600 = 469.444444 h x 0.8048 = 377.81 USD."""
    workload = bare(generator="self", generator_vm="g6.xlarge", generator_tokens_per_second=Decimal(2000))
    (line,) = shared_lines(workload, BOOK, when=WHEN)
    assert (line.quantity, line.usd, line.part) == (Decimal("469.444444"), Decimal("377.81"), "generation")


def test_traffic():
    """Internet: 1 M x 10 x 1,024 B x 0.5 = 4.768372 GiB x 0.09 = 0.43.

    Three zones: 100 M x (1,024 x 4 + 10 x (12 + 88)) = 509.6 GB, of which two thirds cross: 339.733333 GB x 0.02 =
    6.79. Azure charges nothing between zones.
    """
    workload = Workload(1000, internet_egress_share=Decimal("0.5"))
    assert usd_of("egress", workload) == Decimal("0.43")
    workload = bare(
        queries_per_month=100 * MILLION, peak_qps=Decimal(100), n_zones=3, n_replicas=3, metadata_bytes=80, key_bytes=8
    )
    (line,) = shared_lines(workload, BOOK, dim=1024)
    assert (line.quantity, line.usd, line.part) == (Decimal("339.733333"), Decimal("6.79"), "egress")
    azure = dataclasses.replace(workload, provider="azure", region="eastus")
    assert shared_lines(azure, PriceBook([]), dim=1024) == ()
    with pytest.raises(InputError, match="dimension of a question's vector is not known"):
        shared_lines(workload, BOOK)


@pytest.fixture
def tiers(monkeypatch):
    """Storage tiers in miniature: remember what was asked, answer with nothing."""
    asked = []
    module = types.ModuleType("ragopt.bill.storage_tier")
    module.tier_lines = lambda *figures, **names: asked.append((figures, names)) or ()
    monkeypatch.setitem(sys.modules, "ragopt.bill.storage_tier", module)
    return asked


def test_documents_and_raw_vectors_go_to_a_tier(tiers):
    """A terabyte of documents, and 10 M x 1,024 float32 = 40.96 GB of raw vectors, written once in 12 months.

    Raw vectors are read 0.1 times a month and once for each of 2 re-indexes, and rewritten by 0.5 re-embeddings.
    """
    workload = bare(
        document_bytes=10**12,
        document_reads_per_month=Decimal("0.2"),
        keep_raw_vectors="yes",
        raw_vector_reads_per_month=Decimal("0.1"),
        reindexes_per_month=Decimal(2),
        reembeddings_per_month=Decimal("0.5"),
        most_retrieval_hours=Decimal(12),
        storage_tier="s3-glacier-flexible",
    )
    assert shared_lines(workload, BOOK, dim=1024) == ()
    place = (Decimal(12), "aws", "us-east-1", BOOK, "s3-glacier-flexible")
    once = Decimal(1) / 12
    assert [figures for figures, _ in tiers] == [
        (10**12, Decimal("0.2"), 10**6, once, *place),
        (40_960_000_000, Decimal("2.1"), 10**8, once + Decimal("0.5"), *place),
    ]
    assert [names["part"] for _, names in tiers] == ["documents", "storage"]
    with pytest.raises(InputError, match="Raw vectors are kept, but their dimension is not known"):
        shared_lines(workload, BOOK)


def test_nothing_asked_for_nothing_billed(tiers):
    """A workload that keeps no text and names no model has no line, needs no price and asks for no tier."""
    assert shared_lines(bare(), PriceBook([])) == ()
    assert tiers == []


SHARES = st.decimals(0, 1, places=2)
WORKLOADS = st.builds(
    Workload,
    n_vectors=st.integers(1, 10**9),
    queries_per_month=st.integers(0, 10**7),
    growth_vectors_per_month=st.integers(0, 10**7),
    tokens_per_chunk=st.integers(1, 2000),
    text_bytes_per_chunk=st.integers(0, 10**4),
    k=st.integers(1, 40),
    reembeddings_per_month=SHARES,
    n_replicas=st.just(3),
    n_zones=st.integers(1, 3),
    embedding_model=st.sampled_from(["", SMALL]),
    embedding_batch_share=SHARES,
    reranker=st.sampled_from(["", "cohere:rerank-v3.5", "voyage:rerank-2.5"]),
    generator=st.sampled_from(["", HAIKU]),
    cached_prompt_share=SHARES,
    generation_batch_share=SHARES,
    internet_egress_share=SHARES,
)


def everything(workload, book=BOOK):
    return (*embedding_lines(workload, book, when=WHEN).lines, *shared_lines(workload, book, dim=256, when=WHEN))


@settings(max_examples=60, deadline=None)
@given(workload=WORKLOADS)
def test_lines_are_positive_and_add_up(workload):
    """Every line costs at least a cent and is its quantity times its price; embedding recurs at most in full."""
    for line in everything(workload):
        assert line.usd >= Decimal("0.01")
        assert abs(line.quantity * line.usd_per_unit - line.usd) <= Decimal("0.005")
        assert line.formula
        assert line.as_of
    charges = embedding_lines(workload, BOOK, when=WHEN)
    recurring = [line.usd for line in charges.lines if "the corpus once" not in line.item]
    assert charges.usd_before_minimum == sum(recurring, Decimal(0)) <= total(charges.lines)


@settings(max_examples=60, deadline=None)
@given(workload=WORKLOADS, more=st.integers(1, 10**6), field=st.sampled_from(["queries_per_month", "k", "n_vectors"]))
def test_more_never_costs_less(workload, more, field):
    """More queries, more chunks per query and more vectors never lower the bill."""
    step = more if field != "k" else 1 + more % 40
    larger = dataclasses.replace(workload, **{field: getattr(workload, field) + step})
    assert total(everything(larger)) >= total(everything(workload))


@settings(max_examples=40, deadline=None)
@given(workload=WORKLOADS)
def test_doubled_prices_double_the_bill(workload):
    """With every price twice as high, each line is twice as high, to the cent of its rounding."""
    own = [
        vendor_price("token_prices", "openai", "text-embedding-3-small", "0.02", "1M input tokens"),
        *(
            vendor_price("token_prices", "anthropic", f"claude-haiku-4-5{kind}{batch}", usd, f"1M {unit} tokens")
            for kind, usd, unit in (
                ("", "1", "input"),
                (":output", "5", "output"),
                (":cache_read", "0.1", "cache read"),
            )
            for batch in ("", ":batch")
        ),
    ]
    once = [*PRICES, *own]
    twice = [dataclasses.replace(price, usd=price.usd * 2) for price in once]
    one, two = everything(workload, PriceBook(once)), everything(workload, PriceBook(twice))
    halves = {(line.item, line.formula): line.usd for line in one}
    for line in two:
        assert abs(line.usd - 2 * halves.get((line.item, line.formula), Decimal(0))) <= Decimal("0.02")
