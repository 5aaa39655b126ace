"""The whole bill in the terminal: what is said beside the table, and only where it holds."""

import dataclasses
import datetime as dt
import io
import re
from decimal import Decimal

import pytest
from rich.console import Console

from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.whole_bill import bill_everywhere, whole_tornado
from ragopt.bill.workload import Workload
from ragopt.report.bill_text import marks_of, not_billed_text, print_swings, print_whole_bill

TODAY = dt.date(2026, 11, 26)
TEN_MILLION = Workload(10_000_000, metadata_bytes=1024)


def whole_of(workload=TEN_MILLION, **more):
    footprint = describe_by_bytes(4096.0, 0.0, 1024, workload.n_vectors)
    return bill_everywhere(footprint, workload, PriceBook.packaged(), today=TODAY, **more)


def printed(whole, *, lines=False, width=80):
    out = io.StringIO()
    print_whole_bill(whole, Console(file=out, width=width, highlight=False), lines=lines)
    return out.getvalue()


def test_bills_that_need_consent_are_marked_and_explained():
    """A billion vectors are more than upstash sells unasked, s3-vectors takes them, and weaviate 10 million."""
    whole = whole_of(Workload(10**9, metadata_bytes=1024))
    marks = {bill.target: marks_of(bill) for bill in whole.targets}
    assert (marks["upstash"], marks["s3-vectors"], marks["faiss-ram"]) == ("°†", "°", "")
    told = printed(whole, width=100)
    assert "upstash°† " in told
    assert "\n† needs the vendor's consent: the workload exceeds a limit" in told
    few = printed(whole_of(targets=["weaviate"]), lines=True)
    assert "†" not in few
    assert "° builds an index of its own" in few


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_bill_is_cut_at_any_width(width):
    """A hundred million vectors: every target's name, bill, range and part reads back, in lists where no table fits."""
    whole = whole_of(Workload(10**8, metadata_bytes=1024))
    lines = printed(whole, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    table = any(line.startswith("───") for line in lines)
    assert table == (width == 80)
    for bill in whole.targets:
        name, usd = bill.target + marks_of(bill), f"{bill.usd_per_month:,.2f}"
        low, high = (f"{end:,.2f}" if end < 100 else f"{end:,.0f}" for end in (bill.low, bill.high))
        if table:
            [row] = [line for line in lines if line.startswith(f"{name} ")]
            assert re.sub(" +", " ", row).startswith(f"{name} {usd} {low} to {high} ")
        else:
            at = lines.index(name)
            assert lines[at + 1 : at + 3] == [f"  USD a month: {usd}", f"  95 % range: {low} to {high}"]


def test_shared_lines_are_told_by_part_and_added_to_the_cheapest():
    """1 M queries of 3,080 tokens in and 300 out at 0.15 and 0.60: 642.00. Text: 0.22 + 4.00 + 4.17 = 8.39."""
    whole = whole_of(dataclasses.replace(TEN_MILLION, generator="openai:gpt-4o-mini"))
    told = printed(whole, width=200)
    assert "At every target besides: USD 650.39 a month: text 8.39, generation 642.00.\n" in told
    cheapest = whole.cheapest
    both = whole.with_shared[cheapest.target]
    assert both.usd_per_month == cheapest.usd_per_month + Decimal("650.39")
    assert f"All in, {cheapest.target} is USD {both.usd_per_month} a month, 95 % range " in told
    bare = printed(whole_of(dataclasses.replace(TEN_MILLION, text_bytes_per_chunk=0)))
    assert "besides" not in bare
    assert "All in" not in bare


def test_the_notes_of_the_shared_lines_stand_under_them():
    """What a rerank search holds is always said; every caution with --lines."""
    workload = dataclasses.replace(TEN_MILLION, reranker="cohere:rerank-v3.5")
    whole = whole_of(workload)
    told = printed(whole, width=300)
    assert "\nshared: cohere:rerank-v3.5 is billed by the search of up to 100 documents" in told
    assert "Prices of rerank" not in told
    told = printed(whole, lines=True, width=300)
    assert "- cohere:rerank-v3.5 is billed by the search of up to 100 documents" in told
    assert "- Prices of rerank: from litellm's undated list" in told


def test_more_is_promised_only_where_a_reason_was_cut():
    """A reason of one sentence is whole; of two, the second stands behind --target."""
    assert not_billed_text("a", "it is too small.") == "not billed: a: it is too small"
    assert not_billed_text("a", "No price. Fill it in.") == "not billed: a: No price (ragopt bill --target a says more)"


def test_how_the_index_was_found_and_what_prices_were_read_stand_above_the_table():
    """Notes of the bill and sentences of the price book, in this order, before the first target."""
    whole = whole_of(targets=["weaviate"], notes=("its search time is a guess.",))

    class Told(PriceBook):
        told = ("mine.toml replaces 2 prices.",)

    whole = dataclasses.replace(whole, book=Told(whole.book))
    lines = printed(whole).splitlines()
    at = lines.index("index: its search time is a guess.")
    assert lines[at + 1] == "prices: mine.toml replaces 2 prices."
    assert at < next(i for i, line in enumerate(lines) if line.startswith("weaviate"))


def test_the_tornado_says_which_bill_it_turns():
    """With the shared lines the heading names them and their sum."""
    whole = whole_of(targets=["weaviate"])
    out = io.StringIO()
    print_swings(whole_tornado(whole), whole, Console(file=out, width=120, highlight=False))
    usd = whole.with_shared["weaviate"].usd_per_month
    assert out.getvalue().startswith(
        f"\nWhat moves weaviate with the shared lines (USD {usd} a month; the cheapest) most:\n- "
    )
