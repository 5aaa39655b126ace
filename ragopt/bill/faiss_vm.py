"""FAISS on virtual machines: the index in RAM, its file on each VM's volume, one durable copy in object storage."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.beside_index import BESIDE, beside_bytes, beside_note
from ragopt.bill.footprint import PAGE_BYTES, Demand, Footprint, demand_of
from ragopt.bill.lines import Charges, make_line, total, without_zeros
from ragopt.bill.packing import CPU_UTILISATION, MANY_VMS, RAM_OVERHEAD, count_vms, usable_ram_bytes
from ragopt.bill.price import file_of
from ragopt.bill.reasoning import COMPRESSION
from ragopt.bill.rebuild import rebuild_lines, rebuild_note
from ragopt.bill.volumes import Volume, VolumeNeed, storage_of
from ragopt.errors import PriceError
from ragopt.units import GIB, HOURS_PER_MONTH, to_cents

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

SYSTEM_DISK_BYTES = 8 * GIB
"""Operating system and service on each VM's volume: the root size that Amazon Linux images ask for by default.
An assumption: background knowledge, not read from a page."""

ONE_YEAR_GROUP = "vms_1_year"
"""The group of prices of an hour under a one-year commitment, by the item names of `vms`."""

WORTH = (
    f"{COMPRESSION}RAM is most of what a VM costs: every byte of code saves until the smallest VM or the peak's CPU "
    "time decides."
)


MOST_SPLIT = 100
"""VMs over which one replica is split at most to answer in time: beyond it the waiting for the slowest of them decides,
which is not in a bill (an assumption)."""


@dataclass(frozen=True, slots=True)
class FaissOnVm:
    """A FAISS index served from VMs.

    Attributes:
        name: the target's name.
        summary: what is kept where, in one sentence.
        rescoring_in_ram: whether the rescoring tier is in RAM with the codes or on the VM's volume.
    """

    name: str
    summary: str
    rescoring_in_ram: bool

    serves_the_index = True

    def why_not(self, footprint: Footprint, workload: Workload) -> str:
        """Say why this target makes no sense for an index; empty when it does."""
        if not self.rescoring_in_ram and footprint.index_bytes.disk_bytes_per_vector == 0:
            return "the index has no rescoring tier to keep out of RAM"
        if workload.p99_limit_ms is None:
            return ""
        demand = demand_of(footprint, workload, footprint.cpu_ms_per_query, rescoring_in_ram=self.rescoring_in_ram)
        if demand.search_ms <= MOST_SPLIT * workload.p99_limit_ms:
            return ""
        return (
            f"a search takes {demand.search_ms:,.0f} ms of CPU time on one thread, so that even split over "
            f"{MOST_SPLIT} VMs it misses p99_limit_ms {workload.p99_limit_ms:f}"
        )

    def charges(self, footprint: Footprint, workload: Workload, book: PriceBook, cpu_ms: float) -> Charges:
        """Return the charges of the cheapest packing; ties go to fewer VMs, then to the type's name.

        Raises:
            PriceError: a price is missing, or no VM type in the book holds the index's fixed bytes.
        """
        demand = demand_of(footprint, workload, cpu_ms, rescoring_in_ram=self.rescoring_in_ram)
        instances, notes = instances_of(book, workload)
        volume, objects = storage_of(book, workload.provider, workload.region)
        counts = [(instance, count_vms(demand, instance)) for instance in instances]
        packings = sorted((instance.usd * n, n, instance.item, instance) for instance, n in counts if n is not None)
        best: tuple[Decimal, int, str] | None = None
        best_lines: tuple[BillLine, ...] = ()
        for usd_per_hour, n_vms, name, instance in packings:
            if best and to_cents(usd_per_hour * workload.n_replicas * HOURS_PER_MONTH) > best[0]:
                break  # its VMs alone cost more than the best whole bill, and so do those of all that follow
            extra = book.price(workload.provider, workload.region, "vms", name)  # one more VM is on no commitment
            lines = (
                *_lines(demand, workload, volume, objects, instance, n_vms),
                *rebuild_lines(footprint, workload, extra),
            )
            if best is None or (total(lines), n_vms, name) < best:
                best, best_lines = (total(lines), n_vms, name), lines
        if best is None:
            raise PriceError(
                f"No VM type of {workload.provider} {workload.region} holds the index's fixed "
                f"{demand.fixed_bytes:,.0f} bytes",
                next_step="Use fewer centroids, or add a larger [[price]] entry to ragopt/bill/prices/vms.toml",
            )
        kept = without_zeros(best_lines)
        told = (
            WORTH,
            *notes,
            volume.note(_need_of(demand, 1)),
            rebuild_note(footprint, workload),
            beside_note(workload),
            _limit_note(demand, best[1]),
            _many_note(best[1]),
        )
        return Charges(kept, total(kept), tuple(note for note in told if note))


def instances_of(book: PriceBook, workload: Workload) -> tuple[tuple[Price, ...], tuple[str, ...]]:
    """Return the VM types at the price of the workload's commitment, and what to say about it.

    Raises:
        PriceError: the region has no VM type, or none with a price under that commitment.
    """
    on_demand = book.instances(workload.provider, workload.region)
    if workload.commitment == "on-demand":
        return on_demand, ()
    place = (workload.provider, workload.region, ONE_YEAR_GROUP)
    committed = {one.item: one for one in book if (one.provider, one.region, one.group) == place}
    found = tuple(
        dataclasses.replace(committed[one.item], attributes=one.attributes)
        for one in on_demand
        if one.item in committed
    )
    if not found:
        raise PriceError(
            f"No one-year price of a VM type at {workload.provider} {workload.region} in {file_of(ONE_YEAR_GROUP)}",
            allowed=f"items {', '.join(one.item for one in on_demand)}",
            next_step="Give negotiated or list prices of the types that you would commit to with --prices FILE "
            f'(group {ONE_YEAR_GROUP!r}), or take commitment = "on-demand"',
        )
    note = "One-year commitment: every hour of the year is paid, whether the VMs run or not."
    missing = len(on_demand) - len(found)
    without = f"{missing} of {len(on_demand)} VM types have no one-year price and were not considered."
    return found, (note, without) if missing else (note,)


def _lines(
    demand: Demand, workload: Workload, volume: Volume, objects: Price, instance: Price, n_vms: int
) -> tuple[BillLine, ...]:
    n_all = n_vms * workload.n_replicas
    return (
        make_line(
            _vm_item(demand, workload, instance, n_vms),
            Decimal(n_all * HOURS_PER_MONTH),
            instance,
            part="compute",
            formula=f"{n_vms} VMs x {workload.n_replicas} replicas x {HOURS_PER_MONTH} hours{committed(instance)}",
        ),
        *volume.lines(_need_of(demand, n_vms), n_all),
        make_line(
            f"Object storage {objects.item}: one durable copy of the index file",
            (demand.file_growing_bytes + demand.fixed_bytes) / objects.attribute("bytes_per_unit"),
            objects,
            part="storage",
            formula="n_vectors x bytes per vector in the file + fixed bytes",
        ),
        make_line(
            f"Object storage {objects.item}: {BESIDE}",
            beside_bytes(workload) / objects.attribute("bytes_per_unit"),
            objects,
            part="storage",
            formula="n_vectors x (metadata_bytes + key_bytes)",
        ),
    )


def committed(instance: Price) -> str:
    """What a formula ends with where its hours are paid under a commitment; empty where they are not."""
    return ", committed for a year" if instance.group == ONE_YEAR_GROUP else ""


def _limit_note(demand: Demand, n_vms: int) -> str:
    if demand.most_search_ms is None:
        return ""
    reads = ", and the reads of the rescoring tier are not in it" if demand.reads_per_second else ""
    return (
        f"The p99 limit of {demand.most_search_ms:f} ms is held against the CPU time of a search on one thread, "
        f"{demand.search_ms / n_vms:,.2f} ms on each VM: a lower bound with no queueing{reads}."
    )


def _many_note(n_vms: int) -> str:
    if n_vms <= MANY_VMS:
        return ""
    return (
        f"A query asks all {n_vms} VMs of a replica and waits for the slowest; what that costs in latency, and "
        "merging their answers, is not in the bill."
    )


def _need_of(demand: Demand, n_vms: int) -> VolumeNeed:
    return VolumeNeed(
        SYSTEM_DISK_BYTES + demand.file_growing_bytes / n_vms + demand.fixed_bytes,
        demand.reads_per_second / n_vms,
        demand.reads_per_second * PAGE_BYTES / 10**6 / n_vms,
    )


def _vm_item(demand: Demand, workload: Workload, instance: Price, n_vms: int) -> str:
    ram_need = (demand.ram_growing_bytes / n_vms + demand.fixed_bytes) * RAM_OVERHEAD / GIB
    cpu_need = demand.cpu_seconds_per_second / n_vms
    cpu_room = instance.attribute("vcpu") * CPU_UTILISATION
    replicas = "1 replica" if workload.n_replicas == 1 else f"each of {workload.n_replicas} replicas"
    paid = "" if instance.group == "vms" else ", under a one-year commitment"
    spread = "" if n_vms == 1 else f", the index split over {n_vms}"
    return (
        f"VMs: {n_vms} x {instance.item} for {replicas}{spread}{paid}; each needs {ram_need:.2f} of "
        f"{usable_ram_bytes(instance) / GIB:.2f} GiB RAM and {cpu_need:.2f} of {cpu_room:.2f} vCPU at the peak "
        "(assuming that search time grows with the number of vectors)"
    )
