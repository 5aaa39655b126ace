"""The plot area of a frontier chart: scales, pixels, and what is written where, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ragopt.records import Space, Trial
from ragopt.report import palette
from ragopt.report.axes import AxisScale, cost_scale, quality_scale
from ragopt.report.info import CostAxis, FrontierPoint, is_synthetic, non_dominated, quality_limit
from ragopt.report.labels import Box, Label, mark_box
from ragopt.report.words import SYNTHETIC, bytes_text, shown, usd_text, value_text

if TYPE_CHECKING:
    from ragopt.records import Run

WIDE = 450
"""Plot pixels from which the recommendation's label has room for its factory string."""

MODEL_CHARACTERS = 26
"""Of a model's name in the legend: with the dimension it fits the legend's 230 px."""

PIXELS_PER_TICK = 62


@dataclass(frozen=True, slots=True)
class Frame:
    """A plot area in pixels with its two scales."""

    width: int
    height: int
    cost: AxisScale
    quality: AxisScale
    axis: CostAxis
    space_labels: Mapping[str, str]

    def pixel(self, point: FrontierPoint) -> tuple[float, float]:
        """Where a point is drawn, from the top left corner."""
        x = self.cost.fraction(float(point.cost(self.axis.name))) * self.width
        return x, self.height_of(point.quality.value)

    def height_of(self, quality: float) -> float:
        """Pixels from the top at which a quality is drawn."""
        return (1 - self.quality.fraction(quality)) * self.height


def frame_of(points: Sequence[FrontierPoint], axis: CostAxis, limit: float | None, size: tuple[int, int]) -> Frame:
    """The plot area that holds every point with its interval, and the limit."""
    width, height = size
    ends = [end for point in points for end in (point.quality.low, point.quality.high)]
    costs = [float(point.cost(axis.name)) for point in points]
    binary = axis.name == "ram_bytes_per_vector"
    return Frame(
        width,
        height,
        cost_scale(costs, n_ticks=max(3, width // PIXELS_PER_TICK), binary=binary),
        quality_scale(ends if limit is None else [*ends, limit], n_ticks=max(3, height // PIXELS_PER_TICK)),
        axis,
        space_labels([point.space for point in points]),
    )


def space_labels(names: Iterable[str]) -> dict[str, str]:
    """A legend label for each printed space: the model without its folder, cut in the middle, and told apart.

    >>> space_labels(["org/some-model@64:pca"])
    {'org/some-model@64:pca': 'some-model@64:pca'}
    """
    spaces = {Space.parse(name) for name in names}
    short: dict[str, str] = {}
    for model in sorted({space.model for space in spaces}):
        name = shown(model.rstrip("/").rpartition("/")[2] or model)
        if len(name) > MODEL_CHARACTERS:
            name = f"{name[: MODEL_CHARACTERS // 2]}…{name[-MODEL_CHARACTERS // 2 + 1 :]}"
        n_same = sum(other.partition(" (")[0] == name for other in short.values())
        short[model] = f"{name} ({n_same + 1})" if n_same else name
    return {str(space): f"{short[space.model]}@{space.dim}:{space.reduction}" for space in spaces}


def point_labels(run: Run, points: Sequence[FrontierPoint], frame: Frame) -> list[tuple[Label, str]]:
    """The labels of the recommendation and of the baseline, each with its colour."""
    chosen = "recommended" if run.recommendation.status == "ok" else "closest, nothing fits"
    found = []
    for point in sorted(points, key=lambda p: (not p.is_recommended, not p.is_baseline)):
        if not (point.is_recommended or point.is_baseline):
            break
        names = [chosen] * point.is_recommended + ["float32 baseline"] * point.is_baseline
        cost = (
            f"USD {usd_text(point.usd_per_month)}"
            if frame.axis.name == "usd_per_month"
            else f"{bytes_text(point.ram_bytes_per_vector)} of codes"
        )
        lines = [" and ".join(names), f"{cost}, {value_text(point.quality.value)}"]
        if point.is_recommended and frame.width >= WIDE:
            lines.insert(1, shown(Trial.parse(point.trial).factory, 40))
        x, y = frame.pixel(point)
        found.append((Label(tuple(lines), x, y), palette.ACCENT if point.is_recommended else palette.INK))
    return found


def taken_boxes(points: Sequence[FrontierPoint], frame: Frame, limit: tuple[float, str] | None) -> list[Box]:
    """Rectangles that labels should leave free: marks, intervals, the frontier's steps and the limit."""
    pixels = (frame.pixel(point) for point in points)
    # Crowded marks share a cell of 4 px: thousands of trials leave a few hundred rectangles.
    boxes = [mark_box(4 * x, 4 * y) for x, y in {(round(x / 4), round(y / 4)): None for x, y in pixels}]
    for point in points:
        if point.on_frontier or point.is_baseline or point.is_recommended:
            x, _ = frame.pixel(point)
            boxes.append(Box(x - 3, frame.height_of(point.quality.high), x + 3, frame.height_of(point.quality.low)))
    line = [frame.pixel(point) for point in non_dominated(points, frame.axis.name)]
    for (x0, y0), (x1, y1) in pairwise(line):
        boxes += [Box(x0, y0 - 4, x1, y0 + 4), Box(x1 - 4, min(y0, y1), x1 + 4, max(y0, y1))]
    if limit is not None:
        y = frame.height_of(limit[0])
        boxes.append(Box(0, y - 3, frame.width, y + 3))
    return boxes


def _unsure_words(points: Sequence[FrontierPoint]) -> str:
    """Say how many marks are upper bounds, and how many left the race early; empty where none is."""
    n_bounds, n_dropped = sum(point.upper_bound for point in points), sum(point.dropped for point in points)
    found = f" {n_dropped:,} left the race early, on fewer queries." if n_dropped else ""
    return found + (f" \u2264: {n_bounds:,} upper bounds, which beat nothing." if n_bounds else "")


def _scale_words(run: Run) -> str:
    """Say that the bill is for another number of vectors than quality was measured with; empty where it is not."""
    billed = int(run.info["workload"]["n_vectors"])
    measured = {int(model["n_vectors"]) for model in run.info["models"]}
    if measured == {billed} or not measured:
        return ""
    return f" over {' and '.join(f'{n:,}' for n in sorted(measured))} vectors; bills are for {billed:,}"


def caption(run: Run, points: Sequence[FrontierPoint], axis: CostAxis, quality: str) -> str:
    """What the chart shows, in words: how many trials, of what, the axis and why, the limit, the queries."""
    corpus = shown(str(run.info["corpus"]["source"]), 60)
    n_kept = sum(point.on_frontier for point in points)
    counts = sorted({point.quality.n_queries for point in points})
    n_queries = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    kind = SYNTHETIC if is_synthetic(run) else "queries"
    limit = quality_limit(run, quality)
    target = "" if limit is None else f" Dashed: {limit[1]}."
    return (
        f"{len(points)} trials on {corpus}, {n_kept} on the frontier (line), the others faint. Cost: {axis.reason}."
        f"{target} Measured on {n_queries} {kind}{_scale_words(run)}. "
        f"Filled: rescored from a second tier; hollow: codes alone.{_unsure_words(points)}"
    )
