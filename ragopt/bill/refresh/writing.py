"""Writing prices as a file that ragopt.bill.price_file reads: exact decimals, escaped text, whole or not at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragopt.artifacts import write_atomically
from ragopt.bill.price_file import SCHEMA, read_prices

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal
    from pathlib import Path

    from ragopt.bill.price import Price

HEADER = """# Written by `ragopt prices refresh`. Each price here replaces the one of the same provider, region and item
# that ragopt brought, unless ragopt's is of a later date. Delete this file to go back to ragopt's own prices.
# For prices of your own use --prices FILE: this file is written anew.
"""

ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
"""Short escapes of a basic string: https://toml.io/en/v1.0.0#string."""

NEEDS_ESCAPE = re.compile(r'["\\\x00-\x1f\x7f]')
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def price_file_text(group: str, prices: Iterable[Price]) -> str:
    """Write the prices of one group as TOML, in the order given; read_prices gives equal ones back."""
    return "\n".join([f"{HEADER}schema = {SCHEMA}\ngroup = {_text(group)}\n", *map(_entry, prices)])


def renew_file(folder: Path, group: str, prices: Iterable[Price]) -> Path:
    """Put `prices` of one group into its file in `folder`, beside the file's others; written whole or not at all.

    Raises:
        PriceError: the file that is there cannot be read; it is left as it is.
        StorageError: the disk is full or the folder cannot be written.
    """
    path = folder / f"{group}.toml"
    there = {_key(price): price for price in (read_prices(path) if path.exists() else [])}
    there.update({_key(price): price for price in prices})
    write_atomically(path, price_file_text(group, (there[key] for key in sorted(there))))
    return path


def _key(price: Price) -> tuple[str, str, str]:
    return price.provider, price.region, price.item


def _entry(price: Price) -> str:
    lines = ["[[price]]"]
    lines += [f"{name} = {_text(getattr(price, name))}" for name in ("provider", "region", "item", "unit")]
    lines += [f'usd = "{price.usd:f}"', f"as_of = {price.as_of}", f"source = {_text(price.source)}"]
    if price.attributes:
        pairs = (f"{_name(name)} = {_size(size)}" for name, size in price.attributes.items())
        lines.append(f"attributes = {{ {', '.join(pairs)} }}")
    if price.caution:
        lines.append(f"caution = {_text(price.caution)}")
    if price.undated:
        lines.append("undated = true")
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    escaped = NEEDS_ESCAPE.sub(lambda found: ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), text)
    return f'"{escaped}"'


def _name(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else _text(name)


def _size(size: Decimal) -> str:
    # tomllib reads integers without bounds, but TOML promises 64 bits only: a larger one is written as text.
    return f"{int(size)}" if size == size.to_integral_value() and abs(size) < 2**63 else f'"{size:f}"'
