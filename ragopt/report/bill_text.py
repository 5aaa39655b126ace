"""A whole bill in the terminal: every target in one table, and the lines of those that are asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.old_prices import ADVICE
from ragopt.bill.price_book import STALE_AFTER_DAYS
from ragopt.bill.projection import ENDS, STEPS, mean_usd_per_month
from ragopt.bill.reasoning import largest_part, needs_consent
from ragopt.bill.service import CAUTION
from ragopt.bill.targets import TARGETS
from ragopt.report.bill_caches import print_bill_caches
from ragopt.report.bill_rows import print_rows
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from ragopt.bill.monte_carlo import BillRange
    from ragopt.bill.projection import MonthBill
    from ragopt.bill.tornado import Swing
    from ragopt.bill.whole_bill import WholeBill
    from ragopt.records import Bill, BillLine

TARGET_COLUMNS = ("target", "USD a month", "95 % range", "in use", "largest part")

OWN_INDEX = "°"
CONSENT = "†"

SHOWN = 10_000
"""Characters of an item, a formula or a note: those of ragopt are never cut, a price file may hold any length."""

FOOTNOTES = {
    OWN_INDEX: "builds an index of its own: its recall was not measured by ragopt.",
    CONSENT: "needs the vendor's consent: the workload exceeds a limit that the vendor lifts on request (--lines "
    "says which).",
}


def marks_of(bill: Bill) -> str:
    """Say with the marks of FOOTNOTES what holds back a target's bill; empty when nothing does."""
    own = "" if TARGETS[bill.target].serves_the_index else OWN_INDEX
    return own + CONSENT * needs_consent(bill)


def print_whole_bill(whole: WholeBill, console: Console, *, lines: bool) -> None:
    """Print what was billed, the bill of every target, what is shared, and what could not be billed.

    Args:
        whole: the bill.
        console: where to print.
        lines: whether to print every line of every target too.
    """
    _print_heading(whole, console)
    print_targets(whole, console)
    print_shared(whole, console)
    print_bill_caches(whole, console)
    for note in () if lines else whole.shared_notes:
        if not note.startswith(CAUTION):  # --lines has every note, and the cautions at their lines
            _say(console, f"shared: {note}")
    if lines:
        for bill in whole.targets:
            print_lines(f"{bill.target}: USD {usd_text(bill.usd_per_month)} a month", bill.lines, console, bill.notes)
        print_lines(f"Shared: USD {usd_text(whole.shared_usd_per_month)} a month", whole.shared, console,
                    whole.shared_notes)  # fmt: skip
    for name, reason in whole.not_billed.items():
        _say(console, not_billed_text(name, reason))
    _print_warnings(whole, console, in_full=lines)


def _print_heading(whole: WholeBill, console: Console) -> None:
    """Print what was billed, how the index was found, and what the user's own prices did."""
    for told in whole.workload.describe():
        _say(console, f"workload: {told}")
    for told in whole.notes:
        _say(console, f"index: {told}")
    for told in whole.book.told:
        _say(console, f"prices: {told}")


def _print_warnings(whole: WholeBill, console: Console, *, in_full: bool) -> None:
    """Print the warnings; those of old prices as one unless they are wanted in full."""
    old = [warning for warning in whole.warnings if ADVICE in warning]
    for warning in whole.warnings if in_full else [one for one in whole.warnings if one not in old]:
        _say(console, f"warning: {warning}")
    if old and not in_full:
        n = len(old)
        _say(console, f"warning: prices from {n} source{'s' * (n > 1)} are more than {STALE_AFTER_DAYS} days old or "
             "undated: --lines names them and what renews them.")  # fmt: skip


def print_shared(whole: WholeBill, console: Console) -> None:
    """Print what every target costs besides, by part, and the cheapest target's bill with it."""
    if not whole.shared:
        return
    parts: dict[str, Decimal] = {}
    for line in whole.shared:
        parts[line.part] = parts.get(line.part, Decimal(0)) + line.usd
    split = ", ".join(f"{part} {usd_text(usd)}" for part, usd in parts.items())
    _say(console, f"At every target besides: USD {usd_text(whole.shared_usd_per_month)} a month: {split}.")
    cheapest = whole.cheapest.target
    both = whole.with_shared[cheapest]
    _say(console, f"All in, {cheapest} is USD {usd_text(both.usd_per_month)} a month, 95 % range {_range(both)}.")


def not_billed_text(name: str, reason: str) -> str:
    """Say why a target has no bill: the reason's first sentence, and where to read the rest if there is more."""
    first, more, _ = reason.partition(". ")
    where = f" (ragopt bill --target {name} says more)" if more else ""
    return f"not billed: {name}: {first.rstrip('.')}{where}"


def _say(console: Console, told: str) -> None:
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    console.print(Text(told, overflow="fold"))


def print_targets(whole: WholeBill, console: Console) -> None:
    """Print the table of targets, cheapest first, and what its marks mean."""
    print_rows(TARGET_COLUMNS, [_target_row(bill) for bill in whole.targets], console)
    _say(console, "in use: before a monthly minimum is filled up, and without the share of what is paid once.")
    marks = "".join(marks_of(bill) for bill in whole.targets)
    for mark, meaning in FOOTNOTES.items():
        if mark in marks:
            _say(console, f"{mark} {meaning}")
    for bill in whole.targets:
        for note in bill.notes:
            if note.startswith((STEPS, ENDS)):
                _say(console, f"{bill.target}: {note}")


def _target_row(bill: Bill) -> tuple[str, ...]:
    before = bill.usd_per_month if bill.usd_before_minimum is None else bill.usd_before_minimum
    name = bill.target + marks_of(bill)
    return name, usd_text(bill.usd_per_month), _range(bill), usd_text(before), _largest(bill.lines)


def _range(bill: Bill | BillRange) -> str:
    return f"{_round_usd(bill.low)} to {_round_usd(bill.high)}"


def _round_usd(usd: Decimal) -> str:
    """An end of a range: whole dollars from 100 on, where cents say nothing."""
    return usd_text(usd) if usd < 100 else f"{usd:,.0f}"


def _largest(lines: Iterable[BillLine]) -> str:
    name, percent = largest_part(lines)
    return f"{percent} % {name}" if name else "nothing to pay"


def print_lines(title: str, lines: Iterable[BillLine], console: Console, notes: Iterable[str] = ()) -> None:
    """Print bill lines, each with its quantity, price, formula, source and date, and the bill's notes."""
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    console.print()
    console.print(Text(title, style="bold"))
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        item, unit, formula, source, caution = (
            shown(text, SHOWN) for text in (line.item, line.unit, line.formula, line.source, line.caution)
        )
        figures = f"{item}\n{line.quantity:f} {unit} x USD {line.usd_per_unit}"
        where = f"{figures}\n= {formula}\n{source}, as of {line.as_of}"
        where += f"\ncaution: {caution}" if caution else ""
        table.add_row(Text(line.part), Text(usd_text(line.usd)), Text(where, overflow="fold"))
    console.print(table)
    for note in notes:
        _say(console, f"- {shown(note, SHOWN)}")


def print_months(months: Mapping[str, Sequence[MonthBill]], console: Console) -> None:
    """Print the bill of every month at each target; nothing when there are none."""
    from rich import box  # noqa: PLC0415 - loaded when first used
    from rich.table import Table  # noqa: PLC0415 - loaded when first used

    for name, bills in months.items():
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title=name, title_justify="left")
        for title in ("month", "vectors", "USD per month"):
            table.add_column(title, justify="right")
        for one in bills:
            usd = "not sold" if one.usd_per_month is None else usd_text(one.usd_per_month)
            table.add_row(str(one.month), f"{one.n_vectors:,}", usd)
        mean = mean_usd_per_month(tuple(bills))
        table.add_row("mean", "", "none" if mean is None else usd_text(mean))
        console.print()
        console.print(table)


def print_swings(swings: Sequence[Swing], whole: WholeBill, console: Console) -> None:
    """Print the inputs that move the explained bill most, the widest first; nothing when there are none.

    The swings may be of the target's own bill or of `whole_tornado`: the heading says which.
    """
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    if not swings:
        return
    bill, why = whole.explained
    console.print()
    usd = swings[0].usd_per_month
    what = bill.target if usd == bill.usd_per_month else f"{bill.target} with the shared lines"
    console.print(Text(f"What moves {what} (USD {usd_text(usd)} a month; {why}) most:", style="bold"))
    for swing in swings:
        _say(console, f"- {swing_text(swing)}")


def swing_text(swing: Swing) -> str:
    """Say what one input does to the bill: its two ends and the bills there."""
    ends = [
        f"{figure}: " + ("not taken there" if usd is None else f"USD {usd_text(usd)}")
        for figure, usd in ((swing.at_low, swing.usd_at_low), (swing.at_high, swing.usd_at_high))
    ]
    return f"{swing.words}: {'; '.join(ends)}"
