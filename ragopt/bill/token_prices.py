"""What a million tokens of a model cost: own prices first, then those of the library genai-prices."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.price import Price, file_of
from ragopt.bill.token_items import GROUP, REGION, Kind, fill_in, item_of, names_of, unit_of
from ragopt.bill.token_library import (
    batch_prices_start,
    is_embedding_name,
    is_priced_by_hour,
    is_priced_by_the_answer,
    library_price,
)
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook

__all__ = ["GROUP", "Kind", "embedding_price", "split_model_ref", "token_price", "token_price_of_a_day"]

MOST_EMBEDDING_USD = Decimal(5)
"""USD per million tokens past which an embedding price is taken for a slip. The dearest text embedding in genai-prices
0.2.3 costs 0.204; a public list once had one at 100 for 0.10, wrong by a factor of 1,000."""

HALF_HOURS = 48
"""Times of day at which a price by the hour is read: the periods of every such price start at a full or half hour."""


def token_price(
    model_ref: str, kind: Kind, *, batch: bool, book: PriceBook, when: datetime, context_tokens: int | None = None
) -> Price:
    """Return the price of a million tokens at one moment.

    A price of the book's own group `token_prices` comes first (negotiated rates, and what the library lacks); then the
    library's. A batch price that neither has is an error, never the standard price.

    Args:
        model_ref: PROVIDER:NAME, `openai:text-embedding-3-small` for example.
        kind: input, output, cache_read or cache_write.
        batch: whether the tokens go through the vendor's batch API.
        book: prices.
        when: the moment; some prices start on a day or depend on the time of day. UTC where it has no zone.
        context_tokens: tokens of a whole prompt, for models whose price depends on it.

    Raises:
        InputError: no PROVIDER:NAME, or a price by the prompt's length without `context_tokens`.
        PriceError: an unknown model, or a price that is missing, 0 or implausible; it names the entry to fill.
    """
    vendor, name = split_model_ref(model_ref)
    own = _own_price(vendor, name, kind, batch=batch, book=book)
    if own is not None:
        return own
    found = library_price(vendor, name, kind, batch=batch, when=when, context_tokens=context_tokens)
    item, unit = item_of(name, kind, batch=batch), unit_of(kind)
    if found is None:
        raise _missing(vendor, name, kind, batch=batch, when=when)
    price = Price(found.vendor, REGION, GROUP, item, unit, found.usd, found.as_of, found.source,
                  caution=found.caution, undated=found.undated)  # fmt: skip
    return plausible_embedding_price(price) if found.is_embedding and kind == "input" else price


def token_price_of_a_day(
    model_ref: str, kind: Kind, *, batch: bool, book: PriceBook, when: datetime, context_tokens: int | None = None
) -> Price:
    """Return the price of a million tokens that are spread evenly over a day: the mean where it changes by the hour.

    Args and errors: see `token_price`; of `when`, only the day (UTC) counts.
    """
    vendor, name = split_model_ref(model_ref)
    day = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).date()
    noon = datetime.combine(day, time(12), tzinfo=UTC)

    def price_at(moment: datetime) -> Price:
        return token_price(model_ref, kind, batch=batch, book=book, when=moment, context_tokens=context_tokens)

    own = _own_price(vendor, name, kind, batch=batch, book=book)
    if own is not None or not is_priced_by_hour(vendor, name):
        return price_at(noon)
    midnight = datetime.combine(day, time(0), tzinfo=UTC)
    prices = [price_at(midnight + timedelta(minutes=30 * number)) for number in range(HALF_HOURS)]
    least, most = min(price.usd for price in prices), max(price.usd for price in prices)
    if least == most:
        return prices[0]
    caution = f"priced by the time of day, {least} to {most} USD: the mean of 24 hours, use spread evenly over the day"
    return dataclasses.replace(
        prices[0],
        usd=sum((price.usd for price in prices), Decimal(0)) / HALF_HOURS,
        caution="; ".join(filter(None, (prices[0].caution, caution))),
    )


def embedding_price(model_ref: str, *, batch: bool, book: PriceBook, when: datetime) -> Price:
    """Return what an embedding model charges for a million tokens, spread evenly over a day.

    Raises:
        InputError: no PROVIDER:NAME, or a model that answers: one whose written tokens have a price.
        PriceError: see `token_price`; or a price that no embedding has.
    """
    price = token_price_of_a_day(model_ref, "input", batch=batch, book=book, when=when)
    vendor, name = split_model_ref(model_ref)
    writes = not is_embedding_name(name) and _own_price(vendor, name, "output", batch=False, book=book) is not None
    if writes or is_priced_by_the_answer(vendor, name, when):
        raise InputError(
            f"{model_ref} is a model that answers, not one that embeds: the tokens that it writes have a price",
            allowed="an embedding model as PROVIDER:NAME",
            next_step="Name an embedding model, like openai:text-embedding-3-small",
        )
    return plausible_embedding_price(price)


def split_model_ref(model_ref: str) -> tuple[str, str]:
    """Split PROVIDER:NAME at its first colon; the vendor in lower case. Raises InputError on any other text."""
    vendor, colon, name = model_ref.partition(":")
    if not (colon and vendor.strip() and name.strip()):
        raise InputError(
            f"Cannot read the model {model_ref!r}",
            allowed="PROVIDER:NAME",
            next_step="Write it like openai:text-embedding-3-small or anthropic:claude-haiku-4-5",
        )
    return vendor.strip().lower(), name.strip()


def plausible_embedding_price(price: Price) -> Price:
    """Return the price of an embedding model, if it can be one. Raises PriceError past MOST_EMBEDDING_USD."""
    if price.usd > MOST_EMBEDDING_USD:
        raise PriceError(
            f"{price.provider}:{price.item} costs {price.usd} USD per {price.unit} (source: {price.source}), "
            "more than any embedding does",
            allowed=f"up to {MOST_EMBEDDING_USD} USD",
            next_step=f"Compare with the vendor's page and correct item {price.item!r} in {file_of(GROUP)}, or name an "
            "embedding model",
        )
    return price


def _own_price(vendor: str, name: str, kind: Kind, *, batch: bool, book: PriceBook) -> Price | None:
    item = item_of(name, kind, batch=batch)
    found = next((own for one in names_of(vendor) if (own := book.find(one, REGION, GROUP, item)) is not None), None)
    if found is None:
        return None
    if found.unit != unit_of(kind):
        raise PriceError(
            f"{found.provider} {item} in {file_of(GROUP)} has the unit {found.unit!r}",
            allowed=unit_of(kind),
            next_step=f"Correct the unit of item {item!r}, and its usd with it",
        )
    return plausible_embedding_price(found) if is_embedding_name(name) and kind == "input" else found


def _missing(vendor: str, name: str, kind: Kind, *, batch: bool, when: datetime) -> PriceError:
    what = f"price of {kind.replace('_', ' ')} tokens is known for {vendor}:{name}"
    if not batch:
        return PriceError(
            f"No {what}", next_step=fill_in(vendor, name, kind, batch=False, otherwise="Choose another model")
        )
    start = batch_prices_start(vendor, name)
    since = f" before {start.isoformat()}" if start is not None and when.date() < start else ""
    return PriceError(
        f"No batch {what}{since}; the standard price is not taken in its place",
        next_step=fill_in(vendor, name, kind, batch=True, otherwise="Set the batch share to 0"),
    )
