"""Whether a page's price replaces the book's: not when it is older, nor when it jumps."""

from __future__ import annotations

from decimal import Decimal

from ragopt.bill.price_book import renews
from ragopt.bill.refresh.outcome import Found, Outcome, Refusal

MOST_JUMP = Decimal(2)
"""The largest factor, up or down, between two readings of one price that is taken without a person looking at it
(ragopt's rule): a wrong unit, tier or currency moves a price by more than most changes of a price list do."""


def judge(found: Found) -> Outcome:
    """Decide on one figure: changed, confirmed, kept (the page is older than the book) or refused (a jump)."""
    book, new = found.book, found.new
    if not renews(new, book):
        return Outcome("kept", book)
    if not book.usd / MOST_JUMP <= new.usd <= book.usd * MOST_JUMP:
        allowed = (
            f"{_plain(book.usd / MOST_JUMP)} to {_plain(book.usd * MOST_JUMP)} USD, half to twice the book's "
            f"{_plain(book.usd)}; if the new price is right, give it with --prices FILE or by a pull request"
        )
        refusal = Refusal(book, new.source, found.field, f"{_plain(new.usd)} USD per {book.unit}", allowed)
        return Outcome("refused", book, refusal=refusal)
    return Outcome("confirmed" if new.usd == book.usd else "changed", book, new)


def _plain(usd: Decimal) -> str:
    return f"{usd.normalize():f}"
