"""The lines of a vendor's bill: what a month costs, what is written, the first load's share, the minimum's top-up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import make_line
from ragopt.bill.vendor_capacity import cheapest_option, copies_of
from ragopt.bill.vendor_formulas import capacity_formula, charge_formula, write_formula
from ragopt.bill.vendor_quantities import Holding, charged_quantity
from ragopt.bill.vendor_writes import written_quantity
from ragopt.errors import InputError
from ragopt.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from ragopt.bill.vendor_prices import VendorPrices
    from ragopt.bill.vendor_records import Capacity, VendorRules, WritePath
    from ragopt.records import BillLine


@dataclass(frozen=True, slots=True)
class Stream:
    """Vectors that are written for one reason.

    Attributes:
        reason: why, as the line's text ends.
        formula: how many, in field names.
        n_vectors: how many, in a month or once.
        path: how.
        replacing: whether they replace vectors that are there.
        months: months that it is spread over: 1 for what every month writes.
    """

    reason: str
    formula: str
    n_vectors: Decimal
    path: WritePath
    replacing: bool = False
    months: int = 1


def path_of(rules: VendorRules, wanted: str) -> WritePath:
    """Return the wanted way to write, or upserts where the vendor sells no other."""
    by_name = {path.path: path for path in rules.writes}
    return by_name.get(wanted, by_name["upsert"])


def monthly_streams(rules: VendorRules, held: Holding) -> tuple[Stream, ...]:
    """What every month writes: vectors added, always by upserts, and whole re-indexes, by the workload's path."""
    work = held.workload
    times = work.reindexes_per_month + work.reembeddings_per_month
    return (
        Stream(
            "vectors added",
            "growth_vectors_per_month",
            Decimal(work.growth_vectors_per_month),
            path_of(rules, "upsert"),
        ),
        Stream(
            "re-indexes, every vector written again",
            "(reindexes_per_month + reembeddings_per_month) x n_vectors",
            times * work.n_vectors,
            path_of(rules, work.write_path),
            replacing=True,
        ),
    )


def first_load(rules: VendorRules, held: Holding) -> Stream:
    """What is written once: the vectors of the first month."""
    work = held.workload
    return Stream(
        f"first load, spread over {work.horizon_months} months",
        "vectors of the first month" if work.growth_vectors_per_month else "n_vectors",
        Decimal(work.n_vectors_first),
        path_of(rules, work.write_path),
        months=work.horizon_months,
    )


def monthly_lines(rules: VendorRules, held: Holding, prices: VendorPrices) -> list[BillLine]:
    """Lines of storage, queries and capacity. A charge that counts nothing asks for no price."""
    lines = [_capacity_line(capacity, held, prices) for capacity in rules.capacities]
    for charge in rules.charges:
        quantity = charged_quantity(charge, held)
        if quantity:
            formula = charge_formula(charge, held)
            lines.append(make_line(charge.what, quantity, prices.get(charge.item), part=charge.part, formula=formula))
    return lines


def stream_lines(stream: Stream, held: Holding, prices: VendorPrices) -> tuple[list[BillLine], Decimal]:
    """Lines of one stream of writes, and what all of it costs, unrounded and not spread over months."""
    lines, usd = [], Decimal(0)
    for charge in stream.path.charges:
        quantity = written_quantity(charge, stream.path, held, stream.n_vectors, replacing=stream.replacing)
        if quantity:
            price = prices.get(charge.item)
            usd += quantity * price.usd
            formula = write_formula(charge, held, stream.formula, stream.months)
            item = f"{charge.what}: {stream.reason}"
            lines.append(make_line(item, quantity / stream.months, price, part="writes", formula=formula))
    return lines, usd


def minimum_lines(
    rules: VendorRules, prices: VendorPrices, usd: Decimal, usd_load: Decimal, months: int
) -> list[BillLine]:
    """Fill the monthly minimum up, on average over the horizon: the first month also pays the first load.

    Args:
        rules: the vendor's.
        prices: its prices.
        usd: what every month uses.
        usd_load: what the first load costs in the first month.
        months: the horizon.
    """
    if not rules.minimum_item:
        return []
    price = prices.get(rules.minimum_item)
    short, short_first = (max(Decimal(0), price.usd - used) for used in (usd, usd + usd_load))
    top_up = ((months - 1) * short + short_first) / months
    if not top_up:
        return []
    return [
        make_line(
            f"Monthly minimum of {price.usd:f} USD: what use leaves of it, on average over {months} months",
            top_up / price.usd,
            price,
            part="minimum",
            formula="((months - 1) x (minimum - use) + (minimum - use - first load)) / months / minimum, none below 0",
        )
    ]


def _capacity_line(capacity: Capacity, held: Holding, prices: VendorPrices) -> BillLine:
    by_item = {
        option.item: prices.get(option.item)
        for option in capacity.options
        if not option.optional or prices.has(option.item)
    }
    found = cheapest_option(capacity, held, by_item)
    if found is None:
        raise InputError(
            f"No priced size of {prices.rules.name} holds {capacity.what}",
            allowed=", ".join(by_item),
            next_step="Choose another target, fewer replicas or fewer vectors",
        )
    option, units, price = found
    return make_line(
        f"{capacity.what}: {units.normalize():f} x {option.item}",
        units * HOURS_PER_MONTH,
        price,
        part="compute",
        formula=capacity_formula(option, units, copies_of(capacity, held)),
    )
