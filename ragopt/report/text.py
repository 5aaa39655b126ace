"""A finished run in the terminal: the frontier as a table, the recommendation in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.records import Recommendation, Run
from ragopt.report.frontier_table import FrontierRows, frontier_rows
from ragopt.report.words import (
    SYNTHETIC,
    bytes_sentence,
    bytes_text,
    confirmation_sentence,
    headline,
    interval_text,
    latency_text,
    quality_text,
    query_sentences,
    reduction_words,
    saving_sentence,
    shown,
    usd_text,
    value_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from ragopt.report.info import FrontierPoint

WIDE_COLUMNS = 110
"""From this width a row of the frontier fits beside a usual printed trial of 60 characters."""


def print_frontier(run: Run, console: Console) -> None:
    """Print the trials that no other trial beats, cheapest first, and the recommended one and the baseline.

    Those two come last where they are not on the frontier. Wide terminals get one row per trial; narrow ones get
    the figures as a table and the trial under them.

    Args:
        run: a finished run.
        console: where to print; rich leaves colours out when it is not a terminal.

    Raises:
        ArtifactError: no trial of the run was measured.
    """
    rows = frontier_rows(run)
    label = f" ({SYNTHETIC})" if run.recommendation.synthetic_queries else ""
    say(console, f"Frontier of {rows.quality}{label} against {rows.axis.title}: {len(rows.kept)} of "
         f"{len(rows.points)} trials", "bold")  # fmt: skip
    say(console, f"Cost: {rows.axis.reason}.")
    wide = console.width >= WIDE_COLUMNS
    console.print(_wide_table(rows) if wide else _narrow_table(rows))
    chosen = rows.chosen_word if rows.chosen_word == "recommended" else f"{rows.chosen_word}, nothing fits"
    beside = "   after the gap: not on the frontier" if rows.beside else ""
    say(console, f"* {chosen}   = float32 baseline   + measured on a built index   ~ estimated{beside}")


def _marks(point: FrontierPoint) -> str:
    return "*" * point.is_recommended + "=" * point.is_baseline + ("+" if point.confirmed else "~")


def _figures(point: FrontierPoint) -> tuple[str, str, str, str]:
    return (
        f"{value_text(point.quality.value)} {interval_text(point.quality)}",
        usd_text(point.usd_per_month),
        bytes_text(point.ram_bytes_per_vector),
        bytes_text(point.disk_bytes_per_vector),
    )


def _style(point: FrontierPoint) -> str:
    return "bold green" if point.is_recommended else ""


def _wide_table(rows: FrontierRows) -> Table:
    from rich import box  # noqa: PLC0415 - loaded when first used
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column(f"{rows.quality} [95 %]", no_wrap=True)
    table.add_column("USD per month", justify="right", no_wrap=True)
    table.add_column("codes + rescoring bytes", justify="right", no_wrap=True)
    table.add_column("target", overflow="fold")
    table.add_column("trial", overflow="fold")
    last = rows.kept[-1] if rows.beside else None
    for point in (*rows.kept, *rows.beside):
        figures, usd, ram, disk = _figures(point)
        cells = (_marks(point), figures, usd, f"{ram} + {disk}", point.target, shown(point.trial))
        table.add_row(*(Text(cell) for cell in cells), style=_style(point), end_section=point is last)
    return table


def _narrow_table(rows: FrontierRows) -> Table:
    from rich import box  # noqa: PLC0415 - loaded when first used
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", overflow="fold")
    table.add_column(f"{rows.quality} [95 % interval], cost, bytes per vector, trial", overflow="fold")
    last = rows.kept[-1] if rows.beside else None
    for point in (*rows.kept, *rows.beside):
        figures, usd, ram, disk = _figures(point)
        body = (
            f"{figures}\nUSD {usd} on {point.target}\n{ram} of codes in RAM, {disk} for rescoring\n{shown(point.trial)}"
        )
        table.add_row(Text(_marks(point)), Text(body, overflow="fold"), style=_style(point), end_section=point is last)
    return table


def print_recommendation(run_or_recommendation: Run | Recommendation, console: Console) -> None:
    """Print the decision in plain words: what, how good, what it costs beside the baseline, and why.

    Args:
        run_or_recommendation: a finished run, which also tells about the queries and warnings, or its decision.
        console: where to print.
    """
    run = run_or_recommendation if isinstance(run_or_recommendation, Run) else None
    recommendation = (
        run_or_recommendation.recommendation if isinstance(run_or_recommendation, Run) else (run_or_recommendation)
    )
    fits = recommendation.status == "ok"
    print_headline(recommendation, console)
    print_grid(console, [(f"{name}:", value) for name, value in _facts(recommendation)])
    say(console, "")
    say(console, saving_sentence(recommendation))
    say(console, bytes_sentence(recommendation))
    say(console, confirmation_sentence(recommendation))
    if fits and recommendation.why:
        print_list(console, "Why:", recommendation.why)
    if recommendation.runners_up:
        print_list(console, "Runners-up:", recommendation.runners_up)
    if run is not None:
        print_list(console, "Measured on:", query_sentences(run))
        if run.info["warnings"]:
            print_list(console, "Warnings:", tuple(str(warning) for warning in run.info["warnings"]))


def print_headline(recommendation: Recommendation, console: Console) -> None:
    """Print what to use; where nothing fits, why not."""
    fits = recommendation.status == "ok"
    say(console, headline(recommendation), "bold green" if fits else "bold red")
    if not fits:
        print_grid(console, [("-", shown(reason)) for reason in recommendation.why])


def index_facts(recommendation: Recommendation) -> list[tuple[str, str]]:
    """Name and value of what the index is."""
    trial = recommendation.trial
    return [
        ("model", shown(trial.space.model)),
        ("dimension", reduction_words(recommendation)),
        ("factory", shown(trial.factory)),
        ("search", shown(trial.search) or "no search parameters"),
    ]


def _facts(recommendation: Recommendation) -> list[tuple[str, str]]:
    trial, sizes, bill = recommendation.trial, recommendation.index_bytes, recommendation.bill
    label = f" ({SYNTHETIC})" if recommendation.synthetic_queries else ""
    facts = [
        ("trial", shown(str(trial))),
        *index_facts(recommendation),
        ("RAM", f"{bytes_text(sizes.ram_bytes_per_vector)} per vector, and {sizes.ram_fixed_bytes:,} B fixed"),
        ("disk", f"{bytes_text(sizes.disk_bytes_per_vector)} per vector"),
    ]
    facts += [(name, f"{quality_text(figures)}{label}") for name, figures in recommendation.quality.items()]
    facts += [
        (f"{name} loss", f"{quality_text(figures)}, against exact search{label}")
        for name, figures in recommendation.loss_vs_exact.items()
    ]
    return [
        *facts,
        ("latency", latency_text(recommendation.latency)),
        *_cold_fact(recommendation),
        ("bill", f"USD {usd_text(bill.usd_per_month)} [{usd_text(bill.low)}, {usd_text(bill.high)}] per month"),
        ("target", recommendation.target),
    ]


def _cold_fact(recommendation: Recommendation) -> list[tuple[str, str]]:
    """Latency with the rescoring tier on the disk, where that was measured."""
    if recommendation.cold is None:
        return []
    return [("latency, cold", f"{latency_text(recommendation.cold)}, no page of the rescoring tier in RAM")]


def print_list(console: Console, title: str, lines: tuple[str, ...]) -> None:
    """Print a title and one point a line, folded."""
    say(console, "")
    say(console, title, "bold")
    print_grid(console, [("-", shown(line)) for line in lines])


def print_grid(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns, the values folded under each other."""
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value, overflow="fold"))
    console.print(table)


def say(console: Console, text: str, style: str = "") -> None:
    """Print text as it is: no markup in names from the user, no highlighting, folded and never cut."""
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    console.print(Text(text, style=style, overflow="fold"), highlight=False)
