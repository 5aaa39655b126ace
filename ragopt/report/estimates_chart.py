"""The figure of estimates: what candidates said of each finalist against what its built index keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragopt.report import palette
from ragopt.report.axes import AxisScale, linear_ticks
from ragopt.report.chart_style import inline
from ragopt.report.dimensions_chart import quality_cells
from ragopt.report.estimates_info import EstimatePoint, estimate_points, why_no_estimates
from ragopt.report.figure import Column, Figure, NoFigure, Table
from ragopt.report.info import default_quality, is_synthetic
from ragopt.report.panels import (
    MARK_SIZE,
    Key,
    Layout,
    arranged,
    axis_x,
    axis_y,
    chosen_words,
    key_channels,
    layout_of,
    panel,
)
from ragopt.report.words import SYNTHETIC, shown, value_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

NAME, TITLE = "estimates", "How far the estimates were right"

BAND = 0.01
"""One point of recall: the difference that the report calls a difference that matters (`axes.quality_scale`)."""

N_TICKS = 5
PADDING = 0.06
HEIGHT = 300

BUILT, MEASURED = "built, same queries", "built, confirmation queries"


def estimates_figure(run: Run) -> Figure | NoFigure:
    """Estimated against built recall_vs_exact@k of every finalist."""
    points = estimate_points(run)
    if not points:
        return NoFigure(NAME, TITLE, why_no_estimates(run))
    words, quality = _caption(run, points), default_quality(run)

    def draw(*, narrow: bool, titled: bool) -> alt.LayerChart:
        return _chart(run, points, layout_of(1, narrow=narrow, titled=titled), words if titled else "")

    return Figure(NAME, TITLE, words, _table(points, quality), draw)


def _caption(run: Run, points: Sequence[EstimatePoint]) -> str:
    queries = run.info["queries"]
    kind = SYNTHETIC if is_synthetic(run) else "queries"
    n_select, n_confirm = int(queries["n_select"]), int(queries["n_confirm"])
    gaps = [abs(point.gap) for point in points if point.gap is not None]
    words = (
        f"{len(points)} built trials, exact search left out. Across: {default_quality(run)} as estimated from shared "
        f"candidates on up to {n_select:,} {kind} of the selection."
    )
    if gaps:
        words += (
            " Filled: the built index on the same queries (the estimate less the difference found there); on "
            f"the diagonal it was right, the band is {BAND} to each side, the largest difference is {max(gaps):.4f}."
        )
    else:
        words += f" The difference on the same queries was not kept. The band is {BAND} to each side of the diagonal."
    other = f"{n_confirm:,} other queries" if queries["confirm_holdout"] else f"the same queries again ({n_confirm:,})"
    return words + f" Hollow, with 95 % interval: the built index on {other}."


def _table(points: Sequence[EstimatePoint], quality: str) -> Table:
    columns = (
        Column("Trial"), Column(f"{quality}, estimated", numeric=True), Column("Built, same queries", numeric=True),
        Column("Estimated minus built", numeric=True), Column("Built, confirmation queries [95 %]", numeric=True),
        Column("Queries", numeric=True),
    )  # fmt: skip
    rows = [
        (
            shown(point.trial), value_text(point.estimated),
            "not kept" if point.built is None else value_text(point.built),
            "not kept" if point.gap is None else f"{point.gap:+.4f}",
            *quality_cells(point.measured),
        )
        for point in points
    ]  # fmt: skip
    return Table(columns, tuple(rows))


def _scale(points: Sequence[EstimatePoint]) -> AxisScale:
    """One domain for both axes, so that the diagonal is one."""
    values = [end for p in points for end in (p.estimated, p.measured.low, p.measured.high, p.built) if end is not None]
    low, high = min(values), max(values)
    room = max(PADDING * (high - low), BAND / 2)
    low, high = low - room, high + room
    return AxisScale(low, high, log=False, ticks=tuple(t for t in linear_ticks(low, high, N_TICKS) if 0 <= t <= 1))


def _rows(points: Sequence[EstimatePoint], chosen: str) -> list[dict[str, Any]]:
    rows = []
    for point in points:
        common = {"trial": shown(point.trial), "estimated": point.estimated}
        figure = point.measured
        rows.append(common | {"series": MEASURED, "value": figure.value, "low": figure.low, "high": figure.high})
        if point.built is not None:
            rows.append(common | {"series": chosen if point.is_recommended else BUILT, "value": point.built})
    return rows


def _keys(rows: Sequence[dict[str, Any]], chosen: str) -> list[Key]:
    known = {row["series"] for row in rows}
    keys = (
        Key(BUILT, palette.SERIES[0][0], "circle"),
        Key(chosen, palette.ACCENT, "square"),
        Key(MEASURED, palette.INK, "circle", hollow=True),
    )
    return [key for key in keys if key.name in known]


def _chart(run: Run, points: Sequence[EstimatePoint], layout: Layout, caption: str) -> alt.LayerChart:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    chosen = f"the {chosen_words(run)} one"
    rows, scale, quality = _rows(points, chosen), _scale(points), default_quality(run)
    x, y = axis_x("estimated", scale, "estimated from shared candidates"), axis_y("value", scale)
    by = key_channels(_keys(rows, chosen), width=layout.legend_width, legend=True)
    bars: alt.Chart = alt.Chart().mark_rule(strokeWidth=1.2, opacity=0.55)
    rings: alt.Chart = alt.Chart().mark_point(size=3.2 * MARK_SIZE, strokeWidth=1.4, opacity=1)
    dots: alt.Chart = alt.Chart().mark_point(size=MARK_SIZE, filled=True, opacity=1)
    measured = f"datum.series === '{MEASURED}'"
    layers = [
        *_diagonal(scale, x, y),
        bars.encode(x, alt.Y("low:Q", title=None), alt.Y2("high:Q"), by.stroke).transform_filter(measured),
        rings.encode(x, y, by.stroke, by.fill, by.shape).transform_filter(measured),
        dots.encode(x, y, by.stroke, by.fill, by.shape).transform_filter(f"!({measured})"),
    ]
    plot = panel(layers, rows, f"{quality} of the built index", (layout.width, HEIGHT))
    return arranged([plot], layout=layout, title=TITLE if caption else "", caption=caption)


def _diagonal(scale: AxisScale, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The line where estimate and build agree, and one point of recall to each side of it, clipped to the plot."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    ends = [
        {"estimated": end, "value": end, "below": end - BAND, "above": end + BAND} for end in (scale.low, scale.high)
    ]
    band: alt.Chart = alt.Chart(inline(ends)).mark_area(color=palette.GRID, opacity=0.7, clip=True)
    line: alt.Chart = alt.Chart(inline(ends)).mark_line(
        color=palette.MUTED, strokeWidth=1.2, strokeDash=[5, 4], clip=True
    )
    return [band.encode(x, alt.Y("below:Q", title=None), alt.Y2("above:Q")), line.encode(x, y)]
