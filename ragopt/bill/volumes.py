"""What a VM's volume costs, by how its provider sells reads: as an item of their own, or with the size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ragopt.bill.lines import make_line
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.records import BillLine


@dataclass(frozen=True, slots=True)
class VolumeNeed:
    """What the volume of one VM has to hold and to give.

    Attributes:
        size_bytes: system and file.
        reads_per_second: random reads at the peak.
        megabytes_per_second: what these reads bring, in 10^6 bytes.
    """

    size_bytes: Decimal
    reads_per_second: Decimal
    megabytes_per_second: Decimal


class Volume(Protocol):
    """A way in which volumes are sold."""

    def lines(self, need: VolumeNeed, n_volumes: int) -> tuple[BillLine, ...]:
        """Return the lines of `n_volumes` equal volumes; some may cost nothing."""

    def note(self, need: VolumeNeed) -> str:
        """Return what is assumed about reads, in one sentence; empty when they have prices of their own."""


@dataclass(frozen=True, slots=True)
class ProvisionedVolume:
    """Whole units of storage; reads and throughput beyond the included are bought apart (EBS gp3)."""

    storage: Price
    reads: Price
    throughput: Price

    def lines(self, need: VolumeNeed, n_volumes: int) -> tuple[BillLine, ...]:
        """Return storage, reads and throughput beyond what the storage price includes."""
        size = ceil(need.size_bytes / self.storage.attribute("bytes_per_unit"))  # volumes come in whole units
        reads, megabytes = ceil(need.reads_per_second), ceil(need.megabytes_per_second)
        more_reads = max(Decimal(0), reads - self.storage.attribute("included_iops"))
        more_megabytes = max(Decimal(0), megabytes - self.storage.attribute("included_mb_per_s"))
        return (
            make_line(
                f"Block storage {self.storage.item}: system and index file on each VM",
                size * n_volumes,
                self.storage,
                part="storage",
                formula=f"whole GiB per VM ({size}) x {n_volumes} VMs",
            ),
            make_line(
                f"Reads of the rescoring tier: {reads:,} a second per VM at the peak, those beyond the included",
                more_reads * n_volumes,
                self.reads,
                part="storage",
                formula="peak_qps x vectors rescored per query x pages per vector, per VM, beyond the included, x VMs",
            ),
            make_line(
                f"Throughput of these reads: {megabytes:,} MB/s per VM at the peak, that beyond the included",
                more_megabytes * n_volumes,
                self.throughput,
                part="storage",
                formula="reads per second x 4,096 bytes, per VM, beyond the included, x VMs",
            ),
        )

    def note(self, need: VolumeNeed) -> str:
        """Return nothing: reads are billed."""
        del need
        return ""


@dataclass(frozen=True, slots=True)
class SizedVolume:
    """Reads come with the size, a GiB (GCP) or a whole disk (Azure) at a time: a volume grows until it gives them.

    Attributes:
        offers: kinds of volume that serve; the cheapest for the need is taken.
    """

    offers: tuple[Price, ...]

    def lines(self, need: VolumeNeed, n_volumes: int) -> tuple[BillLine, ...]:
        """Return the one line of the cheapest kind; ties go to the kind that is named first."""
        offer, units = min(((offer, _units(need, offer)) for offer in self.offers), key=lambda one: one[0].usd * one[1])
        what = "GiB" if offer.unit.startswith("GiB") else "disks"
        return (
            make_line(
                f"Block storage {offer.item}: system and index file on each VM, {units:,} {what} for "
                f"{ceil(need.reads_per_second):,} reads a second at the peak",
                units * n_volumes,
                offer,
                part="storage",
                formula=f"{what} per VM ({units}: the most of those for bytes, reads and MB/s) x {n_volumes} VMs",
            ),
        )

    def note(self, need: VolumeNeed) -> str:
        """Say how reads are paid, where there are any."""
        if not need.reads_per_second:
            return ""
        return (
            "Reads have no price of their own at this provider: each volume is as large as its reads or its bytes ask "
            "for, striped over several disks where one does not do; the baseline and the limits of the VM type, and "
            "bursts, are not counted."
        )


def _units(need: VolumeNeed, offer: Price) -> Decimal:
    return max(
        ceil(need.size_bytes / offer.attribute("bytes_per_unit")),
        ceil(ceil(need.reads_per_second) / offer.attribute("iops_per_unit")),
        ceil(ceil(need.megabytes_per_second) / offer.attribute("mb_per_s_per_unit")),
    )


@dataclass(frozen=True, slots=True)
class Storage:
    """How one provider sells storage.

    Attributes:
        sized: whether reads come with the size; else the items are storage, reads and throughput.
        volumes: items of group `block_storage`.
        objects: item of group `object_storage` for the durable copy.
    """

    sized: bool
    volumes: tuple[str, ...]
    objects: str


STORAGE: Mapping[str, Storage] = MappingProxyType(
    {
        "aws": Storage(False, ("gp3-storage", "gp3-iops", "gp3-throughput"), "s3-standard-storage"),
        "gcp": Storage(True, ("pd-balanced", "pd-ssd"), "gcs-standard-storage"),
        "azure": Storage(
            True,
            ("premium-ssd-p4", "premium-ssd-p10", "premium-ssd-p20", "premium-ssd-p30"),
            "azure-hot-storage",
        ),
    }
)
"""Per provider: its network volumes on solid-state disks and its object storage for data in use."""


def storage_of(book: PriceBook, provider: str, region: str) -> tuple[Volume, Price]:
    """Return how a provider sells volumes, and its price of object storage.

    Raises:
        PriceError: a provider whose items are not known, or a missing price.
    """
    if provider not in STORAGE:
        raise PriceError(
            f"No volume and object storage is known for VMs of {provider}",
            allowed=", ".join(STORAGE),
            next_step="Name its items in STORAGE of ragopt/bill/volumes.py, with prices in ragopt/bill/prices",
        )
    sold = STORAGE[provider]
    prices = tuple(book.price(provider, region, "block_storage", item) for item in sold.volumes)
    volume: Volume = SizedVolume(prices) if sold.sized else ProvisionedVolume(*prices)
    return volume, book.price(provider, region, "object_storage", sold.objects)


def ceil(value: Decimal) -> Decimal:
    """Round up to a whole number."""
    return value.to_integral_value(rounding=ROUND_CEILING)
