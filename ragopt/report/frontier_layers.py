"""The layers of the frontier chart: limit, intervals, frontier line, marks and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ragopt.report import palette
from ragopt.report.chart_style import PIXELS_PER_CHARACTER, UPPER_BOUND, Align, inline
from ragopt.report.labels import FONT_SIZE, LINE_HEIGHT, Box, Label, place_along, place_labels
from ragopt.report.words import bytes_text, shown, usd_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.report.frame import Frame
    from ragopt.report.info import FrontierPoint

LegendSide = Literal["right", "bottom"]

SHAPES = {
    "Flat": "square",
    "SQ8": "circle",
    "SQ4": "triangle-up",
    "PQ 8-bit": "diamond",
    "PQ 4-bit": "triangle-down",
    "RaBitQ": "cross",
    "SQfp16": "triangle-right",
    "SQ6": "M-0.5,-0.87L0.5,-0.87L1,0L0.5,0.87L-0.5,0.87L-1,0Z",
    "RQ": "M0,-1L0.95,-0.31L0.59,0.81L-0.59,0.81L-0.95,-0.31Z",
}
OTHER_SHAPE = "triangle-left"
"""Names of Vega's shapes, and paths of a hexagon and a pentagon in a square from -1 to 1."""

FAINT = 0.38
"""Opacity of dominated trials: visible, but behind the frontier."""

TIERS = ("rescored", "codes only")

BARS, LINE, LIMIT, LIMIT_TEXT = "bars", "line", "limit", "limit_text"
"""Names of layers, which Vega writes into the class of their group (`bars_marks`), for the page's script."""


def mark_row(point: FrontierPoint, frame: Frame, tags: Mapping[str, str]) -> dict[str, Any]:
    """What the marks of one trial are drawn from."""
    marked = point.on_frontier or point.is_recommended or point.is_baseline
    return {
        "trial": shown(point.trial),
        "cost": float(point.cost(frame.axis.name)),
        "bill": f"USD {usd_text(point.usd_per_month)} on {point.target}",
        "ram": bytes_text(point.ram_bytes_per_vector),
        "disk": bytes_text(point.disk_bytes_per_vector),
        "quality": point.quality.value,
        "low": point.quality.low,
        "high": point.quality.high,
        "n_queries": point.quality.n_queries,
        "space": frame.space_labels[point.space],
        "codec": shown(point.codec),
        "tier": TIERS[0] if point.rescored else TIERS[1],
        "marked": marked,
        "on_frontier": point.on_frontier,
        "bound": point.upper_bound,
        **({"tag": tags[point.trial]} if point.trial in tags else {}),
    }


def _axes(frame: Frame, quality: str) -> tuple[alt.X, alt.Y]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    cost = frame.cost
    labels = "format(datum.value, datum.value < 1 ? '.2~f' : ',.2~f')"
    x = alt.X(
        "cost:Q",
        title=f"{frame.axis.title}{', log scale' if cost.log else ''}",
        scale=alt.Scale(type="log" if cost.log else "linear", domain=[cost.low, cost.high], nice=False, zero=False),
        axis=alt.Axis(values=list(cost.ticks), labelExpr=labels),
    )
    y = alt.Y(
        "quality:Q",
        title=f"{quality}, mean with 95 % interval",
        scale=alt.Scale(domain=[frame.quality.low, frame.quality.high], nice=False, zero=False),
        axis=alt.Axis(values=list(frame.quality.ticks), format=".3~f"),
    )
    return x, y


def mark_layers(
    points: Sequence[FrontierPoint], frame: Frame, quality: str, legend: LegendSide | None, *, tagged: bool
) -> list[alt.Chart]:
    """Intervals, the line of the frontier, faint marks and strong ones."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    x, y = _axes(frame, quality)
    colour, fill, shape, tier = _legends(points, frame, legend)
    strength = alt.condition("datum.marked", alt.value(1.0), alt.value(FAINT))
    tips = ["trial:N", "bill:N", "ram:N", "disk:N", "quality:Q", "low:Q", "high:Q", "n_queries:Q"]
    # Without a description a mark would get one of its own, of all its figures.
    told = {"description": alt.Description("tag:N")} if tagged else {}
    bars = alt.Chart(name=BARS).mark_rule(strokeWidth=1.4, aria=tagged)
    bars = bars.encode(x=x, y=alt.Y("low:Q"), y2="high:Q", stroke=colour, **told)
    line = (
        alt.Chart(name=LINE)
        .mark_line(color=palette.INK, strokeWidth=1.6, interpolate="step-after", opacity=0.75)
        .encode(x=x, y=y, order="cost:Q")
        .transform_filter("datum.on_frontier")
    )
    marks = (
        alt.Chart()
        .mark_point(size=85, strokeWidth=1.8, filled=False, aria=tagged)
        .encode(x=x, y=y, stroke=colour, fill=fill, shape=shape, fillOpacity=tier, tooltip=tips, **told)
    )
    bounds = alt.Chart().mark_text(
        text=UPPER_BOUND, dx=-11, fontSize=FONT_SIZE, color=palette.INK, opacity=0.6, aria=tagged
    )
    bounded = any(point.upper_bound for point in points)
    return [
        *([bounds.encode(x=x, y=y, **told).transform_filter("datum.bound")] if bounded else []),
        bars.encode(opacity=alt.condition("datum.marked", alt.value(0.9), alt.value(FAINT / 2))),
        line,
        marks.encode(opacity=strength).transform_filter("!datum.marked"),
        marks.encode(opacity=strength).transform_filter("datum.marked"),
    ]


def _legends(
    points: Sequence[FrontierPoint], frame: Frame, side: LegendSide | None
) -> tuple[alt.Stroke, alt.Fill, alt.Shape, alt.FillOpacity]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    colours = {
        frame.space_labels[name]: light for name, (light, _) in palette.space_colours([p.space for p in points]).items()
    }
    codecs = codec_order(points)
    of_space, of_codec = _legend_boxes(frame, side, max(len(name) for name in colours))
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    colour = alt.Stroke("space:N", scale=scale, legend=of_space)
    shapes = alt.Scale(
        domain=[shown(codec) for codec in codecs], range=[SHAPES.get(codec, OTHER_SHAPE) for codec in codecs]
    )
    shape = alt.Shape("codec:N", scale=shapes, legend=of_codec)
    tier = alt.FillOpacity("tier:N", scale=alt.Scale(domain=list(TIERS), range=[1.0, 0.0]), legend=None)
    return colour, alt.Fill("space:N", scale=scale, legend=None), shape, tier


def codec_order(points: Sequence[FrontierPoint]) -> list[str]:
    """Codecs by name, those with a shape of their own first."""
    return sorted({point.codec for point in points}, key=lambda codec: (codec not in SHAPES, codec))


def _legend_boxes(
    frame: Frame, side: LegendSide | None, longest: int
) -> tuple[alt.Legend, alt.Legend] | tuple[None, None]:
    """The legends of spaces and codecs, none without a side; `longest` is the characters of the longest space."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    if side is None:
        return None, None
    common: dict[str, Any] = {"orient": side, "symbolOpacity": 1.0}
    if side == "bottom":
        common |= {"direction": "vertical", "labelLimit": frame.width, "titleLimit": frame.width}
    # Two legends below a narrow plot would lie side by side and be wider than it.
    beside = {"orient": "top", "columns": 3} if side == "bottom" else {}
    n_columns = max(1, int(frame.width / (longest * PIXELS_PER_CHARACTER + 30))) if side == "bottom" else 1
    of_space = alt.Legend(title="space: model@dimension:reduction", symbolType="circle", columns=n_columns, **common)
    ink: dict[str, Any] = {"symbolFillColor": palette.INK, "symbolStrokeColor": palette.INK}
    return of_space, alt.Legend(title="codec", **ink, **(common | beside))


def limit_layers(frame: Frame, limit: tuple[float, str] | None) -> list[alt.Chart]:
    """The dashed line of a limit on quality."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    if limit is None:
        return []
    rule = alt.Chart(inline([{}]), name=LIMIT).mark_rule(color=palette.MUTED, strokeDash=[6, 4], strokeWidth=1.4)
    return [rule.encode(_pixel(0, frame.height_of(limit[0]))[1])]


def label_layers(
    labels: Sequence[tuple[Label, str]], taken: Sequence[Box], limit: tuple[float, str] | None, frame: Frame
) -> list[alt.Chart]:
    """Labels of the recommendation and of the baseline, and the words on the limit, placed clear of the marks."""
    layers = []
    boxes = place_labels([label for label, _ in labels], taken, frame.width, frame.height)
    for (label, colour), box in zip(labels, boxes, strict=True):
        layers += _one_label(label, colour, box)
    if limit is not None:
        y = frame.height_of(limit[0])
        box = place_along((limit[1],), y, [*taken, *boxes], frame.width)
        layers += _text((limit[1],), palette.MUTED, box, "left", name=LIMIT_TEXT)
    return layers


def _one_label(label: Label, colour: str, box: Box) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    one = inline([{}])
    end_x, end_y = box.nearest(label.x, label.y)
    here = _pixel(label.x, label.y)
    ring = alt.Chart(one).mark_point(size=330, color=colour, strokeWidth=2.4, opacity=1).encode(*here)
    leader = alt.Chart(one).mark_rule(color=colour, strokeWidth=1, opacity=0.8)
    leader = leader.encode(*here, *_pixel(end_x, end_y, end=True))
    align: Align = "right" if box.right <= label.x else "left" if box.left >= label.x else "center"
    return [leader, ring, *_text(label.lines, colour, box, align)]


def _text(lines: Sequence[str], colour: str, box: Box, align: Align, *, name: str = "") -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    style: dict[str, Any] = {
        "text": list(lines),
        "align": align,
        "baseline": "top",
        "fontSize": FONT_SIZE,
        "fontWeight": "bold",
        "lineHeight": LINE_HEIGHT,
        "opacity": 1,
    }
    one = inline([{}])
    x = {"right": box.right, "left": box.left, "center": (box.left + box.right) / 2}[align]
    halo = alt.Chart(one).mark_text(**style, color=palette.PAPER, stroke=palette.PAPER, strokeWidth=4)
    text = alt.Chart(one).mark_text(**style, color=colour)
    if name:
        halo, text = halo.properties(name=f"{name}_halo"), text.properties(name=name)
    there = _pixel(x, box.top)
    return [halo.encode(*there), text.encode(*there)]


def _pixel(x: float, y: float, *, end: bool = False) -> tuple[Any, Any]:
    """A fixed place on the plot; channel objects, because Altair takes 15 ms to recognise each plain value."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    if end:
        return alt.X2Value(x), alt.Y2Value(y)  # type: ignore[no-untyped-call]
    return alt.XValue(x), alt.YValue(y)  # type: ignore[no-untyped-call]
