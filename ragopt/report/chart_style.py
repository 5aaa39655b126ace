"""The look that all charts share: paper, font, grid and axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from ragopt.report import palette
from ragopt.report.labels import FONT_SIZE

if TYPE_CHECKING:
    import altair as alt

Align = Literal["left", "center", "right"]

PIXELS_PER_CHARACTER = 6.3
"""Average width of a character of 12 px text."""

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""Liberation Sans comes with vl-convert and has Arial's widths, so that pictures and page break lines alike."""


def styled(chart: alt.LayerChart | alt.FacetChart | alt.VConcatChart, *, framed: bool = True) -> alt.LayerChart:
    """Give a chart the common look; `framed` draws a line around the plot area."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    # Set on a shallow copy: each of Altair's `configure_` methods copies the whole chart, for 20 ms.
    found = cast("alt.LayerChart", chart.copy(deep=False))
    found.config = alt.Config(
        aria=False,
        background=palette.PAPER,
        font=FONT,
        padding=10,
        view=alt.ViewConfig(stroke=palette.GRID if framed else None),
        axis=alt.AxisConfig(
            gridColor=palette.GRID,
            domainColor=palette.MUTED,
            tickColor=palette.MUTED,
            labelColor=palette.INK,
            titleColor=palette.INK,
            labelFontSize=FONT_SIZE,
            titleFontSize=13,
            titlePadding=10,
        ),
    )
    return found
