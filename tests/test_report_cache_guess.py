"""What nobody measured or counted is said beside its figure: in the ranking, the tables, the report and the bill."""

import functools
from dataclasses import replace
from decimal import Decimal

import pytest
from bs4 import BeautifulSoup

from ragopt.cache.advice_json import summary_json
from ragopt.report.bill_caches import bill_cache_rows
from ragopt.report.bill_text import print_whole_bill
from ragopt.report.cache_ranking import ranked_sentence, sum_sentence
from ragopt.report.cache_tables import caches_table, orders_table, short_table
from ragopt.report.cache_text import print_advice
from ragopt.report.cache_words import log_sentence, notes, reasons, ttl_text
from ragopt.report.markdown import markdown_of
from ragopt.report.page import page_html
from ragopt.report.report_text import print_report
from ragopt.sweep.kept_cache import with_cache
from tests.cache_example import ADVICE, ANSWER, CHUNK, GUESSED, SEMANTIC
from tests.rendered_markdown import Rendered
from tests.report_example import example_run
from tests.test_report_cache_text import printed, squeezed, whole_bill

GUESS = f"(a guess: {GUESSED.guess})"
PLANS = replace(ADVICE, plans=(*ADVICE.plans[:-1], GUESSED))
ON = replace(SEMANTIC, on=True, buys="money", saved=ANSWER.saved, hits=ANSWER.hits)


def test_the_ranking_calls_a_guess_one():
    """The whole clause stands behind the figure, first or not; the sum says how much of the saving is a guess."""
    assert ranked_sentence(PLANS).startswith(f"Prompt-prefix cache saves USD 51.30 a month {GUESS}, exact-answer cache")
    dear = replace(ANSWER, saved=replace(ANSWER.saved, value=Decimal(60)))
    assert ranked_sentence(replace(ADVICE, plans=(dear, GUESSED))) == (
        f"Exact-answer cache saves USD 60.00 a month, prompt-prefix cache 51.30 {GUESS}."
    )
    assert "with them (USD 51.30 of the saving is a guess): " in sum_sentence(PLANS)
    assert "guess" not in ranked_sentence(ADVICE) + sum_sentence(ADVICE)


def test_tables_and_reasons_call_a_guess_one():
    """The saving's cell has the short form, on or off, and so have all orders of the prompt; the reason the clause."""
    assert caches_table(PLANS).rows[-1][8] == "51.30 [44.00, 58.10] (a guess)"
    assert short_table(PLANS).rows[0][5] == "51.30 [44.00, 58.10] (a guess)"
    assert [row[2] for row in orders_table(PLANS).rows] == [
        "51.30 [44.00, 58.00] (a guess)", "55.00 [48.00, 62.00] (a guess)",
    ]  # fmt: skip
    off = replace(ADVICE, plans=(replace(GUESSED, on=False),))
    assert caches_table(off).rows[0][8] == "51.30 [44.00, 58.10] (a guess)"
    assert reasons(off, off_only=True)[0].endswith(f" read from it. A guess: {GUESSED.guess}.")


@pytest.mark.parametrize("width", [60, 80, 160])
def test_report_page_and_markdown_call_a_guess_one(width):
    """`ragopt cache`, `ragopt report`, the page and the markdown have the clause and the short form in the table."""
    run = with_cache(example_run(), PLANS)
    for text in (printed(print_report, run, width), printed(print_advice, PLANS, width)):
        assert squeezed(GUESS) in squeezed(text)
        assert squeezed("51.30 [44.00, 58.10] (a guess)") in squeezed(text)
    page = Rendered(markdown_of(run))
    assert GUESS in page.prose
    assert page.tables[1][1][5] == "51.30 [44.00, 58.10] (a guess)"


def test_the_page_calls_a_guess_one():
    """The headline of the section has the clause."""
    section = BeautifulSoup(page_html(with_cache(example_run(), PLANS)), "html.parser").select_one("#caches")
    assert GUESS in section.p.get_text()
    assert "51.30 [44.00, 58.10] (a guess)" in section.select_one("#caches-table").get_text()


def test_the_bill_calls_a_guess_one_and_says_whose_prices_it_has():
    """The line has the short form, the clause stands below; the prices are those that `ragopt cache` was given."""
    text = printed(functools.partial(print_whole_bill, lines=False), whole_bill(summary_json(PLANS)), 80)
    assert ("- prompt-prefix cache (a guess)", "51.30") in bill_cache_rows(summary_json(PLANS))
    told = f"Prompt-prefix cache, and with it the month after: a guess: {GUESSED.guess}."
    assert squeezed(told) in squeezed(text)
    assert squeezed("as advised: by the prices and the workload given to `ragopt cache`") in squeezed(text)
    assert "(a guess)" not in str(bill_cache_rows(summary_json(ADVICE)))


def test_memory_that_is_not_in_the_bill_is_not_called_free():
    """A semantic cache's is not counted, in table, list, sum and bill; a provider's cache has none of ours."""
    advice = replace(ADVICE, plans=(ON, GUESSED))
    assert [row[9] for row in caches_table(advice).rows] == ["not counted", ""]
    text = printed(print_advice, advice, 60)
    assert "memory not counted" in text
    assert "memory USD" not in text
    assert "and the caches' memory, but for the semantic cache's, which is not counted." in sum_sentence(advice)
    assert ("+ their memory (the semantic cache's is not counted)", "0.00") in bill_cache_rows(summary_json(advice))
    assert "not counted" not in sum_sentence(ADVICE)


def test_risks_of_recommended_caches_are_in_the_short_reports():
    """Notes of caches that are off stay out of terminal report and markdown; those of caches that are on are there."""
    off = replace(SEMANTIC, notes=("Nobody labelled a pair.",))
    run = with_cache(example_run(), replace(ADVICE, plans=(ANSWER, off)))
    text = printed(print_report, run, 100)
    assert squeezed(notes(ADVICE)[0]) in squeezed(text)
    assert "Nobody labelled" not in text + markdown_of(run)
    assert "<summary>What to know of the recommended caches</summary>" in markdown_of(run)
    bare = with_cache(example_run(), replace(ADVICE, plans=(replace(ANSWER, notes=()),)))
    assert "What to know" not in markdown_of(bare) + printed(print_report, bare, 100)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_an_address_of_a_price_is_in_one_piece(width):
    """However narrow the terminal, a source's address is not broken; words around it fold as others do."""
    address = "https://prices.example.org/a/very/long/path/to/a/price/list/of/one/region/index.json?of=2026-11"
    advice = replace(ADVICE, memory=replace(ADVICE.memory, source=f"{address} (read on a day in November)"))
    lines = printed(print_advice, advice, width).splitlines()
    assert any(address in line for line in lines)
    assert all(len(line) <= width for line in lines if address not in line)


def test_one_of_a_thing_is_told_in_the_singular():
    """One request, one item, one day; a life of 1e300 seconds is over 100 years."""
    one = replace(ADVICE, log=replace(ADVICE.log, n_requests=1, days=1.0, requests_per_month=Decimal(1)),
                  plans=(replace(CHUNK, n_items=1, ttl_s=1e300),))  # fmt: skip
    assert "requests.jsonl, 1 request over 1 day. Savings are for 1 request a month" in log_sentence(one)
    assert "1 item, TTL over 100 years" in printed(print_advice, one, 60)
    assert ttl_text(365 * 86_400) == "365 days"
