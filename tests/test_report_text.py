from __future__ import annotations

import io
import re
import shlex
from dataclasses import replace

import pytest
from rich.console import Console

from ragopt.cli.sweep import command as sweep_command
from ragopt.records import IndexBytes
from ragopt.report.info import frontier
from ragopt.report.text import print_frontier, print_recommendation
from ragopt.report.words import bytes_sentence, reproduce_command, saving_sentence, shown
from tests.report_example import example_run, hostile_run, nothing_fits_run, small_run


def printed(show, value, width: int) -> str:
    stream = io.StringIO()
    show(value, Console(file=stream, width=width))
    return stream.getvalue()


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("width", [40, 60, 80, 110, 200])
def test_frontier_numbers_are_whole_at_every_width(width):
    """Every figure of every frontier trial is printed in full, no line is wider than the terminal."""
    run = example_run()
    text = printed(print_frontier, run, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "\x1b" not in text
    for point in frontier(run):
        assert f"{point.quality.value:.4f} [{point.quality.low:.4f}, {point.quality.high:.4f}]" in text
        assert f"{point.usd_per_month:,.2f}" in text
        assert f"{point.ram_bytes_per_vector:,.0f} B" in text


def test_frontier_parses_back():
    """On a wide terminal each row reads back as the point it shows."""
    run = example_run()
    rows = [line for line in printed(print_frontier, run, 200).splitlines() if " | " in line]
    for row, point in zip(rows, frontier(run), strict=True):
        marks, value, low, high, usd, ram, disk, target, trial = re.fullmatch(
            r"([*=+~]+)\s+(\S+) \[(\S+), (\S+)\]\s+(\S+)\s+(\S+) B \+ (\S+) B\s+(\S+)\s+(.*?)\s*", row
        ).groups()
        figures = [float(text.replace(",", "")) for text in (value, low, high, usd, ram, disk)]
        quality = point.quality
        assert figures == [
            quality.value, pytest.approx(quality.low, abs=5e-5), pytest.approx(quality.high, abs=5e-5),
            float(point.usd_per_month), point.ram_bytes_per_vector, point.disk_bytes_per_vector,
        ]  # fmt: skip
        assert (target, trial) == (point.target, point.trial)
        assert ("*" in marks, "=" in marks, "+" in marks) == (
            point.is_recommended,
            point.is_baseline,
            point.confirmed,
        )


def test_frontier_says_which_cost_and_why():
    """The table names its axis, its reason and that its queries are synthetic."""
    text = squeezed(printed(print_frontier, small_run(), 60))
    assert squeezed("against RAM code bytes per vector: 6 of 38 trials") in text
    assert squeezed("because all 38 trials cost the same within 1 % at this scale") in text
    assert squeezed("(synthetic queries)") in text


@pytest.mark.parametrize("width", [60, 120])
def test_recommendation_in_plain_words(width):
    """Configuration, bytes, quality with intervals and n, both bills with their targets, reasons and runners-up."""
    run = example_run()
    text = squeezed(printed(print_recommendation, run, width))
    for phrase in (
        "Use wordllama at 256 dimensions in a FAISS index PCAR128,PQ16np,Refine(SQfp16).",
        "k_factor_rf=25",
        "16 B per vector, and 20,000 B fixed",
        "512 B per vector",
        "0.9604 [0.9552, 0.9656], n = 2,000 (synthetic queries)",
        "0.0011 [-0.0032, 0.0054], n = 300",
        "USD 23.81 per month on faiss-ram-nvme, USD 357.40 (94 %) less than USD 381.21 on faiss-ram",
        "16 B per vector in RAM and 512 B on disk, against 1,024 B in RAM",
        "p50 0.410 ms, p95 0.720 ms, p99 0.930 ms",
        "It is the cheapest of 38 trials",
        "wordllama@256:none | SQ8",
        "1,000 of them selected the finalists; 2,000 others measured the finalists again.",
    ):
        assert squeezed(phrase) in text


def test_recommendation_alone_prints():
    """The record alone, without its run, prints the same decision."""
    text = printed(print_recommendation, example_run().recommendation, 100)
    assert "Use wordllama at 256 dimensions" in text
    assert "Measured on" not in text


def test_nothing_fits_names_the_limit_first():
    """When nothing fits the failed limit comes before the closest trial's figures."""
    text = printed(print_recommendation, nothing_fits_run(), 100)
    assert text.startswith("No trial meets the limits")
    assert text.index("--max-usd 1.00") < text.index("PCAR128,PQ16np")
    assert "Why:" not in text


def test_hostile_names_cannot_drive_the_terminal():
    """Escape sequences and direction marks are spelt out, rich markup is text."""
    run = hostile_run()
    marked = replace(run, recommendation=replace(run.recommendation, why=("[red]why[/red]\x1b[2J",)))
    text = printed(print_recommendation, marked, 100) + printed(print_frontier, marked, 100)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]why[/red]\\x1b[2J" in text


def test_colours_only_on_a_terminal():
    """A terminal gets colour, a pipe gets none."""
    stream = io.StringIO()
    print_frontier(example_run(), Console(file=stream, width=100, force_terminal=True, color_system="standard"))
    assert "\x1b[" in stream.getvalue()


def test_saving_sentence_says_more_and_the_same():
    """A dearer recommendation says so, an equal one claims no saving."""
    recommendation = example_run().recommendation

    def with_bill(bill):
        return saving_sentence(replace(recommendation, bill=bill, baseline_bill=recommendation.bill))

    assert "the same as USD 23.81" in with_bill(recommendation.bill)
    assert "USD 357.40 (1501 %) more than USD 23.81" in with_bill(recommendation.baseline_bill)


def test_command_quotes_and_leaves_unset_options_out():
    """The command repeats the arguments, quoted for a shell, without those that were not given."""
    run = example_run(corpus="my docs; rm -rf ~")
    assert reproduce_command(run) == (
        "ragopt sweep 'my docs; rm -rf ~' --no-chunk --model wordllama --device auto --title-column headline"
        " --metric cosine --k 10 --seed 7 --n-queries 1000 --objective usd --cost-model scan"
        " --vectors-at-scale 100000000 --peak-qps 10 --replicas 2 --set horizon_months=24 --min-recall 0.95"
    )


@pytest.mark.parametrize(("descend", "words"), [(True, ""), (False, " --no-descend")])
def test_command_writes_flags_as_flags(descend, words):
    """A setting that is on or off is a flag, not an option with a value."""
    run = example_run()
    given = replace(run, info={**run.info, "arguments": {**run.info["arguments"], "descend": descend}})
    assert reproduce_command(given) == reproduce_command(run) + words


def test_command_uses_options_that_exist():
    """The command line parses every word of the printed command."""
    run = example_run()
    ready = {"vectors": "v.npy", "query_vectors": "q.npy", "vector_ids": "i.txt", "column": "embedding"}
    arguments = run.info["arguments"] | {"ready": ready, "corpus": None, "chunk": {"chunk_tokens": 64}}
    for one in (run, replace(run, info=run.info | {"arguments": arguments})):
        words = shlex.split(reproduce_command(one))
        assert words[:2] == ["ragopt", "sweep"]
        parsed = sweep_command.make_context("sweep", words[2:]).params
        assert parsed["n_vectors"] == 100_000_000
        assert parsed["models"] == ("wordllama",)
    assert (parsed["vector_column"], parsed["chunk_tokens"]) == ("embedding", 64)


def test_shown_cuts_long_text():
    """Text beyond the limit is cut with its length; text at the limit is whole."""
    assert shown("a" * 400) == "a" * 400
    assert shown("a" * 10_000) == "a" * 400 + "… (10,000 characters)"


def test_bytes_sentence_counts_the_tier_where_the_target_holds_it():
    """On faiss-ram the rescoring tier is RAM too and the ratio says so; on faiss-ram-nvme it is on disk."""
    one = replace(
        example_run().recommendation,
        index_bytes=IndexBytes(16.0, 1000, 256.0, 30_000),
        baseline_ram_bytes_per_vector=1024.0,
        baseline_label="float32",
    )
    assert bytes_sentence(replace(one, target="faiss-ram")) == (
        "16 B of codes per vector, 272 B in RAM with the rescoring tier, which faiss-ram holds there too, against "
        "1,024 B in RAM for float32 (3.8 times fewer)."
    )
    assert bytes_sentence(replace(one, target="faiss-ram-nvme")) == (
        "16 B per vector in RAM and 256 B on disk, against 1,024 B in RAM for float32 (64.0 times fewer)."
    )
