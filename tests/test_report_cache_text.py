"""The caches in the terminal, the markdown and the bill: read back, nothing of the log's texts at work."""

import functools
import io
import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.console import Console

import ragopt
from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.whole_bill import bill_everywhere
from ragopt.bill.whole_bill_json import whole_bill_json
from ragopt.bill.workload import Workload
from ragopt.cache.advice_json import summary_json
from ragopt.finished_run import Run
from ragopt.report.bill_caches import bill_cache_rows
from ragopt.report.bill_text import print_whole_bill
from ragopt.report.cache_ranking import ranked_sentence
from ragopt.report.cache_text import print_advice
from ragopt.report.cache_words import NO_LOG, notes, reasons
from ragopt.report.markdown import markdown_of
from ragopt.report.report_text import print_report
from ragopt.sweep.kept_cache import with_cache
from ragopt.sweep.run_folder import read_run
from tests.cache_example import ADVICE, with_example_cache
from tests.hostile_cache import hostile_advice, with_hostile_cache
from tests.rendered_markdown import Rendered
from tests.report_example import HOSTILE, example_run
from tests.test_report_markdown import LIVELY, MADE

SHORT = replace(ADVICE, insufficient="2.0 days of log, 3 are needed", plans=(replace(ADVICE.plans[0], on=False),))
TOLD = "No cache is recommended, the log says too little: 2.0 days of log, 3 are needed"


def printed(show, value, width):
    stream = io.StringIO()
    show(value, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def squeezed(text):
    return re.sub(r"\s+", "", text)


def test_a_run_without_a_log_has_one_line_more():
    """No section of caches in terminal and markdown: one line, with the command, which is gone with an advice."""
    text = printed(print_report, example_run(), 140)
    assert text.count("ragopt cache") == markdown_of(example_run()).count("ragopt cache") == 1
    assert "Caches:" not in text
    assert NO_LOG not in markdown_of(with_example_cache(example_run()))


def test_too_short_a_log_is_said_before_anything_else():
    """In terminal and markdown the reason stands before the caches, and no ranking is made."""
    run = with_cache(example_run(), SHORT)
    assert f"**{TOLD}**" in markdown_of(run)
    assert TOLD in printed(print_report, run, 140)
    text = printed(print_advice, SHORT, 140)
    assert text.index(TOLD) < text.index("Exact-answer")
    assert "would save" in printed(print_advice, SHORT, 80)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_whole_advice_is_printed_at_every_width(width):
    """Log, warning, ranking, every figure of every cache, reasons, notes, orders and prices; no line is too wide."""
    text = printed(print_advice, ADVICE, width)
    assert max(map(len, text.splitlines())) <= width
    flat = squeezed(text)
    for told in (ranked_sentence(ADVICE), *ADVICE.warnings, *reasons(ADVICE), "requests.jsonl, 7,106 requests",
                 "Prompt-prefix cache: Block 3 of sys_prompt", "changing blocks last", "3 USD per million tokens",
                 "2026-11-03"):  # fmt: skip
        assert squeezed(told) in flat
    for plan in ADVICE.recommended:
        for share in (plan.alone, plan.hits):
            told = f"{100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"
            assert squeezed(told) in flat
        assert squeezed(f"{plan.saved.value:.2f} [{plan.saved.low:.2f}, {plan.saved.high:.2f}]") in flat
    assert ("break-even    \n" in text) == (width == 140)


def test_the_wide_table_reads_back():
    """At 140 columns each cache is one line, in the order in which a request meets them."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed(print_advice, ADVICE, 140).splitlines()]
    rows = {line[0]: line[1:] for line in lines if line[0] in ("Exact-answer", "Semantic", "Chunk", "Prompt-prefix")}
    assert rows == {
        "Exact-answer": ["money", "LRU", "2.6 MB", "1 day", "9.1 % [7.1, 11.1]", "9.1 % [7.1, 11.1]",
                         "17.20 [14.10, 20.90]", "0.01", "over 100 years"],
        "Semantic": ["off"],
        "Chunk": ["latency", "LRU", "2.6 MB", "no end", "84.0 % [82.0, 86.0]", "82.0 % [80.0, 84.0]",
                  "0.04 [0.04, 0.05]", "0.01", "19 hours"],
        "Prompt-prefix": ["money", "5 min", "22.4 % [20.4, 24.4]", "21.0 % [19.0, 23.0]", "51.30 [44.00, 58.10]"],
    }  # fmt: skip


@pytest.mark.parametrize("width", [60, 140])
def test_the_terminal_report_has_a_section(width):
    """Ranking, table, risks, why the semantic cache is off and warnings stand between targets and finalists."""
    text = printed(print_report, with_example_cache(example_run()), width)
    titles = ("at every target", "\nCaches:", "What to know", "Not recommended:", "Built finalists")
    at = [text.index(title) for title in titles]
    assert at == sorted(at)
    for told in (ranked_sentence(ADVICE), reasons(ADVICE)[1], *notes(ADVICE), *ADVICE.warnings, "51.30 [44.00, 58.10]"):
        assert squeezed(told) in squeezed(text)


@pytest.mark.parametrize("width", [60, 140])
@pytest.mark.parametrize("text", [HOSTILE, f"{LIVELY}\x1b[2J[red]x[/red]\n"], ids=["markup", "escapes"])
def test_hostile_texts_cannot_drive_the_terminal(width, text):
    """Escape sequences, direction marks and rich's markup in the advice are text."""
    told = printed(print_advice, hostile_advice(text), width)
    told += printed(print_report, with_hostile_cache(example_run(), text), width)
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert ("[red]x[/red]" in told) == ("[red]" in text)


def test_the_markdown_reads_back():
    """Ranking, month, log, a row per cache by money, why one is off, warnings."""
    run = with_example_cache(example_run())
    page = Rendered(markdown_of(run))
    table = page.tables[1]
    assert table[0][0] == "Cache"
    assert table[1] == ["Prompt-prefix", "money", "", "5 min", "21.0 % [19.0, 23.0]", "51.30 [44.00, 58.10]",
                        ""]  # fmt: skip
    assert [row[0] for row in table[1:]] == [
        "Prompt-prefix", "Exact-answer", "Chunk", "Query-embedding", "Result", "Semantic",
    ]  # fmt: skip
    assert ranked_sentence(ADVICE) in page.prose
    assert reasons(ADVICE)[1] in page.points
    assert set(notes(ADVICE)) <= set(page.points)
    assert ADVICE.warnings[0] in page.points
    assert len(page.tables) == len(Rendered(markdown_of(example_run())).tables) + 1


def test_a_hostile_advice_makes_no_tag_and_no_link():
    """Rendered, only the template's own tags are there, no text pings, and the text stays within a comment."""
    text = markdown_of(with_hostile_cache(example_run(), LIVELY + HOSTILE))
    page = Rendered(text)
    assert {tag for tag, _ in page.tags} <= MADE
    for ping in ("@", "#", "GH-", "://evil", "www.", ":tada:", "$", "\u202e", "~~"):
        assert ping not in page.prose
    assert len(text) < 65_536


def test_a_run_gives_its_advice():
    """`ragopt.Run.cache` is the advice, for the run's own trial and target; None without one."""
    run = Run.of(with_example_cache(example_run()))
    assert run.cache == replace(ADVICE, trial=str(run.recommendation.trial), target=run.recommendation.target)
    assert Run.of(example_run()).cache is None
    assert isinstance(run.cache_savings_chart(narrow=True).to_dict(), dict)


def whole_bill(summary, recommended="weaviate"):
    workload = Workload(10_000_000, metadata_bytes=1024)
    footprint = describe_by_bytes(4096.0, 0.0, 1024, workload.n_vectors)
    found = bill_everywhere(footprint, workload, PriceBook.packaged(), targets=["weaviate"])
    return replace(found, recommended=recommended, cache=summary)


def test_the_bill_says_what_the_caches_take_off():
    """Before 403.10, each saving, memory 0.02, after 334.56, said to be for the log's requests a month."""
    summary = json.loads(json.dumps(summary_json(ADVICE)))
    rows = bill_cache_rows(summary)
    assert rows == [
        ("before", "403.10"), ("- exact-answer cache", "17.20"), ("- query-embedding cache", "0.01"),
        ("- result cache", "0.01"), ("- chunk cache", "0.04"), ("- prompt-prefix cache", "51.30"),
        ("+ their memory", "0.02"), ("after", "334.56"),
    ]  # fmt: skip
    told = [Decimal(usd) for _, usd in rows]
    assert told[0] - sum(told[1:6]) + told[6] == told[7]
    text = printed(functools.partial(print_whole_bill, lines=False), whole_bill(summary), 80)
    assert squeezed("USD for the 30,887 requests a month of the replayed log requests.jsonl") in squeezed(text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    at = lines.index("before 403.10")
    assert lines[at : at + 8] == [f"{name} {usd}" for name, usd in rows]


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        (whole_bill(None), ""),
        (whole_bill(summary_json(ADVICE), recommended="faiss-ram"), ""),
        (whole_bill(summary_json(SHORT)), "No cache is recommended: 2.0 days of log, 3 are needed\n"),
        (whole_bill(summary_json(replace(SHORT, insufficient=""))), "No cache is recommended.\n"),
    ],
    ids=["no log", "another target", "short log", "none saves"],
)  # fmt: skip
def test_the_bill_without_recommended_caches(whole, told):
    """Without an advice, or beside another target's bill, nothing is said; where none is recommended, why."""
    text = printed(functools.partial(print_whole_bill, lines=False), whole, 80)
    assert "requests a month of" not in squeezed(text)
    assert told in text
    assert ("No cache" in text) == bool(told)


def test_the_bill_of_a_run_carries_its_caches(small):
    """`ragopt.bill(RUN)` has the summary of recommendation.json, in its JSON too; of another trial it has none."""
    run = with_example_cache(read_run(small / "run"))
    whole = ragopt.bill(run)
    assert whole.cache == run.recommendation.cache == summary_json(run_advice(run))
    assert whole_bill_json(whole)["cache"] == whole.cache
    assert "+ their memory" in printed(functools.partial(print_whole_bill, lines=False), whole, 100)
    other = next(str(one.trial) for one in run.trials if one.bills and one.trial != run.recommendation.trial)
    assert ragopt.bill(run, trial=other).cache is None
    assert "cache" not in whole_bill_json(ragopt.bill(run, trial=other))


def run_advice(run):
    """The example advice, for the recommendation of a run."""
    return replace(ADVICE, trial=str(run.recommendation.trial), target=run.recommendation.target)
