"""The crossover chart: every target's bill as vectors or queries grow, the lowest one marked, each change named."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.bill.decisions.target import durable
from ragopt.report import palette
from ragopt.report.chart_style import PIXELS_PER_CHARACTER, Align, styled
from ragopt.report.crossover_frame import ChangeNote, CrossoverFrame, change_notes, frame_of, spread
from ragopt.report.labels import FONT_SIZE, LINE_HEIGHT, Label, mark_box, place_labels
from ragopt.report.pictures import picture_writer

if TYPE_CHECKING:
    import altair as alt

    from ragopt.bill.decisions.crossovers import Crossovers
    from ragopt.bill.decisions.target import TargetDecision

LABEL_ROOM = 150
"""Pixels to the right of the plot that the targets' names take."""

TITLE_WIDTH = 1.35
"""Width of a bold character of the 15 px title against one of the 12 px subtitle."""

LEADER_RAMPS = (
    palette.RAMPS[0]["trunc"],
    palette.RAMPS[0]["pca"],
    palette.RAMPS[0]["joint"],
    palette.RAMPS[1]["pca"],
    palette.RAMPS[0]["none"],
    palette.RAMPS[2]["trunc"],
    palette.RAMPS[2]["joint"],
)
LEADER_COLOURS = tuple(palette.shade(light, 0, 1) for light, _ in LEADER_RAMPS)
"""One for each target that is cheapest somewhere; the others are grey."""


def crossover_chart(decision: TargetDecision, *, width: int = 720, height: int = 460) -> alt.LayerChart:
    """USD per month against vectors (or queries), one line per target, on two log axes.

    Args:
        decision: bills over a range, with the changes of the lowest.
        width: of the plot area in pixels.
        height: of the plot area in pixels.

    Returns:
        An Altair chart with its data inside.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    result = decision.result
    frame = frame_of(result, width, height)
    notes = change_notes(durable(result), frame, decision.by)
    colours = {name: LEADER_COLOURS[i % len(LEADER_COLOURS)] for i, name in enumerate(result.leaders)}
    axes = _axes(frame, decision.by)
    layers = [
        _lowest_layer(result, axes),
        *_line_layers(result, colours, axes),
        *_rule_layers(notes, frame),
        *_outside_names(result, colours, frame),
        *_inside_names(result, colours, frame, notes),
        *_note_layers(notes),
    ]
    title = _title(decision, width + LABEL_ROOM)
    return styled(alt.layer(*layers, data=_inline([])).properties(width=width, height=height, title=title))


def write_crossover_chart(decision: TargetDecision, path: Path) -> None:
    """Draw a decision into a .png or .svg file, whole or not at all.

    Raises:
        InputError: the file has another suffix.
        StorageError: the file cannot be written.
    """
    picture_writer(path, "crossover.png")(crossover_chart(decision), path)


def _axes(frame: CrossoverFrame, by: str) -> tuple[alt.X, alt.Y]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    unit = "vectors" if by == "vectors" else "queries a month"
    count = (
        "datum.value >= 1e9 ? format(datum.value / 1e9, ',~') + ' B' : "
        "datum.value >= 1e6 ? format(datum.value / 1e6, '~') + ' M' : "
        "datum.value >= 1e3 ? format(datum.value / 1e3, '~') + ' k' : format(datum.value, '~')"
    )
    x = alt.X(
        "at:Q",
        title=f"{unit}, log scale",
        scale=alt.Scale(type="log", domain=[frame.x.low, frame.x.high], nice=False),
        axis=alt.Axis(values=list(frame.x.ticks), labelExpr=count),
    )
    y = alt.Y(
        "usd:Q",
        title="USD per month, log scale",
        scale=alt.Scale(type="log", domain=[frame.y.low, frame.y.high], nice=False),
        axis=alt.Axis(values=list(frame.y.ticks), labelExpr="format(datum.value, datum.value < 1 ? '.2~f' : ',.0f')"),
    )
    return x, y


def _inline(rows: Sequence[dict[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _lowest_layer(result: Crossovers, axes: tuple[alt.X, alt.Y]) -> alt.Chart:
    """A broad pale band under the lowest bill."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    lowest = [(point.at, float(point.usd[point.leader])) for point in result.points if point.leader]
    rows = [{"at": at, "usd": usd} for at, usd in lowest if usd > 0]
    band: alt.Chart = alt.Chart(_inline(rows)).mark_line(color=palette.INK, strokeWidth=11, opacity=0.14)
    return band.encode(axes[0], axes[1])


def _line_layers(result: Crossovers, colours: dict[str, str], axes: tuple[alt.X, alt.Y]) -> list[alt.Chart]:
    """One line per target, those that are cheapest somewhere on top; a stop where a line ends before the range does."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    layers: list[alt.Chart] = []
    for name in sorted(_names(result), key=lambda name: name in colours):
        rows = [{"at": p.at, "usd": float(p.usd[name])} for p in result.points if p.usd.get(name, 0) > 0]
        style: dict[str, Any] = {"color": palette.MUTED, "strokeWidth": 1.2, "opacity": 0.6}
        if name in colours:
            style = {"color": colours[name], "strokeWidth": 2.6}
        line: alt.Chart = alt.Chart(_inline(rows)).mark_line(**style)
        layers.append(line.encode(axes[0], axes[1]))
        if rows[-1]["at"] < result.high:
            stop: alt.Chart = alt.Chart(_inline(rows[-1:])).mark_point(
                shape="stroke", angle=90, size=130, filled=False, **style
            )
            layers.append(stop.encode(axes[0], axes[1]))
    return layers


def _names(result: Crossovers) -> list[str]:
    """Targets with a bill above nothing somewhere."""
    return list(dict.fromkeys(name for point in result.points for name in point.usd if point.usd[name] > 0))


def _outside_names(result: Crossovers, colours: dict[str, str], frame: CrossoverFrame) -> list[alt.Chart]:
    """Names right of the plot, at the height of their line's end as far as there is room."""
    ends = sorted((frame.line(result, name)[-1][1], name) for name in _names(result) if name in result.points[-1].usd)
    layers: list[alt.Chart] = []
    for (end, name), y in zip(ends, spread([end for end, _ in ends], frame.height), strict=True):
        colour = colours.get(name, palette.MUTED)
        layers.append(_rule((frame.width + 2, end), (frame.width + 18, y), color=colour, strokeWidth=1, opacity=0.7))
        layers += _words(name, frame.width + 22, y, colour, "left", bold=name in colours)
    return layers


def _inside_names(
    result: Crossovers, colours: dict[str, str], frame: CrossoverFrame, notes: Sequence[ChangeNote]
) -> list[alt.Chart]:
    """Names of lines that end before the range does, near their ends."""
    names = [name for name in _names(result) if name not in result.points[-1].usd]
    labels = [Label((f"{name} ends here",), *frame.line(result, name)[-1]) for name in names]
    # Grey lines may pass behind another's name and its halo; cheapest ones, its own and notes of changes may not.
    taken = [mark_box(*pixel, radius=7) for name in {*colours, *names} for pixel in frame.line(result, name)]
    boxes = place_labels(labels, [*taken, *(note.box for note in notes)], frame.width, frame.height)
    layers: list[alt.Chart] = []
    for name, label, box in zip(names, labels, boxes, strict=True):
        colour = colours.get(name, palette.MUTED)
        end = box.nearest(label.x, label.y)
        layers.append(_rule((label.x, label.y), end, color=colour, strokeWidth=1, opacity=0.7))
        align: Align = "left" if box.left >= label.x else "right" if box.right <= label.x else "center"
        x = {"left": box.left, "right": box.right, "center": (box.left + box.right) / 2}[align]
        layers += _words(label.lines[0], x, (box.top + box.bottom) / 2, colour, align)
    return layers


def _rule_layers(notes: Sequence[ChangeNote], frame: CrossoverFrame) -> list[alt.Chart]:
    style: dict[str, Any] = {"color": palette.ACCENT, "strokeWidth": 1.3, "strokeDash": [5, 4]}
    return [_rule((note.x, 0), (note.x, frame.height), **style) for note in notes]


def _note_layers(notes: Sequence[ChangeNote]) -> list[alt.Chart]:
    layers: list[alt.Chart] = []
    for note in notes:
        x = note.box.left if note.side == "left" else note.box.right
        for i, text in enumerate(note.lines):
            y = note.box.top + LINE_HEIGHT * (i + 0.5)
            layers += _words(text, x, y, palette.ACCENT, note.side, bold=i == 0)
    return layers


def _rule(start: tuple[float, float], end: tuple[float, float], **style: Any) -> alt.Chart:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rule: alt.Chart = alt.Chart(_inline([{}])).mark_rule(**style)
    here = (alt.XValue(start[0]), alt.YValue(start[1]))  # type: ignore[no-untyped-call]
    there = (alt.X2Value(end[0]), alt.Y2Value(end[1]))  # type: ignore[no-untyped-call]
    return rule.encode(*here, *there)


def _words(text: str, x: float, y: float, colour: str, align: Align, *, bold: bool = False) -> list[alt.Chart]:
    """A text over a halo of the paper's colour."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    style: dict[str, Any] = {"text": text, "align": align, "baseline": "middle", "fontSize": FONT_SIZE}
    style["fontWeight"] = "bold" if bold else "normal"
    # Round joins: with mitred ones the halo of an M or v has spikes that cut into the line above.
    halo = {"color": palette.PAPER, "stroke": palette.PAPER, "strokeWidth": 4, "strokeJoin": "round"}
    layers: list[alt.Chart] = []
    for paint in (halo, {"color": colour}):
        mark: alt.Chart = alt.Chart(_inline([{}])).mark_text(**style, **paint)
        layers.append(mark.encode(alt.XValue(x), alt.YValue(y)))  # type: ignore[no-untyped-call]
    return layers


def _title(decision: TargetDecision, room: int) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    per_line = int(room / PIXELS_PER_CHARACTER)
    about = f"USD per month of every target as {decision.by} grow; the lowest lies on the pale band."
    return alt.TitleParams(
        text=textwrap.wrap(decision.sentence, int(per_line / TITLE_WIDTH), break_on_hyphens=False),
        subtitle=textwrap.wrap(" ".join((about, *decision.notes)), per_line, break_on_hyphens=False),
        anchor="start",
        fontSize=15,
        color=palette.INK,
        subtitleColor=palette.MUTED,
        subtitleFontSize=FONT_SIZE,
        subtitleLineHeight=16,
        subtitlePadding=6,
        offset=14,
    )
