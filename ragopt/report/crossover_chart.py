"""The crossover chart: every target's bill as vectors or queries grow, the lowest one marked, each change numbered."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.bill.decisions.target import count_text, durable
from ragopt.report import palette
from ragopt.report.chart_style import PIXELS_PER_CHARACTER
from ragopt.report.crossover_frame import CrossoverFrame, change_text, end_box, frame_of, names_of, spread
from ragopt.report.labels import LINE_HEIGHT, Box
from ragopt.report.pictures import picture_writer
from ragopt.report.pixel_marks import Line, Mark, Words, cut, pixel_chart, title_of
from ragopt.report.pixel_marks import Path as Polyline
from ragopt.report.words import number_text, shown

if TYPE_CHECKING:
    import altair as alt

    from ragopt.bill.decisions.crossovers import Crossovers
    from ragopt.bill.decisions.target import TargetDecision

WIDE, NARROW = 940, 324
"""Pixels of the whole plot: with the chart's padding at most 1,000 and 350."""
HEIGHT = {WIDE: 400, NARROW: 300}
LEFT = {WIDE: 62, NARROW: 50}
"""Room for the ticks of the bills."""
RIGHT = {WIDE: 176, NARROW: 18}
"""Room for the targets' names; a narrow chart has those of the cheapest ones in its key."""
HEAD = 54
"""Room above the plot: the axis' title, the billed size, the numbers of the changes."""
AXIS = 46
"""Room below it for ticks and title."""
KEY_ROW = 18
NUMBER_GAP = 16
KEPT = "USD\N{NO-BREAK SPACE}"
"""Money stays with its currency where a line breaks."""

COLOURS = tuple(light for light, _ in palette.SERIES[:7])
"""One for each target that is cheapest somewhere; the others are grey."""


def crossover_chart(
    decision: TargetDecision,
    *,
    billed: int | None = None,
    recommended: str = "",
    narrow: bool = False,
    titled: bool = True,
) -> alt.LayerChart:
    """USD per month against vectors (or queries), one line per target, on two log axes.

    Args:
        decision: bills over a range, with the changes of the lowest.
        billed: a size to mark, where it lies in the range.
        recommended: a target to mark; empty for none.
        narrow: for a phone: at most 350 px wide, names of the cheapest targets only.
        titled: whether the answer and its notes are drawn; a page says them in its own text.

    Returns:
        An Altair chart with its data inside.
    """
    width = NARROW if narrow else WIDE
    result = decision.result
    plot = Box(LEFT[width], HEAD, width - RIGHT[width], HEAD + HEIGHT[width])
    frame = frame_of(result, plot)
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(result.leaders)}
    if recommended in names_of(result):
        colours[recommended] = palette.INK
    marks: list[Mark] = [
        *_axes(frame, decision.by),
        *_line_marks(result, colours, frame),
        *([] if narrow else [*_outside_names(result, colours, frame), *_inside_names(result, colours, frame)]),
        *_billed_marks(billed, frame, decision.by),
        *_change_marks(decision, frame),
    ]
    key, height = _key(decision, colours if narrow else {}, plot.bottom + AXIS, width)
    about = f"USD per month of every target as {decision.by} grow; the {lowest_words(result)} lies on the pale band."
    title = title_of(decision.sentence, " ".join((about, *decision.notes)), width) if titled else None
    return pixel_chart([*marks, *key], width, height, title)


def write_crossover_chart(decision: TargetDecision, path: Path) -> None:
    """Draw a decision into a .png or .svg file, whole or not at all.

    Raises:
        InputError: the file has another suffix.
        StorageError: the file cannot be written.
    """
    picture_writer(path, "crossover.png")(crossover_chart(decision), path)


def _axes(frame: CrossoverFrame, by: str) -> list[Mark]:
    plot = frame.plot
    marks: list[Mark] = []
    for tick in frame.y.ticks:
        y = frame.down(tick)
        marks += [Line(plot.left, y, plot.right, y, palette.GRID),
                  Words(number_text(tick), plot.left - 8, y, palette.INK, "right")]  # fmt: skip
    for tick in frame.x.ticks:
        x = frame.across(tick)
        marks += [Line(x, plot.top, x, plot.bottom, palette.GRID),
                  Words(count_text(round(tick)), x, plot.bottom + 13, palette.INK, "center")]  # fmt: skip
    unit = "vectors" if by == "vectors" else "queries a month"
    middle = (plot.left + plot.right) / 2
    return [
        *marks,
        Line(plot.left, plot.bottom, plot.right, plot.bottom, palette.MUTED),
        Words("USD per month, log scale", 0, 8, palette.INK),
        Words(f"{unit}, log scale", middle, plot.bottom + 32, palette.INK, "center"),
    ]


def _line_marks(result: Crossovers, colours: dict[str, str], frame: CrossoverFrame) -> list[Mark]:
    """The pale band, then one line per target, those that are cheapest somewhere on top; a stop where one ends."""
    marks: list[Mark] = [Polyline(frame.lowest(result), palette.GRID, 11.0)]
    for name in sorted(names_of(result), key=lambda name: name in colours):
        line, colour = frame.line(result, name), colours.get(name, palette.MUTED)
        marks.append(Polyline(line, colour, 2.6 if name in colours else 1.0))
        if name not in result.points[-1].usd:
            x, y = line[-1]
            marks.append(Line(x, y - 6, x, y + 6, colour, 2.0))
    return marks


def _outside_names(result: Crossovers, colours: dict[str, str], frame: CrossoverFrame) -> list[Mark]:
    """Names right of the plot, at the height of their line's end as far as there is room."""
    plot, last = frame.plot, result.points[-1].usd
    ends = sorted((frame.line(result, name)[-1][1], name) for name in names_of(result) if last.get(name, 0) > 0)
    places = spread([end - plot.top for end, _ in ends], plot.bottom - plot.top)
    marks: list[Mark] = []
    for (end, name), place in zip(ends, places, strict=True):
        colour, y = colours.get(name, palette.MUTED), plot.top + place
        marks += [
            Line(plot.right + 2, end, plot.right + 18, y, colour),
            Words(cut(shown(name), RIGHT[WIDE] - 22), plot.right + 22, y, colour, bold=name in colours),
        ]
    return marks


def _inside_names(result: Crossovers, colours: dict[str, str], frame: CrossoverFrame) -> list[Mark]:
    """Names of lines that end before the range does, at their ends, where the fewest lines cross them."""
    lines = [frame.line(result, name) for name in names_of(result)]
    taken: list[Box] = []
    marks: list[Mark] = []
    for name in names_of(result):
        if name in result.points[-1].usd:
            continue
        told, end = f"{cut(shown(name), 200)} ends", frame.line(result, name)[-1]
        box = end_box(told, end, lines, taken, frame.plot)
        taken.append(box)
        colour, near = colours.get(name, palette.MUTED), box.nearest(*end)
        marks += [
            Line(*end, *near, colour),
            Words(told, (box.left + box.right) / 2, (box.top + box.bottom) / 2, colour, "center", halo=True),
        ]
    return marks


def _billed_marks(billed: int | None, frame: CrossoverFrame, by: str) -> list[Mark]:
    """The size that was billed: a line with its words above the plot."""
    if billed is None or not frame.x.low <= billed <= frame.x.high:
        return []
    x, plot = frame.across(billed), frame.plot
    left = x < (plot.left + plot.right) / 2
    return [
        Line(x, 26, x, plot.bottom, palette.MUTED, 1.5),
        Words(f"billed: {count_text(billed)} {by}", x + (5 if left else -5), 27, palette.INK,
              "left" if left else "right"),
    ]  # fmt: skip


def _change_marks(decision: TargetDecision, frame: CrossoverFrame) -> list[Mark]:
    """A dashed line at each change, its number above the plot."""
    plot = frame.plot
    at = [frame.across(change.at) for change in durable(decision.result)]
    places = spread([x - plot.left for x in at], plot.right - plot.left, NUMBER_GAP)
    marks: list[Mark] = []
    for number, (x, place) in enumerate(zip(at, places, strict=True), start=1):
        marks += [
            Line(x, plot.top, x, plot.bottom, palette.ACCENT, 1.3, dashed=True),
            Line(plot.left + place, plot.top - 6, x, plot.top, palette.ACCENT, 1.3),
            Words(str(number), plot.left + place, plot.top - 13, palette.ACCENT, "center", bold=True),
        ]
    return marks


def _key(decision: TargetDecision, colours: dict[str, str], y: float, width: float) -> tuple[list[Mark], float]:
    """What each number says, then colours where names do not stand beside their lines; and where it ends."""
    marks: list[Mark] = []
    for number, change in enumerate(durable(decision.result), start=1):
        whole = change_text(change, decision.by).replace("USD ", KEPT)
        lines = textwrap.wrap(whole, int((width - 30) / PIXELS_PER_CHARACTER), break_on_hyphens=False)
        marks.append(Words(str(number), 0, y + LINE_HEIGHT / 2, palette.ACCENT, bold=True))
        marks += [
            Words(line.replace(KEPT, "USD "), 18, y + LINE_HEIGHT * (row + 0.5), palette.ACCENT)
            for row, line in enumerate(lines)
        ]
        y += LINE_HEIGHT * len(lines) + 4
    x = 0.0
    kinds = [(shown(name), colour, 2.6) for name, colour in colours.items()]
    for name, colour, thick in [*kinds, ("others", palette.MUTED, 1.0)] if colours else []:
        needs = 26 + len(name) * PIXELS_PER_CHARACTER
        if x and x + needs > width:
            x, y = 0.0, y + KEY_ROW
        marks += [
            Line(x, y + 9, x + 20, y + 9, colour, thick),
            Words(cut(name, width - 26), x + 26, y + 9, palette.INK),
        ]
        x += needs + 16
    return marks, y + (KEY_ROW if colours else 0)


def lowest_words(result: Crossovers) -> str:
    """What lies on the pale band: a target that a vendor sells on request only never leads, however cheap."""
    barred = any(point.barred for point in result.points)
    return "lowest without a vendor's consent" if barred else "lowest"


def legend_sentence(result: Crossovers, recommended: str) -> str:
    """Which line is the recommended target's and which are grey, in words."""
    names = names_of(result)
    ours = (
        f"{shown(recommended)}, the target of the bill above, has the colour of the text. "
        if recommended in names
        else ""
    )
    others = any(name not in result.leaders and name != recommended for name in names)
    return ours + (f"Grey lines are never the {lowest_words(result)}." if others else "")
