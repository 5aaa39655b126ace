"""Token prices of one model beside the prices of the book: what `ragopt prices` shows for a model's name."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from ragopt.bill.price_list import search_prices
from ragopt.bill.token_library import vendors_of
from ragopt.bill.token_prices import token_price_of_a_day
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.token_prices import Kind

SHORT_PROMPT = 1000
"""Tokens of the prompt for which a price by the prompt's length is shown: below every step of genai-prices 0.2.3, of
which the lowest is at 32,000."""

KINDS: tuple[Kind, ...] = ("input", "output")


def prices_and_models(
    book: PriceBook,
    words: Sequence[str],
    *,
    when: datetime,
    group: str = "",
    provider: str = "",
    region: str = "",
) -> list[Price]:
    """Return the prices that `search_prices` finds, then the token prices of a model that one single word names.

    Args:
        book: prices.
        words: to search for. A single one may be PROVIDER:NAME, or a name that the library genai-prices knows.
        when: the moment at which tokens are priced.
        group: only of this group; as the other filters, without a model's prices.
        provider: only of this provider.
        region: only of this region.

    Raises:
        PriceError: nothing is found; an unknown model is named with those that are near.
    """
    named = model_prices(words[0], book, when) if len(words) == 1 and not (group or provider or region) else []
    try:
        found = search_prices(book, words, group=group, provider=provider, region=region)
    except PriceError:
        if not named and len(words) == 1 and ":" in words[0].strip(":"):
            token_price_of_a_day(words[0], "input", batch=False, book=book, when=when)  # says what is near
        if not named:
            raise
        return named
    known = {(price.provider, price.item) for price in found}
    return [*found, *(price for price in named if (price.provider, price.item) not in known)]


def model_prices(name: str, book: PriceBook, when: datetime) -> list[Price]:
    """Return the input and output prices of a model, standard and batch, as far as there are any.

    Args:
        name: PROVIDER:NAME, or a name alone: of every vendor that sells a model of exactly that name.
        book: prices; its own token prices come before those of the library.
        when: the moment; a price by the time of day is the day's mean.
    """
    vendor, colon, _ = name.partition(":")
    refs = [name] if colon and vendor.strip() else [f"{one}:{name}" for one in vendors_of(name)]
    asked = itertools.product(refs, KINDS, (False, True))
    found = (_shown(ref, kind, batch=batch, book=book, when=when) for ref, kind, batch in asked)
    return [price for price in found if price is not None]


def _shown(model_ref: str, kind: Kind, *, batch: bool, book: PriceBook, when: datetime) -> Price | None:
    """One price; None where there is none. One by the prompt's length is that of a short prompt, and says so."""
    try:
        return token_price_of_a_day(model_ref, kind, batch=batch, book=book, when=when)
    except PriceError:
        return None
    except InputError:
        if not model_ref.partition(":")[2].strip():
            return None
    price = token_price_of_a_day(model_ref, kind, batch=batch, book=book, when=when, context_tokens=SHORT_PROMPT)
    caution = "of short prompts: longer ones cost more per token"
    return dataclasses.replace(price, caution="; ".join(filter(None, (price.caution, caution))))
