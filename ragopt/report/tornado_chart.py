"""The tornado chart: which inputs move a bill most, one bar each, from the low to the high end of what it may be."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragopt.errors import InputError
from ragopt.report import palette
from ragopt.report.axes import AxisScale, linear_ticks
from ragopt.report.chart_style import PIXELS_PER_CHARACTER, styled
from ragopt.report.labels import FONT_SIZE
from ragopt.report.pictures import picture_writer
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    import altair as alt

    from ragopt.bill.monte_carlo import BillRange
    from ragopt.bill.tornado import Swing

Side = Literal["left", "right"]

LOW_END, HIGH_END = "the input at its low end", "the input at its high end"

ENDS = {LOW_END: "#3c78dc", HIGH_END: "#d66e14"}
"""The blue and the orange of the palette's first ramps, which stay apart for every common colour blindness."""

ROW_PIXELS = 46
BAR_PIXELS = 20
HEAD_PIXELS = 26
"""Room above the bars for the words beside the line of the bill."""
LABEL_GAP = 6
NAME_PIXELS = 190
"""Room for the inputs' names, of which the longest common one has 27 characters."""
NAME_CHARACTERS = 34
MOST_TICKS = 7
MOST_LABEL_SHARE = 0.85
"""Share of the plot that the labels left and right of the bars may take."""
PASSES = 60
"""The room that is still missing shrinks to MOST_LABEL_SHARE of itself in each: 0.85^60 is 6e-5."""


def tornado_chart(
    swings: Sequence[Swing], *, target: str, found: BillRange | None = None, width: int = 640, titled: bool = True
) -> alt.LayerChart:
    """One bar per input around the bill, the widest on top, each end labelled with the input's figure there.

    Args:
        swings: what `ragopt.bill.tornado.tornado` found, at least one.
        target: that the bill is for.
        found: the bill's range, drawn as a band behind the bars; None draws none.
        width: of the plot area in pixels, without the inputs' names.
        titled: whether title and caption are drawn; a page says them in its own text.

    Raises:
        InputError: there is no swing to draw.
    """
    import altair as alt  # noqa: PLC0415 - loaded when first used

    if not swings:
        raise InputError(
            "No input moves this bill", next_step="Draw a tornado chart only where ragopt.bill.tornado found a swing"
        )
    scale = _scale(swings, found, width)
    layers = [*_band(found, scale), *_bars(swings, scale), *_names(swings)]
    head = {"title": _title(swings, target, found, width)} if titled else {}
    plain = alt.layer(*layers).properties(width=width, height=HEAD_PIXELS + ROW_PIXELS * len(swings), **head)
    chart: alt.LayerChart = styled(plain, framed=False).configure_legend(
        labelColor=palette.INK, labelFontSize=FONT_SIZE, symbolSize=140
    )
    return chart


def write_tornado_chart(swings: Sequence[Swing], path: Path, *, target: str, found: BillRange | None = None) -> None:
    """Draw what moves a bill most into a .png or .svg file, whole or not at all.

    Raises:
        InputError: the file has another suffix, or there is no swing to draw.
        StorageError: the file cannot be written.
    """
    picture_writer(path, "tornado.png")(tornado_chart(swings, target=target, found=found), path)


def _scale(swings: Sequence[Swing], found: BillRange | None, width: int) -> AxisScale:
    """A linear axis wide enough for every bill and, outside it, for the labels of the outermost ends."""
    ends = [(float(usd), side, text) for swing in swings for usd, side, text in _ends_of(swing)]
    known = [usd for usd, _, _ in ends] + [float(swings[0].usd_per_month)]
    known += [float(found.low), float(found.high)] if found else []
    low, high = min(known), max(known)
    span = high - low
    rooms = [(usd, side, len(text) * PIXELS_PER_CHARACTER + 2 * LABEL_GAP) for usd, side, text in ends]
    widest = sum(max((room for _, side, room in rooms if side == one), default=0.0) for one in ("left", "right"))
    if widest > MOST_LABEL_SHARE * width:
        raise InputError(
            f"A plot of {width} pixels has no room for bars beside labels of {widest:.0f} pixels",
            allowed=f"{widest / MOST_LABEL_SHARE:.0f} pixels or more",
            next_step="Draw the chart wider",
        )
    # Room for labels makes each pixel worth more dollars, and so asks for more room: the share above makes this end.
    for _ in range(PASSES):
        usd_per_pixel = (high - low) / width
        for usd, side, room in rooms:
            low = min(low, usd - room * usd_per_pixel) if side == "left" else low
            high = max(high, usd + room * usd_per_pixel) if side == "right" else high
    margin = 0.01 * span
    return AxisScale(low - margin, high + margin, log=False, ticks=linear_ticks(max(low, 0.0), high, MOST_TICKS))


def _ends_of(swing: Swing) -> list[tuple[Decimal, Side, str]]:
    """The two ends with the side of the bar that their label stands on; a refused workload has no end."""
    base = swing.usd_per_month
    ends: list[tuple[Decimal, Side, str]] = []
    for usd, other, usual, text in (
        (swing.usd_at_low, swing.usd_at_high, "left", swing.at_low),
        (swing.usd_at_high, swing.usd_at_low, "right", swing.at_high),
    ):
        if usd is not None:
            beyond = base if other is None else other
            # An end that does not move stands on the side that the other one leaves free.
            away = usd - base or base - beyond
            side: Side = "left" if away < 0 else "right" if away > 0 else usual  # type: ignore[assignment]
            ends.append((usd, side, text))
    return ends


def _rows(swings: Sequence[Swing]) -> list[dict[str, Any]]:
    """One row per end: its bar from the bill to it, and its label; two ends on one side share the bar's height."""
    rows = []
    for number, swing in enumerate(swings):
        middle = HEAD_PIXELS + ROW_PIXELS * (number + 0.5)
        base, ends = swing.usd_per_month, _ends_of(swing)
        same_side = len(ends) == 2 and (ends[0][0] - base) * (ends[1][0] - base) > 0
        half = BAR_PIXELS / 2
        for (usd, side, text), kind in zip(ends, _kinds(swing), strict=True):
            top, bottom = (middle - half, middle + half)
            if same_side:
                top, bottom = (top - 2, middle - 2) if kind == LOW_END else (middle + 2, bottom + 2)
            rows.append({
                "input": shown(swing.words), "kind": kind, "base": float(base), "usd": float(usd), "side": side,
                "figure": text, "bill": f"USD {usd_text(usd)}", "top": top, "bottom": bottom,
                "middle": (top + bottom) / 2,
            })  # fmt: skip
    return rows


def _kinds(swing: Swing) -> list[str]:
    return [kind for kind, usd in zip(ENDS, (swing.usd_at_low, swing.usd_at_high), strict=True) if usd is not None]


def _inline(rows: list[dict[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def _y(field: str, n_rows: int) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    height = HEAD_PIXELS + ROW_PIXELS * n_rows
    return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[height, 0], nice=False, zero=False), axis=None)


def _bars(swings: Sequence[Swing], scale: AxisScale) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rows, n_rows = _rows(swings), len(swings)
    domain = alt.Scale(domain=[scale.low, scale.high], nice=False, zero=False)
    x = alt.X(
        "usd:Q", title="USD per month", scale=domain, axis=alt.Axis(values=list(scale.ticks), format=",.2~f", grid=True)
    )
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=list(ENDS), range=list(ENDS.values())),
        legend=alt.Legend(title=None, orient="bottom", symbolType="square", symbolOpacity=1),
    )
    tips = ["input:N", "kind:N", "figure:N", "bill:N"]
    start = alt.X("base:Q", scale=domain)
    bars = alt.Chart(_inline(rows)).mark_rect(opacity=1)
    bars = bars.encode(x=start, x2="usd:Q", y=_y("top", n_rows), y2="bottom:Q", color=colour, tooltip=tips)
    labels = []
    sides: tuple[tuple[Side, Side, int], ...] = (("left", "right", -LABEL_GAP), ("right", "left", LABEL_GAP))
    for side, align, gap in sides:
        text = alt.Chart(_inline([row for row in rows if row["side"] == side])).mark_text(
            align=align, baseline="middle", dx=gap, fontSize=FONT_SIZE, color=palette.INK
        )
        labels.append(text.encode(x=x, y=_y("middle", n_rows), text="figure:N"))
    base = swings[0].usd_per_month
    one = _inline([{"usd": float(base), "y": HEAD_PIXELS - 4, "words": f"bill: USD {usd_text(base)}"}])
    rule = alt.Chart(one).mark_rule(color=palette.INK, strokeWidth=1.6).encode(x=x)
    words = alt.Chart(one).mark_text(
        align="left", baseline="bottom", dx=LABEL_GAP, fontSize=FONT_SIZE, fontWeight="bold", color=palette.INK
    )
    return [bars, *labels, rule, words.encode(x=x, y=_y("y", n_rows), text="words:N")]


def _band(found: BillRange | None, scale: AxisScale) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    if found is None:
        return []
    domain = alt.Scale(domain=[scale.low, scale.high], nice=False, zero=False)
    one = _inline([{"low": float(found.low), "high": float(found.high)}])
    band = alt.Chart(one).mark_rect(color=palette.GRID, opacity=0.55)
    return [band.encode(x=alt.X("low:Q", scale=domain), x2="high:Q")]


def _names(swings: Sequence[Swing]) -> list[alt.Chart]:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    rows = [
        {
            "y": HEAD_PIXELS + ROW_PIXELS * (number + 0.5),
            "words": textwrap.shorten(shown(swing.words), NAME_CHARACTERS, placeholder="\N{HORIZONTAL ELLIPSIS}"),
            "bills": _bills_text(swing),
        }
        for number, swing in enumerate(swings)
    ]
    left, y = alt.XValue(-12), _y("y", len(swings))  # type: ignore[no-untyped-call]
    style: dict[str, Any] = {"align": "right", "baseline": "middle", "fontSize": FONT_SIZE}
    names = alt.Chart(_inline(rows)).mark_text(**style, dy=-8, color=palette.INK)
    bills = alt.Chart(_inline(rows)).mark_text(**style, dy=8, color=palette.MUTED)
    return [names.encode(x=left, y=y, text="words:N"), bills.encode(x=left, y=y, text="bills:N")]


def _bills_text(swing: Swing) -> str:
    """The bills at the low and the high end, in that order."""
    low, high = swing.usd_at_low, swing.usd_at_high
    if low is not None and high is not None:
        return f"USD {usd_text(low)} to {usd_text(high)}"
    ends = [
        f"{kind} end: " + ("refused" if usd is None else f"USD {usd_text(usd)}")
        for kind, usd in (("low", low), ("high", high))
    ]
    return ", ".join(ends)


def _title(swings: Sequence[Swing], target: str, found: BillRange | None, width: int) -> Any:
    import altair as alt  # noqa: PLC0415 - loaded when first used

    caption = (
        f"Monthly bill at {shown(target)} when one input at a time is at the low or the high end of its 95 % interval, "
        "the others as they are. The figure at each end is the input's."
    )
    if found is not None:
        caption += (
            f" Grey: the middle {100 * found.level:.0f} % of {found.n_samples:,} draws of all inputs together, "
            f"USD {usd_text(found.low)} to {usd_text(found.high)}."
        )
    n_inputs = "The input that moves" if len(swings) == 1 else f"The {len(swings)} inputs that move"
    return alt.TitleParams(
        text=f"{n_inputs} the bill most",
        subtitle=textwrap.wrap(caption, int((width + NAME_PIXELS) / PIXELS_PER_CHARACTER), break_on_hyphens=False),
        anchor="start",
        fontSize=17,
        color=palette.INK,
        subtitleColor=palette.MUTED,
        subtitleFontSize=FONT_SIZE,
        subtitleLineHeight=16,
        offset=14,
    )
