"""The frontier chart as one of the report's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.figure import Figure, NoFigure
from ragopt.report.figures import FRONTIER
from ragopt.report.frame import caption
from ragopt.report.frontier_table import frontier_rows, frontier_table
from ragopt.report.info import cost_axis, default_quality, unmarked_points

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

NARROW = 270, 320
"""Plot pixels that with the axis make 350, what a phone of 390 px, the narrowest common one, shows whole."""


def frontier_figure(run: Run) -> Figure | NoFigure:
    """Quality against cost of every measured trial; its numbers are the frontier's."""
    quality = default_quality(run)
    title = f"{quality} against {cost_axis(run).title}"
    if not unmarked_points(run, quality):
        return NoFigure(FRONTIER, title, f"No trial of this run has {quality} and a bill.")
    rows = frontier_rows(run)

    def draw(*, narrow: bool, titled: bool) -> alt.LayerChart:
        from ragopt.report.charts import frontier_chart  # noqa: PLC0415 - loaded when first used

        if narrow:
            return frontier_chart(run, titled=titled, legend="bottom", width=NARROW[0], height=NARROW[1])
        return frontier_chart(run, titled=titled)

    return Figure(FRONTIER, title, caption(run, rows.points, rows.axis, quality), frontier_table(rows), draw)
