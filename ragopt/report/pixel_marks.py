"""Marks at given pixels: a chart whose places were all worked out before it is drawn, a few layers in all.

Each kind of mark is one layer, whatever its number: a layer costs milliseconds, a row of data next to nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ragopt.report import palette
from ragopt.report.chart_style import PIXELS_PER_CHARACTER, Align, inline, look, title_params
from ragopt.report.labels import CHARACTER_WIDTH, FONT_SIZE

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True, slots=True)
class Rect:
    """A filled rectangle, y downwards."""

    left: float
    top: float
    right: float
    bottom: float
    colour: str


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x: float
    y: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """A line through two or more pixels."""

    pixels: tuple[tuple[float, float], ...]
    colour: str
    width: float
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A circle; `fill` is the paper's colour where it is hollow."""

    x: float
    y: float
    colour: str
    fill: str


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text, its middle at `y`; a halo of the paper's colour keeps it apart from what it lies on."""

    text: str
    x: float
    y: float
    colour: str
    align: Align = "left"
    bold: bool = False
    halo: bool = False


Mark = Rect | Line | Path | Dot | Words
DOT_SIZE = 90
"""Square pixels: 11 across."""

TITLE_PIXELS = 9.0
"""Average width of a character of the bold 17 px title."""


def pixel_chart(marks: Sequence[Mark], width: float, height: float, title: Any = None) -> alt.LayerChart:
    """Draw marks at their pixels, each style as one layer, in the order of its first mark: earlier ones lie below.

    Args:
        marks: what to draw; at least one.
        width: of the plot in pixels; there is no axis beside it.
        height: of the plot in pixels.
        title: an Altair title; None draws none.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    x = alt.X("x:Q", scale=_scale([0, width]), axis=None)
    y = alt.Y("y:Q", scale=_scale([height, 0]), axis=None)
    styles: dict[Any, list[Any]] = {}
    for mark in marks:
        styles.setdefault(_style(mark), []).append(mark)
    layers = [layer for same in styles.values() for layer in _layers(same, x, y)]
    head = {} if title is None else {"title": title}
    found: Any = alt.layer(*layers, width=width, height=height, config=look(framed=False), **head)
    return cast("alt.LayerChart", found)


def _style(mark: Mark) -> tuple[Any, ...]:
    """What marks of one layer have in common."""
    match mark:
        case Line():
            return Line, mark.width, mark.dashed
        case Path():
            return Path, mark.width, mark.dashed
        case Words():
            return Words, mark.align, mark.bold, mark.halo
        case _:
            return (type(mark),)


def _layers(same: list[Any], x: alt.X, y: alt.Y) -> list[Any]:
    match same[0]:
        case Rect():
            return [_rects(same, x, y)]
        case Line():
            return [_lines(same, x, y)]
        case Path():
            return [_paths(same, x, y)]
        case Dot():
            return [_dots(same, x, y)]
        case _:
            return _words(same, x, y)


def _scale(domain: list[float]) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Scale(domain=domain, nice=False, zero=False)


def _chart(rows: list[dict[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Chart(inline(rows))


def _stroke() -> alt.Stroke:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Stroke("colour:N", scale=None, legend=None)


def _fill(field: str = "colour") -> alt.Fill:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Fill(f"{field}:N", scale=None, legend=None)


def _rects(rects: Sequence[Rect], x: alt.X, y: alt.Y) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rows = [{"x": one.left, "y": one.top, "x2": one.right, "y2": one.bottom, "colour": one.colour} for one in rects]
    return _chart(rows).mark_rect(opacity=1).encode(x, y, alt.X2("x2"), alt.Y2("y2"), _fill())


def _dash(one: Line | Path) -> dict[str, Any]:
    return {"strokeDash": [5, 4]} if one.dashed else {}


def _lines(lines: Sequence[Line], x: alt.X, y: alt.Y) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rows = [{"x": one.x, "y": one.y, "x2": one.x2, "y2": one.y2, "colour": one.colour} for one in lines]
    mark = _chart(rows).mark_rule(strokeWidth=lines[0].width, **_dash(lines[0]))
    return mark.encode(x, y, alt.X2("x2"), alt.Y2("y2"), _stroke())


def _paths(paths: Sequence[Path], x: alt.X, y: alt.Y) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rows = [
        {"x": across, "y": down, "colour": one.colour, "path": number, "step": step}
        for number, one in enumerate(paths)
        for step, (across, down) in enumerate(one.pixels)
    ]
    mark = _chart(rows).mark_line(strokeWidth=paths[0].width, strokeJoin="round", opacity=1, **_dash(paths[0]))
    return mark.encode(x, y, _stroke(), alt.Detail("path:N"), alt.Order("step:Q"))


def _dots(dots: Sequence[Dot], x: alt.X, y: alt.Y) -> Any:
    rows = [{"x": one.x, "y": one.y, "colour": one.colour, "fill": one.fill} for one in dots]
    mark = _chart(rows).mark_point(size=DOT_SIZE, strokeWidth=2, filled=False, opacity=1)
    return mark.encode(x, y, _stroke(), _fill("fill"))


def _words(words: Sequence[Words], x: alt.X, y: alt.Y) -> list[Any]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rows = [{"x": one.x, "y": one.y, "text": one.text, "colour": one.colour} for one in words]
    style: dict[str, Any] = {"align": words[0].align, "baseline": "middle", "fontSize": FONT_SIZE,
                             "fontWeight": "bold" if words[0].bold else "normal"}  # fmt: skip
    # Round joins: with mitred ones the halo of an M or v has spikes that cut into the line above.
    paper: dict[str, Any] = {"color": palette.PAPER, "stroke": palette.PAPER, "strokeWidth": 4, "strokeJoin": "round"}
    chart, text = _chart(rows), alt.Text("text:N")
    halo = [chart.mark_text(**style, **paper).encode(x, y, text)] if words[0].halo else []
    return [*halo, chart.mark_text(**style).encode(x, y, text, _fill())]


def cut(text: str, width: float) -> str:
    """Shorten a text that is wider than so many pixels in bold."""
    most = max(1, int(width / CHARACTER_WIDTH))
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def title_of(title: str, caption: str, width: float) -> alt.TitleParams:
    """A title with its caption below it, for a picture that stands alone, broken at a width in pixels."""
    lines = textwrap.wrap(caption, int(width / PIXELS_PER_CHARACTER), break_on_hyphens=False)
    return title_params(textwrap.wrap(title, int(width / TITLE_PIXELS)), lines)
