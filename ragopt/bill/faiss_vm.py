"""FAISS on virtual machines: the index in RAM, its file on each VM's volume, one durable copy in object storage."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from ragopt.bill.footprint import PAGE_BYTES, Demand, Footprint, demand_of
from ragopt.bill.lines import Charges, make_line, total, without_zeros
from ragopt.bill.packing import CPU_UTILISATION, RAM_OVERHEAD, count_vms, usable_ram_bytes
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

ITEMS = {"aws": ("gp3-storage", "gp3-iops", "gp3-throughput", "s3-standard-storage")}
"""Per provider: volume storage, volume reads, volume throughput, object storage, as the price files name them."""


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
        del workload
        if not self.rescoring_in_ram and footprint.index_bytes.disk_bytes_per_vector == 0:
            return "the index has no rescoring tier to keep out of RAM"
        return ""

    def charges(self, footprint: Footprint, workload: Workload, book: PriceBook, cpu_ms: float) -> Charges:
        """Return the charges of the cheapest packing; ties go to fewer VMs, then to the type's name.

        Raises:
            PriceError: a price is missing, or no VM type in the book holds the index's fixed bytes.
        """
        demand = demand_of(footprint, workload, cpu_ms, rescoring_in_ram=self.rescoring_in_ram)
        instances = book.instances(workload.provider, workload.region)
        prices = _Prices.of(book, workload)
        counts = [(instance, count_vms(demand, instance)) for instance in instances]
        packings = sorted((instance.usd * n, n, instance.item, instance) for instance, n in counts if n is not None)
        best: tuple[Decimal, int, str] | None = None
        best_lines: tuple[BillLine, ...] = ()
        for usd_per_hour, n_vms, name, instance in packings:
            if best and to_cents(usd_per_hour * workload.n_replicas * HOURS_PER_MONTH) > best[0]:
                break  # its VMs alone cost more than the best whole bill, and so do those of all that follow
            lines = _lines(demand, workload, prices, instance, n_vms)
            if best is None or (total(lines), n_vms, name) < best:
                best, best_lines = (total(lines), n_vms, name), lines
        if best is None:
            raise PriceError(
                f"No VM type of {workload.provider} {workload.region} holds the index's fixed "
                f"{demand.fixed_bytes:,.0f} bytes",
                next_step="Use fewer centroids, or add a larger [[price]] entry to ragopt/bill/prices/vms.toml",
            )
        kept = without_zeros(best_lines)
        return Charges(kept, total(kept))


@dataclass(frozen=True, slots=True)
class _Prices:
    volume: Price
    reads: Price
    throughput: Price
    objects: Price

    @classmethod
    def of(cls, book: PriceBook, workload: Workload) -> _Prices:
        if workload.provider not in ITEMS:
            raise PriceError(
                f"No volume and object storage is known for VMs of {workload.provider}",
                allowed=", ".join(ITEMS),
                next_step="Name its items in ITEMS of ragopt/bill/faiss_vm.py, with prices in ragopt/bill/prices",
            )
        volume, reads, throughput, objects = ITEMS[workload.provider]
        place = (workload.provider, workload.region)
        return cls(
            book.price(*place, "block_storage", volume),
            book.price(*place, "block_storage", reads),
            book.price(*place, "block_storage", throughput),
            book.price(*place, "object_storage", objects),
        )


def _lines(demand: Demand, workload: Workload, prices: _Prices, instance: Price, n_vms: int) -> tuple[BillLine, ...]:
    n_all = n_vms * workload.n_replicas
    return (
        make_line(
            _vm_item(demand, workload, instance, n_vms),
            Decimal(n_all * HOURS_PER_MONTH),
            instance,
            part="compute",
            formula=f"{n_vms} VMs x {workload.n_replicas} replicas x {HOURS_PER_MONTH} hours",
        ),
        *_volume_lines(demand, prices, n_vms, n_all),
        make_line(
            f"Object storage {prices.objects.item}: one durable copy of the index file",
            (demand.file_growing_bytes + demand.fixed_bytes) / prices.objects.attribute("bytes_per_unit"),
            prices.objects,
            part="storage",
            formula="n_vectors x bytes per vector in the file + fixed bytes",
        ),
    )


def _volume_lines(demand: Demand, prices: _Prices, n_vms: int, n_all: int) -> tuple[BillLine, ...]:
    bytes_per_vm = SYSTEM_DISK_BYTES + demand.file_growing_bytes / n_vms + demand.fixed_bytes
    size = _ceil(bytes_per_vm / prices.volume.attribute("bytes_per_unit"))  # volumes come in whole units
    reads = _ceil(demand.reads_per_second / n_vms)
    megabytes = _ceil(demand.reads_per_second * PAGE_BYTES / 10**6 / n_vms)
    more_reads = max(Decimal(0), reads - prices.volume.attribute("included_iops"))
    more_megabytes = max(Decimal(0), megabytes - prices.volume.attribute("included_mb_per_s"))
    return (
        make_line(
            f"Block storage {prices.volume.item}: system and index file on each VM",
            size * n_all,
            prices.volume,
            part="storage",
            formula=f"whole GiB per VM ({size}) x {n_all} VMs",
        ),
        make_line(
            f"Reads of the rescoring tier: {reads:,} a second per VM at the peak, those beyond the included",
            more_reads * n_all,
            prices.reads,
            part="storage",
            formula="peak_qps x vectors rescored per query x pages per vector, per VM, beyond the included, x VMs",
        ),
        make_line(
            f"Throughput of these reads: {megabytes:,} MB/s per VM at the peak, that beyond the included",
            more_megabytes * n_all,
            prices.throughput,
            part="storage",
            formula="reads per second x 4,096 bytes, per VM, beyond the included, x VMs",
        ),
    )


def _vm_item(demand: Demand, workload: Workload, instance: Price, n_vms: int) -> str:
    ram_need = (demand.ram_growing_bytes / n_vms + demand.fixed_bytes) * RAM_OVERHEAD / GIB
    cpu_need = demand.cpu_seconds_per_second / n_vms
    cpu_room = instance.attribute("vcpu") * CPU_UTILISATION
    replicas = "1 replica" if workload.n_replicas == 1 else f"each of {workload.n_replicas} replicas"
    spread = "" if n_vms == 1 else f", the index split over {n_vms}"
    return (
        f"VMs: {n_vms} x {instance.item} for {replicas}{spread}; each needs {ram_need:.2f} of "
        f"{usable_ram_bytes(instance) / GIB:.2f} GiB RAM and {cpu_need:.2f} of {cpu_room:.2f} vCPU at the peak "
        "(assuming that search time grows with the number of vectors)"
    )


def _ceil(value: Decimal) -> Decimal:
    return value.to_integral_value(rounding=ROUND_CEILING)
