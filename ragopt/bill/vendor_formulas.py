"""How a vendor's quantities come from the workload, in words: the formula that stands beside each line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.bill.vendor_quantities import Holding
    from ragopt.bill.vendor_records import Charge, Each, Option, WriteCharge

_COUNTED: Mapping[str, Callable[[Holding], str]] = MappingProxyType(
    {
        "stored_bytes": lambda held: f"n_vectors x (dim x {_plain(held.scalar.stored)} + key_bytes + metadata_bytes)",
        "indexed_bytes": lambda held: (
            f"n_vectors x (dim x {_plain(held.scalar.stored)} + key_bytes + metadata_bytes x filterable_share)"
        ),
        "unindexed_bytes": lambda _: "n_vectors x metadata_bytes x (1 - filterable_share)",
        "stored_dims": lambda _: "n_vectors x dim",
        "queried_dims": lambda _: "(queries_per_month + n_vectors) x dim",
        "queries": lambda _: "queries_per_month",
        "memory_bytes": lambda held: (
            f"n_vectors x (dim x {_plain(held.scalar.stored)} + {_plain(held.memory_bytes_per_vector)}) "
            f"x {_plain(held.memory_factor)}"
        ),
        "disk_bytes": lambda _: "3 x memory_bytes + n_vectors x (key_bytes + metadata_bytes)",
    }
)

_EACH: Mapping[str, Callable[[Holding], str]] = MappingProxyType(
    {
        "namespace_bytes": lambda held: (
            f"n_vectors / namespaces x (dim x {_plain(held.scalar.queried)} + key_bytes + metadata_bytes)"
        ),
        "namespace_vectors": lambda _: "n_vectors / namespaces",
        "namespace_dims": lambda _: "n_vectors / namespaces x dim",
        "result_bytes": lambda _: "k x (key_bytes + metadata_bytes)",
    }
)


def charge_formula(charge: Charge, held: Holding) -> str:
    """Write how the quantity of a monthly charge is made."""
    text = _COUNTED[charge.counts](held)
    if charge.each is not None:
        text += f" x {_each_formula(charge.each, held)}"
    if charge.included:
        text = f"({text} - {_plain(charge.included)} included)"
    if charge.per != 1:
        text += f" / {_plain(charge.per)}"
    return text + " x 730 hours" * charge.hours + " x n_replicas" * charge.replicas


def write_formula(charge: WriteCharge, held: Holding, written: str, months: int) -> str:
    """Write how the quantity of a write charge is made.

    Args:
        charge: what is billed for writes.
        held: what one vector weighs.
        written: how many vectors are written, in field names.
        months: months that it is spread over.
    """
    vector = f"(dim x {_plain(held.scalar.written)} + key_bytes + metadata_bytes)"
    if charge.counts == "vectors":
        text = written
    elif charge.counts == "requests":
        text = f"{written} / vectors_per_write"
    elif charge.counts == "units":
        text = f"{written} / vectors_per_write x whole units of {_plain(charge.unit_bytes)} bytes of a request"
        text += f", at least {_plain(charge.least_units)}" if charge.least_units else ""
    elif charge.least_bytes:
        text = f"{written} / vectors_per_write x max({_plain(charge.least_bytes)}, vectors_per_write x {vector})"
    else:
        text = f"{written} x {vector}"
    if charge.per != 1:
        text += f" / {_plain(charge.per)}"
    return text + (f" / {months} months" if months > 1 else "")


def capacity_formula(option: Option, units: Decimal, copies: Decimal) -> str:
    """Write how the hours of a capacity are made."""
    held = ", ".join(
        f"{counted} / {'bytes_per_unit' if size is None else _plain(size)}" for counted, size in option.holds.items()
    )
    why = f"the most of {_plain(option.least)}, {held}" if held else f"at least {_plain(option.least)}"
    return f"{_plain(units)} units ({why}; {_plain(copies)} copies) x 730 hours"


def _each_formula(each: Each, held: Holding) -> str:
    text = _EACH[each.of](held)
    if each.tiers:
        steps = ", ".join(
            f"{_plain(tier.weight)} of what is {'beyond' if tier.up_to is None else f'up to {_plain(tier.up_to)}'}"
            for tier in each.tiers
        )
        text = f"graded({text}: {steps})"
    if each.points:
        text = f"table({text})"
    if each.floor:
        text = f"max({_plain(each.floor)}, {text})"
    if each.free:
        text = f"what of {text} is beyond {_plain(each.free)}"
    if each.times_vector_bytes:
        text += f" x (dim x {_plain(held.scalar.queried)} + key_bytes + metadata_bytes x filterable_share)"
    return text


def _plain(value: Decimal) -> str:
    return f"{value.normalize():,f}"
