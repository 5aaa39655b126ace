"""A sheet in the terminal: tables where they fit, else each row as a small list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.sheet import plain
from ragopt.report.words import shown

if TYPE_CHECKING:
    from rich.console import Console

    from ragopt.report.sheet import Grid, Sheet

WIDEST_CELL = 44
"""Characters of a cell that are not folded: a quality with interval and number of queries has 40."""

GAP = 2
"""Columns of the terminal between two columns of a table."""

STYLES = {"good": "green", "bad": "bold red", "sum": "bold", "": ""}


def print_sheet(sheet: Sheet, console: Console) -> None:
    """Print a sheet: headline, sentences, then every section with its tables.

    Args:
        sheet: what to say.
        console: where to print; rich leaves colours out when it is not a terminal.
    """
    _say(console, plain(sheet.headline), STYLES[sheet.mood])
    for sentence in sheet.sentences:
        _say(console, plain(sentence))
    for section in sheet.sections:
        _say(console, "")
        _say(console, section.title, "bold")
        for grid in section.grids:
            if grid.title:
                _say(console, f"{grid.title}:")
            if _fits(grid, console.width):
                _print_table(grid, console)
            else:
                _print_lists(grid, console)
        for sentence in section.sentences:
            _say(console, plain(sentence))


def _fits(grid: Grid, width: int) -> bool:
    """Whether a row of the table fits, words of at most `WIDEST_CELL` unfolded: those of names may be any length."""
    longest = [
        max(len(column.title), *(min(len(row.cells[place]), WIDEST_CELL) for row in grid.rows))
        for place, column in enumerate(grid.columns)
    ]
    return sum(longest) + GAP * len(longest) <= width


def _print_table(grid: Grid, console: Console) -> None:
    from rich import box  # noqa: PLC0415 - loaded when first used
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in grid.columns:
        table.add_column(column.title, justify="right" if column.numeric else "left", overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(shown(cell), overflow="fold") for cell in row.cells), style=STYLES[row.mood])
    console.print(table)


def _print_lists(grid: Grid, console: Console) -> None:
    """Print a row's name, then one line a column: a phone or a log of 80 columns reads no table of six."""
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    for row in grid.rows:
        _say(console, row.cells[0], STYLES[row.mood])
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for column, cell in list(zip(grid.columns, row.cells, strict=True))[1:]:
            if cell:
                table.add_row(Text(f"  {column.title}:"), Text(shown(cell), overflow="fold"), style=STYLES[row.mood])
        console.print(table)


def _say(console: Console, text: str, style: str = "") -> None:
    """Print text as it is: no markup in names from the user, no highlighting, folded and never cut."""
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    console.print(Text(shown(text, limit=2000), style=style, overflow="fold"), highlight=False)
