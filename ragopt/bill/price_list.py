"""Searching the price book and printing what was found, as a table or as JSON."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from ragopt.bill.price_book import STALE_AFTER_DAYS, PriceBook
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.bill.price import Price

MODELS = (
    "Token prices of models come from the library genai-prices and are not listed: `ragopt prices PROVIDER:NAME` shows "
    "those of one, openai:gpt-4o-mini for example"
)

COLUMNS = ("provider", "region", "group", "item", "unit", "usd", "as_of", "age", "source")


def search_prices(
    book: PriceBook, words: Sequence[str] = (), *, group: str = "", provider: str = "", region: str = ""
) -> list[Price]:
    """Return the prices that hold every one of `words` in some field, in any case; an empty filter takes all.

    Raises:
        PriceError: none does; the message lists the groups, providers and regions that there are.
    """
    prices = list(book)
    found = [
        price
        for price in prices
        if (not group or price.group == group)
        and (not provider or price.provider == provider)
        and (not region or price.region == region)
        and all(word.casefold() in _text(price) for word in words)
    ]
    if not found:
        given = {"group": group, "provider": provider, "region": region, "words": " ".join(words)}
        asked = ", ".join(f"{name} {value!r}" for name, value in given.items() if value)
        groups, providers, regions = (
            ", ".join(sorted({str(getattr(price, name)) for price in prices}))
            for name in ("group", "provider", "region")
        )
        raise PriceError(
            f"No price has {asked or 'anything: the book is empty'}",
            allowed=f"groups {groups}; providers {providers}; regions {regions}",
            next_step=f"Search with fewer words; `ragopt prices` lists everything. {MODELS}",
        )
    return found


def age_days(price: Price, today: dt.date) -> int:
    """How old a price is."""
    return (today - dt.date.fromisoformat(price.as_of)).days


def price_table(prices: Sequence[Price], today: dt.date) -> str:
    """Write prices as aligned columns; `!` at an age is past STALE_AFTER_DAYS, `?` undated, explained below."""
    rows = [COLUMNS, *(_row(price, today) for price in prices)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    n_undated = sum(price.undated for price in prices)
    if n_undated:
        lines.append(f"\n? {n_undated} of {len(prices)} bear no date of their own: as_of is the day of reading them.")
    n_stale = sum(age_days(price, today) > STALE_AFTER_DAYS for price in prices)
    if n_stale:
        lines.append(
            f"\n! {n_stale} of {len(prices)} are older than {STALE_AFTER_DAYS} days. Renew them with `ragopt prices "
            "refresh` where a public price page has them, or give your own with --prices FILE."
        )
    return "\n".join(lines)


def prices_json(prices: Sequence[Price], today: dt.date) -> dict[str, Any]:
    """Return prices as JSON: money and sizes as decimal strings."""
    return {
        "schema": 1,
        "stale_after_days": STALE_AFTER_DAYS,
        "prices": [
            {
                **{name: getattr(price, name) for name in ("provider", "region", "group", "item", "unit")},
                "usd": f"{price.usd:f}",
                "as_of": price.as_of,
                "age_days": age_days(price, today),
                "stale": age_days(price, today) > STALE_AFTER_DAYS,
                "source": price.source,
                "attributes": {name: f"{size:f}" for name, size in price.attributes.items()},
                "caution": price.caution,
                "undated": price.undated,
            }
            for price in prices
        ],
    }


def _text(price: Price) -> str:
    fields = (price.provider, price.region, price.group, price.item, price.unit, f"{price.usd:f}", price.as_of,
              price.source, price.caution)  # fmt: skip
    return "\n".join(fields).casefold()


def _row(price: Price, today: dt.date) -> tuple[str, ...]:
    days = age_days(price, today)
    age = f"{days} d{' ?' * price.undated}{' !' * (days > STALE_AFTER_DAYS)}"
    return (price.provider, price.region, price.group, price.item, price.unit, f"{price.usd:f}", price.as_of, age,
            price.source)  # fmt: skip
