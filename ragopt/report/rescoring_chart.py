"""The figure of rescoring depth: what re-ranking more vectors brings in recall, and what it costs in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragopt.report import palette
from ragopt.report.axes import AxisScale, cost_scale, quality_scale
from ragopt.report.dimensions_chart import figures_words, quality_cells, quality_columns
from ragopt.report.figure import Column, Figure, NoFigure, Table
from ragopt.report.frame import space_labels
from ragopt.report.info import default_quality, is_synthetic
from ragopt.report.panels import (
    MARK_SIZE,
    PIXELS_PER_CHARACTER,
    Key,
    Layout,
    arranged,
    axis_x,
    axis_y,
    chosen_words,
    cut,
    interval_layer,
    key_channels,
    layout_of,
    panel,
    upper_bound_layer,
)
from ragopt.report.rescoring_info import DepthPoint, depth_points, why_no_depths
from ragopt.report.words import SYNTHETIC, bytes_text, shown
from ragopt.sweep.kept_run import results_of_a_search

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

NAME, TITLE = "rescoring", "What rescoring more vectors brings and costs"

MARKS = (
    (palette.ACCENT, "square"),
    (palette.SERIES[0][0], "circle"),
    (palette.SERIES[1][0], "diamond"),
    (palette.SERIES[2][0], "triangle-up"),
    (palette.SERIES[3][0], "triangle-down"),
    (palette.SERIES[4][0], "cross"),
)
"""The first is for the recommendation's line alone, the others for the others in turn."""

HEIGHT = 180
N_TICKS = 5
PIXELS_PER_TICK = 50

MOST_ROWS = 200
"""Rows of the table; more belong to trials.parquet."""


def rescoring_figure(run: Run) -> Figure | NoFigure:
    """recall_vs_exact@k and time against the number of vectors rescored."""
    points = depth_points(run)
    reason = why_no_depths(run, points)
    if reason:
        return NoFigure(NAME, TITLE, reason)
    drawn = [point for point in points if point.line is not None]
    words = _caption(run, points, drawn)
    recommended = str(run.recommendation.trial)
    starts = any(point.trial == recommended for point in drawn)

    def draw(*, narrow: bool, titled: bool) -> alt.LayerChart:
        return _chart(
            run,
            drawn,
            layout_of(1 + _timed(drawn), narrow=narrow, titled=titled),
            words if titled else "",
            accented=starts,
        )

    return Figure(NAME, TITLE, words, _table(points, default_quality(run)), draw)


def bill_sentence(run: Run) -> str:
    """What the CPU milliseconds are that the bill charges, by the run's cost model."""
    if run.info["arguments"].get("cost_model") == "scan":
        return "The CPU time that the bill charges comes from a fixed table (--cost-model scan); none was measured."
    return (
        "The CPU time that the bill charges was measured where the index was built (filled); elsewhere (hollow) it is "
        "the bill's estimate, a table of scan costs times how fast this machine scans such codes."
    )


def _caption(run: Run, points: Sequence[DepthPoint], drawn: Sequence[DepthPoint]) -> str:
    n_results, k = results_of_a_search(run), int(run.info["k"])
    asked = f"{n_results} results that a search asks for" if n_results != k else f"k = {k}"
    n_lines, n_all = len({point.key for point in drawn}), len({point.key for point in points})
    which = "all indexes" if n_lines == n_all else f"{n_lines} of {n_all} indexes"
    words = (
        f"Vectors rescored for a query: {asked} times k_factor_rf, at most the whole corpus. "
        f"Drawn: {which} with a rescoring tier: the {chosen_words(run)} one (square) if it has "
        "such a tier, finalists, then the best of a code size."
    )
    if any(point.cpu_ms is not None for point in drawn):
        words += f" {bill_sentence(run)}"
    if any(point.latency for point in drawn):
        words += " Rings: p50 of one search, measured on one thread of a built index in warm memory."
    if any(point.upper_bound for point in drawn):
        words += " \u2264: an upper bound."
    words += f" Upright lines: 95 % intervals{f', {SYNTHETIC}' if is_synthetic(run) else ''}."
    if len(points) > MOST_ROWS:
        words += f" The table has the first {MOST_ROWS} of {len(points)} trials; the others are in trials.parquet."
    return words


def _table(points: Sequence[DepthPoint], quality: str) -> Table:
    columns = (
        Column("Trial"), Column("Vectors rescored", numeric=True), Column("RAM per vector", numeric=True),
        *quality_columns(quality),
        Column("CPU ms per query, billed", numeric=True), Column("CPU"), Column("p50 ms, measured", numeric=True),
        Column("Figures"), Column("In the chart"),
    )  # fmt: skip
    rows = [
        (
            shown(point.trial), f"{point.n_rescored:,}", bytes_text(point.ram_bytes_per_vector),
            *quality_cells(point.recall), "not billed" if point.cpu_ms is None else f"{point.cpu_ms:,.4f}",
            "measured" if point.cpu_measured else "" if point.cpu_ms is None else "estimated",
            "" if point.latency is None else f"{point.latency.p50:,.4f}",
            figures_words(confirmed=point.confirmed, upper_bound=point.upper_bound),
            "no" if point.line is None else "yes",
        )
        for point in points[:MOST_ROWS]
    ]  # fmt: skip
    return Table(columns, tuple(rows))


def _labels(drawn: Sequence[DepthPoint], width: int) -> list[str]:
    """One name per line: its factory, with the space in front where lines have several, told apart."""
    keys = list(dict.fromkeys(point.key for point in drawn))
    spaces = space_labels(str(space) for space, _ in keys)
    limit = int((width - 20) / PIXELS_PER_CHARACTER)
    found: list[str] = []
    for key in keys:
        index = key[1] if len(spaces) == 1 else f"{spaces[str(key[0])]}, {key[1]}"
        name = cut(index, limit - 4)
        # Names that are cut to the same text are told apart by a number.
        n_same = sum(other.partition(" (")[0] == name for other in found)
        found.append(f"{name} ({n_same + 1})" if n_same else name)
    return found


def _rows(drawn: Sequence[DepthPoint], names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "trial": shown(point.trial), "series": names[point.line or 0], "n_rescored": point.n_rescored,
            "quality": point.recall.value, "low": point.recall.low, "high": point.recall.high, "cpu": point.cpu_ms,
            "measured": point.cpu_measured,
            "p50": point.latency.p50 if point.latency else None, "upper_bound": point.upper_bound,
        }
        for point in drawn
    ]  # fmt: skip


def _timed(drawn: Sequence[DepthPoint]) -> bool:
    """Whether any time of what is drawn is known."""
    return any(point.cpu_ms is not None or point.latency for point in drawn)


def _chart(run: Run, drawn: Sequence[DepthPoint], layout: Layout, caption: str, *, accented: bool) -> alt.LayerChart:
    names = _labels(drawn, layout.width)
    marks = MARKS if accented else MARKS[1:]
    keys = [Key(name, *mark) for name, mark in zip(names, marks, strict=False)]
    rows = _rows(drawn, names)
    across = cost_scale([point.n_rescored for point in drawn], n_ticks=max(3, layout.width // PIXELS_PER_TICK))
    timed = _timed(drawn)
    quality = default_quality(run)
    panels = [_recall_panel(rows, keys, across, quality, layout, last=layout.beside or not timed)]
    if timed:
        panels.append(_time_panel(rows, keys, across, layout))
    return arranged(panels, layout=layout, title=TITLE if caption else "", caption=caption)


def _x(across: AxisScale, *, last: bool) -> alt.X:
    return axis_x("n_rescored", across, f"vectors rescored{', log scale' if across.log else ''}" if last else None)


def _recall_panel(
    rows: Sequence[dict[str, Any]], keys: Sequence[Key], across: AxisScale, quality: str, layout: Layout, *, last: bool
) -> alt.LayerChart:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    ends = [row[end] for row in rows for end in ("low", "high")]
    x, y = _x(across, last=last), axis_y("quality", quality_scale(ends, n_ticks=N_TICKS))
    by = key_channels(keys, width=layout.legend_width, legend=last)
    lines: alt.Chart = alt.Chart().mark_line(strokeWidth=1.5, opacity=0.8)
    marks: alt.Chart = alt.Chart().mark_point(size=MARK_SIZE, filled=True, opacity=1)
    layers = [
        lines.encode(x, y, by.stroke),
        interval_layer(x, by.stroke),
        marks.encode(x, y, by.stroke, by.fill, by.shape),
    ]
    if any(row["upper_bound"] for row in rows):
        layers.append(upper_bound_layer(x, y))
    return panel(layers, rows, quality, (layout.width, HEIGHT))


def _time_panel(
    rows: Sequence[dict[str, Any]], keys: Sequence[Key], across: AxisScale, layout: Layout
) -> alt.LayerChart:  # fmt: skip
    import altair as alt  # noqa: PLC0415 - loaded when first used

    known = [row[name] for row in rows for name in ("cpu", "p50") if row[name] is not None]
    scale = cost_scale(known, n_ticks=N_TICKS)
    billed = any(row["cpu"] is not None for row in rows)
    x, y = _x(across, last=True), axis_y("cpu" if billed else "p50", scale)
    by = key_channels(keys, width=layout.legend_width, legend=True)
    lines: alt.Chart = alt.Chart().mark_line(strokeWidth=1.5, opacity=0.8)
    marks: alt.Chart = alt.Chart().mark_point(size=MARK_SIZE, strokeWidth=1.6, opacity=1)
    rings: alt.Chart = alt.Chart().mark_point(shape="circle", size=190, strokeWidth=1.6, filled=False, opacity=1)
    fill = alt.FillOpacity("measured:N", scale=alt.Scale(domain=[True, False], range=[1.0, 0.0]), legend=None)
    layers: list[alt.Chart] = []
    words = []
    if billed:
        layers.append(lines.encode(x, y, by.stroke).transform_filter("isValid(datum.cpu)"))
        layers.append(marks.encode(x, y, by.stroke, by.fill, by.shape, fill).transform_filter("isValid(datum.cpu)"))
        words.append("CPU per query in the bill (line)")
    if any(row["p50"] is not None for row in rows):
        layers.append(
            rings.encode(x, alt.Y("p50:Q", title=None) if billed else y, by.stroke).transform_filter(
                "isValid(datum.p50)"
            )
        )
        words.append("measured p50 (ring)")
    return panel(layers, rows, f"ms{', log scale' if scale.log else ''}: {', '.join(words)}", (layout.width, HEIGHT))
