"""The prices of a book that are not the package's own, as JSON: a run keeps them, so that it can be billed again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ragopt.bill.price import Price
from ragopt.bill.price_book import PriceBook
from ragopt.bill.price_values import ALLOWED_USD, SHOWN, allowed_size, as_size, as_usd
from ragopt.errors import PriceError

NOT_KEPT = ("file",)
"""Where a price was read on this machine says nothing on another."""

TEXTS = ("provider", "region", "group", "item", "unit", "as_of", "source")
NEXT_STEP = "Take the prices as the run wrote them"


def own_prices(book: PriceBook) -> list[dict[str, Any]]:
    """Return the prices of a book that the packaged one does not have, or has otherwise, as JSON values."""
    packaged = set(PriceBook.packaged())
    return [_as_json(price) for price in book if price not in packaged]


def book_with(prices: object) -> PriceBook:
    """Return the packaged book with prices that `own_prices` gave over it.

    Args:
        prices: a list of JSON values.

    Raises:
        PriceError: these are no such prices; the message names the entry and its field.
    """
    return PriceBook.packaged().over(kept_prices(prices))


def kept_prices(prices: object) -> tuple[Price, ...]:
    """Read the prices that `own_prices` gave. Raises PriceError as `book_with` does."""
    if not isinstance(prices, list | tuple):
        raise _wrong("own_prices is", prices, "a list of prices")
    found = []
    for number, value in enumerate(prices, start=1):
        if not isinstance(value, dict):
            raise _wrong(f"price {number} of own_prices is", value, "a table of fields")
        found.append(_of_json(f"price {number} of own_prices", value))
    return tuple(found)


def _as_json(price: Price) -> dict[str, Any]:
    values = {field.name: getattr(price, field.name) for field in dataclasses.fields(price)}
    attributes = {name: f"{value:f}" for name, value in price.attributes.items()}
    kept = {name: value for name, value in values.items() if name not in NOT_KEPT}
    return {**kept, "usd": f"{price.usd:f}", "attributes": attributes}


def _of_json(where: str, value: Mapping[str, Any]) -> Price:
    for name in sorted({*TEXTS, "usd"} - set(value)):
        raise PriceError(f"{where} has no {name}", next_step=NEXT_STEP)
    for name in sorted(set(value) - {*TEXTS, "usd", "attributes", "caution", "undated"}):
        raise PriceError(f"{where} has an unknown field {name!r}", next_step=NEXT_STEP)
    texts = {name: value[name] for name in (*TEXTS, "caution") if name in value}
    for name, text in texts.items():
        if not isinstance(text, str) or (not text and name != "caution"):
            raise _wrong(f"{where} has {name}", text, "some text")
    if not is_day(value["as_of"]):
        raise _wrong(f"{where} has as_of", value["as_of"], "a date like 2026-07-20")
    usd = as_usd(value["usd"])
    if usd is None:
        raise _wrong(f"{where} has usd", value["usd"], ALLOWED_USD)
    undated = value.get("undated", False)
    if not isinstance(undated, bool):
        raise _wrong(f"{where} has undated", undated, "true or false")
    return Price(**texts, usd=usd, attributes=_sizes(where, value.get("attributes", {})), undated=undated)


def _sizes(where: str, table: object) -> Mapping[str, Decimal]:
    if not isinstance(table, dict):
        raise _wrong(f"{where} has attributes", table, "a table")
    found = {}
    for name, value in table.items():
        size = as_size(name, value)
        if size is None:
            raise _wrong(f"{where} has attributes.{name}", value, allowed_size(name))
        found[name] = size
    return MappingProxyType(found)


def is_day(value: object) -> bool:
    """Whether a JSON value is a day, written YYYY-MM-DD."""
    try:
        return isinstance(value, str) and dt.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def shown_json(value: object) -> str:
    """Repeat a JSON value in a message as its file has it, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}.."  # and the full stop of the message


def _wrong(what: str, value: object, allowed: str) -> PriceError:
    return PriceError(f"{what} {shown_json(value)}", allowed=allowed, next_step=NEXT_STEP)
