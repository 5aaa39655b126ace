"""`ragopt decide target`: when to move from one target to the next as vectors or queries grow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragopt.cli.decide_options import print_table
from ragopt.cli.options import CountType, DecimalType, given_workload, workload_options

if TYPE_CHECKING:
    from ragopt.bill.decisions.crossovers import Crossover, Crossovers
    from ragopt.bill.decisions.target import TargetDecision


@click.command("target")
@click.argument("run_folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@workload_options("--vectors", "--vectors-at-scale")
@click.option("--dim", type=int, default=None, help="Without RUN: dimension of the vectors, as a vendor keeps them.")
@click.option(
    "--bytes",
    "bytes_per_vector",
    type=DecimalType(),
    default=None,
    help="Without RUN: RAM code bytes per vector of a self-hosted index. Default: 4 x dim, float32.",
)
@click.option(
    "--cpu-ms",
    type=DecimalType(),
    default=None,
    help="Without RUN: CPU milliseconds per query at a million vectors. Default: those of a full scan.",
)
@click.option(
    "--by",
    type=click.Choice(["vectors", "queries"]),
    default="vectors",
    show_default=True,
    help="What grows; the peak grows with the queries.",
)
@click.option("--vectors-from", type=CountType(), default="100k", show_default=True, help="Fewest vectors.")
@click.option("--vectors-to", type=CountType(), default="1B", show_default=True, help="Most vectors.")
@click.option(
    "--queries-from",
    type=CountType(),
    default="10k",
    show_default=True,
    help="Fewest queries a month, with --by queries.",
)
@click.option(
    "--queries-to", type=CountType(), default="1B", show_default=True, help="Most queries a month, with --by queries."
)
@click.option("--target", "targets", multiple=True, help="A target that competes; repeat it. Default: all.")
@click.option(
    "--chart",
    "chart_file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Draw the bills into FILE, a .png or .svg.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
def command(**options: Any) -> None:
    """When to move from one target to the next: where the cheapest changes as vectors or queries grow.

    The index is the recommended one of RUN, or one that is described by --dim and --bytes.

    Example: ragopt decide target --dim 1024 --metadata-bytes 1024 --chart crossover.png
    """  # fmt: skip
    from ragopt.api import decide_target  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.as_json import decision_json  # noqa: PLC0415 - loaded when first used

    by = options["by"]
    same = ("dim", "bytes_per_vector", "cpu_ms", "prices", "by", "targets")
    decision = decide_target(
        options["run_folder"],
        workload=given_workload(options),
        low=options[f"{by}_from"],
        high=options[f"{by}_to"],
        **{name: options[name] for name in same},
    )
    chart_file, as_json = options["chart_file"], options["as_json"]
    if chart_file is not None:
        from ragopt.report.crossover_chart import write_crossover_chart  # noqa: PLC0415 - loaded when first used

        write_crossover_chart(decision, chart_file)
        click.echo(f"Chart: {chart_file}", err=True)
    if as_json:
        click.echo(decision_json(decision), nl=False)
    else:
        _show(decision)


def _show(decision: TargetDecision) -> None:
    result = decision.result
    print_table(
        ("from", "to", f"at {decision.by}", "USD before", "USD after"),
        [
            (
                change.source or "none",
                change.to,
                f"{change.at:,}",
                _before(change, result),
                f"{change.usd_to:,}",
            )
            for change in result.changes
        ],
    )
    for point in (result.points[0], result.points[-1]):
        order = sorted(point.usd, key=lambda name, usd=point.usd: usd[name])  # type: ignore[misc]
        asked = dict.fromkeys(point.barred, " (with the vendor's consent)")
        bills = ", ".join(f"{name} {point.usd[name]:,}{asked.get(name, '')}" for name in order)
        click.echo(f"At {point.at:,} {decision.by}: {bills}")
    for skipped in decision.skipped:
        where = (
            ""
            if (skipped.low, skipped.high) == (result.low, result.high)
            else (f" from {skipped.low:,} to {skipped.high:,} {decision.by}")
        )
        click.echo(f"Without a bill{where}: {skipped.target}: {skipped.reason}")
    for note in decision.notes:
        click.echo(f"Note: {note}")
    click.echo(f"\n{decision.sentence}")


def _before(change: Crossover, result: Crossovers) -> str:
    """The bill that a change leaves, or why there is none that could be taken."""
    if change.usd_source is not None:
        return f"{change.usd_source:,}"
    asked = any(change.source in point.barred for point in result.points if point.at >= change.at)
    return "needs consent" if asked else "not sold"
