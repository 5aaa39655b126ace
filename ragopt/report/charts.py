"""The frontier chart of a finished run: one definition in Altair for page, picture file and notebook."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ragopt.report.chart_style import PIXELS_PER_CHARACTER, inline, legend_look, look, title_params
from ragopt.report.frame import Frame, caption, frame_of, point_labels, taken_boxes
from ragopt.report.frontier_layers import LegendSide, label_layers, limit_layers, mark_layers, mark_row
from ragopt.report.info import CostAxis, FrontierPoint, cost_axis, default_quality, frontier_points, quality_limit
from ragopt.report.pictures import drawn_size

if TYPE_CHECKING:
    import altair as alt

    from ragopt.records import Run

PICTURE_WIDTH, PICTURE_HEIGHT = 1200, 675
"""Chart units of `frontier.png`: 16 to 9, what slides and pull requests show whole."""

BESIDE, ABOVE = 293, 124
"""Chart units that axes, legend and title take of a usual picture: the first guess, right for most runs."""

FITTING_PASSES = 3
"""Axis labels and title lines change with the plot's size once, seldom twice; more passes change nothing."""


def frontier_chart(  # noqa: PLR0913 - what to draw and how large, all optional
    run: Run,
    *,
    quality: str | None = None,
    axis: CostAxis | None = None,
    width: int = 690,
    height: int = 430,
    legend: LegendSide | None = "right",
    titled: bool = True,
    tags: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """Quality against monthly cost (or RAM bytes per vector), one mark per measured trial.

    Args:
        run: a finished run.
        quality: name of the quality on the upright axis; by default `recall_vs_exact@k`.
        axis: the cost axis; by default the one that separates the trials.
        width: of the plot area in pixels, without axes and legend.
        height: of the plot area in pixels.
        legend: side of the legend; None leaves it out.
        titled: whether the title and the caption are drawn; a page says them in its own text.
        tags: by printed trial, a text that its mark and its interval carry as `aria-label`, for a script to find them.

    Returns:
        An Altair chart with its data inside.

    Raises:
        ArtifactError: no trial of the run has this quality and a bill.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    name = quality or default_quality(run)
    chosen = axis or cost_axis(run, quality=name)
    points = frontier_points(run, quality=name, axis=chosen)
    limit = quality_limit(run, name)
    frame = frame_of(points, chosen, None if limit is None else limit[0], (width, height))
    layers = [
        *limit_layers(frame, limit),
        *mark_layers(points, frame, name, legend, tagged=tags is not None),
        *label_layers(point_labels(run, points, frame), taken_boxes(points, frame, limit), limit, frame),
    ]
    head = {"title": _title(run, points, frame, name, legend)} if titled else {}
    data = inline([mark_row(point, frame, tags or {}) for point in points])
    legends = legend_look(labelLimit=230, titleLimit=250, symbolSize=110)
    found: Any = alt.layer(*layers, data=data, width=width, height=height, config=look(legend=legends), **head)
    return cast("alt.LayerChart", found)


def frontier_picture(
    run: Run, *, axis: CostAxis | None = None, width: int = PICTURE_WIDTH, height: int = PICTURE_HEIGHT
) -> alt.LayerChart:
    """The frontier chart with title and legend, its plot sized so that the whole picture has the wanted size.

    Args:
        run: a finished run.
        axis: as in `frontier_chart`.
        width: of the whole picture in chart units.
        height: of the whole picture; it is more where the legend alone needs more.

    Raises:
        ArtifactError: as in `frontier_chart`.
    """
    plot_width, plot_height = width - BESIDE, height - ABOVE
    for _ in range(FITTING_PASSES):
        chart = frontier_chart(run, axis=axis, width=plot_width, height=plot_height)
        # The legend is of the scales' domains: without data the picture has the same size and is drawn at once.
        empty = chart.copy(deep=False)
        empty.data = inline([])
        drawn_width, drawn_height = drawn_size(empty)
        if (drawn_width, drawn_height) == (width, height):
            break
        plot_width = max(plot_width + width - drawn_width, width // 3)
        plot_height = max(plot_height + height - drawn_height, height // 3)
    return chart


def _title(
    run: Run, points: Sequence[FrontierPoint], frame: Frame, quality: str, legend: LegendSide | None
) -> alt.TitleParams:
    room = frame.width + (230 if legend == "right" else 20)
    lines = textwrap.wrap(
        caption(run, points, frame.axis, quality), int(room / PIXELS_PER_CHARACTER), break_on_hyphens=False
    )
    head = textwrap.wrap(f"{quality} against {frame.axis.title}", int(room / (1.4 * PIXELS_PER_CHARACTER)))
    return title_params(head, lines)
