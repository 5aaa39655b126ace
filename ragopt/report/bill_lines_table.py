"""The lines of a bill as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.figure import Column, Table
from ragopt.report.words import decimal_text, usd_text

if TYPE_CHECKING:
    from ragopt.records import Bill

COLUMNS = (
    Column("Part"),
    Column("Item"),
    Column("Quantity", numeric=True),
    Column("Unit"),
    Column("USD per unit", numeric=True),
    Column("USD", numeric=True),
    Column("How"),
    Column("Source of the price"),
    Column("As of"),
)


def bill_lines_table(bill: Bill) -> Table:
    """Every line with quantity, price, formula, source and date, and their sum as the last row."""
    rows = [
        (
            line.part,
            line.item,
            decimal_text(line.quantity),
            line.unit,
            decimal_text(line.usd_per_unit),
            usd_text(line.usd),
            f"{line.formula}; caution: {line.caution}" if line.caution else line.formula,
            line.source,
            f"{line.as_of} (day of reading)" if line.undated else line.as_of,
        )
        for line in bill.lines
    ]
    return Table(COLUMNS, (*rows, ("", "Sum", "", "", "", usd_text(bill.usd_per_month), "", "", "")))
