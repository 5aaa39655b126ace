"""A whole bill in the terminal: every target in one table, and the lines of those that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.bill.price_book import STALE_AFTER_DAYS
from ragopt.bill.projection import mean_usd_per_month
from ragopt.bill.reasoning import largest_part
from ragopt.bill.targets import TARGETS
from ragopt.report.words import usd_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from rich.console import Console

    from ragopt.bill.projection import MonthBill
    from ragopt.bill.tornado import Swing
    from ragopt.bill.whole_bill import WholeBill
    from ragopt.records import BillLine

OWN_INDEX = "°"


def print_whole_bill(whole: WholeBill, console: Console, *, lines: bool) -> None:
    """Print what was billed, the bill of every target, what is shared, and what could not be billed.

    Args:
        whole: the bill.
        console: where to print.
        lines: whether to print every line of every target too.
    """
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    for told in whole.workload.describe():
        console.print(Text(f"workload: {told}"))
    print_targets(whole, console)
    if whole.shared:
        shared = usd_text(whole.shared_usd_per_month)
        console.print(Text(f"At every target besides: USD {shared} a month (text, documents, reranking, generation, "
                           "egress)."))  # fmt: skip
    if lines:
        for bill in whole.targets:
            print_lines(f"{bill.target}: USD {usd_text(bill.usd_per_month)} a month", bill.lines, console, bill.notes)
        print_lines(f"Shared: USD {usd_text(whole.shared_usd_per_month)} a month", whole.shared, console)
    for name, reason in whole.not_billed.items():
        first = reason.partition(". ")[0].rstrip(".")
        console.print(Text(f"not billed: {name}: {first} (ragopt bill --target {name} says more)", overflow="fold"))
    if whole.warnings and not lines:
        n = len(whole.warnings)
        console.print(Text(f"warning: prices from {n} source{'s' * (n > 1)} are more than {STALE_AFTER_DAYS} days old: "
                           "--lines names them, `ragopt prices refresh` renews them, --prices replaces them.",
                           overflow="fold"))  # fmt: skip
    for warning in whole.warnings if lines else ():
        console.print(Text(f"warning: {warning}", overflow="fold"))


def print_targets(whole: WholeBill, console: Console) -> None:
    """Print the table of targets, cheapest first, and what its marks mean."""
    from rich import box  # noqa: PLC0415 - loaded when first used
    from rich.table import Table  # noqa: PLC0415 - loaded when first used
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("target", no_wrap=True)
    table.add_column("USD a month", justify="right", no_wrap=True)
    table.add_column("95 % range", justify="right", no_wrap=True)
    table.add_column("in use", justify="right", no_wrap=True)
    table.add_column("largest part", overflow="fold")
    for bill in whole.targets:
        mark = "" if TARGETS[bill.target].serves_the_index else OWN_INDEX
        before = bill.usd_per_month if bill.usd_before_minimum is None else bill.usd_before_minimum
        spread = f"{_round_usd(bill.low)} to {_round_usd(bill.high)}"
        table.add_row(bill.target + mark, usd_text(bill.usd_per_month), spread, usd_text(before),
                      _largest(bill.lines))  # fmt: skip
    console.print(table)
    console.print(Text("in use: before a monthly minimum is filled up, and without the share of what is paid once."))
    if any(not TARGETS[bill.target].serves_the_index for bill in whole.targets):
        console.print(Text(f"{OWN_INDEX} builds an index of its own: its recall was not measured by ragopt."))


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
        figures = f"{line.item}\n{line.quantity:f} {line.unit} x USD {line.usd_per_unit}"
        where = f"{figures}\n= {line.formula}\n{line.source}, as of {line.as_of}"
        where += f"\ncaution: {line.caution}" if line.caution else ""
        table.add_row(Text(line.part), Text(usd_text(line.usd)), Text(where, overflow="fold"))
    console.print(table)
    for note in notes:
        console.print(Text(f"- {note}", overflow="fold"))


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
    """Print the inputs that move the cheapest bill most, the widest first; nothing when there are none."""
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    if not swings:
        return
    cheapest = whole.targets[0]
    console.print()
    console.print(
        Text(f"What moves {cheapest.target} (USD {usd_text(cheapest.usd_per_month)} a month) most:", style="bold")
    )
    for swing in swings:
        console.print(Text(f"- {swing_text(swing)}", overflow="fold"))


def swing_text(swing: Swing) -> str:
    """Say what one input does to the bill: its two ends and the bills there."""
    ends = [
        f"{figure}: " + ("not taken there" if usd is None else f"USD {usd_text(usd)}")
        for figure, usd in ((swing.at_low, swing.usd_at_low), (swing.at_high, swing.usd_at_high))
    ]
    return f"{swing.words}: {'; '.join(ends)}"
