"""Every target that can be billed, and the bill of an index at one, at all, at the cheapest.

A target is anything with a name, a sentence, a reason why an index does not belong there, and lines. Two are modules
(FAISS on VMs, whose bill is a packing); a vendor that bills units and tiers can be a data file behind the same four.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ragopt.bill.faiss_vm import FaissOnVm
from ragopt.bill.footprint import Footprint
from ragopt.bill.lines import total
from ragopt.errors import InputError
from ragopt.records import Bill, BillLine, IndexBytes

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload

__all__ = ["TARGETS", "Footprint", "Target", "bill_index", "bills", "cheapest"]


class Target(Protocol):
    """A place where an index is served."""

    @property
    def name(self) -> str:
        """Name in `Bill.target`, in options and in files."""

    @property
    def summary(self) -> str:
        """What is kept where, in one sentence."""

    @property
    def rescoring_in_ram(self) -> bool:
        """Whether the rescoring tier lies in RAM with the codes."""

    def why_not(self, footprint: Footprint) -> str:
        """Say why this target makes no sense for an index; empty when it does."""

    def lines(self, footprint: Footprint, workload: Workload, book: PriceBook, cpu_ms: float) -> tuple[BillLine, ...]:
        """Return every line of at least a cent, for `cpu_ms` CPU milliseconds per query at the measured size."""


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            FaissOnVm("faiss-ram", "FAISS on VMs, codes and rescoring tier in RAM", rescoring_in_ram=True),
            FaissOnVm(
                "faiss-ram-nvme",
                "FAISS on VMs, codes in RAM, rescoring tier memory-mapped from the VM's volume",
                rescoring_in_ram=False,
            ),
        )
    }
)


def bill_index(footprint: Footprint, workload: Workload, book: PriceBook, *, target: str) -> Bill:
    """Bill one index at one target.

    Args:
        footprint: the measured index.
        workload: what it has to serve.
        book: prices.
        target: one of TARGETS.

    Returns:
        The bill; `low` and `high` are the same bill at `cpu_ms_low` and `cpu_ms_high`.

    Raises:
        InputError: an unknown target, or one that makes no sense for this index.
        PriceError: a price is missing.
    """
    place = TARGETS.get(target)
    if place is None:
        raise InputError(
            f"Unknown target {target!r}", allowed=", ".join(TARGETS), next_step="Choose one of the allowed targets"
        )
    reason = place.why_not(footprint)
    if reason:
        raise InputError(f"Cannot bill this index at {target}: {reason}", next_step="Choose another target")
    lines = place.lines(footprint, workload, book, footprint.cpu_ms_per_query)
    return Bill(
        target=target,
        usd_per_month=total(lines),
        low=total(place.lines(footprint, workload, book, footprint.cpu_ms_low)),
        high=total(place.lines(footprint, workload, book, footprint.cpu_ms_high)),
        lines=lines,
    )


def bills(footprint: Footprint, workload: Workload, book: PriceBook) -> dict[str, Bill]:
    """Bill one index at every target that makes sense for it, by target name.

    Raises:
        PriceError: a price is missing.
    """
    return {
        name: bill_index(footprint, workload, book, target=name)
        for name, target in TARGETS.items()
        if not target.why_not(footprint)
    }


def ram_bytes_per_vector_at(target: str, sizes: IndexBytes) -> float:
    """Bytes per vector that a target really holds in RAM: the codes, and the rescoring tier where it lies there too.

    Raises:
        InputError: an unknown target.
    """
    place = TARGETS.get(target)
    if place is None:
        raise InputError(
            f"Unknown target {target!r}", allowed=", ".join(TARGETS), next_step="Choose one of the allowed targets"
        )
    return sizes.ram_bytes_per_vector + (sizes.disk_bytes_per_vector if place.rescoring_in_ram else 0.0)


def cheapest(bills: Mapping[str, Bill]) -> Bill:
    """Return the bill with the least usd_per_month; ties go to the target that holds less in RAM, then to its name.

    Raises:
        InputError: there is no bill.
    """
    if not bills:
        raise InputError("There is no bill to choose from", next_step="Bill the index at one target at least")

    def order(bill: Bill) -> tuple[Decimal, bool, str]:
        place = TARGETS.get(bill.target)
        return (bill.usd_per_month, place is None or place.rescoring_in_ram, bill.target)

    return min(bills.values(), key=order)
