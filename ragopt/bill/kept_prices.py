"""The prices of a book that are not the package's own, as JSON: a run keeps them, so that it can be billed again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ragopt.bill.price import Price
from ragopt.bill.price_book import PriceBook

NOT_KEPT = ("file",)
"""Where a price was read on this machine says nothing on another."""


def own_prices(book: PriceBook) -> list[dict[str, Any]]:
    """Return the prices of a book that the packaged one does not have, or has otherwise, as JSON values."""
    packaged = set(PriceBook.packaged())
    return [_as_json(price) for price in book if price not in packaged]


def book_with(prices: Iterable[Mapping[str, Any]]) -> PriceBook:
    """Return the packaged book with prices that `own_prices` gave over it.

    Raises:
        KeyError, TypeError or ArithmeticError: these are no such prices.
    """
    return PriceBook.packaged().over(_of_json(price) for price in prices)


def _as_json(price: Price) -> dict[str, Any]:
    values = {field.name: getattr(price, field.name) for field in dataclasses.fields(price)}
    attributes = {name: f"{value:f}" for name, value in price.attributes.items()}
    kept = {name: value for name, value in values.items() if name not in NOT_KEPT}
    return {**kept, "usd": f"{price.usd:f}", "attributes": attributes}


def _of_json(value: Mapping[str, Any]) -> Price:
    attributes = MappingProxyType({name: Decimal(one) for name, one in value["attributes"].items()})
    return Price(**{**value, "usd": Decimal(value["usd"]), "attributes": attributes})
