"""The lines of bytes kept in one storage tier: storage, writing, reading.

One month, for `n_bytes` in objects of `object_bytes`, read whole r times and rewritten whole w times:

    storage    billed bytes x max(1, w x min_days / days per month)
    requests   objects x w puts, objects x r gets (of an archive: a restore and a get of the restored copy)
    retrieval  n_bytes x r

The second factor of storage: each of the w copies that a month brings is kept for 1 / w of a month and billed for
max(1 / w, min_days / days per month) of one, which makes w x max(1 / w, ...) byte-months. Rewrites are taken as evenly
spaced; any other spacing is billed the same or more. S3 charges an object that is deleted or overwritten early for the
whole minimum (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html, read 2026-11-26);
Google, Azure and R2 do likewise (pages in storage_tier_facts.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import make_line
from ragopt.bill.request_units import requests_per_unit
from ragopt.bill.storage_tier_facts import FREE, RESTORED_DAYS, Retrieval, Tier
from ragopt.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.records import BillLine, Part

GROUP = "object_storage"

DAYS_PER_MONTH = Decimal(HOURS_PER_MONTH) / 24
"""30.4167 days: the month that everything else is billed in."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept, how it is used, and what it is called on the bill; see `storage_tier.tier_charges`."""

    n_bytes: int
    reads: Decimal
    object_bytes: int
    writes: Decimal
    most_hours: Decimal
    provider: str
    region: str
    book: PriceBook
    part: Part
    what: str

    def place_of(self, tier: Tier) -> tuple[str, str]:
        """Provider and region of a tier's prices; those of R2 are the same everywhere."""
        return (tier.provider, "global" if tier.provider == "cloudflare" else self.region)

    def price(self, tier: Tier, item: str) -> Price:
        """Return a price of the tier's place. Raises PriceError when it is missing."""
        return self.book.price(*self.place_of(tier), GROUP, item)

    @property
    def n_objects(self) -> int:
        """Objects that hold the bytes, the last one part full."""
        return -(-self.n_bytes // self.object_bytes)

    def billed_bytes(self, least: Decimal) -> Decimal:
        """Every object at its own size or at the least billed, the last one by what is left for it."""
        full, rest = divmod(self.n_bytes, self.object_bytes)
        return full * max(Decimal(self.object_bytes), least) + (max(Decimal(rest), least) if rest else 0)


def storage_lines(kept: Kept, tier: Tier) -> list[BillLine]:
    """Bytes kept, at least the smallest object and the shortest stay, and what an archive adds beside each object.

    Raises:
        PriceError: a price or its `bytes_per_unit` is missing.
    """
    price = kept.price(tier, f"{tier.name}-storage")
    min_days = price.attributes.get("min_days", Decimal(tier.min_days))
    least = price.attributes.get("min_object_bytes", Decimal(tier.min_object_bytes))
    beside = price.attributes.get("overhead_bytes", Decimal(tier.overhead_bytes))
    beside_hot = price.attributes.get("overhead_standard_bytes", Decimal(tier.hot_overhead_bytes))
    n_bytes = kept.billed_bytes(least) + kept.n_objects * beside
    copies = max(Decimal(1), kept.writes * min_days / DAYS_PER_MONTH)
    formula = f"{kept.n_bytes:,} bytes"
    if least:
        formula += f", at least {least:,f} an object"
    if beside:
        formula += f", and {beside:,f} beside each of {kept.n_objects:,} objects"
    if copies > 1:
        formula += f", x {kept.writes:f} rewrites x {min_days:f} billed days / {DAYS_PER_MONTH:.4f}"
    lines = [_bytes_line(kept, f"kept in {tier.name}", n_bytes * copies, price, formula)]
    if beside_hot and tier.restored_to:
        names = f"in {tier.name}: names and metadata in {tier.restored_to}"
        formula = f"{kept.n_objects:,} objects x {beside_hot:,f} bytes"
        n_bytes = kept.n_objects * beside_hot
        lines.append(_bytes_line(kept, names, n_bytes, kept.price(tier, f"{tier.restored_to}-storage"), formula))
    return lines


def writing_lines(kept: Kept, tier: Tier) -> list[BillLine]:
    """Requests of the rewrites, and what the provider charges for bytes that it sends to another one's tier.

    Raises:
        PriceError: a price is missing.
    """
    if not kept.writes:
        return []
    times = f"{kept.writes:f} rewrites"
    lines = _requests(kept, tier, f"{tier.name}-put", kept.writes, times)
    if tier.provider != kept.provider:
        # R2 charges nothing for what comes or goes; the provider that it is written from charges for what leaves.
        egress = kept.book.price(kept.provider, kept.region, "network", "internet-egress")
        sent = f"sent from {kept.provider} to {tier.name}"
        formula = f"{kept.n_bytes:,} bytes x {times}"
        lines.append(_bytes_line(kept, sent, kept.writes * kept.n_bytes, egress, formula))
    return lines


def reading_lines(kept: Kept, tier: Tier, way: Retrieval, reads: Decimal) -> list[BillLine]:
    """Requests and bytes of reading everything `reads` times in one way, with the copies that an archive restores.

    Raises:
        PriceError: a price that is not known to be free is missing.
    """
    times = f"{reads:f} reads"
    lines = [line for item in way.request_items for line in _requests(kept, tier, item, reads, times)]
    n_bytes, formula = reads * kept.n_bytes, f"{kept.n_bytes:,} bytes x {times}"
    if way.bytes_item not in FREE:
        wait = f" ({way.name}, up to {way.hours:f} hours)" if way.hours else ""
        item = f"in {tier.name}: retrieval{wait}"
        lines.append(_bytes_line(kept, item, n_bytes, kept.price(tier, way.bytes_item), formula))
    if tier.restored_to:
        price = kept.price(tier, f"{tier.restored_to}-storage")
        formula += f" x {RESTORED_DAYS} of {DAYS_PER_MONTH:.4f} days"
        copies = f"in {tier.name}: restored copies in {tier.restored_to}"
        lines.append(_bytes_line(kept, copies, n_bytes * RESTORED_DAYS / DAYS_PER_MONTH, price, formula))
    return lines


def _bytes_line(kept: Kept, item: str, n_bytes: Decimal, price: Price, formula: str) -> BillLine:
    quantity = n_bytes / price.attribute("bytes_per_unit")
    return make_line(f"{kept.what} {item}", quantity, price, part=kept.part, formula=formula)


def _requests(kept: Kept, tier: Tier, item: str, per_object: Decimal, times: str) -> list[BillLine]:
    if item in FREE:
        return []
    price = kept.price(tier, item)
    quantity = per_object * kept.n_objects / requests_per_unit(price)
    formula = f"{kept.n_objects:,} objects x {times}"
    return [make_line(f"{kept.what} in {tier.name}: requests {item}", quantity, price, part=kept.part, formula=formula)]
