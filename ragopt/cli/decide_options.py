"""What the decisions have in common on the command line: where, at which prices, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from ragopt.bill.workload_fields import FIELDS
from ragopt.cli.options import prices_option


def place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--provider`, `--region`, `--prices` and `--json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output."),
        prices_option,
        click.option("--region", default=FIELDS["region"].default, show_default=True,
                     help="Region, in the provider's spelling."),
        click.option("--provider", default=FIELDS["provider"].default, show_default=True, help="Whose prices."),
    ):  # fmt: skip
        function = option(function)
    return function


def print_table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns that line up, the first to the left and the others to the right; nothing where there is no row."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    for row in [titles, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        click.echo("  ".join(cells).rstrip())
