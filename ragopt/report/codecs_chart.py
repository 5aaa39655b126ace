"""The figure of codecs: recall_vs_exact against bytes of codes in RAM, at full dimension and in reduced spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragopt.report import palette
from ragopt.report.axes import AxisScale, cost_scale, quality_scale
from ragopt.report.codecs_info import KINDS, CodecPoint, codec_points
from ragopt.report.dimensions_chart import figures_words, quality_cells, quality_columns
from ragopt.report.dimensions_info import model_labels
from ragopt.report.figure import Column, Figure, NoFigure, Table
from ragopt.report.info import default_quality, is_synthetic
from ragopt.report.panels import (
    INTERVAL_OPACITY,
    MARK_SIZE,
    Key,
    Layout,
    arranged,
    axis_x,
    axis_y,
    key_channels,
    layout_of,
    panel,
    upper_bound_layer,
)
from ragopt.report.words import SYNTHETIC, bytes_text, shown

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

NAME, TITLE = "codecs", "What each codec keeps at which size"

SHAPES = ("square", "circle", "diamond", "triangle-down", "cross", "triangle-up", "triangle-right")
COLOURS = (palette.INK, *(light for light, _ in palette.SERIES))
OTHER = (palette.SERIES[7][0], "triangle-left")
"""Colour and mark of a kind that `KINDS` does not list."""

TIERS = ("rescored", "codes alone")
HEIGHT = 210
N_TICKS = 5
PIXELS_PER_TICK = 50

MOST_ROWS = 200
"""Rows of the table: the default grid of one model leaves 160; more belong to trials.parquet."""


def codecs_figure(run: Run) -> Figure | NoFigure:
    """recall_vs_exact@k against RAM bytes per vector, what each kind of codec keeps at each size."""
    points = codec_points(run)
    drawn = drawn_points(run, points)
    if len({point.ram_bytes_per_vector for point in drawn}) < 2:
        reason = "no trial was measured" if not drawn else "all trials that were measured have codes of one size"
        return NoFigure(NAME, TITLE, f"There is nothing to compare by size: {reason}.")
    quality = default_quality(run)
    words = _caption(run, points, drawn)

    def draw(*, narrow: bool, titled: bool) -> alt.LayerChart:
        return _chart(
            drawn,
            quality,
            layout_of(len({point.is_reduced for point in drawn}), narrow=narrow, titled=titled),
            words if titled else "",
        )

    return Figure(NAME, TITLE, words, _table(points, drawn, quality), draw)


def drawn_points(run: Run, points: Sequence[CodecPoint]) -> list[CodecPoint]:
    """What is drawn: of the recommended model, whatever its own kind does not beat."""
    model = run.recommendation.trial.space.model
    return [point for point in points if point.kept and point.space.model == model]


def _caption(run: Run, points: Sequence[CodecPoint], drawn: Sequence[CodecPoint]) -> str:
    models = sorted({point.space.model for point in points})
    label = model_labels(models)[run.recommendation.trial.space.model]
    words = (
        f"{default_quality(run)} of {label} against bytes of codes in RAM, the rescoring tier not counted. Filled: "
        "rescored from a second tier, at the best depth tried; hollow, dashed: codes alone. One line per kind of "
        "codec: what no other trial of its kind beats."
    )
    if any(point.is_reduced for point in drawn):
        words += " Reduced spaces: the best truncation or rotation at each size."
    if any(point.upper_bound for point in drawn):
        words += " \u2264: an upper bound."
    n_left = len(points) - len(drawn)
    words += f" Upright lines: 95 % intervals{f', {SYNTHETIC}' if is_synthetic(run) else ''}."
    if n_left:
        others = " and the other models" if len(models) > 1 else ""
        words += f" {n_left} beaten trials{others} are left to the table."
    if len(points) > MOST_ROWS:
        words += f" It has the first {MOST_ROWS} of {len(points)} trials; the others are in trials.parquet."
    return words


def _table(points: Sequence[CodecPoint], drawn: Sequence[CodecPoint], quality: str) -> Table:
    columns = (
        Column("Trial"), Column("Codec"), Column("Rescored"), Column("RAM per vector", numeric=True),
        *quality_columns(quality),
        Column("Figures"), Column("In the chart"),
    )  # fmt: skip
    shown_trials = {point.trial for point in drawn}
    kept = [*drawn, *(point for point in points if point.trial not in shown_trials)][:MOST_ROWS]
    rows = [
        (
            shown(point.trial),
            shown(point.codec),
            "yes" if point.rescored else "no",
            bytes_text(point.ram_bytes_per_vector),
            *quality_cells(point.recall),
            figures_words(confirmed=point.confirmed, upper_bound=point.upper_bound),
            "yes" if point.trial in shown_trials else "no",
        )
        for point in kept
    ]
    return Table(columns, tuple(rows))


def _chart(drawn: Sequence[CodecPoint], quality: str, layout: Layout, caption: str) -> alt.LayerChart:
    across = cost_scale(
        [point.ram_bytes_per_vector for point in drawn], n_ticks=max(3, layout.width // PIXELS_PER_TICK), binary=True
    )
    keys = _keys(drawn)
    full = [point for point in drawn if not point.is_reduced]
    reduced = [point for point in drawn if point.is_reduced]
    parts = [(f"{quality}, full dimension", full), (f"{quality}, reduced spaces", reduced)]
    parts = [part for part in parts if part[1]]
    panels = [
        _panel(part, words, keys, across, layout, last=layout.beside or part is parts[-1][1]) for words, part in parts
    ]  # fmt: skip
    return arranged(panels, layout=layout, title=TITLE if caption else "", caption=caption)


def _keys(drawn: Sequence[CodecPoint]) -> list[Key]:
    kinds = dict.fromkeys([kind for kind in KINDS if any(point.kind == kind for point in drawn)])
    kinds |= dict.fromkeys(sorted({point.kind for point in drawn}))
    found = []
    for kind in kinds:
        colour, shape = (COLOURS[KINDS.index(kind)], SHAPES[KINDS.index(kind)]) if kind in KINDS else OTHER
        found.append(Key(shown(kind), colour, shape))
    return found


def _rows(points: Sequence[CodecPoint]) -> list[dict[str, Any]]:
    return [
        {
            "trial": shown(point.trial), "series": shown(point.kind), "tier": TIERS[0] if point.rescored else TIERS[1],
            "bytes": point.ram_bytes_per_vector, "quality": point.recall.value, "low": point.recall.low,
            "high": point.recall.high, "upper_bound": point.upper_bound,
        }
        for point in points
    ]  # fmt: skip


def _panel(
    points: Sequence[CodecPoint], words: str, keys: Sequence[Key], across: AxisScale, layout: Layout, *, last: bool
) -> alt.LayerChart:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    ends = [end for point in points for end in (point.recall.low, point.recall.high)]
    log = ", log scale" if across.log else ""
    x = axis_x("bytes", across, f"RAM bytes of codes per vector{log}" if last else None)
    y = axis_y("quality", quality_scale(ends, n_ticks=N_TICKS))
    by = key_channels(keys, width=layout.legend_width, legend=last)
    tiers = alt.Scale(domain=list(TIERS), range=[1.0, 0.0])
    fill = alt.FillOpacity("tier:N", scale=tiers, legend=None)
    dash = alt.StrokeDash("tier:N", scale=alt.Scale(domain=list(TIERS), range=[[1, 0], [4, 3]]), legend=None)
    bars: alt.Chart = alt.Chart().mark_rule(strokeWidth=1.3, opacity=INTERVAL_OPACITY)
    lines: alt.Chart = alt.Chart().mark_line(strokeWidth=1.3, opacity=0.7)
    marks: alt.Chart = alt.Chart().mark_point(size=MARK_SIZE, strokeWidth=1.6, opacity=1)
    layers = [
        lines.encode(x, y, by.stroke, dash, alt.Detail("tier:N")).transform_filter("!datum.upper_bound"),
        bars.encode(x, alt.Y("low:Q", title=None), alt.Y2("high:Q"), by.stroke),
        marks.encode(x, y, by.stroke, by.fill, by.shape, fill),
    ]
    if any(point.upper_bound for point in points):
        layers.append(upper_bound_layer(x, y))
    return panel(layers, _rows(points), words, (layout.width, HEIGHT))
