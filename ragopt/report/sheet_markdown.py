r"""A sheet as GitHub-flavoured markdown: for a comment on a pull request, or the summary of a job.

Names of a run stand in code spans: there nothing is a link, a mention or markup. In a table a bar ends a cell even
inside a code span, so that it is written ``\|`` (GitHub Flavored Markdown Spec 0.29, section 4.10).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragopt.report.sheet import Name
from ragopt.report.words import shown

if TYPE_CHECKING:
    from ragopt.report.sheet import Column, Grid, Sentence, Sheet

_MARKUP = re.compile(r"([\\`*_\[<>|~&$])")
"""What begins markup inside a line; our own words begin every line."""

_LINKS = re.compile(r"[@#]|://|www\.")
"""What GitHub turns into a mention, a reference or a link, backslash or not: such words are set as code."""


def sheet_markdown(sheet: Sheet) -> str:
    """Write a sheet as markdown, with folded tables in ``<details>``."""
    blocks = [f"### {_sentence(sheet.headline)}", *_list(sheet.sentences)]
    for section in sheet.sections:
        blocks.append(f"#### {_words(section.title)}")
        blocks += [_grid(grid) for grid in section.grids]
        blocks += _list(section.sentences)
    blocks.append(f"<sub>{_words(sheet.footer)}</sub>")
    return "\n\n".join(blocks) + "\n"


def _list(sentences: tuple[Sentence, ...]) -> list[str]:
    return ["\n".join(f"- {_sentence(one)}" for one in sentences)] if sentences else []


def _grid(grid: Grid) -> str:
    head = "| " + " | ".join(_words(column.title) or " " for column in grid.columns) + " |"
    rule = "|" + "|".join(" ---: " if column.numeric else " --- " for column in grid.columns) + "|"
    rows = [
        "| " + " | ".join(_cell(column, cell) for column, cell in zip(grid.columns, row.cells, strict=True)) + " |"
        for row in grid.rows
    ]
    table = "\n".join([head, rule, *rows])
    if grid.folded:
        # The blank line after the summary is what makes GitHub read markdown inside.
        return f"<details><summary>{_html(grid.title)}</summary>\n\n{table}\n\n</details>"
    return f"{_words(grid.title)}:\n\n{table}" if grid.title else table


def _cell(column: Column, text: str) -> str:
    if not text:
        return " "
    return code(text).replace("|", "\\|") if column.names else _words(text)


def _sentence(sentence: Sentence) -> str:
    return "".join(code(one) if isinstance(one, Name) else _words(one) for one in sentence)


def code(text: str) -> str:
    """A code span that holds the text as it is, whatever is in it (CommonMark 0.31, section 6.1).

    >>> code("a`b"), code("`")
    ('``a`b``', '`` ` ``')
    """
    safe = shown(text)
    longest = max((len(run) for run in re.findall(r"`+", safe)), default=0)
    fence = "`" * (longest + 1)
    # The reader takes one space off at each end.
    pad = " " if safe[:1] in "` " or safe[-1:] in "` " else ""
    return f"{fence}{pad}{safe}{pad}{fence}"


def _words(text: str) -> str:
    """Escape words that are not set as code."""
    safe = shown(text, limit=2000)
    return code(safe).replace("|", "\\|") if _LINKS.search(safe) else _MARKUP.sub(r"\\\1", safe)


def _html(text: str) -> str:
    return shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
