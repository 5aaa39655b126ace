"""The serving chart: questions a second against p99 latency, one mark per batch size, the recommended one ringed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ragopt.report import palette
from ragopt.report.chart_style import PIXELS_PER_CHARACTER, Align, inline, look, title_params
from ragopt.report.labels import FONT_SIZE, LINE_HEIGHT, Box, Label, place_labels
from ragopt.report.pictures import picture_writer
from ragopt.report.serve_frame import ServeFrame, drawn_row, frame_of, limit_box, name_of, rows_of, taken_boxes
from ragopt.report.serve_text import recommendation_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.report.axes import AxisScale
    from ragopt.serve.bench_records import ServeBench

SIZES = "#3c78dc"
"""The blue of the palette's first ramps."""

EXAMPLE = "serve.png"
"""Name that an error suggests."""


def serve_chart(bench: ServeBench, *, width: int = 680, height: int = 420, titled: bool = True) -> alt.LayerChart:
    """Throughput against p99 latency of many callers, with 95 % intervals both ways.

    An interval whose upper end is unknown is dashed to the right edge.

    Args:
        bench: what was measured.
        width: of the plot area in pixels.
        height: of the plot area in pixels.
        titled: whether title and caption are drawn; a page says them in its own text.

    Returns:
        An Altair chart with its data inside.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    frame = frame_of(bench, width, height)
    layers = [*_limit(bench, frame), *_marks(bench, frame), *_labels(bench, frame)]
    head = {"title": _title(bench, width)} if titled else {}
    found: Any = alt.layer(*layers, width=width, height=height, config=look(), **head)
    return cast("alt.LayerChart", found)


def write_serve_chart(bench: ServeBench, path: Path) -> None:
    """Draw a measurement of serving into a .png or .svg file, whole or not at all.

    Raises:
        InputError: the file has another suffix.
        StorageError: the file cannot be written.
    """
    picture_writer(path, EXAMPLE)(serve_chart(bench), path)


def check_suffix(path: Path) -> None:
    """Refuse a file that is no picture, before anything is measured for it.

    Raises:
        InputError: the file has another suffix than .png or .svg.
    """
    picture_writer(path, EXAMPLE)


def _axes(frame: ServeFrame) -> tuple[alt.X, alt.Y]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    def scale_of(axis: AxisScale) -> alt.Scale:
        return alt.Scale(type="log" if axis.log else "linear", domain=[axis.low, axis.high], nice=False, zero=False)

    x = alt.X(
        "p99:Q",
        title=f"p99 from question to answer, ms{', log scale' if frame.x.log else ''}, with 95 % interval",
        scale=scale_of(frame.x),
        axis=alt.Axis(values=list(frame.x.ticks), labelExpr="format(datum.value, ',.2~f')"),
    )
    y = alt.Y(
        "rate:Q",
        title=f"questions a second{', log scale' if frame.y.log else ''}, with 95 % interval",
        scale=scale_of(frame.y),
        axis=alt.Axis(values=list(frame.y.ticks), labelExpr="format(datum.value, ',.2~f')"),
    )
    return x, y


def _marks(bench: ServeBench, frame: ServeFrame) -> list[alt.Chart]:
    """A line through the batch sizes, then for each row its two intervals and its mark."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    x, y = _axes(frame)
    drawn = [drawn_row(row, bench, frame) | {"order": number} for number, row in enumerate(bench.callers)]
    line: alt.Chart = alt.Chart(inline(drawn)).mark_line(color=SIZES, strokeWidth=1.2, opacity=0.45)
    layers = [line.encode(x=x, y=y, order="order:Q")]
    for row in rows_of(bench):
        one = inline([drawn_row(row, bench, frame)])
        colour = palette.MUTED if row.batch_size is None else SIZES
        dash: dict[str, Any] = {"strokeDash": [4, 3]} if row.p99_ms.high is None else {}
        across: alt.Chart = alt.Chart(one).mark_rule(color=colour, strokeWidth=1.4, opacity=0.8, **dash)
        layers.append(across.encode(x=alt.X("p99_low:Q"), x2="p99_high:Q", y=y))
        up: alt.Chart = alt.Chart(one).mark_rule(color=colour, strokeWidth=1.4, opacity=0.8)
        layers.append(up.encode(x=x, y=alt.Y("rate_low:Q"), y2="rate_high:Q"))
        shape = "diamond" if row.batch_size is None else "circle"
        mark: alt.Chart = alt.Chart(one).mark_point(
            shape=shape, size=85, color=colour, fill=colour, filled=True, opacity=1
        )
        layers.append(mark.encode(x=x, y=y, tooltip=["name:N", "p99:Q", "rate:Q", "n_questions:Q"]))
        if row.batch_size is not None and row.batch_size == bench.recommended:
            ring: alt.Chart = alt.Chart(one).mark_point(size=330, color=palette.ACCENT, strokeWidth=2.4, opacity=1)
            layers.append(ring.encode(x=x, y=y))
    return layers


def _labels(bench: ServeBench, frame: ServeFrame) -> list[alt.Chart]:
    """Names beside their marks, the recommended one's placed first."""
    rows = sorted(rows_of(bench), key=lambda row: row.batch_size is None or row.batch_size != bench.recommended)
    labels = [
        Label((name_of(row, bench),), *frame.pixel(row.p99_ms.value, row.questions_per_second.value)) for row in rows
    ]
    boxes = place_labels(labels, taken_boxes(bench, frame), frame.width, frame.height)
    layers: list[alt.Chart] = []
    for row, label, box in zip(rows, labels, boxes, strict=True):
        chosen = row.batch_size is not None and row.batch_size == bench.recommended
        colour = palette.ACCENT if chosen else palette.MUTED if row.batch_size is None else SIZES
        layers += [_leader(label, box, colour), *_words(label.lines, box, colour, _side(label, box))]
    return layers


def _side(label: Label, box: Box) -> Align:
    return "right" if box.right <= label.x else "left" if box.left >= label.x else "center"


def _at(x: float, y: float) -> tuple[Any, Any]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.XValue(x), alt.YValue(y)  # type: ignore[no-untyped-call]


def _leader(label: Label, box: Box, colour: str) -> alt.Chart:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    end_x, end_y = box.nearest(label.x, label.y)
    ends = alt.X2Value(end_x), alt.Y2Value(end_y)  # type: ignore[no-untyped-call]
    rule: alt.Chart = alt.Chart(inline([{}])).mark_rule(color=colour, strokeWidth=1, opacity=0.7)
    return rule.encode(*_at(label.x, label.y), *ends)


def _words(lines: Sequence[str], box: Box, colour: str, align: Align) -> list[alt.Chart]:
    """A text over a halo of the paper's colour."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    style: dict[str, Any] = {
        "text": list(lines), "align": align, "baseline": "top", "fontSize": FONT_SIZE, "fontWeight": "bold",
        "lineHeight": LINE_HEIGHT,
    }  # fmt: skip
    x = {"right": box.right, "left": box.left, "center": (box.left + box.right) / 2}[align]
    halo: alt.Chart = alt.Chart(inline([{}])).mark_text(
        **style, color=palette.PAPER, stroke=palette.PAPER, strokeWidth=4, strokeJoin="round"
    )
    text: alt.Chart = alt.Chart(inline([{}])).mark_text(**style, color=colour)
    return [layer.encode(*_at(x, box.top)) for layer in (halo, text)]


def _limit(bench: ServeBench, frame: ServeFrame) -> list[alt.Chart]:
    """The limit of p99 as an upright line with its name."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    box = limit_box(bench, frame)
    if box is None or bench.p99_limit_ms is None:
        return []
    x, _ = frame.pixel(bench.p99_limit_ms, frame.y.high)
    rule: alt.Chart = alt.Chart(inline([{}])).mark_rule(color=palette.MUTED, strokeDash=[6, 4], strokeWidth=1.4)
    encoded = rule.encode(alt.XValue(x))  # type: ignore[no-untyped-call]
    align: Align = "left" if box.left > x else "right"
    return [encoded, *_words((f"limit {bench.p99_limit_ms:g} ms",), box, palette.MUTED, align)]


def _title(bench: ServeBench, width: int) -> alt.TitleParams:
    cores = "core" if bench.n_cores == 1 else "cores"
    caption = (
        f"{recommendation_text(bench)} {bench.concurrency} callers at once, {bench.k} passages a question, "
        f"{bench.n_cores} processor {cores}; the labels are the most questions of a batch."
    )
    if any(row.p99_ms.high is None for row in rows_of(bench)):
        caption += " Dashed to the right edge: too few answers for an upper end."
    told = " ".join((caption, *bench.warnings))
    lines = textwrap.wrap(told, int(width / PIXELS_PER_CHARACTER), break_on_hyphens=False)
    return title_params(["What a batch size gains and costs"], lines)
