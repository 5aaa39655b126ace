"""Every target that can be billed, and the bill of an index at one, at all, at the cheapest.

A target is anything with a name, a sentence, a reason why an index does not belong there, and lines. Two are modules
(FAISS on VMs, whose bill is a packing); a vendor that bills units and tiers can be a data file behind the same four.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ragopt.bill.embedding_lines import embedding_lines
from ragopt.bill.faiss_vm import FaissOnVm
from ragopt.bill.footprint import Footprint
from ragopt.bill.lines import total
from ragopt.bill.object_storage_target import FaissListsOnObjects, LanceOnObjects
from ragopt.bill.vendor_target import load_vendors
from ragopt.errors import InputError
from ragopt.records import Bill, IndexBytes

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.bill.lines import Charges
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload

__all__ = ["TARGETS", "Footprint", "Target", "bill_index", "bill_month", "bills", "cheapest", "target_of"]


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

    @property
    def serves_the_index(self) -> bool:
        """Whether the measured index itself answers here; a vendor builds its own, whose recall was not measured."""

    def why_not(self, footprint: Footprint, workload: Workload) -> str:
        """Say why this target makes no sense for an index or does not sell it; empty when it does."""

    def charges(self, footprint: Footprint, workload: Workload, book: PriceBook, cpu_ms: float) -> Charges:
        """Return what an average month costs, for `cpu_ms` CPU milliseconds per query at the measured size."""


SELF_HOSTED: tuple[Target, ...] = (
    FaissOnVm("faiss-ram", "FAISS on VMs, codes and rescoring tier in RAM", rescoring_in_ram=True),
    FaissOnVm(
        "faiss-ram-nvme",
        "FAISS on VMs, codes in RAM, rescoring tier memory-mapped from the VM's volume",
        rescoring_in_ram=False,
    ),
    LanceOnObjects(),
    FaissListsOnObjects(),
)

TARGETS: Mapping[str, Target] = MappingProxyType({target.name: target for target in (*SELF_HOSTED, *load_vendors())})


COMPARED = ("faiss-ram", "faiss-ram-nvme")
"""The targets that a sweep chooses among: there, the recall and the latency that it measures are what is served."""


def target_of(name: str) -> Target:
    """Return a target by name. Raises InputError naming those that there are."""
    if name not in TARGETS:
        raise InputError(
            f"Unknown target {name!r}", allowed=", ".join(TARGETS), next_step="Choose one of the allowed targets"
        )
    return TARGETS[name]


def bill_index(footprint: Footprint, workload: Workload, book: PriceBook, *, target: str) -> Bill:
    """Bill one index at one target, for an average month of the workload's horizon.

    Args:
        footprint: the measured index.
        workload: what it has to serve.
        book: prices.
        target: one of TARGETS.

    Returns:
        The bill; `low` and `high` are the same bill at `cpu_ms_low` and `cpu_ms_high`.

    Raises:
        InputError: an unknown target, or one that makes no sense for this index or does not sell it.
        PriceError: a price is missing.
    """
    return bill_month(footprint, workload.at_average(), book, target=target, embedding=embedding_lines(workload, book))


def bill_month(footprint: Footprint, month: Workload, book: PriceBook, *, target: str, embedding: Charges) -> Bill:
    """Bill one index at one target, for the month whose size `month.n_vectors` is; otherwise as `bill_index`.

    Args:
        footprint: the measured index.
        month: what it has to serve in that month.
        book: prices.
        target: one of TARGETS.
        embedding: what embedding costs in that month, wherever the index is served.
    """
    place = target_of(target)
    reason = place.why_not(footprint, month)
    if reason:
        raise InputError(f"Cannot bill this index at {target}: {reason}", next_step="Choose another target")
    charges = place.charges(footprint, month, book, footprint.cpu_ms_per_query)
    lines = (*charges.lines, *embedding.lines)
    usd = total(lines)

    def usd_at(cpu_ms: float) -> Decimal:
        if cpu_ms == footprint.cpu_ms_per_query:
            return usd  # a packing takes a millisecond, and a range bills hundreds of times without an interval
        return total(place.charges(footprint, month, book, cpu_ms).lines) + total(embedding.lines)

    return Bill(
        target=target,
        usd_per_month=usd,
        low=usd_at(footprint.cpu_ms_low),
        high=usd_at(footprint.cpu_ms_high),
        lines=lines,
        usd_before_minimum=charges.usd_before_minimum + embedding.usd_before_minimum,
        notes=(*charges.notes, *embedding.notes),
    )


def bills(footprint: Footprint, workload: Workload, book: PriceBook) -> dict[str, Bill]:
    """Bill one index at the targets that a sweep chooses among and that make sense for it, by target name.

    Raises:
        PriceError: a price is missing.
    """
    month, embedding = workload.at_average(), embedding_lines(workload, book)
    return {
        name: bill_month(footprint, month, book, target=name, embedding=embedding)
        for name in COMPARED
        if not TARGETS[name].why_not(footprint, month)
    }


def ram_bytes_per_vector_at(target: str, sizes: IndexBytes) -> float:
    """Bytes per vector that a target really holds in RAM: the codes, and the rescoring tier where it lies there too.

    Raises:
        InputError: an unknown target.
    """
    place = target_of(target)
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
