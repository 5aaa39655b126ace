"""`ragopt decide target`: when to move from one target to the next as vectors or queries grow."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ragopt.bill.workload_fields import FIELDS
from ragopt.cli.decide_options import place_options, print_table
from ragopt.cli.options import CountType, DecimalType

if TYPE_CHECKING:
    from ragopt.bill.decisions.crossovers import Crossover, Crossovers
    from ragopt.bill.decisions.target import Growing, TargetDecision


@click.command("target")
@click.option("--dim", type=int, required=True, help="Dimension of the vectors, as a vendor keeps them.")
@click.option(
    "--bytes",
    "bytes_per_vector",
    type=DecimalType(),
    default=None,
    help="RAM code bytes per vector of a self-hosted index. Default: 4 x dim, float32.",
)
@click.option(
    "--cpu-ms",
    type=DecimalType(),
    default=None,
    help="CPU milliseconds per query at a million vectors. Default: those of a full scan.",
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
@click.option("--vectors", type=CountType(), default="10M", show_default=True, help="Vectors, with --by queries.")
@click.option(
    "--metadata-bytes",
    type=CountType(),
    default=FIELDS["metadata_bytes"].default,
    show_default=True,
    help="Bytes stored beside each vector.",
)
@click.option(
    "--queries-per-month",
    type=CountType(),
    default=FIELDS["queries_per_month"].default,
    show_default=True,
    help="Queries a month; with --by queries, those that --peak-qps belongs to.",
)
@click.option(
    "--peak-qps",
    type=DecimalType(),
    default=FIELDS["peak_qps"].default,
    show_default=True,
    help="Queries per second in the busiest minute.",
)
@click.option("--replicas", type=int, default=FIELDS["n_replicas"].default, show_default=True, help="Complete copies.")
@click.option("--target", "targets", multiple=True, help="A target that competes; repeat it. Default: all.")
@click.option(
    "--chart",
    "chart_file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Draw the bills into FILE, a .png or .svg.",
)
@place_options
def command(
    dim: int,
    bytes_per_vector: Decimal | None,
    cpu_ms: Decimal | None,
    by: str,
    vectors_from: int,
    vectors_to: int,
    queries_from: int,
    queries_to: int,
    vectors: int,
    metadata_bytes: int,
    queries_per_month: int,
    peak_qps: Decimal,
    replicas: int,
    targets: tuple[str, ...],
    chart_file: Path | None,
    provider: str,
    region: str,
    prices: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> None:
    """When to move from one target to the next: where the cheapest changes as vectors or queries grow.

    Example: ragopt decide target --dim 1024 --metadata-bytes 1024 --chart crossover.png
    """
    from ragopt.bill.decisions.as_json import decision_json  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.target import decide_target, modelled_footprint  # noqa: PLC0415 - as above
    from ragopt.bill.price_book import PriceBook  # noqa: PLC0415 - as above
    from ragopt.bill.workload import Workload  # noqa: PLC0415 - as above

    workload = Workload(
        vectors_from if by == "vectors" else vectors,
        queries_per_month=queries_per_month,
        peak_qps=peak_qps,
        n_replicas=replicas,
        metadata_bytes=metadata_bytes,
        provider=provider,
        region=region,
    )
    footprint, note = modelled_footprint(
        dim, Decimal(4 * dim) if bytes_per_vector is None else bytes_per_vector, cpu_ms
    )
    low, high = (vectors_from, vectors_to) if by == "vectors" else (queries_from, queries_to)
    decision = decide_target(
        footprint,
        workload,
        PriceBook.load(overrides=prices),
        low=low,
        high=high,
        by=cast("Growing", by),
        targets=targets or None,
        notes=(note,),
    )
    if chart_file is not None:
        from ragopt.report.crossover_chart import write_crossover_chart  # noqa: PLC0415 - as above

        write_crossover_chart(decision, chart_file)
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
