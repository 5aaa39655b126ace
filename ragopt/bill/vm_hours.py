"""Work that a VM does by the hour: which price its hours have, and how many hours a number of tokens takes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook

VM_GROUPS = ("vms", "gpu_vms")
"""Price groups of on-demand VMs: without and with accelerators."""


def vm_price(book: PriceBook, provider: str, region: str, vm: str) -> Price:
    """Return the on-demand price of one hour of a VM type, with or without accelerators.

    Raises:
        PriceError: neither group has the type; it names those of the region.
    """
    for group in VM_GROUPS:
        if (found := book.find(provider, region, group, vm)) is not None:
            return found
    has_gpu_vms = any((one.provider, one.region, one.group) == (provider, region, "gpu_vms") for one in book)
    return book.price(provider, region, "gpu_vms" if has_gpu_vms else "vms", vm)  # raises, and names what there is


def hours_for(tokens: Decimal, tokens_per_second: Decimal) -> Decimal:
    """Hours that one VM works on some tokens: tokens / tokens per second / 3,600.

    >>> hours_for(Decimal(36_000_000), Decimal(10_000))
    Decimal('1')
    """
    return tokens / tokens_per_second / 3600
