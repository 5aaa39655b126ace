"""`ragopt bench-serve DIR`: which batch size answers the most questions within a latency limit, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from ragopt.cli.options import device_option

NOTHING_FITS = 3
"""Exit code, as that of `ragopt sweep` when no trial meets the limits."""


@click.command("bench-serve")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--queries",
    "queries_file",
    default=None,
    metavar="FILE",
    help="Questions: .txt, .jsonl or .parquet. Default: the index's canary questions.",
)
@click.option("--k", type=click.IntRange(min=1), default=5, show_default=True, help="Passages a question.")
@click.option(
    "--p99-limit-ms",
    type=float,
    default=None,
    help="Most milliseconds from question to answer at p99 that the recommended size may take. Default: no limit.",
)
@click.option("--concurrency", type=click.IntRange(min=1), default=32, show_default=True, help="Callers at once.")
@click.option(
    "--max-wait-ms",
    type=float,
    default=0.0,
    show_default=True,
    help="Longest that a question waits for others to share its batch.",
)
@click.option(
    "--seconds",
    type=float,
    default=6.0,
    show_default=True,
    help="To measure each batch size, alone and with callers; more where --p99-limit-ms needs it.",
)
@click.option("--model", default=None, help="Where the model lies now. Default: the name that DIR keeps.")
@device_option("embed the questions")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the order of the questions.")
@click.option(
    "--chart",
    "chart_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Draw throughput against p99 latency, a .png or .svg file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
def command(
    folder: Path,
    queries_file: str | None,
    k: int,
    p99_limit_ms: float | None,
    concurrency: int,
    max_wait_ms: float,
    seconds: float,
    model: str | None,
    device: str,
    seed: int,
    chart_file: Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure an index with growing batches, by one caller and by many, and recommend a size to serve with.

    Recommended is the size that answers the most questions a second, with p99 surely within --p99-limit-ms if given.
    Sizes with too few answers to know that are measured on, up to ten times --seconds, if that is long enough.

    Exit codes: 0 measured, 1 an error, 2 usage, 3 no size has its p99 surely within --p99-limit-ms.

    Example: ragopt bench-serve built/ --queries questions.txt --p99-limit-ms 50 --chart serve.png
    """  # fmt: skip
    import dataclasses  # noqa: PLC0415 - loaded when first used
    import json  # noqa: PLC0415 - loaded when first used

    from rich.console import Console  # noqa: PLC0415 - loaded when first used

    from ragopt.cli.progress import TerminalProgress  # noqa: PLC0415 - loaded when first used
    from ragopt.devices import choose_device  # noqa: PLC0415 - loaded when first used
    from ragopt.report.serve_chart import check_suffix, write_serve_chart  # noqa: PLC0415 - loaded when first used
    from ragopt.report.serve_text import print_serve_bench  # noqa: PLC0415 - loaded when first used
    from ragopt.serve.bench import bench_serve  # noqa: PLC0415 - loaded when first used
    from ragopt.serve.bench_questions import questions_for  # noqa: PLC0415 - loaded when first used
    from ragopt.serve.opened import open_index  # noqa: PLC0415 - loaded when first used

    if chart_file is not None:
        check_suffix(chart_file)
    chosen = choose_device(device)
    index = open_index(folder, model=model, device=device)
    questions = questions_for(index, queries_file)
    with TerminalProgress(quiet=quiet) as progress:
        progress.notice(f"device: {chosen.printed()}")
        bench = bench_serve(
            index,
            questions,
            k=k,
            concurrency=concurrency,
            seconds=seconds,
            p99_limit_ms=p99_limit_ms,
            max_wait_ms=max_wait_ms,
            seed=seed,
            progress=progress.phase("serve", "measuring batch sizes"),
        )
    if chart_file is not None:
        write_serve_chart(bench, chart_file)
        click.echo(f"Chart: {chart_file}", err=True)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(bench), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_serve_bench(bench, Console(highlight=False))
    return NOTHING_FITS if bench.recommended is None else 0
