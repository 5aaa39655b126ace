"""A figure of the report: a chart, its caption and its numbers, in one form for page, file and notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run


class Draw(Protocol):
    """Draws a figure's chart, its data inside."""

    def __call__(self, *, narrow: bool, titled: bool) -> alt.LayerChart:
        """Draw it.

        Args:
            narrow: for a phone of 390 px: at most 350 px wide with axes and legend; otherwise at most 1,000.
            titled: whether title and caption are drawn in the picture; a page says them in its own text.
        """
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """Head of a table's column; figures are set right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers behind a chart, as they are printed everywhere."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart that a run has the numbers for.

    Attributes:
        name: of the figure, in file names and options: `dimensions`.
        title: what it shows, in a few words.
        caption: what is drawn, of what, and how to read it, in sentences; it serves those who cannot see the chart.
        table: the numbers behind every mark.
        draw: draws it.
    """

    name: str
    title: str
    caption: str
    table: Table
    draw: Draw


@dataclass(frozen=True, slots=True)
class NoFigure:
    """A chart that a run has no numbers for.

    Attributes:
        name: of the figure.
        title: what it would show.
        reason: why it is not drawn, one sentence.
    """

    name: str
    title: str
    reason: str


MakeFigure = Callable[["Run"], Figure | NoFigure]
