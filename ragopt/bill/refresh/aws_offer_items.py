"""Which product of an AWS offer file is which price of the book.

Usage types and what they count: https://docs.aws.amazon.com/AmazonS3/latest/userguide/aws-usage-report-understand.html
(S3). One usage type can carry several operations at several prices: there the operation is part of the name. Deep
Archive has an offer file of its own, and what leaves AWS is in AWSDataTransfer: S3's own DataTransfer-Out-Bytes is
another charge. Reads of Glacier Flexible and Deep Archive are not here: the book's price is a restore and a read
together, which no single product is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.refresh.outcome import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

STORAGE = Unit("GB-Mo", ("GB-month", "GiB-month"))
"""AWS's GB is 2^30 bytes: https://aws.amazon.com/s3/faqs/ divides byte-hours by 1,073,741,824."""

TRANSFER = Unit("GB", ("GB", "GiB"))

BOTH_ENDS = Unit("GB", ("GB", "GiB"), Decimal(2))
"""Between zones each end pays for the same byte (https://aws.amazon.com/ec2/pricing/on-demand/, Data Transfer); the
book prices one byte moved."""

REQUESTS = Unit("Requests", ("1k requests",), Decimal(1000))


@dataclass(frozen=True, slots=True)
class OfferItem:
    """One price of the book in an offer file.

    Attributes:
        group, item: its names in the book.
        offer: the offer code, part of the file's address.
        usagetype: the product's usage type, without the region's prefix.
        unit: the unit of its price.
        attributes: further product attributes that must be equal, where the usage type alone is not one price.
    """

    group: str
    item: str
    offer: str
    usagetype: str
    unit: Unit
    attributes: Mapping[str, str] = field(default_factory=dict)


def _s3(item: str, usagetype: str, unit: Unit, **attributes: str) -> OfferItem:
    return OfferItem("object_storage", item, "AmazonS3", usagetype, unit, attributes)


def _deep_archive(item: str, usagetype: str, unit: Unit, **attributes: str) -> OfferItem:
    return OfferItem("object_storage", item, "AmazonS3GlacierDeepArchive", usagetype, unit, attributes)


OFFER_ITEMS = (
    _s3("s3-standard-storage", "TimedStorage-ByteHrs", STORAGE, volumeType="Standard"),
    _s3("s3-standard-ia-storage", "TimedStorage-SIA-ByteHrs", STORAGE),
    _s3("s3-one-zone-ia-storage", "TimedStorage-ZIA-ByteHrs", STORAGE),
    _s3("s3-glacier-instant-storage", "TimedStorage-GIR-ByteHrs", STORAGE),
    _s3("s3-glacier-flexible-storage", "TimedStorage-GlacierByteHrs", STORAGE),
    _deep_archive("s3-deep-archive-storage", "TimedStorage-GDA-ByteHrs", STORAGE),
    _s3("s3-standard-put", "Requests-Tier1", REQUESTS, operation=""),
    _s3("s3-standard-get", "Requests-Tier2", REQUESTS, operation=""),
    _s3("s3-standard-ia-put", "Requests-SIA-Tier1", REQUESTS, operation=""),
    _s3("s3-standard-ia-get", "Requests-SIA-Tier2", REQUESTS, operation=""),
    _s3("s3-one-zone-ia-put", "Requests-ZIA-Tier1", REQUESTS, operation=""),
    _s3("s3-one-zone-ia-get", "Requests-ZIA-Tier2", REQUESTS, operation=""),
    _s3("s3-glacier-instant-put", "Requests-GIR-Tier1", REQUESTS, operation=""),
    _s3("s3-glacier-instant-get", "Requests-GIR-Tier2", REQUESTS, operation=""),
    # Not the lifecycle transition and not the restore, which have other operations under the same usage type.
    _s3("s3-glacier-flexible-put", "Requests-GLACIER-Tier1", REQUESTS, operation="PutObject"),
    _deep_archive("s3-deep-archive-put", "Requests-GDA-Tier1", REQUESTS, operation="PostObject"),
    _s3("s3-standard-ia-retrieval", "Retrieval-SIA", TRANSFER),
    _s3("s3-one-zone-ia-retrieval", "Retrieval-ZIA", TRANSFER),
    _s3("s3-glacier-instant-retrieval", "Retrieval-GIR", TRANSFER),
    # The standard speed: expedited and bulk have usage types of their own.
    _s3("s3-glacier-flexible-retrieval", "Standard-Retrieval-Bytes", TRANSFER, operation="RestoreObject"),
    _s3("s3-deep-archive-retrieval", "Standard-Retrieval-Bytes", TRANSFER, operation="DeepArchiveRestoreObject"),
    OfferItem("network", "internet-egress", "AWSDataTransfer", "DataTransfer-Out-Bytes", TRANSFER,
              {"transferType": "AWS Outbound", "toLocation": "External"}),
    OfferItem("network", "cross-zone", "AWSDataTransfer", "DataTransfer-Regional-Bytes", BOTH_ENDS,
              {"transferType": "IntraRegion"}),
)  # fmt: skip
