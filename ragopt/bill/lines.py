"""Make bill lines and add them up: every line is rounded to the cent, the total is the sum of the rounded lines."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.records import BillLine
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.bill.price import Price

QUANTITY_STEP = Decimal("0.000001")
"""Quantities are rounded to this before they are priced, so that the printed quantity times the price is the line."""


def make_line(item: str, quantity: Decimal, price: Price) -> BillLine:
    """Price a quantity: usd = quantity x usd_per_unit, rounded to the cent, halves up."""
    exact = quantity.quantize(QUANTITY_STEP)
    whole = exact.to_integral_value()
    # normalize() alone would write 7300 as 7.3E+3.
    shown = whole if exact == whole else exact.normalize()
    return BillLine(
        item=item,
        quantity=shown,
        unit=price.unit,
        usd_per_unit=price.usd,
        usd=to_cents(exact * price.usd),
        source=price.source,
        as_of=price.as_of,
    )


def without_zeros(lines: Iterable[BillLine]) -> tuple[BillLine, ...]:
    """Keep the lines that cost at least one cent."""
    return tuple(line for line in lines if line.usd)


def total(lines: Iterable[BillLine]) -> Decimal:
    """Sum of the rounded lines."""
    return sum((line.usd for line in lines), Decimal("0.00"))
