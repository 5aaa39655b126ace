"""Capacity units that run all month: how many of an option hold what is asked for, and which option is cheapest."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from ragopt.bill.vendor_quantities import COUNTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.bill.price import Price
    from ragopt.bill.vendor_prices import VendorPrices
    from ragopt.bill.vendor_quantities import Holding
    from ragopt.bill.vendor_records import Capacity, Option, VendorRules

BYTES_ATTRIBUTE = "bytes_per_unit"
"""The attribute of a user's price that says how much one unit holds, where the vendor does not publish it."""


def copies_of(capacity: Capacity, held: Holding) -> Decimal:
    """Copies of everything that are billed: the replicas asked for, or the most that the vendor keeps."""
    asked = Decimal(held.workload.n_replicas)
    return asked if capacity.most_copies is None else min(asked, capacity.most_copies)


def units_of(option: Option, capacity: Capacity, held: Holding, price: Price | None) -> Decimal | None:
    """Return the units of all copies together; None when this option does not hold it.

    Args:
        option: a size of unit.
        capacity: what it is an option of.
        held: what has to be held.
        price: of one unit; None: only ask whether it fits, taking a size that the price would tell for ample.
    """
    copies = copies_of(capacity, held)
    if option.most_replicas is not None and copies > option.most_replicas:
        return None
    needed = option.least
    for counted, held_by_unit in option.holds.items():
        if held_by_unit is not None:
            needed = max(needed, COUNTED[counted](held) / held_by_unit)
        elif price is not None:
            needed = max(needed, COUNTED[counted](held) / price.attribute(BYTES_ATTRIBUTE))
    units = (needed / option.step).to_integral_value(rounding=ROUND_CEILING) * option.step
    if option.sizes:
        fitting = [size for size in option.sizes if size >= units]
        if not fitting:
            return None
        units = min(fitting)
    units *= copies
    return None if option.most_units is not None and units > option.most_units else units


def cheapest_option(
    capacity: Capacity, held: Holding, prices: Mapping[str, Price]
) -> tuple[Option, Decimal, Price] | None:
    """Return the option with the least price for an hour, its units and its price; ties go to the name.

    Args:
        capacity: what to choose an option of.
        held: what has to be held.
        prices: of the options that can be chosen, by item.
    """
    found = [
        (units * prices[option.item].usd, option.item, units, option)
        for option in capacity.options
        if option.item in prices
        if (units := units_of(option, capacity, held, prices[option.item])) is not None
    ]
    if not found:
        return None
    _, item, units, option = min(found, key=lambda one: one[:2])
    return option, units, prices[item]


def not_compared(rules: VendorRules, held: Holding, prices: VendorPrices) -> tuple[str, ...]:
    """Name the sizes that would hold everything but have no price, and the items that would give them one.

    Args:
        rules: the vendor's.
        held: what has to be held.
        prices: those that there are.
    """
    names = [
        option.item
        for capacity in rules.capacities
        for option in capacity.options
        if option.optional and not prices.has(option.item) and units_of(option, capacity, held, None) is not None
    ]
    if not names:
        return ()
    items = ", ".join(f"'{name}'" for name in names)
    note = (
        f"Not compared, for want of a price: {', '.join(names)}, which may cost less than what is billed; give item "
        f"{items} of group '{rules.name}' with --prices."
    )
    return (note,)
