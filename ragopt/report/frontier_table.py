"""The frontier as a table, and below it the recommended trial and the baseline where they are not on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.report.figure import Column, Table
from ragopt.report.info import CostAxis, FrontierPoint, cost_axis, default_quality, frontier_points
from ragopt.report.words import bytes_text, interval_text, shown, usd_text, value_text

if TYPE_CHECKING:
    from ragopt.records import Run


@dataclass(frozen=True, slots=True)
class FrontierRows:
    """What a table of the frontier shows.

    Attributes:
        quality: name of the quality that trials are compared on.
        axis: the cost that they are compared on.
        points: every measured trial, in grid order.
        kept: those that no other beats, cheapest first.
        beside: the recommended trial and the baseline where `kept` lacks them, cheapest first.
        chosen_word: what the recommendation is called: `recommended`, or `closest` when nothing fits.
    """

    quality: str
    axis: CostAxis
    points: tuple[FrontierPoint, ...]
    kept: tuple[FrontierPoint, ...]
    beside: tuple[FrontierPoint, ...]
    chosen_word: str


def frontier_rows(run: Run) -> FrontierRows:
    """Gather the frontier of a run's recall against the cost that separates its trials.

    Raises:
        ArtifactError: no trial of the run was measured.
    """
    quality, axis = default_quality(run), cost_axis(run)
    points = frontier_points(run, quality=quality, axis=axis)
    by_cost = sorted(points, key=lambda point: (point.cost(axis.name), not point.is_recommended, point.trial))
    return FrontierRows(
        quality,
        axis,
        points,
        kept=tuple(point for point in by_cost if point.on_frontier),
        beside=tuple(p for p in by_cost if not p.on_frontier and (p.is_recommended or p.is_baseline)),
        chosen_word="recommended" if run.recommendation.status == "ok" else "closest",
    )


def marks_of(point: FrontierPoint, rows: FrontierRows) -> list[str]:
    """What a point is besides a trial: the recommendation, the baseline, off the frontier."""
    return [
        *([rows.chosen_word] * point.is_recommended),
        *(["float32 baseline"] * point.is_baseline),
        *(["not on the frontier"] * (not point.on_frontier)),
    ]


def frontier_table(rows: FrontierRows) -> Table:
    """The rows as they are printed everywhere: trial, quality, cost, bytes, and what is known of it."""
    columns = (
        Column("Trial"),
        Column(f"{rows.quality} [95 %]", numeric=True),
        Column("Queries", numeric=True),
        Column("USD per month", numeric=True),
        Column("Target"),
        Column("RAM + disk per vector", numeric=True),
        Column("Figures"),
    )
    cells = tuple(
        (
            shown(point.trial),
            f"{value_text(point.quality.value)} {interval_text(point.quality)}",
            f"{point.quality.n_queries:,}",
            usd_text(point.usd_per_month),
            point.target,
            f"{bytes_text(point.ram_bytes_per_vector)} + {bytes_text(point.disk_bytes_per_vector)}",
            ", ".join(["measured" if point.confirmed else "estimated", *marks_of(point, rows)]),
        )
        for point in (*rows.kept, *rows.beside)
    )
    return Table(columns, cells)
