"""Give a bill its 95 % range, by the spreads that its inputs have when nobody says otherwise."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from ragopt.bill.default_spreads import default_spreads
from ragopt.bill.monte_carlo import N_SAMPLES, bill_range, with_range

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import Bill


def ranged(  # noqa: PLR0913 - a bill's inputs, what is known of them, and how they are drawn
    bill: Bill,
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    *,
    given: frozenset[str] = frozenset(),
    today: dt.date,
    seed: int = 0,
    n_samples: int = N_SAMPLES,
) -> Bill:
    """Return a bill with the range of `n_samples` seeded draws as its low and high.

    Args:
        bill: of `footprint` for `workload` with the prices of `book`.
        footprint: the index.
        workload: what it has to serve.
        book: prices.
        given: fields of the workload that somebody stated or measured: they are known better than defaults.
        today: the day that prices are as old as.
        seed: of the draws.
        n_samples: draws.

    Raises:
        InputError: the bill is not one of these inputs.
        PriceError: a price is missing.
    """
    spreads = default_spreads(footprint, workload, book, targets=[bill.target], today=today, given=given)
    found = bill_range(footprint, workload, book, target=bill.target, spreads=spreads, n_samples=n_samples, seed=seed)
    return with_range(bill, found)
