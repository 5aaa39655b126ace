"""Entries of the price group `token_prices`: how they are named, what one of them is, and how to ask for one."""

from __future__ import annotations

from typing import Literal

from ragopt.bill.price import file_of

Kind = Literal["input", "output", "cache_read", "cache_write"]

GROUP = "token_prices"
REGION = "global"

ALIASES = {"voyage": "voyageai", "xai": "x-ai", "bedrock": "aws", "gemini": "google"}
"""Names that people write for a vendor, by the id that the library genai-prices gives it."""


def names_of(vendor: str) -> tuple[str, ...]:
    """Every name under which the book may price a vendor, the asked one first.

    >>> names_of("voyageai"), names_of("voyage"), names_of("openai")
    (('voyageai', 'voyage'), ('voyage', 'voyageai'), ('openai',))
    """
    full = ALIASES.get(vendor, vendor)
    return tuple(dict.fromkeys((vendor, full, *(short for short, one in ALIASES.items() if one == full))))


def item_of(name: str, kind: Kind, *, batch: bool) -> str:
    """Name of the entry that prices a model's tokens of one kind.

    >>> item_of("embed-v5.0-fast", "input", batch=True), item_of("command-a", "cache_read", batch=False)
    ('embed-v5.0-fast:batch', 'command-a:cache_read')
    """
    return name + ("" if kind == "input" else f":{kind}") + (":batch" if batch else "")


def unit_of(kind: Kind) -> str:
    """Unit of such an entry.

    >>> unit_of("cache_read")
    '1M cache read tokens'
    """
    return f"1M {kind.replace('_', ' ')} tokens"


def fill_in(vendor: str, name: str, kind: Kind, *, batch: bool, otherwise: str) -> str:
    """Say which entry to add, after what could be done instead."""
    return (
        f"{otherwise}, or add a [[price]] entry to {file_of(GROUP)} or to your --prices file (group = {GROUP!r}) with "
        f"provider = {vendor!r}, region = {REGION!r}, item = {item_of(name, kind, batch=batch)!r}, "
        f"unit = {unit_of(kind)!r} and its usd, as_of and source"
    )
