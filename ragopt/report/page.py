"""The self-contained report page: one HTML file with one script of ours, nothing fetched.

The template states the layout; this file gathers what it shows. Every value goes through `shown` and jinja2's
autoescape, except the charts (rendered here, from escaped text) and the verbatim code lines.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ragopt.artifacts import write_atomically
from ragopt.bill.targets import ram_bytes_per_vector_at
from ragopt.choose import cheapest_bill
from ragopt.report import palette, words
from ragopt.report.cache_page import shown_caches
from ragopt.report.faiss_lines import lines_of_run
from ragopt.report.figure import Figure, NoFigure, Table
from ragopt.report.figures import FIGURES, FRONTIER, figure_of
from ragopt.report.frontier_view import SHOWN_TRIALS, frontier_view
from ragopt.report.info import (
    default_quality,
    is_synthetic,
    quality_names,
)
from ragopt.report.inline_svg import inline_svg
from ragopt.report.pictures import svg_text
from ragopt.report.prices_used import prices_used
from ragopt.report.provenance import device_line, memory_line, not_measured
from ragopt.report.worst_queries import worst_queries
from ragopt.sweep.kept_run import given_in_run, stored_workload
from ragopt.sweep.run_queries import read_queries_of
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from ragopt.records import Run, TrialResult

TEMPLATE = "report.html.j2"

SCRIPT = ("numbers", "decide", "limits", "lines", "details", "filter", "start")
"""Files of templates/script/ that make the page's script, in this order: they share one scope."""


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
        "host": words.host_text,
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
    recommendation, view = run.recommendation, frontier_view(run)
    script = script_text()
    return {
        "workload": stored_workload(run),
        "given": given_in_run(run) if "workload_given" in run.info else None,
        "prices_used": prices_used(run),
        "run": run,
        "info": run.info,
        "recommendation": recommendation,
        "synthetic": words.SYNTHETIC if is_synthetic(run) else "",
        "words": words,
        "ram_at_target": ram_bytes_per_vector_at,
        "headline": words.headline(recommendation),
        "folder_name": Path(run.folder).name,
        "scale_sentence": words.scale_sentence(run),
        "measured_size": f", with {words.measured_vectors(run):,} vectors" if words.scale_sentence(run) else "",
        "runners_up": [point for name in recommendation.runners_up for point in view.points if point.trial == name],
        "quality_name": default_quality(run),
        "quality_names": quality_names(run),
        "frontier_view": view,
        "script": Markup(script),  # noqa: S704 - a file of the package
        "script_hash": script_hash(script),
        "rows": {result.trial: row for row, result in enumerate(run.trials)},
        "n_points": len(view.points),
        "finalists": [result for result in run.trials if result.confirmed],
        "saving": recommendation.baseline_bill.usd_per_month - recommendation.bill.usd_per_month,
        "zero": Decimal(0),
        "all_trials": _rows(run),
        "n_trials": len(run.trials),
        "faiss_lines": lines_of_run(run),
        "command": words.reproduce_command(run),
        "device": device_line(run.info),
        "memory": memory_line(run.info),
        "palette": palette,
        "twins": palette.dark_twins([point.space for point in view.points]),
        "not_measured": not_measured(run),
        "worst_queries": worst_queries(run, read_queries_of(run)),
        "cache": shown_caches(run),
        "figures": {name: shown_figure(figure_of(run, name)) for name in FIGURES if name != FRONTIER},
    }


def script_text() -> str:
    """The page's script, from files of the package; without it the page shows the same numbers as tables."""
    folder = files("ragopt.report").joinpath("templates", "script")
    parts = "\n".join(folder.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in SCRIPT)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def script_hash(script: str) -> str:
    """What a Content-Security-Policy allows a script by: `sha256-` and the base64 of its SHA-256."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


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


def _rows(run: Run) -> list[tuple[TrialResult, Any]]:
    """Every trial with its cheapest bill, cheapest first, those without a bill last; at most SHOWN_TRIALS."""
    rows = [(result, cheapest_bill(result)) for result in run.trials]
    rows.sort(key=lambda row: (row[1] is None, row[1].usd_per_month if row[1] else 0, str(row[0].trial)))
    return rows[:SHOWN_TRIALS]
