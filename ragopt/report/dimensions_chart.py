"""The figure of dimensions: what truncation and rotation to fewer dimensions keep, model by model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragopt.report import palette
from ragopt.report.axes import AxisScale, quality_scale
from ragopt.report.chart_style import inline
from ragopt.report.dimensions_info import DimensionPoint, dimension_points, model_labels, why_no_dimensions
from ragopt.report.figure import Column, Figure, NoFigure, Table
from ragopt.report.info import default_quality, is_synthetic
from ragopt.report.panels import (
    MARK_SIZE,
    Key,
    Layout,
    arranged,
    axis_x,
    axis_y,
    interval_layer,
    key_channels,
    layout_of,
    panel,
    upper_bound_layer,
)
from ragopt.report.words import SYNTHETIC, interval_text, shown, value_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Quality, Reduction, Run

NAME, TITLE = "dimensions", "What fewer dimensions keep"

KINDS: dict[Reduction, str] = {"none": "full dimension", "trunc": "truncated", "pca": "PCA", "joint": "joint rotation"}
SHAPES: dict[Reduction, str] = {"none": "square", "trunc": "circle", "pca": "triangle-up", "joint": "diamond"}

HEIGHT = 190
TICK_GAP = 30
"""Pixels between two dimensions that both get a tick."""
DODGE = 3.0
"""Pixels between marks of the same dimension, so that their intervals stand beside each other."""
N_TICKS = 5


def dimensions_figure(run: Run) -> Figure | NoFigure:
    """Quality against dimension, each space by its most exact codes-only trial."""
    points = dimension_points(run)
    reason = why_no_dimensions(run, points)
    if reason:
        return NoFigure(NAME, TITLE, reason)
    quality, words = default_quality(run), _caption(run, points)

    def draw(*, narrow: bool, titled: bool) -> alt.LayerChart:
        return _chart(
            points, quality, layout_of(1 + _judged(points), narrow=narrow, titled=titled), words if titled else ""
        )

    return Figure(NAME, TITLE, words, _table(points, quality), draw)


def _judged(points: Sequence[DimensionPoint]) -> bool:
    return any(point.ndcg is not None for point in points)


def _caption(run: Run, points: Sequence[DimensionPoint]) -> str:
    counts = sorted({point.recall.n_queries for point in points})
    n_queries = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    words = (
        "Each mark is one space, by its most exact trial without a rescoring tier (Flat, else SQfp16, SQ8, the best; "
        "see the table): it shows what the dimension costs, not the codec. "
        f"{default_quality(run)} compares a model with itself at full dimension"
    )
    words += "; nDCG@10 comes from judgements and compares models too." if _judged(points) else "."
    if any(point.exact_ndcg is not None for point in points):
        words += " Short bars: exact search at full dimension on the very queries of the mark."
    if any(point.upper_bound for point in points):
        words += " \u2264: an upper bound."
    kind = SYNTHETIC if is_synthetic(run) else "queries"
    words += f" Lines: 95 % intervals, {n_queries} {kind}"
    return words + ("; trials dropped early have fewer." if len(counts) > 1 else ".")


def _table(points: Sequence[DimensionPoint], quality: str) -> Table:
    columns = [Column("Trial"), Column("Dimension", numeric=True), *quality_columns(quality)]
    if _judged(points):
        columns += [*quality_columns("nDCG@10"), Column("Exact search on the same queries", numeric=True)]
    rows = []
    for point in points:
        row = [shown(point.trial), f"{point.space.dim:,}", *quality_cells(point.recall)]
        if _judged(points):
            exact = "" if point.exact_ndcg is None else value_text(point.exact_ndcg)
            row += [*quality_cells(point.ndcg), exact]
        rows.append((*row, figures_words(confirmed=point.confirmed, upper_bound=point.upper_bound)))
    return Table((*columns, Column("Figures")), tuple(rows))


def quality_columns(name: str) -> list[Column]:
    """Heads of the columns that `quality_cells` fills."""
    return [Column(f"{name} [95 %]", numeric=True), Column("Queries", numeric=True)]


def quality_cells(figure: Quality | None) -> tuple[str, str]:
    """Value with interval, and number of queries, as a table has them; no figures where nothing was measured."""
    if figure is None:
        return "not judged", ""
    return f"{value_text(figure.value)} {interval_text(figure)}", f"{figure.n_queries:,}"


def figures_words(*, confirmed: bool, upper_bound: bool) -> str:
    """Where a trial's figures come from."""
    if confirmed:
        return "measured"
    return "estimated, an upper bound" if upper_bound else "estimated"


def _chart(points: Sequence[DimensionPoint], quality: str, layout: Layout, caption: str) -> alt.LayerChart:
    labels = model_labels(point.space.model for point in points)
    judged = _judged(points)
    recall_panel = _panel(points, labels, ("recall", quality), layout, last=layout.beside or not judged)
    panels = (
        [recall_panel, _panel(points, labels, ("ndcg", "nDCG@10"), layout, last=True)] if judged else [recall_panel]
    )
    return arranged(panels, layout=layout, title=TITLE if caption else "", caption=caption)


def _keys(points: Sequence[DimensionPoint], labels: dict[str, str]) -> dict[tuple[str, Reduction], Key]:
    models = sorted(labels)
    return {
        (model, reduction): Key(
            f"{labels[model]}, {KINDS[reduction]}",
            palette.family_colour(models.index(model), reduction)[0],
            SHAPES[reduction],
        )
        for model, reduction in dict.fromkeys((point.space.model, point.space.reduction) for point in points)
    }


def _dim_scale(points: Sequence[DimensionPoint], width: int) -> AxisScale:
    """A log axis with a tick at every dimension that has room beside the next larger one."""
    dims = sorted({point.space.dim for point in points}, reverse=True)
    stretch = (dims[0] / dims[-1]) ** 0.06
    scale = AxisScale(dims[-1] / stretch, dims[0] * stretch, log=True, ticks=())
    ticks: list[float] = []
    for dim in dims:
        if not ticks or (scale.fraction(ticks[-1]) - scale.fraction(dim)) * width >= TICK_GAP:
            ticks.append(float(dim))
    return AxisScale(scale.low, scale.high, log=True, ticks=tuple(sorted(ticks)))


def _rows(
    points: Sequence[DimensionPoint], keys: dict[tuple[str, Reduction], Key], scale: AxisScale, field: str, width: int
) -> list[dict[str, Any]]:
    """One row per mark; `at` is the dimension moved by some pixels, so that intervals stand beside each other."""
    ratio = (scale.high / scale.low) ** (DODGE / width)
    rows = []
    for point in points:
        figure: Quality | None = getattr(point, field)
        if figure is None:
            continue
        key = (point.space.model, point.space.reduction)
        rows.append({
            "trial": shown(point.trial), "series": keys[key].name, "dim": point.space.dim,
            "at": point.space.dim * ratio ** _dodge(key, list(keys)),
            "quality": figure.value, "low": figure.low, "high": figure.high,
            "n_queries": figure.n_queries,
            "upper_bound": field == "recall" and point.upper_bound,
            "exact": point.exact_ndcg if field == "ndcg" else None,
        })  # fmt: skip
    return rows


def _dodge(key: tuple[str, Reduction], keys: Sequence[tuple[str, Reduction]]) -> float:
    """Steps from the middle at which a series stands; full dimensions and reduced ones meet nowhere."""
    beside = [other for other in keys if (other[1] == "none") == (key[1] == "none")]
    return beside.index(key) - (len(beside) - 1) / 2


def _lines(points: Sequence[DimensionPoint], rows: list[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    """Rows of the lines: every series, from its model's full dimension where that was measured on the same queries.

    A line between means over different queries would rise or fall by the queries alone.
    """
    drawn = [point for point in points if getattr(point, field) is not None]
    full = {point.space.model: row for point, row in zip(drawn, rows, strict=True) if point.space.reduction == "none"}
    found: list[dict[str, Any]] = []
    for point, row in zip(drawn, rows, strict=True):
        if point.space.reduction == "none":
            continue
        start = full.get(point.space.model)
        first = not any(one["series"] == row["series"] for one in found)
        if start is not None and first and (field == "recall" or _same_queries(row, start)):
            found.append(start | {"series": row["series"]})
        found.append(row)
    return [{name: row[name] for name in ("series", "at", "quality")} for row in found]


def _same_queries(row: dict[str, Any], full: dict[str, Any]) -> bool:
    """Whether two rows are means over the same queries, as far as the run tells."""
    return bool(row["n_queries"] == full["n_queries"] if row["exact"] is None else row["exact"] == full["quality"])


def _panel(
    points: Sequence[DimensionPoint], labels: dict[str, str], what: tuple[str, str], layout: Layout, *, last: bool
) -> alt.LayerChart:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    field, words = what
    keys = _keys(points, labels)
    across = _dim_scale(points, layout.width)
    rows = _rows(points, keys, across, field, layout.width)
    ends = [row[end] for row in rows for end in ("low", "high", "exact") if row[end] is not None]
    x = axis_x("at", across, "dimension, log scale" if last else None)
    y = axis_y("quality", quality_scale(ends, n_ticks=N_TICKS))
    by = key_channels(list(keys.values()), width=layout.legend_width, legend=last)
    lines: alt.Chart = alt.Chart(inline(_lines(points, rows, field))).mark_line(strokeWidth=1.6, opacity=0.8)
    marks: alt.Chart = alt.Chart().mark_point(size=MARK_SIZE, filled=True, opacity=1)
    layers = [
        lines.encode(x, y, by.stroke),
        interval_layer(x, by.stroke),
        marks.encode(x, y, by.stroke, by.fill, by.shape),
    ]
    if any(row["exact"] is not None for row in rows):
        bars: alt.Chart = alt.Chart().mark_tick(orient="horizontal", size=14, thickness=2, color=palette.INK, opacity=1)
        layers.append(bars.encode(x, alt.Y("exact:Q", title=None)).transform_filter("isValid(datum.exact)"))
    if any(row["upper_bound"] for row in rows):
        layers.append(upper_bound_layer(x, y))
    return panel(layers, rows, words, (layout.width, HEIGHT))
