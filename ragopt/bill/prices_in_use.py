"""Which prices a bill is made with, by provider and group, and how old the oldest of each is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragopt.bill.price_book import PriceBook
from ragopt.bill.targets import bill_index
from ragopt.bill.uncertain_inputs import LIBRARY_PLACE, library_lines

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.monte_carlo import Billing
    from ragopt.bill.price import Price
    from ragopt.bill.workload import Workload
    from ragopt.records import Bill

Place = tuple[str, str]
"""A provider and a group."""


def oldest_prices(
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    targets: Sequence[str],
    billing: Billing = bill_index,
) -> dict[Place, dt.date]:
    """Return the date of the oldest price in use, by provider and group.

    In use are the prices that the bills ask the book for, paid or not (a cheaper VM type may be chosen at another
    size), those that a line shows, and those of the library genai-prices, which are in no book.

    Raises:
        InputError: an unknown target, or one that does not take this index.
        PriceError: a price is missing.
    """
    watched = _WatchedBook(book)
    bills = [billing(footprint, workload, watched, target=target) for target in targets]
    oldest: dict[Place, dt.date] = {}
    dated = [((price.provider, price.group), price.as_of) for price in [*watched.seen, *_shown(bills, watched)]]
    dated += [(LIBRARY_PLACE, line.as_of) for bill in bills for line in library_lines(bill, book)]
    for place, as_of in dated:
        day = dt.date.fromisoformat(as_of)
        oldest[place] = min(day, oldest.get(place, day))
    return oldest


def _shown(bills: Sequence[Bill], watched: _WatchedBook) -> list[Price]:
    """Prices that a line shows and that nobody asked for by name: a target may also go through the whole book."""
    known = {(price.usd, price.unit, price.as_of, price.source) for price in watched.seen}
    shown = {(line.usd_per_unit, line.unit, line.as_of, line.source) for bill in bills for line in bill.lines} - known
    return [price for price in watched if (price.usd, price.unit, price.as_of, price.source) in shown]


class _WatchedBook(PriceBook):
    """A book that remembers what it was asked for."""

    def __init__(self, book: PriceBook) -> None:
        super().__init__(book)
        self.seen: list[Price] = []

    def price(self, provider: str, region: str, group: str, item: str) -> Price:
        found = super().price(provider, region, group, item)
        self.seen.append(found)
        return found

    def instances(self, provider: str, region: str) -> tuple[Price, ...]:
        found = super().instances(provider, region)
        self.seen.extend(found)
        return found
