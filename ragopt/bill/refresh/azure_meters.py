"""Which meter of the Azure retail price list is which price of the book.

Names as the list has them, case included: the filters of this API version tell cases apart
(https://learn.microsoft.com/en-us/rest/api/cost-management/retail-prices/azure-retail-prices).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.refresh.outcome import Unit

if TYPE_CHECKING:
    from ragopt.bill.price import Price

STORED = Unit("1 GB/Month", ("GB-month", "GiB-month"))
RETRIEVED = Unit("1 GB", ("GB", "GiB"))
OPERATIONS = Unit("10K", ("1k requests",), Decimal("0.1"))
HOUR = Unit("1 Hour", ("hour",))
DISK = Unit("1/Month", ("disk-month",))

BLOBS = "General Block Blob v2"
"""Locally redundant blobs of a general-purpose account, without hierarchical namespace."""

DISKS = "Premium SSD Managed Disks"
PREMIUM_DISK = re.compile(r"premium-ssd-(?P<size>p[0-9]+)")


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter: an entry of the list is it when all of its names are equal.

    Attributes:
        product: productName; empty for a VM, whose series is no matter.
        sku: skuName, or armSkuName for a VM.
        meter: meterName; empty for a VM, whose meters are told apart by `is_spot`.
        unit: the unit of its price.
        is_vm: a VM's hour, Linux, without licence.
        is_spot: the interruptible variant of the VM.
    """

    product: str
    sku: str
    meter: str
    unit: Unit
    is_vm: bool = False
    is_spot: bool = False


def _blob(tier: str, meter: str, unit: Unit) -> Meter:
    return Meter(BLOBS, f"{tier} LRS", meter, unit)


BLOB_METERS = {
    "azure-hot-storage": _blob("Hot", "Hot LRS Data Stored", STORED),
    "azure-cool-storage": _blob("Cool", "Cool LRS Data Stored", STORED),
    "azure-cold-storage": _blob("Cold", "Cold LRS Data Stored", STORED),
    "azure-archive-storage": _blob("Archive", "Archive LRS Data Stored", STORED),
    "azure-hot-put": _blob("Hot", "Hot LRS Write Operations", OPERATIONS),
    "azure-cool-put": _blob("Cool", "Cool LRS Write Operations", OPERATIONS),
    "azure-cold-put": _blob("Cold", "Cold LRS Write Operations", OPERATIONS),
    "azure-archive-put": _blob("Archive", "Archive LRS Write Operations", OPERATIONS),
    "azure-hot-get": _blob("Hot", "Hot Read Operations", OPERATIONS),
    "azure-cool-get": _blob("Cool", "Cool Read Operations", OPERATIONS),
    "azure-cold-get": _blob("Cold", "Cold LRS Read Operations", OPERATIONS),
    "azure-archive-get": _blob("Archive", "Archive Read Operations", OPERATIONS),
    "azure-cool-retrieval": _blob("Cool", "Cool Data Retrieval", RETRIEVED),
    "azure-cold-retrieval": _blob("Cold", "Cold LRS Data Retrieval", RETRIEVED),
    "azure-archive-retrieval": _blob("Archive", "Archive Data Retrieval", RETRIEVED),
}
"""Items of object_storage. Read and retrieval meters of the older tiers carry no redundancy in their names."""


def meter_of(price: Price) -> Meter | None:
    """Return the meter of a price of the book, or None where the list has no meter for it."""
    if price.group in {"vms", "gpu_vms", "spot"}:
        return Meter("", price.item, "", HOUR, is_vm=True, is_spot=price.group == "spot")
    disk = PREMIUM_DISK.fullmatch(price.item) if price.group == "block_storage" else None
    if disk is not None:
        size = disk["size"].upper()
        return Meter(DISKS, f"{size} LRS", f"{size} LRS Disk", DISK)
    return BLOB_METERS.get(price.item) if price.group == "object_storage" else None


def filter_of(price: Price, meter: Meter) -> str:
    """Return the $filter that lists a meter: one for a product in a region, one for each VM with its spot."""
    place = f"armRegionName eq '{price.region}' and priceType eq 'Consumption'"
    if meter.is_vm:
        return f"serviceName eq 'Virtual Machines' and {place} and armSkuName eq '{meter.sku}'"
    return f"serviceName eq 'Storage' and {place} and productName eq '{meter.product}'"
