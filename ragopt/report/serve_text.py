"""A measurement of serving in the terminal: two tables, the recommended batch size and what limits the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ragopt.measure.quantiles import Quantile
    from ragopt.serve.bench_records import ServeBench, ServeRow

NO_BATCHER = "none"

RECOMMENDED = "*"


def print_serve_bench(bench: ServeBench, console: Console) -> None:
    """Print both tables with intervals and n, then the recommendation, its reason and the warnings."""
    _say(console, _heading(bench))
    console.print()
    _say(console, "One caller, whole batches: latency of a call, n calls.")
    _print_rows(bench.calls, None, console)
    console.print()
    _say(console, f"{bench.concurrency} callers through the batcher (it waits {bench.max_wait_ms:g} ms at most): "
         "latency from question to answer, n questions.")  # fmt: skip
    _print_rows((*bench.callers, bench.unbatched), bench.recommended, console)
    _say(
        console,
        "In brackets: 95 % intervals, ? where too few were timed. (mean): questions of an average search. "
        "Questions a second: the median of the repeats.",
    )
    console.print()
    _say(console, recommendation_text(bench))
    for warning in bench.warnings:
        _say(console, f"warning: {warning}")


def recommendation_text(bench: ServeBench) -> str:
    """The recommended batch size, or that there is none, and why.

    Returns:
        Sentences that begin with the answer.
    """
    if bench.recommended is None:
        return bench.reason
    return f"Serve with max_queries = {bench.recommended}. {bench.reason}"


def figure_text(figure: Quantile, digits: int) -> str:
    r"""A figure over its 95 % interval, each on a line of its own; a missing end is a question mark.

    >>> from ragopt.measure.quantiles import Quantile
    >>> figure_text(Quantile(1.25, 1.0, None, 100, 100), 1)
    '1.2\n[1.0, ?]'
    """
    low, high = ("?" if end is None else f"{end:,.{digits}f}" for end in (figure.low, figure.high))
    return f"{figure.value:,.{digits}f}\n[{low}, {high}]"


def _heading(bench: ServeBench) -> str:
    cores = "core" if bench.n_cores == 1 else "cores"
    return (
        f"{bench.n_distinct:,} different questions, {bench.k} passages each, {bench.n_cores} processor {cores}, "
        f"seed {bench.seed}."
    )


def _print_rows(rows: Sequence[ServeRow], recommended: int | None, console: Console) -> None:
    from rich import box  # noqa: PLC0415 - loaded when first used
    from rich.table import Table  # noqa: PLC0415 - loaded when first used

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for title in ("batch\n(mean)", "questions\na second", "p50 ms", "p95 ms", "p99 ms", "n"):
        # Folded where there is no room: a figure that is cut would be another figure.
        table.add_column(title, justify="right", overflow="fold")
    for row in rows:
        chosen = row.batch_size is not None and row.batch_size == recommended
        name = NO_BATCHER if row.batch_size is None else f"{row.batch_size}{RECOMMENDED * chosen}"
        times = (figure_text(figure, _digits(figure)) for figure in (row.p50_ms, row.p95_ms, row.p99_ms))
        table.add_row(f"{name}\n({row.questions_per_call:.1f})", figure_text(row.questions_per_second, 0), *times,
                      f"{row.p99_ms.n:,}")  # fmt: skip
    console.print(table)


def _digits(figure: Quantile) -> int:
    """Decimals that show a time to at least two figures, down to 10 microseconds, in a narrow column."""
    return 0 if figure.value >= 100 else 1 if figure.value >= 10 else 2 if figure.value >= 0.1 else 3


def _say(console: Console, told: str) -> None:
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    console.print(Text(shown(told, limit=2000), overflow="fold"))
