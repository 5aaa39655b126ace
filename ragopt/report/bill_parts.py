"""The bill by what it pays for, recommended and baseline: the numbers behind the stacked bars; pure, no drawing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, get_args

from ragopt.records import Part
from ragopt.report.figure import Column, Table
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from ragopt.records import Bill, Run

PARTS: tuple[str, ...] = get_args(Part)
"""In the order in which a bar stacks them."""

COLUMNS = (Column("Bill"), Column("Part"), Column("Item"), Column("USD per month", numeric=True))


@dataclass(frozen=True, slots=True)
class Segment:
    """What one part of a bill costs.

    Attributes:
        part: what it pays for.
        start: USD of the parts before it.
        usd: its own.
    """

    part: str
    start: Decimal
    usd: Decimal


@dataclass(frozen=True, slots=True)
class StackedBill:
    """One bar.

    Attributes:
        name: whose bill it is.
        bill: the record.
        segments: parts that cost something, in the order of PARTS; they add up to the bill.
    """

    name: str
    bill: Bill
    segments: tuple[Segment, ...]


def stacked_bills(run: Run) -> tuple[StackedBill, StackedBill]:
    """The recommended trial's bill (the closest one's where nothing fits) and the baseline's."""
    decided = run.recommendation
    name = "Recommended" if decided.status == "ok" else "Closest trial"
    return (
        StackedBill(name, decided.bill, segments_of(decided.bill)),
        StackedBill("Baseline", decided.baseline_bill, segments_of(decided.baseline_bill)),
    )


def name_of(bar: StackedBill) -> str:
    """Whose bill it is and where."""
    return f"{bar.name} on {shown(bar.bill.target)}"


def segments_of(bill: Bill) -> tuple[Segment, ...]:
    """Add up a bill's lines by part; parts of nothing are left out."""
    sums: dict[str, Decimal] = {}
    for line in bill.lines:
        sums[line.part] = sums.get(line.part, Decimal("0.00")) + line.usd
    segments: list[Segment] = []
    start = Decimal("0.00")
    for part in sorted(sums, key=PARTS.index):
        if sums[part]:
            segments.append(Segment(part, start, sums[part]))
            start += sums[part]
    return tuple(segments)


def lines_table(bars: tuple[StackedBill, ...]) -> Table:
    """Every line of both bills with its part, and each bill's sum."""
    rows: list[tuple[str, ...]] = []
    for bar in bars:
        name = name_of(bar)
        lines = sorted(bar.bill.lines, key=lambda line: PARTS.index(line.part))
        rows += [(name, line.part, shown(line.item), usd_text(line.usd)) for line in lines]
        rows.append((name, "sum", "", usd_text(bar.bill.usd_per_month)))
    return Table(COLUMNS, tuple(rows))
