"""Targets with their money in the terminal: a table where no figure is cut, else one small list a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

LEAST_WORDS = 14
"""Columns that the last column needs: `100 % generation` then takes two lines, and no more."""


def print_rows(titles: Sequence[str], rows: Sequence[tuple[str, ...]], console: Console) -> None:
    """Print rows of a name, figures and words.

    Args:
        titles: of the columns; those between the first and the last are figures.
        rows: one text a column.
        console: where to print; where it is too narrow for the figures, each row becomes a list.
    """
    columns = [*zip(titles, *rows, strict=True)][:-1]
    needed = sum(max(map(len, column)) + 1 for column in columns) + LEAST_WORDS
    if needed <= console.width:
        _print_table(titles, rows, console)
    else:
        _print_lists(titles, rows, console)


def _print_table(titles: Sequence[str], rows: Sequence[tuple[str, ...]], console: Console) -> None:
    from rich import box  # noqa: PLC0415 - loaded when first used
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(titles[0], no_wrap=True)
    for title in titles[1:-1]:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column(titles[-1], overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_lists(titles: Sequence[str], rows: Sequence[tuple[str, ...]], console: Console) -> None:
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    for name, *cells in rows:
        console.print(Text(name, overflow="fold"))
        for title, cell in zip(titles[1:], cells, strict=True):
            console.print(Text(f"  {title}: {cell}", overflow="fold"))
