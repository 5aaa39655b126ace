"""The bill of every month of the horizon, as the vectors grow."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.embedding_lines import embedding_lines
from ragopt.bill.targets import bill_month, target_of
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import Bill


@dataclass(frozen=True, slots=True)
class MonthBill:
    """One month at one target; what is paid once counts in each month with its share.

    Attributes:
        month: from 1.
        n_vectors: in that month.
        usd_per_month: None where the target does not take the index at that size.
        reason: why it does not; empty otherwise.
    """

    month: int
    n_vectors: int
    usd_per_month: Decimal | None
    reason: str = ""


def bill_by_month(footprint: Footprint, workload: Workload, book: PriceBook, *, target: str) -> tuple[MonthBill, ...]:
    """Bill every month of the horizon at one target: month m holds n_vectors + (m - 1) x growth vectors.

    Raises:
        InputError: an unknown target.
        PriceError: a price is missing.
    """
    found = []
    for number in range(1, workload.horizon_months + 1):
        month = workload.in_month(number)
        reason = target_of(target).why_not(footprint, month)
        if reason:
            found.append(MonthBill(number, month.n_vectors, None, reason))
            continue
        embedding = embedding_lines(month, book)
        bill = bill_month(footprint, month, book, target=target, embedding=embedding)
        found.append(MonthBill(number, month.n_vectors, bill.usd_per_month))
    return tuple(found)


def mean_usd_per_month(months: tuple[MonthBill, ...]) -> Decimal | None:
    """Mean of the months' bills, to the cent; None where the target does not take them all."""
    usd = [month.usd_per_month for month in months if month.usd_per_month is not None]
    return to_cents(sum(usd, Decimal(0)) / len(usd)) if len(usd) == len(months) else None


STEPS, ENDS = "Its months cost USD ", "From month "
"""How the two notes begin that no reader of the table should miss."""

OUTGROWS = "Outgrows "
"""How a vendor's note begins that says in which month a limit is passed."""

STEP_SHARE = Decimal("0.02")
"""A mean that is further than this from the bill of an average month is told: bills in steps are not proportional."""


def stops(bill: Bill) -> bool:
    """Whether a bill's notes say that its target is not sold in the later months of the horizon."""
    return any(note.startswith((ENDS, OUTGROWS)) for note in bill.notes)


def step_note(usd_per_month: Decimal, months: tuple[MonthBill, ...]) -> str:
    """Say what the horizon's months cost where that is not what the average month says; empty where it is.

    Args:
        usd_per_month: the bill of an average month.
        months: the bills of all months of the horizon.
    """
    refused = next((month for month in months if month.usd_per_month is None), None)
    if refused is not None:
        return f"{ENDS}{refused.month} on, at {refused.n_vectors:,} vectors, it is not sold: {refused.reason}."
    mean = mean_usd_per_month(months)
    if mean is None or abs(mean - usd_per_month) <= STEP_SHARE * usd_per_month:
        return ""
    first, last = months[0].usd_per_month, months[-1].usd_per_month
    return (
        f"{STEPS}{mean} on average, from {first} in the first to {last} in the last: it does not grow in "
        "proportion, so that the bill of an average month is not the mean of the months (--by-month shows each)."
    )
