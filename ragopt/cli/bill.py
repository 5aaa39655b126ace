"""`ragopt bill [RUN]`: what an index costs per month, at every target, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragopt.cli.options import CountType, given_workload, workload_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.bill.tornado import Swing
    from ragopt.bill.whole_bill import WholeBill


@click.command("bill")
@click.argument("subject", metavar="[RUN|INDEX]", required=False, type=click.Path(path_type=Path))
@workload_options("--vectors", "--vectors-at-scale")
@click.option(
    "--target",
    "targets",
    multiple=True,
    default=("all",),
    show_default=True,
    help="A target by name, or all. Repeatable.",
)
@click.option("--trial", default=None, help="A printed trial of RUN instead of the recommended one.")
@click.option("--dim", type=int, default=None, help="Without RUN: dimension of the vectors.")
@click.option(
    "--bytes",
    "ram_bytes",
    type=float,
    default=None,
    help="Without RUN: bytes per vector in RAM. Default: 4 x DIM, float32.",
)
@click.option("--disk-bytes", type=float, default=0.0, help="Without RUN: bytes per vector in a rescoring tier.")
@click.option("--factory", default=None, help="Without RUN: a FAISS factory string, PQ64x4fs for example.")
@click.option("--search", default="", help="Without RUN: its search parameters, nprobe=16 for example.")
@click.option(
    "--cpu-ms",
    type=float,
    default=None,
    help="Without RUN: CPU milliseconds per query. Default: a full scan by the table of scan costs.",
)
@click.option("--lines", is_flag=True, help="Print every line with its formula, price, source and date.")
@click.option("--by-month", is_flag=True, help="Print the bill of every month of the horizon as the vectors grow.")
@click.option(
    "--tornado",
    is_flag=True,
    help="Print the five inputs that move one bill most, all in: of the target that RUN recommends, else of the "
    "cheapest that serves the index, else of the cheapest.",
)
@click.option(
    "--chart",
    "chart_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Draw what --tornado prints, a .png or .svg file.",
)
@click.option(
    "--current-prices",
    is_flag=True,
    help="Bill RUN with the prices of today. Default: with those that it was billed with itself.",
)
@click.option("--seed", type=CountType(), default=0, show_default=True, help="Of the range's draws.")
@click.option("--json", "as_json", is_flag=True, help="Print the bill as JSON, and nothing else, on standard output.")
def command(**options: Any) -> None:
    """Bill an index for an average month: a finished RUN's recommended one, a built INDEX, or one that is described.

    Example: ragopt bill --vectors 10M --dim 1024 --metadata-bytes 1024 --target all
    """  # fmt: skip
    import json  # noqa: PLC0415 - loaded when first used

    from rich.console import Console  # noqa: PLC0415 - loaded when first used

    from ragopt.api import bill, by_month, tornado_of  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.whole_bill_json import whole_bill_json  # noqa: PLC0415 - loaded when first used
    from ragopt.report.bill_text import print_months, print_swings, print_whole_bill  # noqa: PLC0415
    from ragopt.report.piped import print_trimmed  # noqa: PLC0415 - loaded when first used

    targets = [name for name in options["targets"] if name != "all"]
    if targets and "all" in options["targets"]:
        raise click.UsageError("--target all holds every target: name it alone.")
    if options["current_prices"] and options["subject"] is None:
        raise click.UsageError("--current-prices says nothing without RUN.")
    same = (
        "prices",
        "current_prices",
        "trial",
        "dim",
        "ram_bytes",
        "disk_bytes",
        "factory",
        "search",
        "cpu_ms",
        "seed",
    )
    whole = bill(options["subject"], workload=given_workload(options), targets=targets,
                 **{name: options[name] for name in same})  # fmt: skip
    months = by_month(whole) if options["by_month"] else {}
    swings = tornado_of(whole) if options["tornado"] or options["chart_file"] else ()
    if options["chart_file"] is not None:
        _draw(swings, whole, options["chart_file"])
    if options["as_json"]:
        click.echo(json.dumps(whole_bill_json(whole, months, swings), indent=2, ensure_ascii=False, allow_nan=False))
        return

    def show(console: Console) -> None:
        print_whole_bill(whole, console, lines=options["lines"] or len(whole.targets) == 1)
        print_months(months, console)
        print_swings(swings, whole, console)

    print_trimmed(Console(highlight=False), show)


def _draw(swings: Sequence[Swing], whole: WholeBill, file: Path) -> None:
    from ragopt.report.tornado_chart import write_tornado_chart  # noqa: PLC0415 - loaded when first used

    target = whole.explained[0].target
    what = f"{target} with the shared lines" if whole.shared else target
    write_tornado_chart(swings, file, target=what, found=whole.with_shared.get(target))
    click.echo(f"Chart: {file}", err=True)
