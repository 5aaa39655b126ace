"""Read one price file: a TOML table with `schema`, `group` and one ``[[price]]`` entry per price.

A file of overrides has no group of its own: each of its entries names the group that it belongs to.
"""

from __future__ import annotations

import datetime as dt
import difflib
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from ragopt.bill.price import Price
from ragopt.bill.price_values import ALLOWED_USD, SIZES, allowed_size, as_size, as_usd
from ragopt.bill.price_values import shown as shown_value
from ragopt.errors import PriceError

SCHEMA = 1

REQUIRED = ("provider", "region", "item", "unit", "usd", "as_of", "source")
OPTIONAL = ("attributes", "caution", "undated")


def read_prices(file: Traversable, *, shown: str = "") -> list[Price]:
    """Read one price file of a group; the file's name is the group's.

    Args:
        file: to read.
        shown: how messages name a file of the user; empty for one of the package.

    Raises:
        PriceError: naming the file, the entry and the field that cannot be used.
    """
    content = read_toml(file)
    group = content.get("group")
    if content.get("schema") != SCHEMA or group != file.name.removesuffix(".toml"):
        raise PriceError(
            f"{file.name} has schema {content.get('schema')!r} and group {group!r}",
            allowed=f"schema = {SCHEMA} and group = the file's own name",
            next_step=f"Correct the first lines of {file}",
        )
    entries = enumerate(_entries(file, content), start=1)
    return [_price_of(file, group, number, entry, shown=shown) for number, entry in entries]


def read_overrides(file: Traversable) -> list[Price]:
    """Read a file of negotiated or corrected prices: as a price file, but each entry has a `group` of its own.

    Raises:
        PriceError: naming the file, the entry and the field that cannot be used.
    """
    content = read_toml(file)
    unknown = sorted(set(content) - {"schema", "price"})
    if content.get("schema") != SCHEMA or unknown:
        what = f"an unknown key {unknown[0]!r}" if unknown else f"schema {content.get('schema')!r}"
        raise PriceError(f"{file.name} has {what}", allowed=f"schema = {SCHEMA} and [[price]] entries",
                         next_step=f"Correct {file}")  # fmt: skip
    found = []
    for number, entry in enumerate(_entries(file, content), start=1):
        group = entry.get("group")
        if not isinstance(group, str) or not group:
            raise PriceError(f"Price {number} in {file.name} has group {group!r}", allowed="vms, block_storage, ...",
                             next_step=f"Name the group of the price that it replaces in {file}; `ragopt prices` "
                             "lists them")  # fmt: skip
        fields = {name: entry[name] for name in entry if name != "group"}
        found.append(_price_of(file, group, number, fields, shown=str(file), known_sizes_only=True))
    return found


def read_toml(file: Traversable) -> dict[str, Any]:
    """Read a TOML file of prices. Raises PriceError when it is missing or no TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PriceError(f"Cannot read prices from {file}: {error.strerror}", next_step="Name another file") from error
    except ValueError as error:  # no TOML, no UTF-8, or an integer of more digits than Python reads
        raise PriceError(f"{file.name} is not valid TOML: {error}", next_step=f"Correct {file}") from error


def _entries(file: Traversable, content: dict[str, Any]) -> list[dict[str, Any]]:
    entries = content.get("price", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PriceError(f"`price` in {file.name} is no list of tables", next_step=f"Write [[price]] in {file}")
    return entries


def _price_of(file: Traversable, group: str, number: int, entry: dict[str, Any], *, shown: str,
              known_sizes_only: bool = False) -> Price:  # fmt: skip
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
    texts = {name: entry[name] for name in ("provider", "region", "item", "unit", "source", "caution") if name in entry}
    for name, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise PriceError(f"{where} has {name} {value!r}", allowed="some text", next_step=f"Correct {file}")
    undated = entry.get("undated", False)
    if not isinstance(undated, bool):
        raise PriceError(f"{where} has undated {undated!r}", allowed="true or false", next_step=f"Correct {file}")
    return Price(
        **texts,
        group=group,
        usd=_usd(f"{where} has usd", file, entry["usd"]),
        as_of=as_of.isoformat(),
        attributes=_attributes(where, file, entry.get("attributes", {}), known_only=known_sizes_only),
        undated=undated,
        file=shown,
    )


def _usd(what: str, file: Traversable, value: object) -> Decimal:
    number = as_usd(value)
    if number is None:
        raise PriceError(f"{what} {shown_value(value)}", allowed=ALLOWED_USD, next_step=f"Correct {file}")
    return number


def _attributes(where: str, file: Traversable, table: object, *, known_only: bool) -> Mapping[str, Decimal]:
    if not isinstance(table, dict):
        raise PriceError(f"{where} has attributes {shown_value(table)}", allowed="a table", next_step=f"Correct {file}")
    if known_only:
        for name in table:
            _check_known(where, file, name)
    return MappingProxyType({name: _attribute(where, file, name, value) for name, value in table.items()})


def _check_known(where: str, file: Traversable, name: str) -> None:
    if name in SIZES:
        return
    near = difflib.get_close_matches(name, SIZES, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise PriceError(f"{where} has in its attributes the unknown size {name!r}", allowed=f"{guess}{', '.join(SIZES)}",
                     next_step=f"Rename or remove it in {file}")  # fmt: skip


def _attribute(where: str, file: Traversable, name: str, value: object) -> Decimal:
    number = as_size(name, value)
    if number is None:
        raise PriceError(f"{where} has attributes.{name} {shown_value(value)}", allowed=allowed_size(name),
                         next_step=f"Correct {file}")  # fmt: skip
    return number
