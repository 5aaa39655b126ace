"""The bill of every month of the horizon, as the vectors grow."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.embedding_lines import embedding_lines
from ragopt.bill.targets import bill_month
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload


@dataclass(frozen=True, slots=True)
class MonthBill:
    """One month at one target; what is paid once counts in each month with its share."""

    month: int
    n_vectors: int
    usd_per_month: Decimal


def bill_by_month(footprint: Footprint, workload: Workload, book: PriceBook, *, target: str) -> tuple[MonthBill, ...]:
    """Bill every month of the horizon at one target: month m holds n_vectors + (m - 1) x growth vectors.

    Raises:
        InputError: an unknown target, or one that does not take the index at one of these sizes.
        PriceError: a price is missing.
    """
    embedding = embedding_lines(workload, book)
    found = []
    for number in range(workload.horizon_months):
        month = workload.in_month(number + 1)
        usd = bill_month(footprint, month, book, target=target, embedding=embedding).usd_per_month
        found.append(MonthBill(number + 1, month.n_vectors, usd))
    return tuple(found)


def mean_usd_per_month(months: tuple[MonthBill, ...]) -> Decimal:
    """Mean of the months' bills, to the cent: what the bill of an average month stands for."""
    return to_cents(sum((month.usd_per_month for month in months), Decimal(0)) / len(months))
