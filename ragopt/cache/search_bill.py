"""What searches that no longer happen save: the index is billed again with fewer queries and a lower peak.

Where searches are sold by the piece the bill falls with each; where VMs are paid by the hour it falls only when one can
go. Both are in the target's own bill, so nothing is assumed about either.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from ragopt.bill.targets import bill_index
from ragopt.bill.workload import SECONDS_PER_MONTH, Workload

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook


@dataclass(frozen=True, slots=True)
class SearchBill:
    """An index at a target whose bill is asked for again and again.

    Attributes:
        footprint: the index.
        workload: all queries of the service.
        book: prices.
        target: where it is served.
    """

    footprint: Footprint
    workload: Workload
    book: PriceBook
    target: str

    def usd(self, passing: float, passing_at_peak: float) -> Decimal:
        """The monthly bill when only a share of the queries is searched.

        Args:
            passing: share of all queries that no cache answered.
            passing_at_peak: the same share in the busiest time, which sizes VMs.

        Raises:
            PriceError, InputError: see `targets.bill_index`.
        """
        workload = with_queries(self.workload, passing, passing_at_peak)
        return bill_index(self.footprint, workload, self.book, target=self.target).usd_per_month


def with_queries(workload: Workload, passing: float, passing_at_peak: float) -> Workload:
    """Return the workload with a share of its queries and of its peak; the peak is never below the average.

    Questions are not embedded less: what a cache of vectors saves is counted apart.
    """
    queries = int((Decimal(workload.queries_per_month) * Decimal(passing)).to_integral_value(rounding=ROUND_CEILING))
    average = Decimal(queries) / SECONDS_PER_MONTH
    peak = max(workload.peak_qps * Decimal(passing_at_peak), average, Decimal("0.001"))
    return dataclasses.replace(workload, queries_per_month=queries, peak_qps=peak, embedding_model="")
