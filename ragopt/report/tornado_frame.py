"""What a tornado chart shows and on which axis: the ends of each bar, their sides, the caption; no drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ragopt.report.axes import AxisScale, linear_ticks
from ragopt.report.chart_style import PIXELS_PER_CHARACTER
from ragopt.report.labels import CHARACTER_WIDTH
from ragopt.report.pixel_marks import cut
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from ragopt.bill.monte_carlo import BillRange
    from ragopt.bill.tornado import Swing

Side = Literal["left", "right"]

LOW_END, HIGH_END = "the input at its low end", "the input at its high end"

LABEL_GAP = 6
MOST_LABEL = 40
"""Characters of a label beside a bar: two of them and their gaps leave a fifth of the wide plot to the bars."""
PASSES = 60
"""The room that is still missing shrinks to the labels' share of the plot in each: 0.79^60 is 7e-7."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a bar.

    Attributes:
        usd: the bill there.
        side: of the bill on which its label stands.
        figure: of the input there.
        kind: LOW_END or HIGH_END.
    """

    usd: Decimal
    side: Side
    figure: str
    kind: str


def ends_of(swing: Swing) -> tuple[End, ...]:
    """The two ends; a workload that the target refuses has no end."""
    base = swing.usd_per_month
    ends: list[End] = []
    for usd, other, usual, figure, kind in (
        (swing.usd_at_low, swing.usd_at_high, "left", swing.at_low, LOW_END),
        (swing.usd_at_high, swing.usd_at_low, "right", swing.at_high, HIGH_END),
    ):
        if usd is not None:
            beyond = base if other is None else other
            # An end that does not move stands on the side that the other one leaves free.
            away = usd - base or base - beyond
            side: Side = "left" if away < 0 else "right" if away > 0 else usual  # type: ignore[assignment]
            ends.append(End(usd, side, cut(shown(figure), MOST_LABEL * CHARACTER_WIDTH), kind))
    return tuple(ends)


def on_one_side(swing: Swing) -> bool:
    """Whether both ends lie on the same side of the bill: then each takes half of the bar's height."""
    ends, base = ends_of(swing), swing.usd_per_month
    return len(ends) == 2 and (ends[0].usd - base) * (ends[1].usd - base) > 0


def tornado_scale(
    swings: Sequence[Swing], found: BillRange | None, width: float, *, labelled: bool, n_ticks: int
) -> AxisScale:
    """A linear axis wide enough for every bill and, where they are labelled, for the labels of the outermost ends."""
    ends = [end for swing in swings for end in ends_of(swing)]
    known = [float(end.usd) for end in ends] + [float(swings[0].usd_per_month)]
    known += [float(found.low), float(found.high)] if found else []
    low, high = min(known), max(known)
    span = high - low
    # Room for labels makes each pixel worth more dollars, and so asks for more room: MOST_LABEL makes this end.
    for _ in range(PASSES if labelled else 0):
        usd_per_pixel = (high - low) / width
        for end in ends:
            room = (len(end.figure) * PIXELS_PER_CHARACTER + 2 * LABEL_GAP) * usd_per_pixel
            low = min(low, float(end.usd) - room) if end.side == "left" else low
            high = max(high, float(end.usd) + room) if end.side == "right" else high
    margin = 0.01 * span
    return AxisScale(low - margin, high + margin, log=False, ticks=linear_ticks(max(low, 0.0), high, n_ticks))


def bills_text(swing: Swing) -> str:
    """The bills at the low and the high end, in that order."""
    low, high = swing.usd_at_low, swing.usd_at_high
    if low is not None and high is not None:
        return f"USD {usd_text(low)} to {usd_text(high)}"
    ends = [
        f"{kind} end: " + ("refused" if usd is None else f"USD {usd_text(usd)}")
        for kind, usd in (("low", low), ("high", high))
    ]
    return ", ".join(ends)


def tornado_title(swings: Sequence[Swing]) -> str:
    """What the chart shows, in a few words."""
    return f"{'The input that moves' if len(swings) == 1 else f'The {len(swings)} inputs that move'} the bill most"


def tornado_caption(target: str, found: BillRange | None) -> str:
    """What is drawn and how to read it."""
    caption = (
        f"Monthly bill at {shown(target)} when one input at a time is at the low or the high end of its 95 % interval, "
        "the others as they are. The figure at each end is the input's."
    )
    if found is not None:
        caption += (
            f" Grey: the middle {100 * found.level:.0f} % of {found.n_samples:,} draws of all inputs together, "
            f"USD {usd_text(found.low)} to {usd_text(found.high)}."
        )
    return caption
