"""Colours of the report: one table of light ones, each with its twin for dark screens.

A chart is drawn once, in the light colours. The page swaps every colour for its twin by a style rule on the
attribute (`[fill="#1d2433"]`), so that one picture serves both schemes without a script.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragopt.records import Reduction, Space

INK = "#1d2433"
MUTED = "#5a6372"
GRID = "#e3e6ec"
PAPER = "#ffffff"
ACCENT = "#b4003c"

CHROME_DARK = {
    INK: "#e8eaf0",
    MUTED: "#a3abba",
    GRID: "#2e3440",
    PAPER: "#171a21",
    ACCENT: "#ff7d9c",
}
"""Text colours keep 4.5:1 against their paper and marks 3:1 (WCAG 2.2, 1.4.3 and 1.4.11)."""

SERIES = (
    ("#1f5fbf", "#7fb0ff"),
    ("#b85300", "#ffb066"),
    ("#0b7a5e", "#5fd0ac"),
    ("#7a3fa8", "#cfa3f2"),
    ("#7a5a20", "#d9bf85"),
    ("#0b7285", "#66d9e8"),
    ("#b3247a", "#ff9ad0"),
    ("#5f6775", "#b9c0cc"),
)
"""Colours for kinds of things that are no spaces (parts of a bill, codecs), each with its twin for dark screens: in the
order of use, the first two being the blue and the orange of `RAMPS`. Each has 3:1 against its paper, tested."""

Ramp = tuple[tuple[int, int, int], tuple[int, int, int]]

RAMPS: tuple[dict[Reduction, tuple[Ramp, Ramp]], ...] = (
    {
        "none": (((64, 42, 130), (64, 42, 130)), ((183, 163, 255), (183, 163, 255))),
        "trunc": (((8, 62, 150), (94, 164, 240)), ((60, 120, 220), (170, 212, 255))),
        "pca": (((140, 56, 0), (240, 150, 50)), ((214, 110, 20), (255, 208, 140))),
        "joint": (((0, 96, 78), (70, 180, 140)), ((30, 150, 120), (150, 236, 200))),
    },
    {
        "none": (((20, 20, 20), (20, 20, 20)), ((236, 236, 236), (236, 236, 236))),
        "trunc": (((0, 84, 64), (60, 180, 140)), ((20, 140, 110), (150, 236, 200))),
        "pca": (((130, 0, 100), (230, 110, 190)), ((200, 70, 160), (255, 180, 230))),
        "joint": (((100, 70, 0), (190, 150, 50)), ((180, 140, 30), (240, 214, 140))),
    },
    {
        "none": (((96, 72, 20), (96, 72, 20)), ((220, 200, 130), (220, 200, 130))),
        "trunc": (((0, 90, 110), (60, 170, 190)), ((20, 150, 175), (150, 228, 240))),
        "pca": (((110, 110, 0), (180, 180, 60)), ((160, 160, 30), (230, 230, 130))),
        "joint": (((120, 20, 40), (210, 100, 120)), ((210, 90, 110), (250, 190, 200))),
    },
)
"""For each model in turn and each reduction: a light and a dark ramp, from the largest dimension to the smallest.

Hue tells model and reduction, shade tells dimension. The first two hues are the blue and orange that stay
apart for every common colour blindness (Okabe and Ito, "Color Universal Design", 2008).
"""


def shade(ramp: Ramp, step: int, n_steps: int) -> str:
    """The colour at `step` of `n_steps` equal steps along a ramp, as `#rrggbb`."""
    position = step / max(n_steps - 1, 1)
    channels = (round(start + (end - start) * position) for start, end in zip(*ramp, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def family_colour(model_number: int, reduction: Reduction) -> tuple[str, str]:
    """The light and dark colour of all spaces of one model and one reduction together: the middle of their ramps.

    Args:
        model_number: place of the model among the sorted ones.
        reduction: kind of the spaces.
    """
    light, dark = RAMPS[model_number % len(RAMPS)][reduction]
    return shade(light, 1, 3), shade(dark, 1, 3)


def sorted_spaces(names: Sequence[str]) -> list[Space]:
    """Spaces in legend order: by model, then none, trunc, pca, then from the largest dimension."""
    order = {"none": 0, "trunc": 1, "pca": 2, "joint": 3}
    spaces = {Space.parse(name) for name in names}
    return sorted(spaces, key=lambda space: (space.model, order[space.reduction], -space.dim))


def space_colours(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The light and dark colour of each space, in legend order.

    Args:
        names: printed spaces, in any order, repeats allowed.
    """
    spaces = sorted_spaces(names)
    models = sorted({space.model for space in spaces})
    colours = {}
    for space in spaces:
        family = [other for other in spaces if (other.model, other.reduction) == (space.model, space.reduction)]
        light, dark = RAMPS[models.index(space.model) % len(RAMPS)][space.reduction]
        step = family.index(space)
        colours[str(space)] = (shade(light, step, len(family)), shade(dark, step, len(family)))
    return colours


def dark_twins(names: Sequence[str]) -> dict[str, str]:
    """Every light colour that a chart of these spaces uses, with its dark twin."""
    families = dict(family_colour(number, reduction) for number, ramps in enumerate(RAMPS) for reduction in ramps)
    return CHROME_DARK | dict(SERIES) | families | dict(space_colours(names).values())
