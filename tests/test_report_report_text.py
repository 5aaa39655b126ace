from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import partial

import pytest
from rich.console import Console

from ragopt.report.frontier_table import frontier_rows
from ragopt.report.piped import print_trimmed
from ragopt.report.report_text import print_report
from ragopt.report.text import print_frontier
from ragopt.report.words import reproduce_command
from tests.printed_figures import check_comparison
from tests.report_example import example_run, nothing_fits_run, small_run, two_model_run
from tests.test_report_markdown import RUNS, lively_run


def printed(run, width: int, show=print_report) -> str:
    stream = io.StringIO()
    show(run, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def comparison_part(text: str) -> list[str]:
    """Lines of the comparison with the baseline, without its title."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if "beside the baseline" in line)
    while not lines[start].rstrip().endswith(":"):
        start += 1
    end = next(n for n in range(start, len(lines)) if not lines[n].strip())
    return lines[start + 1 : end]


def wide_rows(text: str) -> dict[str, tuple[str, str]]:
    """Rows of the comparison in columns, folded cells joined."""
    head, rule, *lines = comparison_part(text)
    assert set(rule.strip()) == {"─"}
    second, third = (re.search(name, head).start() for name in ("recommended|closest", "baseline"))
    rows: list[list[str]] = []
    for line in lines:
        cells = [line[:second].strip(), line[second:third].strip(), line[third:].strip()]
        # A folded cell goes on below: rows have a figure of ours in their first line, and a name that goes on has none.
        if cells[0] and cells[1]:
            rows.append(cells)
        else:
            rows[-1] = [f"{one} {more}".strip() for one, more in zip(rows[-1], cells, strict=True)]
    return {name: (ours, theirs) for name, ours, theirs in rows}


def narrow_rows(text: str) -> dict[str, tuple[str, str]]:
    """Rows of the comparison under each other, folded values joined."""
    rows: dict[str, list[str]] = {}
    name = ""
    for line in comparison_part(text):
        found = re.match(r"  (recommended|closest|baseline): +(.*)", line)
        if not line.startswith(" "):
            # A name may be folded too: it goes on until a value comes.
            name = f"{name} {line.strip()}" if name and name not in rows else line.strip()
        elif found:
            rows.setdefault(name, ["", ""])[found[1] == "baseline"] = found[2].strip()
            last = found[1] == "baseline"
        else:
            rows[name][last] = f"{rows[name][last]} {line.strip()}"
    return {name: (ours, theirs) for name, (ours, theirs) in rows.items()}


@pytest.mark.parametrize("make", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize(("width", "rows_of"), [(60, narrow_rows), (140, wide_rows)], ids=["narrow", "wide"])
def test_the_comparison_reads_back(make, width, rows_of):
    """Narrow and wide, every figure of the recommendation and of the baseline equals the record."""
    check_comparison(rows_of(printed(make(), width)), make())


@pytest.mark.parametrize("make", [example_run, small_run, nothing_fits_run, two_model_run])
@pytest.mark.parametrize("width", [40, 60, 140])
def test_every_part_is_printed_within_the_width(make, width):
    """Bill lines of both indexes, finalists, what was not measured, provenance and command, none wider than asked."""
    run = make()
    text = printed(run, width)
    assert max(map(len, text.splitlines()[:-1])) <= width
    assert "\x1b" not in text
    squeezed = re.sub(r"\s+", "", text)
    for bill in (run.recommendation.bill, run.recommendation.baseline_bill):
        for line in bill.lines:
            assert f"{line.quantity:f}{line.unit}xUSD{line.usd_per_unit}".replace(" ", "") in squeezed
    for result in run.trials:
        if result.confirmed:
            for figure in result.quality.values():
                told = f"measured{figure.value:.4f}[{figure.low:.4f},{figure.high:.4f}],n={figure.n_queries:,}"
                assert told in squeezed
    for told in ("Notmeasured:", "seed:7", "ExampleCPU,2cores,8.0GB,Linux", "faiss1.15.1", "ragoptsweepdocs/handbook",
                 "Thebaseline'slatencywasnotmeasured."):  # fmt: skip
        assert told in squeezed


@pytest.mark.parametrize("width", [60, 140])
def test_the_recommendation_and_the_baseline_are_printed_off_the_frontier(width):
    """A recommended trial and a baseline that others beat come below the frontier, marked, in a table of their own."""
    run = small_run()
    beaten = next(one for one in run.trials if one.trial.factory == "SQ4" and one.trial.space.dim == 256)
    moved = replace(run, recommendation=replace(run.recommendation, trial=beaten.trial))
    rows = frontier_rows(moved)
    assert [point.trial for point in rows.beside] == [str(beaten.trial)]
    lines = [line.strip() for line in printed(moved, width, print_frontier).splitlines()]
    gap = lines.index("")
    marks = [line.split()[0] for line in lines[lines.index("─" * width) + 1 :] if re.match(r"[*=]*[+~] ", line)]
    assert marks == ["~", "+", "~", "~", "+", "=~", "*~"]
    assert lines[gap + 1].startswith("*~   0.9401 [0.9343, 0.9459]")
    assert "after the gap: not on the frontier" in " ".join(lines[gap:])


def test_the_baseline_is_printed_where_a_smaller_index_finds_as_much():
    """A float32 baseline that is beaten at equal quality comes below the frontier too."""
    run = small_run()
    perfect = {"recall_vs_exact@10": run.trials[0].quality["recall_vs_exact@10"]}
    trials = tuple(
        replace(one, quality=perfect) if str(one.trial) == "wordllama@256:none | SQ8" else one for one in run.trials
    )
    beaten = replace(run, trials=trials)
    assert [point.trial for point in frontier_rows(beaten).beside] == ["wordllama@256:none | Flat"]
    assert re.search(r"^ *\n=~   1\.0000", printed(beaten, 60, print_frontier), re.MULTILINE)


def test_nothing_beside_the_frontier_says_nothing_of_it():
    """Where both are on the frontier the legend does not speak of others."""
    run = example_run()
    assert frontier_rows(run).beside == ()
    assert "after the gap" not in printed(run, 140, print_frontier)


def test_the_mark_of_a_run_where_nothing_fits_is_not_called_recommended():
    """The star is the closest trial there."""
    text = printed(nothing_fits_run(), 140, print_frontier)
    assert "* closest, nothing fits" in text
    assert "recommended" not in text


def test_hostile_texts_cannot_drive_the_terminal():
    """Escape sequences and direction marks in names, bill lines, notes, machine and command are spelt out."""
    for width in (60, 140):
        text = printed(lively_run(), width)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert max(map(len, text.splitlines()[:-1])) <= width


@pytest.mark.parametrize("width", [40, 140])
@pytest.mark.parametrize("terminal", [False, True])
def test_the_command_is_one_line_to_paste(width, terminal):
    """Whatever the width the command is printed without a line break, so that a shell takes it as it stands."""
    run, stream = example_run(), io.StringIO()
    print_report(run, Console(file=stream, width=width, highlight=False, force_terminal=terminal, color_system=None))
    assert len(reproduce_command(run)) > 140
    assert stream.getvalue().endswith(f"Repeat it:\n{reproduce_command(run)}\n")


def test_a_pipe_gets_no_blanks_at_the_ends_of_lines():
    """Piped, the report is the terminal's without the blanks that fill a table up; a terminal gets them all."""
    stream = io.StringIO()
    print_trimmed(Console(file=stream, width=140, highlight=False), partial(print_report, example_run()))
    whole = printed(example_run(), 140)
    assert any(line.endswith(" ") for line in whole.split("\n"))
    assert stream.getvalue() == "\n".join(line.rstrip(" ") for line in whole.split("\n"))
    stream = io.StringIO()
    shown = Console(file=stream, width=140, highlight=False, force_terminal=True, color_system=None)
    print_trimmed(shown, partial(print_report, example_run()))
    assert any(line.endswith(" ") for line in stream.getvalue().split("\n"))


def test_colours_only_on_a_terminal():
    """A terminal gets colour, a pipe gets none."""
    stream = io.StringIO()
    print_report(example_run(), Console(file=stream, width=100, force_terminal=True, color_system="standard"))
    assert "\x1b[" in stream.getvalue()


ORDER = ("Use wordllama", "Recommended beside the baseline", "Why:", "Runners-up:", "Frontier of",
         "Recommended index's bill", "Baseline's bill", "The same vectors at every target", "Built finalists",
         "How it was measured:", "Not measured:", "Warnings:", "Repeat it:")  # fmt: skip


def test_parts_come_in_order_and_each_fact_is_said_once():
    """Headline, baseline, why, frontier, bills, targets, builds, provenance, warnings, command; nothing twice."""
    run = example_run()
    note = "One note of both bills."
    bills = [replace(bill, notes=(note,)) for bill in (run.recommendation.bill, run.recommendation.baseline_bill)]
    run = replace(run, recommendation=replace(run.recommendation, bill=bills[0], baseline_bill=bills[1]))
    text = printed(run, 200)
    assert [text.count(title) for title in ORDER] == [1] * len(ORDER)
    places = [text.index(title) for title in ORDER]
    assert places == sorted(places)
    loss, latency = run.recommendation.loss_vs_exact["ndcg@10"], run.recommendation.latency
    once = (
        note,
        f"{loss.value:.4f} [{loss.low:.4f}, {loss.high:.4f}]",
        f"{latency.p50:.3f} / {latency.p95:.3f} / {latency.p99:.3f}",
        "20,000 B",
        "The queries are synthetic queries",
        *run.recommendation.why,
        *run.info["warnings"],
    )
    counts = {told: text.count(told) for told in once}
    assert counts == dict.fromkeys(once, 1) | {"20,000 B": 2}  # one of the baseline
    assert len(text) < 12_000


def test_why_nothing_fits_is_said_once():
    """It stands under the headline and nowhere else."""
    text = printed(nothing_fits_run(), 200)
    assert text.count("No trial meets --max-usd 1.00") == 1
    assert "Why:" not in text
