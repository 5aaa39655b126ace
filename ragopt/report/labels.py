"""Where labels go on a chart, so that they cover neither marks nor each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FONT_SIZE = 12
LINE_HEIGHT = 15
CHARACTER_WIDTH = 6.6
"""Pixels of an average bold character of a 12 px sans serif, rounded up: a label may be narrower, not wider."""

MARK_RADIUS = 9
DISTANCES = (18, 28, 42, 60, 85, 115, 150)
ANGLES = 16
OUTSIDE_COST = 1e9
LABEL_COST = 1e6
DISTANCE_COST = 3.0
LEADER_COST = 60.0
"""For every tenth of a leader line that runs over something: as bad as 20 pixels more of it."""


@dataclass(frozen=True, slots=True)
class Label:
    """Lines of text that name the mark at pixel `x`, `y` (origin top left)."""

    lines: tuple[str, ...]
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Common area in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The point of this rectangle that is nearest to a pixel."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)


def label_size(label: Label) -> tuple[float, float]:
    """Width and height in pixels that a label needs."""
    return max(len(line) for line in label.lines) * CHARACTER_WIDTH, len(label.lines) * LINE_HEIGHT


def mark_box(x: float, y: float, radius: float = MARK_RADIUS) -> Box:
    """The square that a mark covers."""
    return Box(x - radius, y - radius, x + radius, y + radius)


def candidate_boxes(label: Label) -> list[tuple[float, Box]]:
    """Places around the label's mark, each with its distance: rings of directions, near ones first."""
    width, height = label_size(label)
    boxes = []
    for distance in DISTANCES:
        for step in range(ANGLES):
            angle = 2 * math.pi * step / ANGLES
            across, down = math.cos(angle), math.sin(angle)
            centre_x = label.x + across * (distance + width / 2)
            centre_y = label.y + down * (distance + height / 2)
            box = Box(centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2)
            boxes.append((float(distance), box))
    return boxes


def leader_points(label: Label, box: Box) -> list[tuple[float, float]]:
    """Pixels along the line from the label's mark, outside its ring, to its text."""
    end_x, end_y = box.nearest(label.x, label.y)
    length = math.hypot(end_x - label.x, end_y - label.y)
    steps = [step / 10 for step in range(1, 11) if step / 10 * length > MARK_RADIUS + 3]
    return [(label.x + share * (end_x - label.x), label.y + share * (end_y - label.y)) for share in steps]


def n_inside(pixels: Sequence[tuple[float, float]], boxes: Sequence[Box]) -> int:
    """How many of the pixels lie in some rectangle."""
    return sum(any(b.left <= x <= b.right and b.top <= y <= b.bottom for b in boxes) for x, y in pixels)


def place_labels(labels: Sequence[Label], taken: Sequence[Box], width: float, height: float) -> list[Box]:
    """Choose a rectangle for each label, in order of importance.

    Args:
        labels: what to place; earlier ones choose first.
        taken: rectangles of marks and lines that should stay visible.
        width: of the plot in pixels.
        height: of the plot in pixels.

    Returns:
        One rectangle per label: inside the plot where that is possible, free of the labels before it, its leader
        line clear of them and of the marks where that is possible.
    """
    placed: list[Box] = []
    rings = [mark_box(label.x, label.y, 2 * MARK_RADIUS) for label in labels]
    plot = Box(0, 0, width, height)
    for label in labels:
        placed.append(_best_box(label, taken, [*placed, *rings], placed, plot))
    return placed


def _best_box(label: Label, taken: Sequence[Box], kept: Sequence[Box], placed: Sequence[Box], plot: Box) -> Box:
    best, best_cost = None, math.inf
    for distance, box in candidate_boxes(label):
        # Candidates come nearest first, and distance alone costs this much: no later one can be better.
        if best is not None and best_cost <= DISTANCE_COST * distance:
            break
        outside = box.left < plot.left or box.top < plot.top or box.right > plot.right or box.bottom > plot.bottom
        cost = outside * OUTSIDE_COST + DISTANCE_COST * distance
        cost += LABEL_COST * sum(box.overlap(other) for other in kept)
        if cost < best_cost:
            leader = leader_points(label, box)
            cost += LABEL_COST * n_inside(leader, placed) + LEADER_COST * n_inside(leader, taken)
            cost += sum(box.overlap(other) for other in taken)
        if cost < best_cost:
            best, best_cost = box, cost
    if best is None:
        raise ValueError(f"no candidate place for the label {label.lines}")
    return best


def place_along(lines: tuple[str, ...], y: float, taken: Sequence[Box], width: float) -> Box:
    """The freest rectangle just above or below a horizontal line at `y`, from left to right."""
    across, down = label_size(Label(lines, 0.0, y))
    starts = [6 + (width - across - 12) * step / 40 for step in range(41)]
    tops = (y + 4, y - down - 4)
    boxes = [Box(start, top, start + across, top + down) for top in tops for start in starts]
    return min(boxes, key=lambda box: sum(box.overlap(other) for other in taken))
