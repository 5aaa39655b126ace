"""The bill of a target with the lines that are the same at every target, in the shape of `targets.bill_index`."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.generation_lines import is_long_enough_to_cache
from ragopt.bill.service import shared_charges
from ragopt.bill.targets import bill_index
from ragopt.records import Bill

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload

SHARED = "shared"
"""What stands for a target's name in the bill of the shared lines alone."""


def bill_shared(footprint: Footprint, workload: Workload, book: PriceBook, *, target: str = SHARED) -> Bill:
    """Return the shared lines alone as a bill.

    A prompt that a draw makes too short for the prompt cache pays the full price, where `shared_charges` refuses one
    that was stated so.

    Raises:
        InputError, PriceError: see `service.shared_charges`.
    """
    if workload.cached_prompt_share and not is_long_enough_to_cache(workload):
        workload = dataclasses.replace(workload, cached_prompt_share=Decimal(0))
    charges = shared_charges(workload, book, dim=footprint.dim)
    usd = sum((line.usd for line in charges.lines), Decimal("0.00"))
    return Bill(target, usd, usd, usd, charges.lines, charges.usd_before_minimum, charges.notes)


def bill_with_shared(footprint: Footprint, workload: Workload, book: PriceBook, *, target: str) -> Bill:
    """Return the bill of an index at a target with the shared lines added to it.

    Raises:
        InputError, PriceError: see `targets.bill_index` and `service.shared_charges`.
    """
    own, shared = bill_index(footprint, workload, book, target=target), bill_shared(footprint, workload, book)
    return Bill(
        target=target,
        usd_per_month=own.usd_per_month + shared.usd_per_month,
        low=own.low + shared.low,
        high=own.high + shared.high,
        lines=(*own.lines, *shared.lines),
        usd_before_minimum=(own.usd_before_minimum or Decimal(0)) + (shared.usd_before_minimum or Decimal(0)),
        notes=(*own.notes, *shared.notes),
    )
