"""The user's own prices: what they must be to count for anything, and what they did."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from ragopt.bill.token_items import GROUP as TOKEN_GROUP
from ragopt.bill.token_items import Kind, unit_of
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.vendor_records import VendorRules

NAMED_BY_LAST_WORD = ("block_storage", "object_storage")
"""Groups in which the last word of an item, `storage` or `put`, says what is paid for, and so in which units."""

MOST_NAMED = 3

OF_THE_FIGURE = ("usd_per_month", "savings_percent")
"""Attributes that restate the figure itself, in another unit or against on demand: a new figure does not keep them."""


def check_override(price: Price, there: Price | None, packaged: Iterable[Price], today: dt.date) -> None:
    """Refuse a price of a file of overrides that no bill would ever read, or that no price can be.

    Args:
        price: from the user's file.
        there: the price that it replaces; None where it is new.
        packaged: the prices of the package, whose groups and units are the known ones.
        today: the last day that it may bear.

    Raises:
        PriceError: an unknown group, an item that the vendor does not sell, a unit in which nothing is counted, or a
            later day.
    """
    known = list(packaged)
    groups = sorted({one.group for one in known} | set(_vendors()))
    if price.group not in groups:
        raise _unknown(price, "group", price.group, groups)
    check_day(price, today)
    rules = _vendors().get(price.group)
    if rules is not None:
        if price.provider != rules.name:
            raise _unknown(price, "provider", price.provider, [rules.name])
        if price.item not in rules.units:
            raise _unknown(price, "item", price.item, sorted(rules.units))
    units = _units_of(price, there, rules, known)
    if price.unit not in units:
        why = "as the price that it replaces" if there is not None else "which bills count in"
        raise PriceError(
            f"{price.file} prices {price.provider} {price.region} {price.item} per {price.unit!r}",
            allowed=f"per {' or '.join(map(repr, units))}, {why}",
            next_step=f"Convert the price to USD per {' or '.join(units)} in {price.file}",
        )


def check_day(price: Price, today: dt.date) -> None:
    """Refuse a price of a day to come. Raises PriceError that names the user's file."""
    if dt.date.fromisoformat(price.as_of) > today:
        raise PriceError(
            f"{price.file} has as_of {price.as_of} for {price.provider} {price.region} {price.item}",
            allowed=f"a day up to today, {today} (UTC)",
            next_step=f"Correct as_of in {price.file}: the day on which the price was seen to be true",
        )


def with_sizes_of(there: Price, price: Price) -> Price:
    """Return a price with the sizes of the one that it replaces; those of its own come first."""
    sizes = {name: size for name, size in there.attributes.items() if name not in OF_THE_FIGURE}
    return dataclasses.replace(price, attributes=MappingProxyType({**sizes, **price.attributes}))


def told_of_file(file: Path, n_replaced: int, added: Sequence[Price]) -> str:
    """Say what a file of overrides did: how many prices it replaced, how many it added and which."""
    names = [f"{one.provider} {one.region} {one.group} {one.item}" for one in added]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    parts = [f"{_prices(n_replaced)} replaced"] if n_replaced else []
    if added:
        count = str(len(added)) if parts else _prices(len(added))
        parts.append(f"{count} added ({', '.join(names[:MOST_NAMED])}{more})")
    return f"{file.name}: {', '.join(parts) or 'no prices'}"


def told_of_folder(taken: Sequence[Price]) -> str:
    """Say how many prices come from the user's folder, and when the newest of its files was written (UTC)."""
    written = max(Path(file).stat().st_mtime for file in {price.file for price in taken})
    day = dt.datetime.fromtimestamp(written, tz=dt.UTC).date()
    return f"{_prices(len(taken))} from the user's folder (refreshed {day})"


@cache
def _vendors() -> Mapping[str, VendorRules]:
    from ragopt.bill.vendor_rules import read_rules, rules_files  # noqa: PLC0415 - read when there are own prices

    return {rules.name: rules for rules in map(read_rules, rules_files())}


def _units_of(
    price: Price, there: Price | None, rules: VendorRules | None, known: Collection[Price]
) -> tuple[str, ...]:
    """The units in which such a thing may be priced: that of the price there, or the vendor's, or the package's."""
    if there is not None:
        return (there.unit,)
    if rules is not None:
        return (rules.units[price.item],)
    if price.group == TOKEN_GROUP:
        return (unit_of(_token_kind(price.item)),)
    group = [one for one in known if one.group == price.group]
    alike = [one for one in group if _last_word(one) == _last_word(price)] if price.group in NAMED_BY_LAST_WORD else []
    return tuple(sorted({one.unit for one in alike or group}))


def _token_kind(item: str) -> Kind:
    """The kind of tokens that an entry prices, see token_items.item_of."""
    return next((kind for kind in get_args(Kind) if kind in item.split(":")[1:]), "input")


def _last_word(price: Price) -> str:
    return price.item.rpartition("-")[2]


def _unknown(price: Price, field: str, value: str, known: Sequence[str]) -> PriceError:
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.6)
    guess = f"did you mean {near[0]!r}? " if near else ""
    where = "" if field == "group" else f" of group {price.group!r}"
    return PriceError(
        f"{price.file} has the {field} {value!r}{where} ({price.provider} {price.region} {price.item}), "
        "which no bill reads",
        allowed=f"{guess}{', '.join(known)}",
        next_step=f"Correct {field} in {price.file}; `ragopt prices` lists what there is",
    )


def _prices(count: int) -> str:
    return f"{count} price{'s' * (count != 1)}"
