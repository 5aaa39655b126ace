"""The prices that a check bills with: those of today, over them what the run was billed with of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.bill.kept_prices import kept_prices
from ragopt.errors import IndexFormatError, PriceError

if TYPE_CHECKING:
    from pathlib import Path

    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.serve.manifest import Manifest


def prices_today(manifest: Manifest, book: PriceBook, file: Path | None) -> tuple[PriceBook, str]:
    """Put the run's own prices over the book of today, as `ragopt bill RUN` does, and a file of prices over both.

    A price of the run that names the source of the book's, of an earlier day, gives way: it was read from the same
    page (`ragopt prices refresh`), or copied from there.

    Args:
        manifest: of the folder.
        book: the package's prices and the refreshed ones.
        file: of prices that replace all others; None for none.

    Returns:
        The book, and what was done in words; empty for a run without prices of its own.

    Raises:
        IndexFormatError: the manifest's prices cannot be read.
        PriceError: as `PriceBook.overridden`.
    """
    try:
        own = kept_prices(manifest.about.get("own_prices") or [])
        kept = [price for price in own if not _outdated(price, book)]
        billed = book.over(kept)
    except PriceError as error:
        raise IndexFormatError(f"The manifest's prices cannot be read: {error.failed}", allowed=error.allowed,
                               next_step="Build the index again") from error  # fmt: skip
    billed = billed if file is None else billed.overridden(file)
    if not own:
        return billed, ""
    told = (
        f"the bill: of {len(own):,} prices of the run's own (of its --prices, or refreshed) {len(kept):,} are used as "
    )
    told += f"the run had them, {len(own) - len(kept):,} are of an earlier day than today's of the same source"
    return billed, told if file is None else f"{told}; --prices {file.name} is over all of them"


def _outdated(price: Price, book: PriceBook) -> bool:
    there = book.find(price.provider, price.region, price.group, price.item)
    return there is not None and there.source == price.source and there.as_of > price.as_of
