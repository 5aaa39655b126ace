"""The crossover chart: every target's bill as vectors or queries grow, the lowest one marked, each change named."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragopt.bill.decisions.crossovers import Crossover, Crossovers
from ragopt.bill.decisions.target import TargetDecision, count_text, durable
from ragopt.report import palette
from ragopt.report.axes import AxisScale, log_ticks
from ragopt.report.charts import FONT, PIXELS_PER_CHARACTER
from ragopt.report.labels import FONT_SIZE, LINE_HEIGHT
from ragopt.report.words import usd_text

if TYPE_CHECKING:
    import altair as alt

LABEL_ROOM = 175
"""Pixels to the right of the plot for the targets' names."""

LABEL_GAP = LINE_HEIGHT
"""Pixels between the middles of two names."""

CHANGE_ROWS = 34
"""Pixels from one note of a change to the next: two lines and some air."""

LEADER_COLOURS = tuple(
    palette.shade(palette.RAMPS[family][reduction][0], 0, 1)
    for family, reduction in (
        (0, "trunc"),
        (0, "pca"),
        (0, "joint"),
        (1, "pca"),
        (0, "none"),
        (2, "trunc"),
        (2, "joint"),
    )
)
"""One for each target that is cheapest somewhere; the others are grey."""


def crossover_chart(decision: TargetDecision, *, width: int = 720, height: int = 460) -> alt.LayerChart:
    """USD per month against vectors (or queries), one line per target, on two log axes.

    Args:
        decision: bills over a range, with the changes of the lowest.
        width: of the plot area in pixels.
        height: of the plot area in pixels.

    Returns:
        An Altair chart with its data inside.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    result = decision.result
    x, y = _scales(result)
    colours = {name: LEADER_COLOURS[i % len(LEADER_COLOURS)] for i, name in enumerate(result.leaders)}
    changes = durable(result)
    layers = [
        _lowest_layer(result, x, y, decision.by),
        *_line_layers(result, colours, (x, y), decision.by),
        *(layer for i, one in enumerate(changes) for layer in _change_layers(one, i, x, (width, height), decision.by)),
        *_name_layers(result, colours, (x, y), (width, height)),
    ]
    chart: alt.LayerChart = (
        alt.layer(*layers, data=alt.Data(values=[]))  # type: ignore[no-untyped-call]
        .properties(width=width, height=height, title=_title(decision, width + LABEL_ROOM))
        .configure(
            aria=False,
            background=palette.PAPER,
            font=FONT,
            padding={"left": 10, "top": 10, "bottom": 10, "right": LABEL_ROOM},
        )
        .configure_view(stroke=palette.GRID)
        .configure_axis(
            gridColor=palette.GRID,
            domainColor=palette.MUTED,
            tickColor=palette.MUTED,
            labelColor=palette.INK,
            titleColor=palette.INK,
            labelFontSize=FONT_SIZE,
            titleFontSize=13,
            titlePadding=10,
        )
    )
    return chart


def _scales(result: Crossovers) -> tuple[AxisScale, AxisScale]:
    usd = [float(value) for point in result.points for value in point.usd.values() if value > 0]
    low, high = min(usd) / 1.5, max(usd) * 1.3
    return (
        AxisScale(result.low, result.high, log=True, ticks=_ticks(result.low, result.high)),
        AxisScale(low, high, log=True, ticks=_ticks(low, high)),
    )


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten where there are three or more, else 1-2-5."""
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    return tuple(10.0**power for power in powers) if len(powers) > 2 else log_ticks(low, high, 7)


def _axes(x: AxisScale, y: AxisScale, by: str) -> tuple[alt.X, alt.Y]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    unit = "vectors" if by == "vectors" else "queries a month"
    count = (
        "datum.value >= 1e9 ? format(datum.value / 1e9, ',~') + ' B' : datum.value >= 1e6 ? format(datum.value / 1e6, '~') "
        "+ ' M' : datum.value >= 1e3 ? format(datum.value / 1e3, '~') + ' k' : format(datum.value, '~')"
    )
    money = "format(datum.value, datum.value < 1 ? '.2~f' : ',.0f')"
    return (
        alt.X("at:Q", title=f"{unit}, log scale", scale=alt.Scale(type="log", domain=[x.low, x.high], nice=False),
              axis=alt.Axis(values=list(x.ticks), labelExpr=count)),
        alt.Y("usd:Q", title="USD per month, log scale",
              scale=alt.Scale(type="log", domain=[y.low, y.high], nice=False),
              axis=alt.Axis(values=list(y.ticks), labelExpr=money)),
    )  # fmt: skip


def _inline(rows: Sequence[dict[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _lowest_layer(result: Crossovers, x: AxisScale, y: AxisScale, by: str) -> alt.Chart:
    """A broad pale band under the lowest bill."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rows = [{"at": p.at, "usd": float(p.usd[p.leader])} for p in result.points if p.leader and p.usd[p.leader] > 0]
    across, up = _axes(x, y, by)
    band = alt.Chart(_inline(rows)).mark_line(color=palette.INK, strokeWidth=11, opacity=0.14, strokeCap="round")
    return band.encode(x=across, y=up)


def _line_layers(
    result: Crossovers, colours: dict[str, str], scales: tuple[AxisScale, AxisScale], by: str
) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    across, up = _axes(*scales, by)
    layers = []
    for name in sorted(_names(result), key=lambda name: name in colours):  # leaders are drawn last, on top
        rows = [{"at": p.at, "usd": float(p.usd[name])} for p in result.points if p.usd.get(name, 0) > 0]
        style: dict[str, Any] = {"color": palette.MUTED, "strokeWidth": 1.2, "opacity": 0.6}
        if name in colours:
            style = {"color": colours[name], "strokeWidth": 2.6}
        layers.append(alt.Chart(_inline(rows)).mark_line(**style).encode(x=across, y=up))
        if rows and rows[-1]["at"] < result.high:  # it is not sold beyond here
            end = alt.Chart(_inline(rows[-1:])).mark_point(shape="stroke", angle=90, size=130, filled=False, **style)
            layers.append(end.encode(x=across, y=up))
    return layers


def _names(result: Crossovers) -> list[str]:
    return list(dict.fromkeys(name for point in result.points for name in point.usd))


def _name_layers(
    result: Crossovers,
    colours: dict[str, str],
    scales: tuple[AxisScale, AxisScale],
    size: tuple[int, int],
) -> list[alt.LayerChart | alt.Chart]:
    """Names beside the ends of the lines: right of the plot where a line reaches it, on the plot where it ends before."""
    x, y = scales
    width, height = size
    ends: list[tuple[str, float, float]] = []
    for name in _names(result):
        last = [point for point in result.points if point.usd.get(name, 0) > 0][-1]
        ends.append((name, width * x.fraction(last.at), height * (1 - y.fraction(float(last.usd[name])))))
    outside = sorted((end for end in ends if end[1] >= width - 1), key=lambda end: end[2])
    layers: list[Any] = []
    for (name, _, line_y), label_y in zip(outside, spread([end[2] for end in outside], LABEL_GAP, height), strict=True):
        colour = colours.get(name, palette.MUTED)
        layers += [_leader(width, line_y, label_y, colour), _text(name, width + 22, label_y, colour, name in colours)]
    for name, end_x, end_y in ends:
        if end_x < width - 1:
            colour = colours.get(name, palette.MUTED)
            layers += _haloed(f"{name} ends", end_x + 9, end_y, colour, "left")
    return layers


def spread(wanted: Sequence[float], gap: float, height: float) -> list[float]:
    """Move places along a side apart until neighbours are `gap` away, as little as it takes, and inside the side.

    >>> spread([10.0, 12.0, 100.0], 14.0, 200.0)
    [4.0, 18.0, 100.0]
    """
    groups: list[list[float]] = []  # places that touch: first wanted places, kept together around their mean
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and _start(groups[-1], gap, height) < _start(groups[-2], gap, height) + gap * len(
            groups[-2]
        ):
            last = groups.pop()
            groups[-1] += last
    return [_start(group, gap, height) + gap * i for group in groups for i in range(len(group))]


def _start(group: Sequence[float], gap: float, height: float) -> float:
    length = gap * (len(group) - 1)
    return min(max(sum(group) / len(group) - length / 2, 0.0), max(0.0, height - length))


def _at(x: float, y: float) -> dict[str, Any]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return {"x": alt.XValue(x), "y": alt.YValue(y)}  # type: ignore[no-untyped-call]


def _leader(width: float, line_y: float, label_y: float, colour: str) -> alt.Chart:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rule = alt.Chart(_inline([{}])).mark_rule(color=colour, strokeWidth=1, opacity=0.7)
    return rule.encode(**_at(width + 2, line_y), x2=alt.X2Value(width + 18), y2=alt.Y2Value(label_y))  # type: ignore[no-untyped-call]


def _text(text: str, x: float, y: float, colour: str, bold: bool, align: Any = "left") -> alt.Chart:  # noqa: FBT001 - a style
    import altair as alt  # noqa: PLC0415 - loaded when first used

    mark = alt.Chart(_inline([{}])).mark_text(
        text=text,
        align=align,
        baseline="middle",
        color=colour,
        fontSize=FONT_SIZE,
        fontWeight="bold" if bold else "normal",
    )
    return mark.encode(**_at(x, y))


def _haloed(text: str, x: float, y: float, colour: str, align: Any, *, bold: bool = False) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    halo = alt.Chart(_inline([{}])).mark_text(
        text=text, align=align, baseline="middle", color=palette.PAPER, stroke=palette.PAPER, strokeWidth=4,
        fontSize=FONT_SIZE, fontWeight="bold" if bold else "normal",
    )  # fmt: skip
    return [halo.encode(**_at(x, y)), _text(text, x, y, colour, bold, align)]


def _change_layers(change: Crossover, row: int, x: AxisScale, size: tuple[int, int], by: str) -> list[alt.Chart]:
    """A dashed line at a change of the lowest bill, with what changes, in a row of its own from the top."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    width, height = size
    place = width * x.fraction(change.at)
    rule = alt.Chart(_inline([{}])).mark_rule(color=palette.ACCENT, strokeWidth=1.3, strokeDash=[5, 4])
    line = rule.encode(**_at(place, 0), y2=alt.Y2Value(height))  # type: ignore[no-untyped-call]
    align = "left" if place < width / 2 else "right"
    beside = place + (7 if align == "left" else -7)
    top = 12 + row * CHANGE_ROWS
    words = f"from {change.source} to {change.to}" if change.source else f"begins: {change.to}"
    figures = f"at {count_text(change.at)} {by}, USD {usd_text(change.usd_to)}"
    return [
        line,
        *_haloed(words, beside, top, palette.ACCENT, align, bold=True),
        *_haloed(figures, beside, top + LINE_HEIGHT, palette.ACCENT, align),
    ]


def _title(decision: TargetDecision, room: int) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    per_line = int(room / PIXELS_PER_CHARACTER)
    lines = [line for text in (decision.sentence, *decision.notes) for line in textwrap.wrap(text, per_line)]
    return alt.TitleParams(
        text=f"Monthly bill by target as {decision.by} grow",
        subtitle=lines,
        anchor="start",
        fontSize=17,
        color=palette.INK,
        subtitleColor=palette.MUTED,
        subtitleFontSize=FONT_SIZE,
        subtitleLineHeight=16,
        offset=14,
    )
