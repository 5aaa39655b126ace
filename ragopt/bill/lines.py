"""Make bill lines and add them up: every line is rounded to the cent, the total is the sum of the rounded lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.records import BillLine
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.records import Part


@dataclass(frozen=True, slots=True)
class Charges:
    """What a target charges for an average month.

    Attributes:
        lines: every line of at least a cent, the filled-up minimum and the shares of what is paid once among them.
        usd_before_minimum: the lines of a month in use alone: no minimum filled up, nothing that is paid once.
        notes: assumptions and cautions, one sentence each.
    """

    lines: tuple[BillLine, ...]
    usd_before_minimum: Decimal
    notes: tuple[str, ...] = ()


QUANTITY_STEP = Decimal("0.000001")
"""Quantities are rounded to this before they are priced, so that the printed quantity times the price is the line."""


def make_line(item: str, quantity: Decimal, price: Price, *, part: Part, formula: str) -> BillLine:
    """Price a quantity: usd = quantity x usd_per_unit, rounded to the cent, halves up.

    Args:
        item: what is paid for, in words.
        quantity: how much of it, in the price's unit.
        price: the dated unit price.
        part: which part of the service it belongs to.
        formula: how the quantity comes from the workload, with field names and figures.
    """
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
        part=part,
        formula=formula,
        caution=price.caution,
        undated=price.undated,
    )


def without_zeros(lines: Iterable[BillLine]) -> tuple[BillLine, ...]:
    """Keep the lines that cost at least one cent."""
    return tuple(line for line in lines if line.usd)


def total(lines: Iterable[BillLine]) -> Decimal:
    """Sum of the rounded lines."""
    return sum((line.usd for line in lines), Decimal("0.00"))
