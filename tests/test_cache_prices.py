"""What a hit saves by the bill's own prices, and what memory costs."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.targets import bill_index
from ragopt.bill.workload import Workload
from ragopt.cache.memory_price import memory_price
from ragopt.cache.search_bill import SearchBill, with_queries
from ragopt.cache.unit_prices import unit_prices
from ragopt.errors import PriceError

WHEN = datetime(2026, 11, 1, tzinfo=UTC)

TOKENS = """
[[price]]
provider = "facts"
region = "global"
group = "token_prices"
item = "{item}"
unit = "1M {kind} tokens"
usd = "{usd}"
as_of = 2026-11-01
source = "https://example.org/prices"
"""


@pytest.fixture(scope="module")
def book():
    return PriceBook.packaged()


def test_a_question_costs_its_tokens_and_a_chunk_one_read(book):
    """20 tokens at USD 0.02 per million are 4e-7; S3's USD 0.0004 per thousand reads are 4e-7 each."""
    found = unit_prices(Workload(1000, embedding_model="openai:text-embedding-3-small"), book, when=WHEN)
    assert (found.embedded_query, found.chunk_read) == (Decimal("4E-7"), Decimal("4E-7"))
    assert found.input_token == found.output_token == 0
    assert any("No generator is named" in note for note in found.notes)
    assert {one.what: one.source != "" and one.as_of != "" for one in found.used} == {
        "a question embedded": True,
        "a chunk's text read": True,
    }


def test_a_local_model_and_chunks_without_text_save_no_money(book):
    """What nobody bills by the piece is worth 0, and a note says so."""
    found = unit_prices(Workload(1000, text_bytes_per_chunk=0), book, when=WHEN)
    assert (found.embedded_query, found.chunk_read) == (0, 0)
    assert [note.split(":")[0] for note in found.notes[:2]] == [
        "Questions are embedded by a model that nobody bills",
        "Chunks have no text of their own to read (text_bytes_per_chunk is 0)",
    ]


def test_a_model_on_a_vm_of_ones_own_is_worth_nothing_by_the_piece(book):
    """Embedding and generation on VMs are paid by the hour: 0 by the question, with the reason."""
    workload = Workload(
        1000, embedding_model="self", embedding_vm="c7g.large", embedding_tokens_per_second=Decimal(1000),
        generator="self", generator_vm="c7g.large", generator_tokens_per_second=Decimal(100),
    )  # fmt: skip
    found = unit_prices(workload, book, when=WHEN)
    assert (found.embedded_query, found.input_token, found.output_token) == (0, 0, 0)
    assert sum("only when a VM can go" in note for note in found.notes) == 2


def test_tokens_of_a_model_with_a_prompt_cache(book):
    """Claude Sonnet 4.5 by genai-prices: 3, 15, 0.30 and 3.75 USD per million; 1,024 tokens are taken, and said."""
    found = unit_prices(Workload(1000, generator="anthropic:claude-sonnet-4-5"), book, when=WHEN)
    millionth = Decimal(10) ** -6
    assert (found.input_token, found.output_token) == (3 * millionth, 15 * millionth)
    assert (found.cached_token, found.written_token) == (Decimal("0.3") * millionth, Decimal("3.75") * millionth)
    assert found.least_prefix_tokens == 1024
    assert any("--least-prefix-tokens" in note for note in found.notes)


def test_without_a_price_of_writing_the_cache_a_written_token_costs_what_a_read_one_does(book):
    """OpenAI charges no writes: the written price is the input price, said in a note."""
    found = unit_prices(Workload(1000, generator="openai:gpt-4o-mini"), book, when=WHEN)
    assert found.written_token == found.input_token
    assert any("what is written costs what is read" in note for note in found.notes)


def test_without_a_price_of_reading_the_cache_it_saves_nothing(book, tmp_path):
    """A model whose cached price nobody knows has cached tokens at full price, never at 0."""
    file = tmp_path / "prices.toml"
    entries = (
        TOKENS.format(item="model", kind="input", usd=3),
        TOKENS.format(item="model:output", kind="output", usd=15),
    )
    file.write_text("schema = 1\n" + "".join(entries), encoding="utf-8")
    found = unit_prices(Workload(1000, generator="facts:model"), book.overridden(file), when=WHEN)
    assert found.cached_token == found.input_token == Decimal("0.000003")
    assert any("saves nothing here" in note for note in found.notes)


def test_an_unknown_model_is_an_error(book):
    """A missing price of the generator is an error, never 0."""
    with pytest.raises(PriceError, match="the vendor 'nobody'"):
        unit_prices(Workload(1000, generator="nobody:nothing"), book, when=WHEN)


def test_memory_costs_what_the_vm_with_the_cheapest_usable_byte_does(book):
    """By hand over every VM type of us-east-1: usd x 730 / (GiB x 0.925), the least of them."""
    found = memory_price(book, Workload(1000))
    by_hand = {
        one.item: one.usd * 730 / (one.attribute("ram_gib") * 2**30 * Decimal("0.925") / 10**9)
        for one in book.instances("aws", "us-east-1")
    }
    assert found.vm == min(by_hand, key=lambda name: (by_hand[name], name))
    assert found.usd_per_gb_month == pytest.approx(by_hand[found.vm])
    assert found.usd(10**9) == found.usd_per_gb_month


def test_fewer_searches_are_billed_as_a_workload_with_fewer_queries(book):
    """Half the searches at half the peak cost what the target bills for half the queries; embedding is apart."""
    footprint = describe_by_bytes(1536.0, 0.0, 384, 10_000_000)
    workload = Workload(10_000_000, queries_per_month=4_000_000, peak_qps=Decimal(40),
                        embedding_model="openai:text-embedding-3-small")  # fmt: skip
    bill = SearchBill(footprint, workload, book, "faiss-ram")
    half = Workload(10_000_000, queries_per_month=2_000_000, peak_qps=Decimal(20))
    assert bill.usd(0.5, 0.5) == bill_index(footprint, half, book, target="faiss-ram").usd_per_month
    assert bill.usd(1.0, 1.0) >= bill.usd(0.5, 0.5)


def test_a_node_that_stays_saves_nothing(book):
    """A small index on one smallest VM costs the same with a tenth of the searches."""
    workload = Workload(1000, queries_per_month=1000, peak_qps=Decimal(1))
    bill = SearchBill(describe_by_bytes(64.0, 0.0, 384, 1000), workload, book, "faiss-ram")
    assert bill.usd(1.0, 1.0) == bill.usd(0.1, 0.1)


def test_the_peak_never_falls_below_the_average():
    """A cache that answers the whole peak leaves the average of what passes as the peak, and whole queries."""
    found = with_queries(Workload(1000, queries_per_month=2_628_000, peak_qps=Decimal(10)), 0.5, 0.0)
    assert (found.queries_per_month, found.peak_qps) == (1_314_000, Decimal("0.5"))
