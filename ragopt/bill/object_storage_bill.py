"""The lines of an index on object storage: VMs that search, bytes that are stored, requests that read and write."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.faiss_vm import SYSTEM_DISK_BYTES, committed, instances_of
from ragopt.bill.lines import Charges, make_line, total, without_zeros
from ragopt.bill.packing import count_vms
from ragopt.bill.rebuild import rebuild_lines
from ragopt.bill.volumes import Volume, VolumeNeed, storage_of
from ragopt.errors import PriceError
from ragopt.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from ragopt.bill.footprint import Demand, Footprint
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

REQUEST_UNIT = "1k requests"


@dataclass(frozen=True, slots=True)
class ObjectService:
    """What an index on object storage needs for an average month.

    Attributes:
        demand: RAM and CPU of its VMs: each holds the whole cache; what grows is shared out between them.
        ram_formula: what the VMs hold in RAM, in words.
        stored: bytes that lie in object storage, by what they are.
        gets_per_query: reads of one query.
        gets_formula: how they come about.
        loads_per_month: re-indexes and re-embeddings a month, each of which makes and writes the index anew.
        gets_per_load: reads of making it once, at the size of the month.
        puts_per_load: requests priced as PUT of writing it once, at the size of the month.
        gets_of_first_load: reads of making it at the size of the first month.
        puts_of_first_load: requests priced as PUT of writing it at the size of the first month.
        puts_of_growth: requests priced as PUT of the vectors that a month adds.
        notes: assumptions and cautions.
        built: the measured index whose build time each load takes on one more VM; None: no build is billed.
    """

    demand: Demand
    ram_formula: str
    stored: tuple[tuple[str, Decimal], ...]
    gets_per_query: Decimal
    gets_formula: str
    loads_per_month: Decimal
    gets_per_load: Decimal
    puts_per_load: Decimal
    gets_of_first_load: Decimal
    puts_of_first_load: Decimal
    puts_of_growth: Decimal
    notes: tuple[str, ...]
    built: Footprint | None = None


def charges_of(service: ObjectService, workload: Workload, book: PriceBook) -> Charges:
    """Price a service at the cheapest VM type that holds its cache; ties go to fewer VMs, then to the type's name.

    Reads between VMs and a store of the same region are billed by the request alone, transfer between them is free
    (https://aws.amazon.com/s3/faqs/ for S3 and EC2, read 2026-11-26).

    Raises:
        PriceError: a price is missing, or no VM type in the book holds the cache.
    """
    prices = _Prices.of(book, workload)
    instances, notes = instances_of(book, workload)
    month = (
        *_vm_lines(service, workload, book, prices.volume, instances),
        *(_storage_line(what, n_bytes, prices.storage) for what, n_bytes in service.stored),
        make_line(
            f"Reads of {prices.get.item}: {service.gets_per_query:,.1f} a query",
            workload.queries_per_month * service.gets_per_query / 1000,
            prices.get,
            part="queries",
            formula=f"queries_per_month x ({service.gets_formula}) / 1000",
        ),
        make_line(
            f"Writes of {prices.put.item}: growth and re-indexes",
            (service.loads_per_month * service.puts_per_load + service.puts_of_growth) / 1000,
            prices.put,
            part="writes",
            formula=f"({service.loads_per_month:f} loads x {service.puts_per_load:,.0f} requests + "
            f"{service.puts_of_growth:,.0f} for growth) / 1000",
        ),
        make_line(
            f"Reads of {prices.get.item}: making the index anew",
            service.loads_per_month * service.gets_per_load / 1000,
            prices.get,
            part="rebuild",
            formula=f"{service.loads_per_month:f} loads x {service.gets_per_load:,.0f} reads / 1000",
        ),
    )
    kept = without_zeros(month)
    lines = (*kept, *without_zeros(_first_load(service, workload, prices)))
    return Charges(lines, total(kept), (*service.notes, *notes))


def _first_load(service: ObjectService, workload: Workload, prices: _Prices) -> tuple[BillLine, ...]:
    """Requests of loading the first month's vectors, paid once: outside of what a month in use costs."""
    share = f"the first load, spread over {workload.horizon_months} months"
    return (
        make_line(
            f"Writes of {prices.put.item}: {share}",
            service.puts_of_first_load / 1000 / workload.horizon_months,
            prices.put,
            part="writes",
            formula=f"{service.puts_of_first_load:,.0f} requests / 1000 / {workload.horizon_months} months",
        ),
        make_line(
            f"Reads of {prices.get.item}: {share}",
            service.gets_of_first_load / 1000 / workload.horizon_months,
            prices.get,
            part="rebuild",
            formula=f"{service.gets_of_first_load:,.0f} reads / 1000 / {workload.horizon_months} months",
        ),
    )


@dataclass(frozen=True, slots=True)
class _Prices:
    volume: Volume
    storage: Price
    get: Price
    put: Price

    @classmethod
    def of(cls, book: PriceBook, workload: Workload) -> _Prices:
        place = (workload.provider, workload.region)
        volume, storage = storage_of(book, *place)
        tier = storage.item.removesuffix("-storage")
        return cls(
            volume,
            storage,
            _by_thousand(book.price(*place, "object_storage", f"{tier}-get")),
            _by_thousand(book.price(*place, "object_storage", f"{tier}-put")),
        )


def _by_thousand(price: Price) -> Price:
    if price.unit != REQUEST_UNIT:
        raise PriceError(
            f"The price of {price.provider} {price.region} {price.item} is per {price.unit!r}",
            allowed=REQUEST_UNIT,
            next_step=f"Convert usd and unit of item {price.item!r} in ragopt/bill/prices/object_storage.toml",
        )
    return price


def _vm_lines(
    service: ObjectService, workload: Workload, book: PriceBook, volume: Volume, instances: tuple[Price, ...]
) -> tuple[BillLine, ...]:
    counts = [(instance, count_vms(service.demand, instance)) for instance in instances]
    system = VolumeNeed(Decimal(SYSTEM_DISK_BYTES), Decimal(0), Decimal(0))
    disk_usd = total(volume.lines(system, 1))
    fitting = []
    for instance, n_vms in counts:
        if n_vms is not None:
            rebuilt = _rebuilt(service, workload, book, instance)
            usd = (instance.usd * HOURS_PER_MONTH + disk_usd) * n_vms * workload.n_replicas + total(rebuilt)
            fitting.append((usd, n_vms, instance.item, instance, rebuilt))
    if not fitting:
        raise PriceError(
            f"No VM type of {workload.provider} {workload.region} holds {service.demand.fixed_bytes:,.0f} bytes of "
            "cache and centroids",
            next_step="Use fewer centroids or a smaller cache, or add a larger [[price]] entry to "
            "ragopt/bill/prices/vms.toml",
        )
    _, n_vms, _, instance, rebuilt = min(fitting, key=lambda found: found[:3])
    return (
        _vm_line(service, workload, instance, n_vms),
        *volume.lines(system, n_vms * workload.n_replicas),
        *rebuilt,
    )


def _rebuilt(service: ObjectService, workload: Workload, book: PriceBook, instance: Price) -> tuple[BillLine, ...]:
    """One more VM of the type that serves builds the index anew; it is on no commitment."""
    if service.built is None:
        return ()
    extra = book.price(workload.provider, workload.region, "vms", instance.item)
    return rebuild_lines(service.built, workload, extra)


def _vm_line(service: ObjectService, workload: Workload, instance: Price, n_vms: int) -> BillLine:
    replicas = "1 replica" if workload.n_replicas == 1 else f"each of {workload.n_replicas} replicas"
    paid = committed(instance)
    under = ", under a one-year commitment" if paid else ""
    return make_line(
        f"VMs: {n_vms} x {instance.item} for {replicas}{under}, each holding {service.ram_formula}",
        Decimal(n_vms * workload.n_replicas * HOURS_PER_MONTH),
        instance,
        part="compute",
        formula=f"{n_vms} VMs x {workload.n_replicas} replicas x {HOURS_PER_MONTH} hours{paid}; "
        f"{service.demand.cpu_seconds_per_second:.2f} vCPU are busy at the peak",
    )


def _storage_line(what: str, n_bytes: Decimal, price: Price) -> BillLine:
    return make_line(
        f"Object storage {price.item}: {what}",
        n_bytes / price.attribute("bytes_per_unit"),
        price,
        part="storage",
        formula=f"{n_bytes:,.0f} bytes",
    )
