"""A cache advice in words: the ranking by money, shares, times, and what is said where nothing is recommended."""

import doctest
from dataclasses import replace
from decimal import Decimal

import pytest

from ragopt.cache.records import Share
from ragopt.report import cache_words, pixel_plot
from ragopt.report.cache_ranking import ranked_sentence, sum_sentence
from ragopt.report.cache_tables import cache_prices, caches_table, orders_table, short_table
from ragopt.report.cache_words import (
    insufficient_sentence,
    log_sentence,
    percent_text,
    reasons,
    share_text,
)
from tests.cache_example import ADVICE, ANSWER, CHUNK, EMBEDDING, PREFIX, SEMANTIC


@pytest.mark.parametrize("module", [cache_words, pixel_plot], ids=lambda one: one.__name__)
def test_examples_in_the_docstrings_hold(module):
    """Every printed example of shares, times and ticks is what the function gives."""
    found = doctest.testmod(module)
    assert (found.failed, found.attempted >= 2) == (0, True)


def test_caches_are_ranked_by_money_and_those_for_latency_are_said_not_to_be_for_money():
    """Prefix 51.30 before answers 17.20; chunk, embedding and result with their cents, as buying latency."""
    assert ranked_sentence(ADVICE) == (
        "Prompt-prefix cache saves USD 51.30 a month, exact-answer cache 17.20; chunk, query-embedding and result "
        "caches buy latency, not money: USD 0.04, 0.01 and 0.01 a month."
    )


@pytest.mark.parametrize(
    ("plans", "sentence"),
    [
        ((PREFIX,), "Prompt-prefix cache saves USD 51.30 a month."),
        ((CHUNK,), "Chunk cache buys latency, not money: USD 0.04 a month."),
        ((EMBEDDING, CHUNK), "Chunk and query-embedding caches buy latency, not money: USD 0.04 and 0.01 a month."),
        ((replace(CHUNK, buys="nothing"),), "Chunk cache buys neither money nor latency: USD 0.04 a month."),
        ((SEMANTIC,), "No cache is recommended."),
        ((), "No cache is recommended."),
        ((ANSWER, SEMANTIC), "Exact-answer cache saves USD 17.20 a month."),
    ],
)
def test_the_ranking_of_few_caches(plans, sentence):
    """One cache, caches for latency alone, and none each have their sentence."""
    assert ranked_sentence(replace(ADVICE, plans=plans)) == sentence


def test_the_sentence_ranks_by_the_figures_that_it_shows():
    """A saving of 60.00 comes before one of 51.30, whatever its memory costs; the sentence has no net figures."""
    dear = replace(ANSWER, saved=replace(ANSWER.saved, value=Decimal(60)), memory_usd_per_month=Decimal(20))
    assert ranked_sentence(replace(ADVICE, plans=(dear, PREFIX))) == (
        "Exact-answer cache saves USD 60.00 a month, prompt-prefix cache 51.30."
    )


def test_memory_that_costs_more_than_it_buys_is_said():
    """Caches for latency that save 0.05 with memory of 0.19, and one that saves 0.04 with memory of 0.05."""
    dear = [replace(plan, memory_usd_per_month=Decimal(usd)) for plan, usd in ((EMBEDDING, "0.10"), (CHUNK, "0.09"))]
    assert ranked_sentence(replace(ADVICE, plans=(ANSWER, *dear))) == (
        "Exact-answer cache saves USD 17.20 a month; chunk and query-embedding caches buy latency, not money: USD 0.04 "
        "and 0.01 a month, their memory 0.19."
    )
    assert ranked_sentence(replace(ADVICE, plans=(dear[1],))) == (
        "Chunk cache buys latency, not money: USD 0.04 a month, its memory 0.09."
    )


def test_month_log_and_reasons_are_told():
    """403.10 less 68.54 is 334.56; the log with its days and rate; why the semantic cache is off."""
    assert sum_sentence(ADVICE).startswith("USD 403.10 a month without them, USD 334.56 with them")
    assert log_sentence(ADVICE) == (
        "Replayed: requests.jsonl, 7,106 requests over 7 days. Savings are for 30,887 requests a month (the log's "
        "own rate)."
    )
    timeless = replace(ADVICE, basis="model, not measured", log=replace(ADVICE.log, days=None))
    assert log_sentence(timeless).startswith("Basis: model, not measured: requests.jsonl, 7,106 requests without times")
    assert reasons(ADVICE, off_only=True) == (
        "Semantic cache: off: 120 labelled hits, and 149 without any error are needed for a false-hit rate of 2 %.",
    )
    assert len(reasons(ADVICE)) == 6


def test_a_log_that_says_too_little_is_said_so():
    """`insufficient` has a sentence of its own; a log that is enough has none."""
    assert insufficient_sentence(replace(ADVICE, insufficient="2.0 days, 3 are needed")) == (
        "No cache is recommended, the log says too little: 2.0 days, 3 are needed"
    )
    assert insufficient_sentence(ADVICE) == ""


def test_intervals_have_the_decimals_of_their_share():
    """Half a percent has two decimals in value and interval, nine percent one."""
    assert share_text(Share(0.005, 0.001, 0.0123, 10)) == "0.50 % [0.10, 1.23]"
    assert (percent_text(0.00996), percent_text(0.0099)) == ("1.0 %", "0.99 %")


def test_tables_hold_the_records():
    """Every cell of the prefix, chunk and semantic caches, worked out from the example by hand."""
    rows = {row[0]: row[1:] for row in caches_table(ADVICE).rows}
    assert list(rows) == ["Exact-answer", "Semantic", "Query-embedding", "Result", "Chunk", "Prompt-prefix"]
    assert rows["Prompt-prefix"] == ("money", "", "", "", "5 min", "22.4 % [20.4, 24.4]", "21.0 % [19.0, 23.0]",
                                     "51.30 [44.00, 58.10]", "", "")  # fmt: skip
    assert rows["Chunk"] == ("latency", "LRU", "2.6 MB", "2,000", "no end", "84.0 % [82.0, 86.0]",
                             "82.0 % [80.0, 84.0]", "0.04 [0.04, 0.05]", "0.01", "19 hours")  # fmt: skip
    assert rows["Semantic"] == ("off", "", "", "", "", "", "", "", "", "")
    assert [row[0] for row in short_table(ADVICE).rows] == [
        "Prompt-prefix", "Exact-answer", "Chunk", "Query-embedding", "Result", "Semantic",
    ]  # fmt: skip
    assert orders_table(ADVICE).rows[1] == ("changing blocks last", "24.0 % [22.0, 26.0]", "55.00 [48.00, 62.00]")
    assert cache_prices(ADVICE).rows == (
        ("a GB of RAM for a month, on x2gd.2xlarge", "3.84", "2026-07-20",
         "0.668 USD per hour x 730 / (128 GiB x 0.925 usable); a price list"),
        ("a token read by the language model", "0.000003", "2026-11-03",
         "3 USD per million tokens; a vendor's page"),
    )  # fmt: skip
    off = replace(CHUNK, on=False)
    assert caches_table(replace(ADVICE, plans=(off,))).rows[0][8] == "0.04 [0.04, 0.05]"
