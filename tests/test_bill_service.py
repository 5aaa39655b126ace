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
from ragopt.bill.lines import Charges, total
from ragopt.bill.price_book import Price, PriceBook
from ragopt.bill.rerank_lines import rerank_lines
from ragopt.bill.retrieved import results_per_query
from ragopt.bill.service import shared_charges
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


def shared_lines(workload, book, *, dim=None, when=None):
    return shared_charges(workload, book, dim=dim, when=when).lines


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
        ("one per chunk that a search returns", Decimal(10_000), Decimal("4.00")),
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

    In: 5,000 x 0.2 + 20 + 10 x 256 = 3,580 tokens; standard 3,580 M x 0.6 = 2,148 M x 1 = 2,148.00; batch 1,432 M x 0.5
    = 716.00. Cache: 4,000 M x 0.6 x 0.10 = 240.00; 4,000 M x 0.4 x 0.05 = 80.00. Out: 300 M x 0.6 x 5 = 900.00;
    300 M x 0.4 x 2.5 = 300.00. Sum 4,384.00.
    """
    workload = bare(
        generator=HAIKU, prompt_tokens=5000, cached_prompt_share=Decimal("0.8"), generation_batch_share=Decimal("0.4")
    )
    lines = shared_lines(workload, BOOK, when=WHEN)
    assert [(line.quantity, line.usd) for line in lines] == [
        (Decimal(2148), Decimal("2148.00")),
        (Decimal(2400), Decimal("240.00")),
        (Decimal(180), Decimal("900.00")),
        (Decimal(1432), Decimal("716.00")),
        (Decimal(1600), Decimal("80.00")),
        (Decimal(120), Decimal("300.00")),
    ]
    assert lines[0].formula == (
        "1,000,000 queries x (1000.0 prompt + 20 question + 10 chunks x 256) tokens x 0.6 / 1,000,000"
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
    # With a reranker 50 results cross: 100 M x (4,096 + 50 x 100) x 2 / 3 = 606.4 GB.
    reranked = dataclasses.replace(workload, reranker="voyage:rerank-2.5")
    assert shared_lines(reranked, BOOK, dim=1024)[-1].quantity == Decimal("606.4")
    azure = dataclasses.replace(workload, provider="azure", region="eastus")
    assert shared_lines(azure, PriceBook([]), dim=1024) == ()
    with pytest.raises(InputError, match="dimension of a question's vector is not known"):
        shared_lines(workload, BOOK)


@pytest.fixture
def tiers(monkeypatch):
    """Storage tiers in miniature: remember what was asked, answer with nothing."""
    asked = []
    module = types.ModuleType("ragopt.bill.storage_tier")
    module.tier_charges = lambda *figures, **names: asked.append((figures, names)) or Charges((), Decimal(0))
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
        (10**12, Decimal("0.2"), 10**6, Decimal(0), *place),
        (40_960_000_000, Decimal("2.1"), 10**8, Decimal("0.5"), *place),
    ]
    assert [(names["part"], names["loads_per_month"]) for _, names in tiers] == [("documents", once), ("storage", once)]
    with pytest.raises(InputError, match="Raw vectors are kept, but their dimension is not known"):
        shared_lines(workload, BOOK)


def test_nothing_asked_for_nothing_billed(tiers):
    """A workload that keeps no text and names no model has no line, needs no price and asks for no tier."""
    assert shared_lines(bare(), PriceBook([])) == ()
    assert tiers == []


@pytest.mark.parametrize(
    ("unit", "usd", "reads", "writes"),
    [
        ("1k requests", "0.004", "10000", "1000"),
        ("10k requests", "0.04", "1000", "100"),
        ("1M requests", "4", "10", "1"),
    ],
)
def test_requests_are_billed_in_the_unit_of_their_price(unit, usd, reads, writes):
    """10 M reads and 12 M / 12 = 1 M writes at 0.004 a thousand are 40.00 and 4.00, in whatever unit that is stated."""
    book = BOOK.over([a_price("object_storage", f"s3-standard-{way}", usd, unit) for way in ("get", "put")])
    _, read, write = shared_lines(Workload(12 * MILLION), book)
    assert (read.quantity, read.unit, read.usd) == (Decimal(reads), unit, Decimal("40.00"))
    assert (write.quantity, write.usd) == (Decimal(writes), Decimal("4.00"))


def test_a_unit_that_counts_no_requests_is_refused():
    """A price by the gigabyte cannot be multiplied by requests."""
    book = BOOK.over([a_price("object_storage", "s3-standard-get", "0.4", "GB")])
    with pytest.raises(
        PriceError, match=r"s3-standard-get of aws us-east-1 has the unit 'GB'. Allowed: 1k requests, 10k"
    ):
        shared_charges(Workload(1000), book)


def test_first_loads_are_not_in_a_month_in_use():
    """The first load is a line of its own.

    12 M chunks / 12 months = 1,000 k puts x 0.005 = 5.00 once; 100 k added a month 0.50; 12 M + 100 k x 5.5 = 12.55 M
    chunks on average x 1,024 B = 11.968613 GiB x 0.023 = 0.28; reads 4.00.
    """
    charges = shared_charges(Workload(12 * MILLION, growth_vectors_per_month=100_000), BOOK)
    assert [line.usd for line in charges.lines] == [Decimal(usd) for usd in ("0.28", "4.00", "5.00", "0.50")]
    assert charges.usd_before_minimum == Decimal("4.78")


def test_a_reranker_reads_the_text_of_every_candidate():
    """1 M queries x 50 candidates = 50,000 k reads x 0.0004 = 20.00, not the 4.00 of the 10 that are kept."""
    workload = Workload(12 * MILLION, reranker="voyage:rerank-2.5")
    assert results_per_query(workload) == 50
    reads = next(line for line in shared_lines(workload, BOOK) if "Reads from" in line.item)
    assert (reads.quantity, reads.usd) == (Decimal(50_000), Decimal("20.00"))
    assert reads.formula == "1,000,000 queries x 50 candidates / 1,000"


def test_fewer_candidates_than_chunks_are_refused():
    """A reranker cannot choose 100 of 50; without a reranker the candidates say nothing."""
    with pytest.raises(InputError, match=r"rerank_candidates is 50, fewer than k \(100\).*Raise rerank_candidates"):
        shared_charges(bare(k=100, reranker="cohere:rerank-v3.5"), BOOK)
    assert shared_lines(bare(k=100), BOOK) == ()


def test_cohere_s_searches_count_long_chunks_in_pieces():
    """2,000-token chunks with a question of 20 are 5 pieces of 500: 50 x 5 = 250 are three searches, not one.

    3 M x 0.002 = 6,000.00 with the prices inside the package; the bill says what a search is taken to hold.
    """
    book = PriceBook.packaged()
    charges = shared_charges(bare(reranker="cohere:rerank-v3.5", tokens_per_chunk=2000), book)
    assert (charges.lines[0].quantity, charges.lines[0].usd) == (Decimal(3 * MILLION), Decimal("6000.00"))
    assert charges.notes[0] == (
        "cohere:rerank-v3.5 is billed by the search of up to 100 documents; a chunk that has more than 500 tokens with "
        "its question counts as several."
    )
    assert "Pinecone's page" in charges.notes[1]
    amazon = shared_charges(bare(reranker="aws:amazon.rerank-v1:0", tokens_per_chunk=2000), book)
    assert "a chunk counts as one, however long" in amazon.notes[0]
    google = shared_charges(bare(reranker="google:semantic-ranker-fast"), book)
    assert "up to 100 documents (assumed: the price does not say)" in google.notes[0]
    assert shared_charges(bare(reranker="voyage:rerank-2.5"), BOOK).notes == ()


@pytest.mark.parametrize(
    ("generator", "too_few", "enough"), [("openai:gpt-4o-mini", 1023, 1024), ("anthropic:claude-opus-5", 511, 512)]
)
def test_a_prompt_too_short_for_the_cache_is_refused(generator, too_few, enough):
    """OpenAI caches from 1,024 tokens on, Anthropic's models from 512 at least: shorter ones are never read cheaply."""
    cached = {"generator": generator, "cached_prompt_share": Decimal("0.5")}
    with pytest.raises(InputError, match=rf"cached_prompt_share is 0\.5, but prompt_tokens is {too_few:,}"):
        shared_charges(bare(**cached, prompt_tokens=too_few), BOOK, when=WHEN)
    assert shared_lines(bare(**cached, prompt_tokens=enough), BOOK, when=WHEN)
    assert shared_lines(bare(generator=generator, prompt_tokens=too_few), BOOK, when=WHEN)


def test_writing_the_prompt_cache_is_said_not_billed():
    """claude-haiku-4-5 charges 1.25 USD to write; gpt-4o-mini has no such price; without a cache nothing is said."""
    cached = {"cached_prompt_share": Decimal("0.5"), "prompt_tokens": 5000}
    notes = shared_charges(bare(generator=HAIKU, **cached), BOOK, when=WHEN).notes
    assert notes[0].startswith(
        f"Writing the prompt cache of {HAIKU} costs USD 1.25 per million tokens and is not billed"
    )
    assert not any("Claude models" in note for note in notes)
    short = shared_charges(bare(generator=HAIKU, **{**cached, "prompt_tokens": 4095}), BOOK, when=WHEN).notes
    assert "by model, and prompt_tokens is 4,095: see which anthropic:claude-haiku-4-5 takes" in short[1]
    notes = shared_charges(bare(generator="openai:gpt-4o-mini", **cached), BOOK, when=WHEN).notes
    assert notes[0] == "No price of writing the prompt cache of openai:gpt-4o-mini is known, and none is billed."
    assert not any("cache" in note for note in shared_charges(bare(generator=HAIKU), BOOK, when=WHEN).notes)


def test_every_caution_is_said_once_with_its_parts():
    """Two lines of text share a caution, egress has another: two notes."""
    cautious = [
        dataclasses.replace(price, caution=caution)
        for price in PRICES
        for item, caution in (
            ("s3-standard-get", "undated"),
            ("s3-standard-put", "undated"),
            ("internet-egress", "a guess"),
        )
        if price.item == item
    ]
    workload = Workload(12 * MILLION, internet_egress_share=Decimal("0.5"))
    assert shared_charges(workload, BOOK.over(cautious)).notes == (
        "Prices of text: undated.",
        "Prices of egress: a guess.",
    )


def test_a_model_that_answers_embeds_nothing():
    """gpt-4o has a price of written tokens: an input error; mistral-embed has one too, but says that it embeds."""
    with pytest.raises(InputError, match="openai:gpt-4o is a model that answers"):
        embedding_lines(bare(embedding_model="openai:gpt-4o"), BOOK, when=WHEN)
    own = PriceBook([
        vendor_price("token_prices", "acme", "chat", "1", "1M input tokens"),
        vendor_price("token_prices", "acme", "chat:output", "2", "1M output tokens"),
    ])  # fmt: skip
    with pytest.raises(InputError, match="acme:chat is a model that answers"):
        embedding_lines(bare(embedding_model="acme:chat"), own, when=WHEN)
    for model in ("mistral:mistral-embed", "voyage:voyage-3.5", "cloudflare:@cf/baai/bge-m3"):
        assert embedding_lines(bare(embedding_model=model), BOOK, when=WHEN).lines


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
    rerank_candidates=st.integers(80, 300),
    prompt_tokens=st.integers(512, 5000),
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
