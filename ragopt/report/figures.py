"""Every figure of the report by name: what the page shows, `ragopt report --chart` draws and a notebook returns."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.records import Run
    from ragopt.report.figure import Figure, MakeFigure, NoFigure

FRONTIER = "frontier"
"""The figure that the page draws by itself, on both cost axes; the others it draws alike."""

FIGURES: dict[str, str] = {
    FRONTIER: "ragopt.report.frontier_figure:frontier_figure",
    "dimensions": "ragopt.report.dimensions_chart:dimensions_figure",
    "codecs": "ragopt.report.codecs_chart:codecs_figure",
    "rescoring": "ragopt.report.rescoring_chart:rescoring_figure",
    "estimates": "ragopt.report.estimates_chart:estimates_figure",
    "bill_lines": "ragopt.report.bill_lines_chart:bill_lines_figure",
    "targets": "ragopt.report.targets_chart:targets_figure",
    "crossovers": "ragopt.report.crossover_figure:crossovers_figure",
    "tornado": "ragopt.report.tornado_figure:tornado_figure",
    "cache_hits": "ragopt.report.cache_hits_chart:hits_figure",
    "cache_marginal": "ragopt.report.cache_marginal_chart:marginal_figure",
    "cache_savings": "ragopt.report.cache_savings_chart:savings_figure",
    "cache_ttl": "ragopt.report.cache_ttl_chart:ttl_figure",
    "cache_false_hits": "ragopt.report.cache_false_hits_chart:false_hits_figure",
}
"""By name, the module and function that make it from a run; imported when it is asked for."""


def no_numbers(run: Run, figure: NoFigure) -> InputError:
    """The error of asking for a chart that a run has no numbers for."""
    return InputError(
        f"The run {run.folder} has no numbers for the chart {figure.name}: {figure.reason.rstrip('.')}",
        next_step="Draw another chart, or sweep with what this one needs",
    )


def figure_of(run: Run, name: str) -> Figure | NoFigure:
    """Make one figure of a finished run; a name may be written with hyphens, as options are.

    Raises:
        InputError: there is no figure of this name.
    """
    written = name.replace("-", "_")
    if written not in FIGURES:
        raise InputError(f"There is no chart {name}", allowed=", ".join(FIGURES), next_step="Name one of them")
    module, _, function = FIGURES[written].partition(":")
    return cast("MakeFigure", getattr(import_module(module), function))(run)
