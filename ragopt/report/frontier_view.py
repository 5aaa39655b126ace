"""The frontier as the page shows it: over both costs, wide and narrow, its filter and the numbers of its script."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ragopt.report import palette
from ragopt.report.charts import frontier_chart
from ragopt.report.frame import caption, frame_of, space_labels
from ragopt.report.frontier_layers import codec_order
from ragopt.report.info import (
    axis_named,
    cost_axis,
    default_quality,
    frontier_points,
    non_dominated,
    quality_limit,
)
from ragopt.report.inline_svg import TAG, inline_svg
from ragopt.report.pictures import svg_text
from ragopt.report.what_if import codec_names, space_names, what_if
from ragopt.report.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragopt.records import Run
    from ragopt.report.axes import AxisScale
    from ragopt.report.info import CostAxis, CostName, FrontierPoint

SHOWN_TRIALS = 1_000
"""Rows of the table of all trials; more belong to trials.parquet: the page stays under 3 MB."""

WIDE, NARROW = (930, 440), (290, 340)
"""Plot pixels: of the page's column, and of a phone of 390 px, the narrowest common one, beside the axis."""

PAGE_CHARACTERS = 2_900_000
"""Of the whole page: under 3 MB up to some two thousand trials, three models over the default grid. Charts that are not
the first are left out where they would pass it; the first and the script's numbers never are."""

OTHER_CHARACTERS, ROW_CHARACTERS = 500_000, 750
"""What the other sections take at most on real runs (0.3 MB), and a row of all trials with four qualities."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A space or a codec that the charts can be filtered by; it is the legend too.

    Attributes:
        kind: `space` or `codec`.
        row: of its name among those of the script's numbers.
        label: as it is shown.
        colour: of its mark.
        symbol: path of its mark around 0, 0; empty for a disc.
    """

    kind: str
    row: int
    label: str
    colour: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class AxisView:
    """The frontier over one cost.

    Attributes:
        axis: the cost.
        caption: what is drawn, in words.
        wide: the chart for a wide screen.
        narrow: for a narrow one; empty where the page would become too large.
        frontier: the trials that no other beats, cheapest first.
    """

    axis: CostAxis
    caption: str
    wide: Markup
    narrow: Markup
    frontier: tuple[FrontierPoint, ...]


@dataclass(frozen=True, slots=True)
class FrontierView:
    """Everything that the frontier section shows.

    Attributes:
        views: one per cost axis, the one that separates the trials first.
        chips: spaces and codecs.
        ratios: limits of nDCG@10 over exact search's that may be picked; none without judgements.
        limits: of the run, by name.
        numbers: JSON for the script, safe inside a script element.
        points: every measured trial, with the frontier over the first view's cost marked.
        left_out: whether a chart was left out to keep the page small.
    """

    views: tuple[AxisView, ...]
    chips: tuple[Chip, ...]
    ratios: tuple[float, ...]
    limits: Mapping[str, Any]
    numbers: Markup
    points: tuple[FrontierPoint, ...]
    left_out: bool


def frontier_view(run: Run) -> FrontierView:
    """Draw the frontier for the page. Raises ArtifactError: no trial of the run was measured."""
    quality, axis = default_quality(run), cost_axis(run)
    other = axis_named("usd_per_month" if axis.name == "ram_bytes_per_vector" else "ram_bytes_per_vector")
    points = {one.name: frontier_points(run, quality=quality, axis=one) for one in (axis, other)}
    # One bill for all would draw a single column: the caption says it better.
    axes = (axis, other) if len({point.cost(other.name) for point in points[other.name]}) > 1 else (axis,)
    limit = quality_limit(run, quality)
    frames = {one.name: frame_of(points[one.name], one, None if limit is None else limit[0], WIDE) for one in axes}
    numbers = what_if(run) | {
        "axes": {
            name: {"cost": _scale(frame.cost), "quality": _scale(frame.quality),
                   "sizes": {"wide": WIDE, "narrow": NARROW}}
            for name, frame in frames.items()
        }
    }  # fmt: skip
    numbers_json = script_json(numbers)
    room = PAGE_CHARACTERS - OTHER_CHARACTERS - ROW_CHARACTERS * min(len(run.trials), SHOWN_TRIALS) - len(numbers_json)
    views = _views(run, axes, points, quality, room=room)
    chips = _chips(run, points[axis.name], views[0].wide)
    left_out = len(views) < len(axes) or not all(view.narrow for view in views)
    ratios, limits = tuple(numbers["ratios"]), numbers["limits"]
    return FrontierView(views, chips, ratios, limits, numbers_json, points[axis.name], left_out)


def _scale(scale: AxisScale) -> dict[str, Any]:
    return {"low": scale.low, "high": scale.high, "log": scale.log}


def _views(
    run: Run, axes: Sequence[CostAxis], points: Mapping[CostName, Sequence[FrontierPoint]], quality: str, *, room: int
) -> tuple[AxisView, ...]:
    """Draw both sizes for every axis, the optional ones as long as the page stays small."""
    tags = {str(result.trial): f"{TAG}{row}" for row, result in enumerate(run.trials)}
    left = room
    views: list[AxisView] = []
    for axis in axes:
        drawn = {"wide": Markup(), "narrow": Markup()}
        for name, (width, height) in (("wide", WIDE), ("narrow", NARROW)):
            chart = frontier_chart(run, axis=axis, width=width, height=height, legend=None, titled=False, tags=tags)
            svg = inline_svg(svg_text(chart), f"{axis.name}-{name}")
            if (views and not drawn["wide"] and len(svg) > left) or (name == "narrow" and len(svg) > left):
                break
            drawn[name] = svg
            left -= len(svg)
        if drawn["wide"]:
            best = non_dominated(points[axis.name], axis.name)
            views.append(AxisView(axis, caption(run, points[axis.name], axis, quality), **drawn, frontier=best))
    return tuple(views)


def _chips(run: Run, points: Sequence[FrontierPoint], svg: str) -> tuple[Chip, ...]:
    """Spaces with their colours, codecs with their shapes as they are drawn."""
    labels = space_labels([point.space for point in points])
    colours = palette.space_colours([point.space for point in points])
    spaces, codecs = space_names(run), codec_names(run)
    paths = dict(re.findall(r'<path data-t="([0-9]+)"[^>]* d="([^"]+)"', svg))
    rows = {str(result.trial): str(row) for row, result in enumerate(run.trials)}
    symbols = {point.codec: paths[rows[point.trial]] for point in points}
    return (
        *(Chip("space", spaces.index(name), labels[name], light) for name, (light, _) in colours.items()),
        *(Chip("codec", codecs.index(name), shown(name), palette.INK, symbols[name]) for name in codec_order(points)),
    )


def script_json(value: object) -> Markup:
    """JSON that can stand inside a script element: no character of it can end the element or start a tag."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - holds no character that HTML knows
