"""Charts of a finished run, each defined once in Altair and drawn from the numbers of `report.info`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ragopt.report import palette
from ragopt.report.chart_style import styled
from ragopt.report.frame import Frame, caption, frame_of, point_labels, taken_boxes
from ragopt.report.info import CostAxis, FrontierPoint, cost_axis, default_quality, frontier_points, quality_limit
from ragopt.report.labels import FONT_SIZE, LINE_HEIGHT, Box, Label, place_along, place_labels
from ragopt.report.words import bytes_text, shown, usd_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

LegendSide = Literal["right", "bottom"]
Align = Literal["left", "center", "right"]

SHAPES = {
    "Flat": "square",
    "SQ8": "circle",
    "SQ4": "triangle-up",
    "PQ 8-bit": "diamond",
    "PQ 4-bit": "triangle-down",
    "RaBitQ": "cross",
    "SQfp16": "triangle-right",
    "SQ6": "wedge",
    "RQ": "arrow",
}
OTHER_SHAPE = "triangle-left"

FAINT = 0.38
"""Opacity of dominated trials: visible, but behind the frontier."""

TIERS = ("rescored", "codes only")

PIXELS_PER_CHARACTER = 6.3
"""Average width of the 12 px subtitle."""


def frontier_chart(  # noqa: PLR0913 - what to draw and how large, all optional
    run: Run,
    *,
    quality: str | None = None,
    axis: CostAxis | None = None,
    width: int = 690,
    height: int = 430,
    legend: LegendSide = "right",
    titled: bool = True,
) -> alt.LayerChart:
    """Quality against monthly cost (or RAM bytes per vector), one mark per measured trial.

    Args:
        run: a finished run.
        quality: name of the quality on the upright axis; by default `recall_vs_exact@k`.
        axis: the cost axis; by default the one that separates the trials.
        width: of the plot area in pixels, without axes and legend.
        height: of the plot area in pixels.
        legend: side of the legend.
        titled: whether the title and the caption are drawn; a page says them in its own text.

    Returns:
        An Altair chart with its data inside.

    Raises:
        ArtifactError: no trial of the run has this quality and a bill.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    name = quality or default_quality(run)
    chosen = axis or cost_axis(run, quality=name)
    points = frontier_points(run, quality=name, axis=chosen)
    limit = quality_limit(run, name)
    frame = frame_of(points, chosen, None if limit is None else limit[0], (width, height))
    layers = [
        *_limit_layers(frame, limit),
        *_mark_layers(points, frame, name, legend),
        *_label_layers(point_labels(run, points, frame), taken_boxes(points, frame, limit), limit, frame),
    ]
    head = {"title": _title(run, points, frame, name, legend)} if titled else {}
    data = _inline([_row(point, frame) for point in points])
    plain = alt.layer(*layers, data=data).properties(width=width, height=height, **head)
    chart: alt.LayerChart = styled(plain).configure_legend(
        labelColor=palette.INK,
        titleColor=palette.INK,
        labelFontSize=FONT_SIZE,
        titleFontSize=FONT_SIZE,
        labelLimit=230,
        titleLimit=250,
        symbolSize=110,
        rowPadding=3,
    )
    return chart


def _inline(rows: list[dict[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def _pixel(x: float, y: float, *, end: bool = False) -> tuple[Any, Any]:
    """A fixed place on the plot; channel objects, because Altair takes 15 ms to recognise each plain value."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    if end:
        return alt.X2Value(x), alt.Y2Value(y)  # type: ignore[no-untyped-call]
    return alt.XValue(x), alt.YValue(y)  # type: ignore[no-untyped-call]


def _row(point: FrontierPoint, frame: Frame) -> dict[str, Any]:
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


def _mark_layers(points: Sequence[FrontierPoint], frame: Frame, quality: str, legend: LegendSide) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    x, y = _axes(frame, quality)
    colour, fill, shape, tier = _legends(points, frame, legend)
    strength = alt.condition("datum.marked", alt.value(1.0), alt.value(FAINT))
    tips = ["trial:N", "bill:N", "ram:N", "disk:N", "quality:Q", "low:Q", "high:Q", "n_queries:Q"]
    bars = alt.Chart().mark_rule(strokeWidth=1.4).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", stroke=colour)
    line = (
        alt.Chart()
        .mark_line(color=palette.INK, strokeWidth=1.6, interpolate="step-after", opacity=0.75)
        .encode(x=x, y=y, order="cost:Q")
        .transform_filter("datum.on_frontier")
    )
    marks = (
        alt.Chart()
        .mark_point(size=85, strokeWidth=1.8, filled=False)
        .encode(x=x, y=y, stroke=colour, fill=fill, shape=shape, fillOpacity=tier, tooltip=tips)
    )
    return [
        bars.encode(opacity=alt.condition("datum.marked", alt.value(0.9), alt.value(FAINT / 2))),
        line,
        marks.encode(opacity=strength).transform_filter("!datum.marked"),
        marks.encode(opacity=strength).transform_filter("datum.marked"),
    ]


def _legends(
    points: Sequence[FrontierPoint], frame: Frame, side: LegendSide
) -> tuple[alt.Stroke, alt.Fill, alt.Shape, alt.FillOpacity]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    colours = {
        frame.space_labels[name]: light for name, (light, _) in palette.space_colours([p.space for p in points]).items()
    }
    codecs = sorted({shown(point.codec) for point in points}, key=lambda codec: (codec not in SHAPES, codec))
    common: dict[str, Any] = {"orient": side, "symbolOpacity": 1.0}
    if side == "bottom":
        common |= {"direction": "vertical", "labelLimit": frame.width, "titleLimit": frame.width}
    # Two legends below a narrow plot would lie side by side and be wider than it.
    beside = {"orient": "top", "columns": 3} if side == "bottom" else {}
    longest = max(len(name) for name in colours)
    n_columns = max(1, int(frame.width / (longest * PIXELS_PER_CHARACTER + 30))) if side == "bottom" else 1
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    colour = alt.Stroke(
        "space:N",
        scale=scale,
        legend=alt.Legend(title="space: model@dimension:reduction", symbolType="circle", columns=n_columns, **common),
    )
    shape = alt.Shape(
        "codec:N",
        scale=alt.Scale(domain=codecs, range=[SHAPES.get(codec, OTHER_SHAPE) for codec in codecs]),
        legend=alt.Legend(
            title="codec", symbolFillColor=palette.INK, symbolStrokeColor=palette.INK, **(common | beside)
        ),
    )
    tier = alt.FillOpacity("tier:N", scale=alt.Scale(domain=list(TIERS), range=[1.0, 0.0]), legend=None)
    return colour, alt.Fill("space:N", scale=scale, legend=None), shape, tier


def _limit_layers(frame: Frame, limit: tuple[float, str] | None) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    if limit is None:
        return []
    rule = alt.Chart(_inline([{}])).mark_rule(color=palette.MUTED, strokeDash=[6, 4], strokeWidth=1.4)
    return [rule.encode(_pixel(0, frame.height_of(limit[0]))[1])]


def _label_layers(
    labels: Sequence[tuple[Label, str]], taken: Sequence[Box], limit: tuple[float, str] | None, frame: Frame
) -> list[alt.Chart]:
    layers = []
    boxes = place_labels([label for label, _ in labels], taken, frame.width, frame.height)
    for (label, colour), box in zip(labels, boxes, strict=True):
        layers += _one_label(label, colour, box)
    if limit is not None:
        y = frame.height_of(limit[0])
        box = place_along((limit[1],), y, [*taken, *boxes], frame.width)
        layers += _text((limit[1],), palette.MUTED, box, "left")
    return layers


def _one_label(label: Label, colour: str, box: Box) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    one = _inline([{}])
    end_x, end_y = box.nearest(label.x, label.y)
    here = _pixel(label.x, label.y)
    ring = alt.Chart(one).mark_point(size=330, color=colour, strokeWidth=2.4, opacity=1).encode(*here)
    leader = alt.Chart(one).mark_rule(color=colour, strokeWidth=1, opacity=0.8)
    leader = leader.encode(*here, *_pixel(end_x, end_y, end=True))
    align: Align = "right" if box.right <= label.x else "left" if box.left >= label.x else "center"
    return [leader, ring, *_text(label.lines, colour, box, align)]


def _text(lines: Sequence[str], colour: str, box: Box, align: Align) -> list[alt.Chart]:
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
    one = _inline([{}])
    x = {"right": box.right, "left": box.left, "center": (box.left + box.right) / 2}[align]
    halo = alt.Chart(one).mark_text(**style, color=palette.PAPER, stroke=palette.PAPER, strokeWidth=4)
    text = alt.Chart(one).mark_text(**style, color=colour)
    there = _pixel(x, box.top)
    return [halo.encode(*there), text.encode(*there)]


def _title(run: Run, points: Sequence[FrontierPoint], frame: Frame, quality: str, legend: LegendSide) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    room = frame.width + (230 if legend == "right" else 20)
    lines = textwrap.wrap(
        caption(run, points, frame.axis, quality), int(room / PIXELS_PER_CHARACTER), break_on_hyphens=False
    )
    return alt.TitleParams(
        text=textwrap.wrap(f"{quality} against {frame.axis.title}", int(room / (1.4 * PIXELS_PER_CHARACTER))),
        subtitle=lines,
        anchor="start",
        fontSize=17,
        color=palette.INK,
        subtitleColor=palette.MUTED,
        subtitleFontSize=FONT_SIZE,
        subtitleLineHeight=16,
        offset=14,
    )
