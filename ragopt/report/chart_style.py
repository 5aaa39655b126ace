"""The look that all charts share: paper, font, grid and axes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from ragopt.report import palette
from ragopt.report.labels import FONT_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import altair as alt

Align = Literal["left", "center", "right"]

PIXELS_PER_CHARACTER = 6.3
"""Average width of a character of 12 px text."""

UPPER_BOUND = "\u2264"
"""Written left of a mark whose recall is only an upper bound until it is built."""

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""Liberation Sans comes with vl-convert and has Arial's widths, so that pictures and page break lines alike."""


def inline(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as a chart's own data, as JSON text: of a list Altair checks and copies every figure, again and again."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    text = json.dumps(list(rows), ensure_ascii=False)
    return alt.Data(values=text, format=alt.JsonDataFormat(type="json"))  # type: ignore[no-untyped-call]


def title_params(title: Sequence[str], caption: Sequence[str], *, size: int = 17) -> alt.TitleParams:
    """Give title and caption of a picture that stands alone, as lines already broken."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.TitleParams(
        text=list(title),
        subtitle=list(caption),
        anchor="start",
        fontSize=size,
        color=palette.INK,
        subtitleColor=palette.MUTED,
        subtitleFontSize=FONT_SIZE,
        subtitleLineHeight=16,
        offset=14,
    )


def legend_look(**own: Any) -> alt.LegendConfig:
    """Give the common look of legends, with settings of a chart's own."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.LegendConfig(
        labelColor=palette.INK,
        titleColor=palette.INK,
        labelFontSize=FONT_SIZE,
        titleFontSize=FONT_SIZE,
        rowPadding=3,
        **own,
    )


def look(*, framed: bool = True, legend: alt.LegendConfig | None = None) -> alt.Config:
    """Give the common look, for the constructor of a whole chart.

    Args:
        framed: whether a line is drawn around the plot area.
        legend: of the chart's legends; None leaves Vega's.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    # For the constructor: each of Altair's `configure_` and `properties` copies the whole chart, for 20 ms.
    return alt.Config(
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
        legend=alt.Undefined if legend is None else legend,
    )
