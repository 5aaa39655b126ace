"""The self-contained report page: one HTML file, no script, nothing fetched.

The template states the layout; this file gathers what it shows. Every value goes through `shown` and jinja2's
autoescape, except the charts (rendered here, from escaped text) and the verbatim code lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ragopt.artifacts import write_atomically
from ragopt.choose import cheapest_bill
from ragopt.report import palette, words
from ragopt.report.charts import frontier_chart
from ragopt.report.faiss_lines import lines_of_run
from ragopt.report.figure import Figure, NoFigure, Table
from ragopt.report.figures import FIGURES, figure_of
from ragopt.report.frame import caption
from ragopt.report.info import (
    CostAxis,
    axis_named,
    cost_axis,
    default_quality,
    frontier,
    frontier_points,
    is_synthetic,
    quality_names,
)
from ragopt.report.pictures import svg_text
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from ragopt.records import Run, TrialResult

TEMPLATE = "report.html.j2"

NARROW = {"width": 270, "height": 320}
"""Plot pixels that leave room for the axis on a phone of 390 px, the narrowest common one."""

SHOWN_TRIALS = 1_000
"""Rows of the table of all trials; more belong to trials.parquet, and the page stays under 1.5 MB."""

CHART_CHARACTERS = 600_000
"""Size that all charts together may reach before the optional ones are left out."""


def write_page(run: Run, path: Path) -> None:
    """Write the report of a finished run as one HTML file, whole or not at all.

    Args:
        run: a finished run.
        path: where the page goes, usually `report.html` in the run folder.

    Raises:
        StorageError: the file cannot be written.
        ArtifactError: no trial of the run was measured.
    """
    write_atomically(Path(path), page_html(run))


def page_html(run: Run) -> str:
    """The report of a finished run as the text of one HTML page."""
    return page_environment().get_template(TEMPLATE).render(_context(run))


def page_environment() -> Environment:
    """What every page is rendered by: text is escaped and cut, figures have their filters."""
    environment = Environment(
        loader=PackageLoader("ragopt.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    environment.filters |= {
        "usd": words.usd_text,
        "money": lambda text: words.usd_text(Decimal(text)),
        "decimal": words.decimal_text,
        "bytes": words.bytes_text,
        "size": format_bytes,
        "value": words.value_text,
        "interval": words.interval_text,
        "quality": words.quality_text,
        "latency": words.latency_text,
        "number": words.number_text,
        "json_quality": words.quality_from_json,
        "verbatim": _verbatim,
    }
    return environment


def _safe(value: object) -> object:
    return words.shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _verbatim(text: str) -> Markup:
    """Escape text that must not be cut: lines to copy."""
    return Markup("\n").join(escape(words.shown(line, limit=100_000)) for line in text.splitlines())


def _context(run: Run) -> dict[str, Any]:
    quality, axis = default_quality(run), cost_axis(run)
    points = frontier_points(run, quality=quality, axis=axis)
    other = axis_named("usd_per_month" if axis.name == "ram_bytes_per_vector" else "ram_bytes_per_vector")
    others = frontier_points(run, quality=quality, axis=other)
    recommendation = run.recommendation
    # One bill for all would draw a single column: the caption says it better.
    charts = _charts(run, (axis, other) if len({point.cost(other.name) for point in others}) > 1 else (axis,))
    return {
        "run": run,
        "info": run.info,
        "recommendation": recommendation,
        "synthetic": words.SYNTHETIC if is_synthetic(run) else "",
        "words": words,
        "headline": words.headline(recommendation),
        "quality_name": quality,
        "quality_names": quality_names(run),
        "axis": axis,
        "caption": caption(run, points, axis, quality),
        "charts": charts,
        "other_caption": caption(run, others, other, quality),
        "frontier": frontier(run, quality=quality, axis=axis),
        "n_points": len(points),
        "finalists": [result for result in run.trials if result.confirmed],
        "saving": recommendation.baseline_bill.usd_per_month - recommendation.bill.usd_per_month,
        "zero": Decimal(0),
        "all_trials": _rows(run),
        "n_trials": len(run.trials),
        "faiss_lines": lines_of_run(run),
        "command": words.reproduce_command(run),
        "palette": palette,
        "twins": palette.dark_twins([point.space for point in points]),
        "figures": {name: shown_figure(figure_of(run, name)) for name in FIGURES},
    }


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure as the page shows it: rendered for a wide and for a narrow screen, or the reason why not."""

    title: str
    caption: str = ""
    reason: str = ""
    table: Table | None = None
    wide: str = ""
    narrow: str = ""


def shown_figure(figure: Figure | NoFigure) -> ShownFigure:
    """Render a figure for the page."""
    if isinstance(figure, NoFigure):
        return ShownFigure(figure.title, reason=figure.reason)
    wide, narrow = (
        inline_svg(svg_text(figure.draw(narrow=size == "narrow", titled=False)), f"{figure.name}-{size}")
        for size in ("wide", "narrow")
    )
    return ShownFigure(figure.title, figure.caption, table=figure.table, wide=wide, narrow=narrow)


def _charts(run: Run, axes: tuple[CostAxis, ...]) -> dict[str, Markup]:
    """The charts by name; `wide` is always there, the others as long as the page stays small."""
    plans: dict[str, dict[str, Any]] = {}
    for prefix, axis in zip(("", "other_"), axes, strict=False):
        plans[f"{prefix}wide"] = {"axis": axis}
        plans[f"{prefix}narrow"] = {"axis": axis, "legend": "bottom", **NARROW}
    charts: dict[str, Markup] = {}
    for name, plan in plans.items():
        svg = inline_svg(svg_text(frontier_chart(run, titled=False, **plan)), name)
        if charts and sum(map(len, charts.values())) + len(svg) > CHART_CHARACTERS:
            break
        charts[name] = svg
    return charts


def inline_svg(svg: str, name: str) -> Markup:
    """Fit a rendered SVG into a page: no declared size, ids of its own, short numbers, no role of its own.

    Args:
        svg: what vl-convert rendered, which escapes its text.
        name: prefix that keeps ids apart from other charts on the page.
    """
    head, mark, body = svg.partition(">")
    box = re.search(r'viewBox="[-0-9. ]+"', head)
    width = re.search(r'width="([0-9.]+)"', head)
    if box is None or width is None:
        raise ValueError("vl-convert rendered an SVG without a viewBox")
    # Only tags are rewritten: text between them may hold names that look like attributes.
    parts = re.split(r"(<[^>]*>)", body)
    for position in range(1, len(parts), 2):
        tag = re.sub(r' (?:aria-[a-z]+|role|pointer-events)="[^"]*"', "", parts[position])
        tag = re.sub(r'(id="|url\(#)', rf"\g<1>{name}-", tag)
        parts[position] = re.sub(r"(\d+\.\d{2})\d+", r"\1", tag)
    start = f'<svg {box[0]} style="max-width:{float(width[1]):.0f}px" aria-hidden="true" focusable="false"{mark}'
    return Markup(start + "".join(parts))  # noqa: S704 - rendered from escaped text by vl-convert


def _rows(run: Run) -> list[tuple[TrialResult, Any]]:
    """Every trial with its cheapest bill, cheapest first, those without a bill last; at most SHOWN_TRIALS."""
    rows = [(result, cheapest_bill(result)) for result in run.trials]
    rows.sort(key=lambda row: (row[1] is None, row[1].usd_per_month if row[1] else 0, str(row[0].trial)))
    return rows[:SHOWN_TRIALS]
