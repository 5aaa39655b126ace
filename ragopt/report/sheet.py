"""A page of sentences and tables before it is drawn: what the terminal, markdown and HTML say alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mood = Literal["", "good", "bad", "sum"]


class Name(str):
    """Text that comes from a run or that is typed: set as code, so that nothing in it is read as markup."""

    __slots__ = ()


Sentence = tuple["str | Name", ...]
"""Words in their order; names among them are `Name`."""


def plain(sentence: Sentence) -> str:
    """A sentence without any markup."""
    return "".join(sentence)


@dataclass(frozen=True, slots=True)
class Column:
    """Head of a column; figures are set right, names as code."""

    title: str
    numeric: bool = False
    names: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Cells, and whether the row is good or bad news, or the sum of those above."""

    cells: tuple[str, ...]
    mood: Mood = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes:
        id: of the table in HTML.
        title: what it shows; empty where the section says it.
        columns: from the left; the first one names the row.
        rows: from the top.
        folded: whether it is shown on request, where a page can.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A title, tables, and sentences under them."""

    id: str
    title: str
    grids: tuple[Grid, ...]
    sentences: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that is said.

    Attributes:
        title: of the page.
        headline: the answer in one sentence.
        mood: of the answer.
        sentences: what follows it.
        sections: the figures.
        footer: who says so.
    """

    title: str
    headline: Sentence
    mood: Mood
    sentences: tuple[Sentence, ...]
    sections: tuple[Section, ...]
    footer: str
