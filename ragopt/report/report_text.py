"""The whole report in the terminal: the answer first, then everything that it rests on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.report.beside_baseline import beside_baseline
from ragopt.report.bill_text import CONSENT, OWN_INDEX, print_lines
from ragopt.report.cache_text import print_cache_section
from ragopt.report.provenance import not_measured, provenance
from ragopt.report.text import WIDE_COLUMNS, index_facts, print_frontier, print_grid, print_headline, print_list, say
from ragopt.report.words import interval_text, reproduce_command, shown, usd_text, value_text
from ragopt.sweep.kept_cache import cache_of
from ragopt.sweep.kept_everywhere import everywhere_in_run

LEGEND = (
    "estimate gap: estimated minus built recall on the same queries; ms: of one search on one thread; cold: with no "
    "page of the rescoring tier in RAM."
)

if TYPE_CHECKING:
    from rich.console import Console

    from ragopt.records import Bill, Run, TrialResult


def print_report(run: Run, console: Console) -> None:
    """Print a finished run, each fact once: answer, baseline, why, frontier, bills, targets, builds, trust, command.

    Args:
        run: a finished run.
        console: where to print; rich leaves colours out when it is not a terminal.

    Raises:
        ArtifactError: no trial of the run was measured, or the run is damaged.
    """
    decision = run.recommendation
    fits = decision.status == "ok"
    chosen = "Recommended" if fits else "Closest"
    print_headline(decision, console)
    print_grid(console, [(f"{name}:", value) for name, value in index_facts(decision)])
    _print_beside_baseline(run, console, chosen)
    # Where nothing fits, why not stands under the headline.
    for title, lines in (("Why:", decision.why if fits else ()), ("Runners-up:", decision.runners_up)):
        if lines:
            print_list(console, title, lines)
    say(console, "")
    print_frontier(run, console)
    _print_bills(decision.bill, decision.baseline_bill, console, chosen)
    _print_targets(run, console)
    advice = cache_of(run)
    if advice is not None:
        _heading(console, "Caches:")
        print_cache_section(advice, console)
    _print_finalists(run, console)
    _heading(console, "How it was measured:")
    print_grid(console, [(f"{name}:", value) for name, value in provenance(run)])
    print_list(console, "Not measured:", not_measured(run))
    if run.info["warnings"]:
        print_list(console, "Warnings:", tuple(map(str, run.info["warnings"])))
    _heading(console, "Repeat it:")
    _say_to_copy(console, shown(reproduce_command(run), 100_000))


def _say_to_copy(console: Console, text: str) -> None:
    """Print one line whatever the width: a line break of ours would end the command where it is pasted."""
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    console.print(Text(text), soft_wrap=True)


def _heading(console: Console, title: str) -> None:
    say(console, "")
    say(console, title, "bold")


def _print_beside_baseline(run: Run, console: Console, chosen: str) -> None:
    """Print both indexes in columns where they fit, under each other where they do not."""
    _heading(console, f"{chosen} beside the baseline ({shown(run.recommendation.baseline_label)}):")
    rows = beside_baseline(run)
    if console.width >= WIDE_COLUMNS:
        _columns(console, ("", chosen.lower(), "baseline"), [(row.name, row.ours, row.baseline) for row in rows])
        return
    for row in rows:
        say(console, row.name)
        print_grid(
            console, [(f"  {chosen.lower()}:", row.ours), *([("  baseline:", row.baseline)] if row.baseline else [])]
        )


def _columns(console: Console, titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich import box  # noqa: PLC0415 - loaded when first used
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    console.print(table)


def _print_bills(ours: Bill, theirs: Bill, console: Console, chosen: str) -> None:
    """Print both bills line by line; what holds for both is said once."""
    notes = tuple(note for note in theirs.notes if note not in ours.notes)
    for title, bill, told in ((f"{chosen} index's bill", ours, ours.notes), ("Baseline's bill", theirs, notes)):
        usd, low, high = (usd_text(money) for money in (bill.usd_per_month, bill.low, bill.high))
        print_lines(f"{title}: USD {usd} [{low}, {high}] a month on {shown(bill.target)}", bill.lines, console, told)


def _print_targets(run: Run, console: Console) -> None:
    """Print the bill at every target that the run keeps; of a run that keeps none, at those of its own index."""
    _heading(console, "The same vectors at every target, USD a month [95 % range]:")
    kept = everywhere_in_run(run)
    if kept is None:
        result = next(one for one in run.trials if one.trial == run.recommendation.trial)
        found = sorted(result.bills.values(), key=lambda bill: (bill.usd_per_month, bill.target))
        print_grid(console, [(shown(bill.target), _range(bill.usd_per_month, bill.low, bill.high)) for bill in found])
        return
    marks = ""
    rows = []
    for one in kept.targets:
        mark = OWN_INDEX * (not one.serves_the_index) + CONSENT * one.needs_consent
        marks += mark
        told = _range(one.usd_per_month, one.low, one.high)
        rows.append((shown(one.name) + mark, f"{told}: {shown(one.reason)} {shown(one.ends)}".rstrip()))
    print_grid(console, rows)
    if OWN_INDEX in marks:
        say(console, f"{OWN_INDEX} builds an index of its own: its recall was not measured by ragopt.")
    if CONSENT in marks:
        say(console, f"{CONSENT} needs the vendor's consent: ragopt bill RUN --lines says why.")
    say(console, f"At every target besides: USD {usd_text(kept.shared_usd_per_month)} a month.")


def _range(usd: Decimal, low: Decimal, high: Decimal) -> str:
    return f"{usd_text(usd)} [{usd_text(low)}, {usd_text(high)}]"


def _print_finalists(run: Run, console: Console) -> None:
    """Print what was estimated of each built trial beside what was measured."""
    _heading(console, "Built finalists, estimate beside measurement:")
    built = [result for result in run.trials if result.confirmed]
    if not built:
        say(console, "No trial was built on the whole corpus: every figure is an estimate.")
        return
    for result in built:
        say(console, shown(str(result.trial)))
        print_grid(console, [*_estimates(result), *_speeds(result)])
    say(console, LEGEND)


def _estimates(result: TrialResult) -> list[tuple[str, str]]:
    rows = []
    for name, figure in result.quality.items():
        estimated = "no estimate" if figure.estimated is None else f"estimated {value_text(figure.estimated)}"
        measured = f"measured {value_text(figure.value)} {interval_text(figure)}, n = {figure.n_queries:,}"
        rows.append((f"  {shown(name)}:", f"{estimated}, {measured}"))
    if result.estimate_gap is not None:
        rows.append(("  estimate gap:", f"{result.estimate_gap:+.4f}"))
    return rows


def _speeds(result: TrialResult) -> list[tuple[str, str]]:
    rows = []
    if result.latency is not None:
        one = result.latency
        rows.append(("  ms:", f"p50 {one.p50:.3f}, p95 {one.p95:.3f}, p99 {one.p99:.3f}"))
    if result.cold is not None:
        rows.append(("  ms, cold:", f"p50 {result.cold.p50:.3f}, p99 {result.cold.p99:.3f}"))
    if result.qps is not None:
        every = "" if result.qps_all_cores is None else f", all cores {result.qps_all_cores:,.0f}"
        rows.append(("  queries per second:", f"one thread {result.qps:,.0f}{every}"))
    return rows
