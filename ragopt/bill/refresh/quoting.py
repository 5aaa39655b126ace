"""Turning a page's figure into a price of the book: the unit must be the known one, the figure a number above 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.refresh.outcome import Found, Refusal, Unit

if TYPE_CHECKING:
    from ragopt.bill.price import Price

FINEST = Decimal("1E-12")
"""Prices are kept to this step. The finest published one is far coarser: 0.0000004 USD for one request
(https://aws.amazon.com/s3/pricing/); only a division, month by hours, runs longer."""


MOST_USD = Decimal("1E9")
"""Larger than any unit price there is; below it no figure can overflow the 28 digits of decimal arithmetic."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A figure as it stands in a page.

    Attributes:
        figure: USD per unit of the page; NaN for what is no number.
        unit: the unit that the page has.
        page: the URL of the page.
        field: the field of the page that holds the figure.
        as_of: the day the page was published.
    """

    figure: Decimal
    unit: str
    page: str
    field: str
    as_of: str


def quoted(book: Price, unit: Unit, quote: Quote) -> Found | Refusal:
    """Return the price that a page gives for `book`, or why it cannot be one.

    Args:
        book: the price as it is; region, item, unit and attributes are kept.
        unit: the unit that the page must have, and how many of it the book's unit holds.
        quote: what the page has.
    """
    if quote.unit != unit.page:
        return Refusal(book, quote.page, f"the unit of {quote.field}", repr(quote.unit), repr(unit.page))
    if book.unit not in unit.book:
        return Refusal(book, quote.page, f"the unit of {quote.field}", f"{quote.unit!r}, of the book {book.unit!r}",
                       f"a book that prices it per {' or '.join(unit.book)}")  # fmt: skip
    if not (quote.figure.is_finite() and 0 < quote.figure <= MOST_USD):
        return Refusal(book, quote.page, quote.field, f"{quote.figure} USD", f"a number above 0 up to {MOST_USD:,f}")
    usd = (quote.figure * unit.book_per_page).quantize(FINEST).normalize()
    if usd == 0:
        return Refusal(book, quote.page, quote.field, f"{quote.figure} USD", f"{FINEST} USD per {book.unit} or more")
    new = replace(book, usd=usd, as_of=quote.as_of, source=quote.page, caution="", undated=False, file="")
    return Found(book, new, quote.field)
