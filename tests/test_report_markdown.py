from __future__ import annotations

import re
import urllib.parse
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from ragopt.errors import ArtifactError
from ragopt.records import RecallForecast
from ragopt.report.frontier_table import frontier_rows
from ragopt.report.markdown import markdown_of, relative_address
from ragopt.report.words import reproduce_command
from tests.printed_figures import byte_count, check_comparison, money, number
from tests.rendered_markdown import Rendered
from tests.report_example import HOSTILE, example_run, hostile_run, nothing_fits_run, small_run, two_model_run

RUNS = {"one model": example_run, "two models": two_model_run, "small": small_run, "nothing fits": nothing_fits_run}

MADE = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "code", "pre", "details",
        "summary", "br", "img"}  # fmt: skip
"""Every tag that the template makes."""

LIVELY = (
    "@octocat #1 GH-2 https://evil.example www.evil.example a@b.example :tada: $x$ **b** [l](//e) ![i](//e) `t` "
    "| ~~s~~ "
)


def check_numbers(text: str, run) -> None:
    """Read every table of the markdown back and compare it with the run's records."""
    page = Rendered(text)
    compared, frontier, ours, theirs = page.tables
    check_comparison({name: (one, other) for name, one, other in compared[1:]}, run)
    rows = frontier_rows(run)
    for cells, point in zip(frontier[1:], (*rows.kept, *rows.beside), strict=True):
        trial, quality, n_queries, usd, target, sizes, figures = cells
        value, low, high = map(number, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", quality).groups())
        ram, disk = map(byte_count, sizes.split(" + "))
        assert (trial, number(n_queries), money(usd), target, ram, disk) == (
            point.trial, point.quality.n_queries, point.usd_per_month, point.target, point.ram_bytes_per_vector,
            point.disk_bytes_per_vector,
        )  # fmt: skip
        assert (value, low, high) == tuple(round(one, 4) for one in (point.quality.value, point.quality.low,
                                                                     point.quality.high))  # fmt: skip
        assert figures.startswith("measured" if point.confirmed else "estimated")
        assert ("not on the frontier" in figures) == (not point.on_frontier)
        assert ("recommended" in figures or "closest" in figures) == point.is_recommended
    for table, bill in ((ours, run.recommendation.bill), (theirs, run.recommendation.baseline_bill)):
        for cells, line in zip(table[1:-1], bill.lines, strict=True):
            part, usd, quantity, price, item = cells
            amount, _, unit = quantity.partition(" ")
            assert (part, money(usd), money(amount), unit) == (line.part, line.usd, line.quantity, line.unit)
            assert Decimal(price.replace(",", "")) == line.usd_per_unit
            assert item.startswith(line.item)
            assert f"{line.source} as of {line.as_of}" in item
        assert money(table[-1][1]) == bill.usd_per_month


@pytest.mark.parametrize("make", RUNS.values(), ids=RUNS)
def test_numbers_of_the_markdown_are_those_of_the_records(make):
    """Comparison, frontier and both bills read back from the rendered tables equal the run."""
    check_numbers(markdown_of(make()), make())


def test_it_says_the_answer_why_warnings_and_how():
    """Headline, reasons, warnings, queries, seed, machine, versions and the command are there."""
    run = example_run()
    text = markdown_of(run)
    page = Rendered(text)
    assert text.startswith(
        "### ragopt: Use `wordllama` at 256 dimensions in a FAISS index `PCAR128,PQ16np,Refine(SQfp16)`\n"
    )
    assert "The queries are synthetic queries, made from the corpus itself." in page.prose
    for told in (*run.recommendation.why, *run.info["warnings"]):
        assert told in page.points
    assert "seed: 7" in page.points
    assert "machine: Example CPU, 2 cores, 8.0 GB, Linux" in page.points
    assert "versions: ragopt 0.1.0, python 3.11.9, faiss 1.15.1, numpy 2.4.6" in page.points
    assert "corpus: docs/handbook: 5,183 documents, 9,000 chunks, 12 exact duplicates" in page.points
    assert page.code[-1] == reproduce_command(run) + "\n"
    assert text.count("<details>") == text.count("</details>") == 4


def test_nothing_fits_comes_first():
    """When no trial meets the limits, the heading says so and the failed limit stands among the reasons."""
    text = markdown_of(nothing_fits_run())
    assert text.startswith("### ragopt: No trial meets the limits; the closest one is shown\n")
    assert "| | Closest trial |" in text
    assert "--max-usd 1.00" in text


@pytest.mark.parametrize(
    ("value", "low", "reason", "told"),
    [
        (None, None, "Too few vectors were swept.",
         "at most 0.9700, no lower end known: Too few vectors were swept."),
        (None, 0.91, "Few vectors were swept.", "between 0.9100 and 0.9700, no value known: Few vectors were swept."),
        (0.95, 0.91, "", "0.9500 [0.9100, 0.9700]"),
    ],
)  # fmt: skip
def test_a_forecast_says_its_range_or_why_it_has_none(value, low, reason, told):
    """Quality at the billed size is a row of its own, with what cannot be said."""
    run = example_run()
    forecast = RecallForecast(100_000_000, value, low, 0.97, "scaled", reason)
    text = markdown_of(replace(run, recommendation=replace(run.recommendation, forecast=forecast)))
    rows = {row[0]: row[1] for row in Rendered(text).tables[0]}
    assert rows["recall_vs_exact@10 forecast for 100,000,000 vectors"] == told


def lively_run():
    """A run whose every free text tries to become markup, a link, a mention or an image."""
    run = hostile_run()
    model = f"m{LIVELY}{HOSTILE}"
    trials = tuple(
        replace(one, trial=replace(one.trial, space=replace(one.trial.space, model=model)), reason=LIVELY)
        for one in run.trials
    )
    chosen = run.recommendation
    line = replace(
        chosen.bill.lines[0], item=LIVELY, source=LIVELY, formula=f"{LIVELY}\x1b[31m", caution=LIVELY, unit=LIVELY
    )
    bill = replace(chosen.bill, lines=(line,), usd_per_month=line.usd, notes=(LIVELY, f"{HOSTILE}\n- x\n\n# y"))
    recommendation = replace(
        chosen,
        trial=replace(chosen.trial, space=replace(chosen.trial.space, model=model)),
        bill=bill,
        baseline_label=LIVELY + HOSTILE,
        why=(LIVELY, HOSTILE, "1. x", "- y", "```", "</details>"),
    )
    info = {
        **run.info,
        "warnings": [LIVELY, HOSTILE, "x" * 10_000, "</details><img src=x onerror=alert(1)>"],
        "machine": run.info["machine"] | {"cpu": LIVELY},
        "versions": {LIVELY: HOSTILE},
        "corpus": run.info["corpus"] | {"source": f"c{LIVELY}\n```\n{HOSTILE}", "fingerprint": LIVELY},
        "queries": run.info["queries"] | {"source": LIVELY, "synthetic": False},
        "models": [run.info["models"][0] | {"name": model}],
        "arguments": run.info["arguments"] | {"corpus": f"{LIVELY}\n```\n{HOSTILE}", "models": [model]},
    }
    return replace(run, trials=trials, recommendation=recommendation, info=info)


def test_a_hostile_run_makes_no_tag_and_no_link():
    """Rendered, only the template's own tags are there, without an attribute of the run's, and no text pings."""
    page = Rendered(markdown_of(lively_run(), image="frontier.png", image_title=LIVELY))
    assert {tag for tag, _ in page.tags} <= MADE
    for tag, attributes in page.tags:
        names = {name for name, _ in attributes}
        assert names <= {"img": {"src", "alt"}, "code": {"class"}, "th": {"style"}, "td": {"style"}}.get(tag, set())
    assert [dict(attributes)["src"] for tag, attributes in page.tags if tag == "img"] == ["frontier.png"]
    for ping in ("@", "#", "GH-", "://", "www.", ":tada:", "$", "\u202e", "\x1b", "**", "~~"):
        assert ping not in page.prose
    assert sum(tag == "details" for tag, _ in page.tags) == 4


def test_markdown_stays_within_a_comment():
    """A hostile run's text stays within the 65,536 characters that GitHub takes for one comment."""
    assert len(markdown_of(lively_run())) < 65_536


def test_what_is_too_long_for_github_is_left_out_and_said():
    """200 long warnings and notes of 90,000 characters: the bills go first, then the lists; what went is counted."""
    run = example_run()
    ours = replace(run.recommendation.bill, notes=("word " * 18_000,))
    noted = replace(run, recommendation=replace(run.recommendation, bill=ours))
    text = markdown_of(noted)
    assert len(text) < 65_536
    assert text.count("Left out, the text would be too long for GitHub: `report.html`") >= 1
    for told in run.info["warnings"]:
        assert told in Rendered(text).points
    long = replace(noted, info={**run.info, "warnings": [f"{n} {'word ' * 100}" for n in range(200)]})
    text = markdown_of(long)
    assert len(text) < 65_536
    assert text.count("Left out, the text would be too long for GitHub") == 4
    assert "- 195 more are left out: `report.html` in the run's folder has it, and so has `ragopt report RUN`." in text
    assert text.count("<details>") == text.count("</details>") == 4
    assert "left out" not in markdown_of(run).lower()


@pytest.mark.parametrize("name", ["a b.png", "a(1).png", "ä#?%.png", "a]b[.png", "<x>.png", "a\\b.png", "a:b.png"])
def test_the_picture_is_found_from_the_markdown(name, tmp_path):
    """The address is relative to the markdown's folder and escaped: unescaped it leads to the picture again."""
    picture, folder = tmp_path / "runs" / name, tmp_path / "docs" / "deep"
    folder.mkdir(parents=True)
    address = relative_address(picture, folder)
    assert (folder / urllib.parse.unquote(address)).resolve() == picture.resolve()
    [image] = [dict(given) for tag, given in Rendered(f"![x]({address})").tags if tag == "img"]
    assert image["src"] == address


def test_no_picture_no_link():
    """Without a picture there is no image in the text."""
    assert "![" not in markdown_of(example_run())


def test_nothing_measured_is_an_error():
    """A run without a measured trial says so instead of an empty table."""
    run = example_run()
    with pytest.raises(ArtifactError, match="has no trial with recall_vs_exact@10 and a bill"):
        markdown_of(replace(run, trials=tuple(one for one in run.trials if one.status == "unsuitable")))


def test_relative_addresses_of_neighbours():
    """A picture in the same folder is its name alone."""
    assert relative_address(Path("a/frontier.png"), Path("a")) == "frontier.png"
    assert relative_address(Path("run/frontier.png"), Path("docs")) == "../run/frontier.png"
