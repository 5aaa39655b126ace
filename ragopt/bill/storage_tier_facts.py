"""What every object storage tier asks for besides its prices: shortest stay, smallest object, how a read comes back.

Prices are in ragopt/bill/prices/object_storage.toml; their attributes `min_days`, `min_object_bytes`, `overhead_bytes`
and `overhead_standard_bytes` win over the figures here, so that a file of overrides can correct them. One object is one
request: the parts of a multipart upload are not counted. Allowances that a whole account shares (R2's free tier, the
first 100 GB of egress) stay on the bill, and nothing is rounded up to a billing unit (as R2 does, to whole GB and
millions of requests).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

KIB = 1024
"""AWS bills 2^30 bytes as a GB (https://aws.amazon.com/s3/faqs/, read 2026-11-23); that its KB is 2^10 is inferred."""

# Each page as stored, read 2026-11-26.
S3_CLASSES = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html"
S3_OVERHEAD = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html"
S3_RETRIEVAL = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html"
GCS_CLASSES = "https://cloud.google.com/storage/docs/storage-classes"
AZURE_TIERS = "https://learn.microsoft.com/en-us/azure/storage/blobs/access-tiers-overview"
AZURE_REHYDRATION = "https://learn.microsoft.com/en-us/azure/storage/blobs/archive-rehydrate-overview"
R2_PRICING = "https://developers.cloudflare.com/r2/pricing/"

RESTORED_DAYS = 1
"""Days that a restored copy is kept beside the archived one, and billed: the fewest that a restore can ask for.
An assumption for Azure, where a rehydrated blob stays until someone deletes it."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One way to read a tier.

    Attributes:
        name: `instant`, `standard`, `bulk`, `expedited` or `high`.
        hours: hours until the first byte, the upper end of what the provider states; 0 for milliseconds.
        bytes_item: price item of the bytes read.
        request_items: price items of the requests that one object needs, one of each.
    """

    name: str
    hours: Decimal
    bytes_item: str
    request_items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tier:
    """One storage tier.

    Attributes:
        name: as price items begin.
        provider: who sells it.
        retrievals: ways to read it.
        min_days: days that are billed at least, also when the object is deleted or overwritten before.
        min_object_bytes: bytes that are billed at least for an object.
        overhead_bytes: bytes that are billed beside each object at this tier's own rate.
        hot_overhead_bytes: bytes that are billed beside each object at the rate of `restored_to`.
        restored_to: tier that a restored copy lies in; empty where objects are read in place.
        by_name_only: why `cheapest` leaves it out, so that it has to be asked for; empty where it does not.
        source: pages of these figures.
    """

    name: str
    provider: str
    retrievals: tuple[Retrieval, ...]
    min_days: int = 0
    min_object_bytes: int = 0
    overhead_bytes: int = 0
    hot_overhead_bytes: int = 0
    restored_to: str = ""
    by_name_only: str = ""
    source: str = ""


def _instant(tier: str) -> tuple[Retrieval, ...]:
    return (Retrieval("instant", Decimal(0), f"{tier}-retrieval", (f"{tier}-get",)),)


def _restored(tier: str, hours: Mapping[str, str], *then: str) -> tuple[Retrieval, ...]:
    """Ways to read an archive: the items of the standard way have no suffix, those of another end with its name.

    `<tier>-get` is one restore request with the read of what was restored.
    """
    return tuple(
        Retrieval(
            name,
            Decimal(wait),
            f"{tier}-retrieval" + ("" if name == "standard" else f"-{name}"),
            (_restore_request(tier, name), *then),
        )
        for name, wait in hours.items()
    )


def _restore_request(tier: str, way: str) -> str:
    # "Bulk retrievals are free" in Glacier Flexible does not say whether their requests are: billed as standard ones.
    unsuffixed = way == "standard" or (tier, way) == ("s3-glacier-flexible", "bulk")
    return f"{tier}-get" if unsuffixed else f"{tier}-get-{way}"


# Expedited takes 1-5 minutes for objects under 250 MB, standard 3-5 hours, bulk 5-12 hours; Deep Archive 12 and 48.
_FLEXIBLE = {"expedited": "0.0834", "standard": "5", "bulk": "12"}
_DEEP = {"standard": "12", "bulk": "48"}
# Up to 15 hours; high priority may take under 1 hour for blobs under 10 GB.
_AZURE_ARCHIVE = {"high": "1", "standard": "15"}

_S3_ARCHIVE = f"{S3_CLASSES} {S3_OVERHEAD} {S3_RETRIEVAL}"

TIERS: Mapping[str, Tier] = MappingProxyType(
    {
        tier.name: tier
        for tier in (
            Tier("s3-standard", "aws", _instant("s3-standard"), source=S3_CLASSES),
            Tier("s3-standard-ia", "aws", _instant("s3-standard-ia"), 30, 128 * KIB, source=S3_CLASSES),
            Tier("s3-one-zone-ia", "aws", _instant("s3-one-zone-ia"), 30, 128 * KIB, source=S3_CLASSES,
                 by_name_only="one zone holds it, for data that can be made again"),
            Tier("s3-glacier-instant", "aws", _instant("s3-glacier-instant"), 90, 128 * KIB, source=S3_CLASSES),
            Tier("s3-glacier-flexible", "aws", _restored("s3-glacier-flexible", _FLEXIBLE), 90,
                 overhead_bytes=32 * KIB, hot_overhead_bytes=8 * KIB, restored_to="s3-standard", source=_S3_ARCHIVE),
            Tier("s3-deep-archive", "aws", _restored("s3-deep-archive", _DEEP), 180,
                 overhead_bytes=32 * KIB, hot_overhead_bytes=8 * KIB, restored_to="s3-standard", source=_S3_ARCHIVE),
            Tier("gcs-standard", "gcp", _instant("gcs-standard"), source=GCS_CLASSES),
            Tier("gcs-nearline", "gcp", _instant("gcs-nearline"), 30, source=GCS_CLASSES),
            Tier("gcs-coldline", "gcp", _instant("gcs-coldline"), 90, source=GCS_CLASSES),
            Tier("gcs-archive", "gcp", _instant("gcs-archive"), 365, source=GCS_CLASSES),
            Tier("azure-hot", "azure", _instant("azure-hot"), source=AZURE_TIERS),
            Tier("azure-cool", "azure", _instant("azure-cool"), 30, source=AZURE_TIERS),
            Tier("azure-cold", "azure", _instant("azure-cold"), 90, source=AZURE_TIERS),
            Tier("azure-archive", "azure",
                 _restored("azure-archive", _AZURE_ARCHIVE, "azure-hot-put", "azure-hot-get"), 180,
                 restored_to="azure-hot", source=f"{AZURE_TIERS} {AZURE_REHYDRATION}"),
            Tier("r2-standard", "cloudflare", _instant("r2-standard"), source=R2_PRICING,
                 by_name_only="Cloudflare holds it"),
            Tier("r2-infrequent", "cloudflare", _instant("r2-infrequent"), 30, source=R2_PRICING,
                 by_name_only="Cloudflare holds it"),
        )
    }
)  # fmt: skip

FREE: Mapping[str, str] = MappingProxyType(
    {
        "s3-standard-retrieval": S3_CLASSES,
        "s3-glacier-flexible-retrieval-bulk": S3_RETRIEVAL,
        "gcs-standard-retrieval": GCS_CLASSES,
        "azure-hot-retrieval": AZURE_TIERS,
        "r2-standard-retrieval": R2_PRICING,
    }
)
"""Price items that cost nothing, each with the page that says so. R2 also charges nothing for what leaves it, towards
any provider (https://developers.cloudflare.com/r2/pricing/). Any other item that the price book lacks is an error."""
