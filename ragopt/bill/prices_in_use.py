"""Which prices a bill is made with, by provider and group, and how old the oldest of each is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
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

UNDATED_AGE_DAYS = 365
"""How old a price without a date is taken to be on the day of reading it. An assumption, a year: nothing
tells how long before the reading the figure, or the copy that was read, was put there."""


@dataclass(frozen=True, slots=True)
class Dated:
    """The day that a price bears.

    Attributes:
        as_of: that day.
        undated: whether it is only the day of reading a page without a date.
    """

    as_of: dt.date
    undated: bool = False

    @property
    def true_on(self) -> dt.date:
        """The day on which the price is taken to have been set: UNDATED_AGE_DAYS before an undated one was read."""
        return self.as_of - dt.timedelta(days=UNDATED_AGE_DAYS * self.undated)


def oldest_prices(
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    targets: Sequence[str],
    billing: Billing = bill_index,
) -> dict[Place, Dated]:
    """Return the date of the oldest price in use, by provider and group; an undated one is older than it looks.

    In use are the prices that the bills ask the book for, paid or not (a cheaper VM type may be chosen at another
    size), those that a line shows, and those of the library genai-prices, which are in no book.

    Raises:
        InputError: an unknown target, or one that does not take this index.
        PriceError: a price is missing.
    """
    watched = _WatchedBook(book)
    bills = [billing(footprint, workload, watched, target=target) for target in targets]
    oldest: dict[Place, Dated] = {}
    used = [*watched.seen, *_shown(bills, watched)]
    dated = [((price.provider, price.group), price.as_of, price.undated) for price in used]
    dated += [(LIBRARY_PLACE, line.as_of, line.undated) for bill in bills for line in library_lines(bill, book)]
    for place, as_of, undated in dated:
        one = Dated(dt.date.fromisoformat(as_of), undated)
        oldest[place] = min(one, oldest.get(place, one), key=lambda dated: dated.true_on)
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
