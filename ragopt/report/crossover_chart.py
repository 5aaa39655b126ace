"""The crossover chart: every target's bill as vectors or queries grow, the lowest one marked, each change named."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragopt.bill.decisions.target import count_text, durable
from ragopt.report import palette
from ragopt.report.axes import AxisScale, log_ticks
from ragopt.report.charts import FONT, PIXELS_PER_CHARACTER, Align
from ragopt.report.labels import FONT_SIZE, LINE_HEIGHT, Label, mark_box, place_labels
from ragopt.report.words import usd_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.bill.decisions.crossovers import Crossover, Crossovers
    from ragopt.bill.decisions.target import TargetDecision

LABEL_ROOM = 175
"""Pixels to the right of the plot for the targets' names."""

LABEL_GAP = LINE_HEIGHT
"""Pixels between the middles of two names."""

TITLE_WIDTH = 1.35
"""Width of a bold character of the 15 px title against one of the 12 px subtitle."""

CHANGE_ROWS = 34
"""Pixels from one note of a change to the next: two lines and some air."""

LEADER_RAMPS = (
    palette.RAMPS[0]["trunc"],
    palette.RAMPS[0]["pca"],
    palette.RAMPS[0]["joint"],
    palette.RAMPS[1]["pca"],
    palette.RAMPS[0]["none"],
    palette.RAMPS[2]["trunc"],
    palette.RAMPS[2]["joint"],
)
LEADER_COLOURS = tuple(palette.shade(light, 0, 1) for light, _ in LEADER_RAMPS)
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
    layers = [
        _lowest_layer(result, x, y, decision.by),
        *_line_layers(result, colours, (x, y), decision.by),
        *_change_layers(durable(result), x, (width, height), decision.by),
        *_name_layers(result, colours, (x, y), (width, height)),
    ]
    chart: alt.LayerChart = (
        alt.layer(*layers, data=alt.Data(values=[]))  # type: ignore[no-untyped-call]
        .properties(width=width, height=height, title=_title(decision, width + LABEL_ROOM))
        .configure(
            aria=False,
            background=palette.PAPER,
            font=FONT,
            padding=10,
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
        "datum.value >= 1e9 ? format(datum.value / 1e9, ',~') + ' B' : "
        "datum.value >= 1e6 ? format(datum.value / 1e6, '~') + ' M' : "
        "datum.value >= 1e3 ? format(datum.value / 1e3, '~') + ' k' : format(datum.value, '~')"
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
    band: alt.Chart = alt.Chart(_inline(rows)).mark_line(color=palette.INK, strokeWidth=11, opacity=0.14)
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
) -> list[alt.Chart]:
    """Names beside the ends of the lines: right of the plot, or in free space on it where a line ends before."""
    width, height = size
    pixels = {name: _pixels(result, name, scales, size) for name in _names(result)}
    outside = sorted((name for name in pixels if pixels[name][-1][0] >= width - 1), key=lambda n: pixels[n][-1][1])
    places = spread([pixels[name][-1][1] for name in outside], LABEL_GAP, height)
    layers: list[alt.Chart] = []
    for name, y in zip(outside, places, strict=True):
        colour = colours.get(name, palette.MUTED)
        layers.append(_leader((width + 2, pixels[name][-1][1]), (width + 18, y), colour))
        layers += _words(((name, width + 22, y),), colour, "left", bold=name in colours)
    inside = [name for name in pixels if name not in outside]
    labels = [Label((f"{name} ends here",), *pixels[name][-1]) for name in inside]
    taken = [mark_box(x, y, radius=5) for line in pixels.values() for x, y in line]
    for name, label, box in zip(inside, labels, place_labels(labels, taken, width, height), strict=True):
        colour = colours.get(name, palette.MUTED)
        layers.append(_leader((label.x, label.y), box.nearest(label.x, label.y), colour))
        middle = (box.top + box.bottom) / 2
        layers += _words(((label.lines[0], (box.left + box.right) / 2, middle),), colour, "center")
    return layers


def _pixels(
    result: Crossovers, name: str, scales: tuple[AxisScale, AxisScale], size: tuple[int, int]
) -> list[tuple[float, float]]:
    x, y = scales
    billed = [(point.at, float(point.usd[name])) for point in result.points if point.usd.get(name, 0) > 0]
    return [(size[0] * x.fraction(at), size[1] * (1 - y.fraction(usd))) for at, usd in billed]


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


def _to(x: float, y: float) -> dict[str, Any]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return {"x2": alt.X2Value(x), "y2": alt.Y2Value(y)}  # type: ignore[no-untyped-call]


def _leader(start: tuple[float, float], end: tuple[float, float], colour: str) -> alt.Chart:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rule: alt.Chart = alt.Chart(_inline([{}])).mark_rule(color=colour, strokeWidth=1, opacity=0.7)
    return rule.encode(**_at(*start), **_to(*end))


def _words(
    texts: Sequence[tuple[str, float, float]], colour: str, align: Align, *, bold: bool = False
) -> list[alt.Chart]:
    """Texts in one style, each at its pixel, over a halo of the paper's colour."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    style: dict[str, Any] = {"align": align, "baseline": "middle", "fontSize": FONT_SIZE}
    style["fontWeight"] = "bold" if bold else "normal"
    # Round joins: with mitred ones the halo of an M or v has spikes that cut into the line above.
    halo = {"color": palette.PAPER, "stroke": palette.PAPER, "strokeWidth": 4, "strokeJoin": "round"}
    layers: list[alt.Chart] = []
    for paint in (halo, {"color": colour}):
        for text, x, y in texts:
            mark: alt.Chart = alt.Chart(_inline([{}])).mark_text(text=text, **style, **paint)
            layers.append(mark.encode(**_at(x, y)))
    return layers


def _change_layers(changes: Sequence[Crossover], x: AxisScale, size: tuple[int, int], by: str) -> list[alt.Chart]:
    """Dashed lines where the lowest bill changes, each with what changes, in rows of their own from the top."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    width, height = size
    rules: list[alt.Chart] = []
    words: list[alt.Chart] = []
    for row, change in enumerate(changes):
        place, top = width * x.fraction(change.at), 14 + row * CHANGE_ROWS
        rule: alt.Chart = alt.Chart(_inline([{}])).mark_rule(color=palette.ACCENT, strokeWidth=1.3, strokeDash=[5, 4])
        rules.append(rule.encode(**_at(place, 0), **_to(place, height)))
        align: Align = "left" if place < width / 2 else "right"
        beside = place + (7 if align == "left" else -7)
        what = f"from {change.source} to {change.to}" if change.source else f"begins: {change.to}"
        figures = f"at {count_text(change.at)} {by}, USD {usd_text(change.usd_to)}"
        words += _words(((what, beside, top),), palette.ACCENT, align, bold=True)
        words += _words(((figures, beside, top + LINE_HEIGHT),), palette.ACCENT, align)
    return [*rules, *words]


def _title(decision: TargetDecision, room: int) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    per_line = int(room / PIXELS_PER_CHARACTER)
    about = f"USD per month of every target as {decision.by} grow; the lowest lies on the pale band."
    lines = [line for text in (about, *decision.notes) for line in textwrap.wrap(text, per_line)]
    return alt.TitleParams(
        text=textwrap.wrap(decision.sentence, int(per_line / TITLE_WIDTH)),
        subtitle=lines,
        anchor="start",
        fontSize=15,
        color=palette.INK,
        subtitleColor=palette.MUTED,
        subtitleFontSize=FONT_SIZE,
        subtitleLineHeight=16,
        subtitlePadding=6,
        offset=14,
    )
