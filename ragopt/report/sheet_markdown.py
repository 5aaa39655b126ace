"""A sheet as GitHub-flavoured markdown: for a comment on a pull request, or the summary of a job."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ragopt.report.markdown_text import code, prose
from ragopt.report.sheet import Name
from ragopt.report.words import shown

if TYPE_CHECKING:
    from ragopt.report.sheet import Column, Grid, Sentence, Sheet

LIMIT = 2000
"""Characters of one piece of a sentence, as the terminal prints it."""


def sheet_markdown(sheet: Sheet) -> str:
    """Write a sheet as markdown, with folded tables in ``<details>``."""
    blocks = [f"### {_sentence(sheet.headline)}", *_list(sheet.sentences)]
    for section in sheet.sections:
        blocks.append(f"#### {prose(section.title)}")
        blocks += [_grid(grid) for grid in section.grids]
        blocks += _list(section.sentences)
    blocks.append(f"<sub>{prose(sheet.footer)}</sub>")
    return "\n\n".join(blocks) + "\n"


def _list(sentences: tuple[Sentence, ...]) -> list[str]:
    return ["\n".join(f"- {_sentence(one)}" for one in sentences)] if sentences else []


def _grid(grid: Grid) -> str:
    heads = (prose(column.title, in_table=True) or " " for column in grid.columns)
    rule = "|" + "|".join(" ---: " if column.numeric else " --- " for column in grid.columns) + "|"
    rows = [
        "| " + " | ".join(_cell(column, cell) for column, cell in zip(grid.columns, row.cells, strict=True)) + " |"
        for row in grid.rows
    ]
    table = "\n".join(["| " + " | ".join(heads) + " |", rule, *rows])
    if grid.folded:
        # The blank line after the summary is what makes GitHub read markdown inside.
        return f"<details><summary>{html.escape(shown(grid.title))}</summary>\n\n{table}\n\n</details>"
    return f"{prose(grid.title)}:\n\n{table}" if grid.title else table


def _cell(column: Column, text: str) -> str:
    if not text:
        return " "
    return code(text, in_table=True) if column.names else prose(text, in_table=True, limit=LIMIT)


def _sentence(sentence: Sentence) -> str:
    told = ""
    for one in sentence:
        piece = code(one) if isinstance(one, Name) else _words(one)
        # Two spans that touch would be read as one, with a longer fence.
        told += f" {piece}" if told.endswith("`") and piece.startswith("`") else piece
    return told


def _words(text: str) -> str:
    """Words between names, with the spaces that part them."""
    if not text.strip(" "):
        return text
    before, after = " " * text.startswith(" "), " " * text.endswith(" ")
    return f"{before}{prose(text, limit=LIMIT)}{after}"
