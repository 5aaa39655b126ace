"""Read one price file: a TOML table with `schema`, `group` and one ``[[price]]`` entry per price."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from ragopt.bill.price import Price
from ragopt.errors import PriceError

SCHEMA = 1

REQUIRED = ("provider", "region", "item", "unit", "usd", "as_of", "source")
OPTIONAL = ("attributes",)


def read_prices(file: Traversable) -> list[Price]:
    """Read one price file.

    Raises:
        PriceError: naming the file, the entry and the field that cannot be used.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceError(f"{file.name} is not valid TOML: {error}", next_step=f"Correct {file}") from error
    group = content.get("group")
    if content.get("schema") != SCHEMA or group != file.name.removesuffix(".toml"):
        raise PriceError(
            f"{file.name} has schema {content.get('schema')!r} and group {group!r}",
            allowed=f"schema = {SCHEMA} and group = the file's own name",
            next_step=f"Correct the first lines of {file}",
        )
    entries = content.get("price", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PriceError(f"`price` in {file.name} is no list of tables", next_step=f"Write [[price]] in {file}")
    return [_price_of(file, group, number, entry) for number, entry in enumerate(entries, start=1)]


def _price_of(file: Traversable, group: str, number: int, entry: dict[str, Any]) -> Price:
    where = f"Price {number} ({entry.get('item', 'no item')}) in {file.name}"
    for name in REQUIRED:
        if name not in entry:
            raise PriceError(f"{where} has no {name}", next_step=f"Fill the field {name} in {file}")
    for name in entry:
        if name not in REQUIRED + OPTIONAL:
            raise PriceError(
                f"{where} has an unknown field {name!r}",
                allowed=", ".join(REQUIRED + OPTIONAL),
                next_step=f"Rename or remove it in {file}",
            )
    as_of = entry["as_of"]
    if not isinstance(as_of, dt.date) or isinstance(as_of, dt.datetime):
        raise PriceError(f"{where} has as_of {as_of!r}", allowed="a date like 2026-07-20", next_step=f"Correct {file}")
    texts = {name: entry[name] for name in ("provider", "region", "item", "unit", "source")}
    for name, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise PriceError(f"{where} has {name} {value!r}", allowed="some text", next_step=f"Correct {file}")
    return Price(
        **texts,
        group=group,
        usd=_decimal(f"{where} has usd", file, entry["usd"]),
        as_of=as_of.isoformat(),
        attributes=_attributes(where, file, entry.get("attributes", {})),
    )


def _decimal(what: str, file: Traversable, value: object) -> Decimal:
    allowed = 'a number above 0 in quotes, like "0.0230"'
    try:
        # A binary float would not hold 0.1071 exactly: the files write money as text.
        number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and number > 0):
        raise PriceError(f"{what} {value!r}", allowed=allowed, next_step=f"Correct {file}")
    return number


def _attributes(where: str, file: Traversable, table: object) -> Mapping[str, Decimal]:
    if not isinstance(table, dict):
        raise PriceError(f"{where} has attributes {table!r}", allowed="a table", next_step=f"Correct {file}")
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise PriceError(
                f"{where} has attributes.{name} {value!r}", allowed="a whole number", next_step=f"Correct {file}"
            )
    return MappingProxyType({name: Decimal(value) for name, value in table.items()})
