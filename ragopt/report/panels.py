"""Panels of plots with one legend below: in a column on the page, side by side in a picture of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ragopt.report import palette
from ragopt.report.chart_style import UPPER_BOUND, inline, legend_look, look, title_params
from ragopt.report.labels import FONT_SIZE
from ragopt.report.words import shown

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run
    from ragopt.report.axes import AxisScale

WIDE, NARROW = 415, 285
"""Plot pixels that leave room for the axis in half a page of 1,000 px and on a phone of 390 px."""

ALONE = 720
"""Plot pixels of a single panel in a picture of its own."""

BETWEEN = 70
"""Between two panels side by side, axis labels included."""

PIXELS_PER_CHARACTER = 6.3
"""Average width of a character of the 12 px text."""

BOLD_PIXELS = 7.7
"""The same of bold text in the widest common font (DejaVu Sans), which a page has where there is no Arial."""

COLUMN_PADDING = 30
"""Between columns of a legend: names are measured in Arial's widths, and DejaVu Sans is a sixth wider."""

LEGEND_SYMBOL_PIXELS = 24

INTERVAL_OPACITY = 0.75
MARK_SIZE = 62


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: the series' name, its colour and its mark, and whether that is drawn hollow."""

    name: str
    colour: str
    shape: str
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Channels:
    """Colour and shape by the field `series`; every layer takes the same: one without a legend would hide it."""

    stroke: alt.Stroke
    fill: alt.Fill
    shape: alt.Shape


def chosen_words(run: Run) -> str:
    """What the run's decision is called: nothing is recommended where nothing fits."""
    return "recommended" if run.recommendation.status == "ok" else "closest"


@dataclass(frozen=True, slots=True)
class Layout:
    """How panels stand.

    Attributes:
        width: of a plot area, in pixels.
        beside: whether the panels stand side by side, each with the words of its own axis.
    """

    width: int
    beside: bool = False

    @property
    def legend_width(self) -> int:
        """Pixels under the panels that the legend and the title have."""
        return 2 * self.width + BETWEEN if self.beside else self.width


def layout_of(n_panels: int, *, narrow: bool, titled: bool) -> Layout:
    """A column for a phone or for half a page; a titled wide picture stands alone, on a slide, and fills its width."""
    if narrow or not titled:
        return Layout(NARROW if narrow else WIDE)
    return Layout(WIDE, beside=True) if n_panels > 1 else Layout(ALONE)


def cut(text: str, limit: int) -> str:
    """Make a name safe to show and cut its middle out: its end tells trials of one model apart."""
    name = shown(text)
    if len(name) <= limit:
        return name
    return f"{name[: limit // 2]}\N{HORIZONTAL ELLIPSIS}{name[-(limit - limit // 2 - 1) :]}"


def axis_x(field: str, scale: AxisScale, title: str | None) -> alt.X:
    """A horizontal axis with its stated domain and ticks; `title` None leaves the words to the panel below."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.X(
        f"{field}:Q", title=title, scale=_scale(scale), axis=alt.Axis(values=list(scale.ticks), labelExpr=LABELS)
    )


def axis_y(field: str, scale: AxisScale) -> alt.Y:
    """An upright axis with its stated domain and ticks; its words are the panel's title, which runs along the top."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Y(
        f"{field}:Q", title=None, scale=_scale(scale), axis=alt.Axis(values=list(scale.ticks), labelExpr=LABELS)
    )


LABELS = "format(datum.value, datum.value < 1 ? '.3~f' : ',.3~f')"


def _scale(scale: AxisScale) -> alt.Scale:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Scale(type="log" if scale.log else "linear", domain=[scale.low, scale.high], nice=False, zero=False)


def key_channels(keys: Sequence[Key], *, width: int, legend: bool) -> Channels:
    """Colour and shape by the field `series`, with one legend for both.

    Args:
        keys: of every series, in legend order.
        width: of the plot area, under which the legend lies.
        legend: whether this panel carries it.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    names = [key.name for key in keys]
    longest = max(map(len, names))
    n_columns = max(1, int(width / (longest * PIXELS_PER_CHARACTER + LEGEND_SYMBOL_PIXELS + COLUMN_PADDING)))
    words = (
        alt.Legend(title=None, orient="bottom", columns=n_columns, symbolOpacity=1, labelLimit=width)
        if legend
        else None
    )
    colours = alt.Scale(domain=names, range=[key.colour for key in keys])
    fills = alt.Scale(domain=names, range=[palette.PAPER if key.hollow else key.colour for key in keys])
    shapes = alt.Scale(domain=names, range=[key.shape for key in keys])
    return Channels(
        stroke=alt.Stroke("series:N", scale=colours, legend=words),
        fill=alt.Fill("series:N", scale=fills, legend=words),
        shape=alt.Shape("series:N", scale=shapes, legend=words),
    )


def interval_layer(x: alt.X, stroke: alt.Stroke) -> alt.Chart:
    """Upright lines from the field `low` to the field `high`."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    bars: alt.Chart = alt.Chart().mark_rule(strokeWidth=1.3, opacity=INTERVAL_OPACITY)
    return bars.encode(x, alt.Y("low:Q", title=None), alt.Y2("high:Q"), stroke)


def upper_bound_layer(x: alt.X, y: alt.Y) -> alt.Chart:
    """The sign left of every mark whose field `upper_bound` is true."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    signs: alt.Chart = alt.Chart().mark_text(
        text=UPPER_BOUND, dx=-12, fontSize=14, fontWeight="bold", color=palette.INK
    )
    return signs.encode(x, y).transform_filter("datum.upper_bound")


def panel(
    layers: Sequence[alt.Chart], rows: Sequence[dict[str, Any]], title: str, size: tuple[int, int]
) -> alt.LayerChart:
    """One plot of layers over the same rows, its title along the top in the place of an upright axis title."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    lines = textwrap.wrap(title, int((size[0] + 30) / BOLD_PIXELS), break_on_hyphens=False)
    words = alt.TitleParams(
        text=lines, anchor="start", frame="bounds", fontSize=FONT_SIZE, fontWeight="bold", color=palette.INK,
        lineHeight=15, offset=8,
    )  # fmt: skip
    # Passed here: Altair's `properties` would copy all layers.
    found: Any = alt.layer(*layers, data=inline(rows), width=size[0], height=size[1], title=words)
    return cast("alt.LayerChart", found)


def arranged(panels: Sequence[alt.LayerChart], *, layout: Layout, title: str = "", caption: str = "") -> alt.LayerChart:
    """Panels in the common look, one above the other or side by side.

    Args:
        panels: of equal width; each has its own scales.
        layout: how they stand.
        title: above all of them; empty draws neither title nor caption.
        caption: below the title.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    head: dict[str, Any] = {}
    if title:
        room = (layout.legend_width + 40) / PIXELS_PER_CHARACTER
        head["title"] = title_params(
            textwrap.wrap(title, int(room / 1.3), break_on_hyphens=False),
            textwrap.wrap(caption, int(room), break_on_hyphens=False),
            size=16,
        )
    legends = legend_look(symbolSize=90, columnPadding=COLUMN_PADDING, offset=10, padding=0)
    own: Any = "shared" if layout.beside else "independent"  # shared, it lies under both panels
    resolve = alt.Resolve(scale=alt.ScaleResolveMap(stroke=own, fill=own, shape=own, fillOpacity=own, strokeDash=own))
    concat: Any = alt.hconcat if layout.beside else alt.vconcat
    found: Any = concat(
        *panels, spacing=24 if layout.beside else 14, resolve=resolve, config=look(legend=legends), **head
    )
    return cast("alt.LayerChart", found)
