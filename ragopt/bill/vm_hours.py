"""Work that a VM does by the hour: which price its hours have, and how many hours a number of tokens takes."""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.price import file_of
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook

VM_GROUPS = ("vms", "gpu_vms")
"""Price groups of on-demand VMs: without and with accelerators."""


def vm_price(book: PriceBook, provider: str, region: str, vm: str) -> Price:
    """Return the on-demand price of one hour of a VM type, with or without accelerators.

    Raises:
        PriceError: neither group has the type; with close matches of that region.
    """
    for group in VM_GROUPS:
        if (found := book.find(provider, region, group, vm)) is not None:
            return found
    known = sorted(
        one.item for one in book if (one.provider, one.region) == (provider, region) and one.group in VM_GROUPS
    )
    near = difflib.get_close_matches(vm, known, n=5, cutoff=0.4)
    raise PriceError(
        f"No price of the VM type {vm} at {provider} {region}",
        allowed=", ".join(near or known) or "a provider and region with prices of VMs",
        next_step=f"Choose a known type, or add a [[price]] entry to {' or '.join(map(file_of, VM_GROUPS))} with "
        f"provider = {provider!r}, region = {region!r}, item = {vm!r} and its unit, usd, as_of and source",
    )


def hours_for(tokens: Decimal, tokens_per_second: Decimal) -> Decimal:
    """Hours that one VM works on some tokens: tokens / tokens per second / 3,600.

    >>> hours_for(Decimal(36_000_000), Decimal(10_000))
    Decimal('1')
    """
    return tokens / tokens_per_second / 3600
