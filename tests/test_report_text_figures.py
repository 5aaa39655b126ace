"""The figures of bills, targets and builds in the terminal's report and in the markdown, read back against the run."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ragopt.records import LatencyMs
from ragopt.report.markdown import markdown_of
from ragopt.sweep.kept_everywhere import everywhere_in_run
from tests.printed_figures import NUMBER, money, number
from tests.report_example import example_run, nothing_fits_run, old_run, small_run
from tests.test_report_report_text import printed

RANGE = rf"({NUMBER}) \[({NUMBER}), ({NUMBER})\]"
MAKERS = [example_run, small_run, nothing_fits_run]


def lines_between(text: str, start: str, end: str) -> list[str]:
    """Lines of a part of the report, its title left out."""
    lines = [line.rstrip() for line in text.splitlines()]
    first = next(n for n, line in enumerate(lines) if line.startswith(start))
    return lines[first + 1 : next(n for n in range(first, len(lines)) if lines[n].startswith(end))]


@pytest.mark.parametrize("make", MAKERS)
def test_every_target_has_its_bill_range_reason_and_marks(make):
    """One line a target in the record's order: name, marks, USD, lower and upper end, why; then what all share."""
    run = make()
    kept = everywhere_in_run(run)
    lines = lines_between(printed(run, 300), "The same vectors at every target", "Built finalists")
    for line, one in zip(lines, kept.targets, strict=False):
        name, usd, low, high, why = re.fullmatch(rf"(\S+) +{RANGE}: (.*)", line).groups()
        assert name == one.name + "\N{DEGREE SIGN}" * (not one.serves_the_index) + "\N{DAGGER}" * one.needs_consent
        assert [money(told) for told in (usd, low, high)] == [one.usd_per_month, one.low, one.high]
        assert why == f"{one.reason} {one.ends}".rstrip()
    meanings = lines[len(kept.targets) :]
    assert meanings[0].startswith("\N{DEGREE SIGN} builds an index of its own")
    assert meanings[1].startswith("\N{DAGGER} needs the vendor's consent")
    [shared] = re.findall(rf"^At every target besides: USD ({NUMBER}) a month\.$", "\n".join(meanings), re.MULTILINE)
    assert money(shared) == kept.shared_usd_per_month


def test_a_run_that_keeps_no_targets_tells_its_own_bills():
    """An old run has the bills of its own index alone, cheapest first, each with its range."""
    run = old_run()
    result = next(one for one in run.trials if one.trial == run.recommendation.trial)
    lines = lines_between(printed(run, 300), "The same vectors at every target", "Built finalists")
    told = [re.fullmatch(rf"(\S+) +{RANGE}", line).groups() for line in lines if line]
    expected = sorted(result.bills.values(), key=lambda bill: bill.usd_per_month)
    assert [(name, *map(money, figures)) for name, *figures in told] == [
        (bill.target, bill.usd_per_month, bill.low, bill.high) for bill in expected
    ]
    assert len(expected) > 1


@pytest.mark.parametrize("make", MAKERS)
def test_the_headings_of_the_bills_are_the_bills(make):
    """Sum, lower and upper end and target of both bills, ours first."""
    run = make()
    found = re.findall(rf"bill: USD {RANGE} a month on (\S+)$", printed(run, 300), re.MULTILINE)
    assert [(*map(money, figures), target) for *figures, target in found] == [
        (bill.usd_per_month, bill.low, bill.high, bill.target)
        for bill in (run.recommendation.bill, run.recommendation.baseline_bill)
    ]


def built_run():
    """A run whose first finalist has every figure, each its own."""
    run = example_run()
    at = next(n for n, one in enumerate(run.trials) if one.confirmed)
    full = replace(run.trials[at], estimate_gap=-0.0123, latency=LatencyMs(0.4, 0.7, 0.9, 1000),
                   cold=LatencyMs(1.5, 2.5, 3.5, 100), qps=2400.0, qps_all_cores=4321.0)  # fmt: skip
    return replace(run, trials=(*run.trials[:at], full, *run.trials[at + 1 :])), full


def test_a_build_has_its_estimates_beside_its_measurements():
    """Of every finalist and quality: what was estimated, what was measured, its interval and its queries."""
    run, _ = built_run()
    lines = lines_between(printed(run, 300), "Built finalists", "estimate gap: estimated minus")
    built = [result for result in run.trials if result.confirmed]
    assert [line for line in lines if line and not line.startswith(" ")] == [str(one.trial) for one in built]
    pattern = rf"  (\S+): +(?:no estimate|estimated ({NUMBER})), measured {RANGE}, n = ([\d,]+)"
    told = [found.groups() for line in lines if (found := re.fullmatch(pattern, line))]
    expected = [
        (name, figure.estimated, figure.value, figure.low, figure.high, figure.n_queries)
        for one in built
        for name, figure in one.quality.items()
    ]
    assert any(estimated not in (None, value) for _, estimated, value, *_ in expected)
    for (name, estimated, *figures), (its_name, its_estimate, *its_figures) in zip(told, expected, strict=True):
        assert name == its_name
        assert (estimated is None) == (its_estimate is None)
        assert estimated is None or number(estimated) == round(its_estimate, 4)
        assert [number(figure) for figure in figures] == [round(figure, 4) for figure in its_figures]


def test_a_build_has_its_times_and_its_gap_with_its_sign():
    """The gap is negative where the estimate was too low; p50, p95 and p99 in this order, warm and cold apart."""
    run, full = built_run()
    lines = lines_between(printed(run, 300), str(full.trial), "estimate gap: estimated minus")
    told = dict(re.fullmatch(r"  (.+?): +(.*)", line).groups() for line in lines[:6])
    assert told["estimate gap"] == "-0.0123"
    assert told["ms"] == "p50 0.400, p95 0.700, p99 0.900"
    assert told["ms, cold"] == "p50 1.500, p99 3.500"
    assert told["queries per second"] == "one thread 2,400, all cores 4,321"


@pytest.mark.parametrize("make", MAKERS)
def test_the_summaries_of_the_folded_bills_are_their_sums(make):
    """In the markdown each folded bill is announced with its own sum, the recommendation's first."""
    run = make()
    found = re.findall(rf"<summary>The \S+(?: \S+)? bill: USD ({NUMBER}) per month</summary>", markdown_of(run))
    bills = (run.recommendation.bill, run.recommendation.baseline_bill)
    assert [money(told) for told in found] == [bill.usd_per_month for bill in bills]
    assert all(bill.low < bill.usd_per_month < bill.high for bill in bills)
