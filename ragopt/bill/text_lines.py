"""The store of chunk text: kept in standard object storage, one object per chunk, read once per returned chunk."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import make_line, without_zeros
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

STANDARD_TIERS = {"aws": "s3-standard", "gcp": "gcs-standard", "azure": "azure-hot", "cloudflare": "r2-standard"}
"""By provider, the tier that answers at once and charges no retrieval, as the price files name it."""

REQUESTS_PER_UNIT = 1000
"""Requests are priced by the thousand (unit `1k requests`)."""


def standard_tier(provider: str) -> str:
    """Name a provider's standard object storage. Raises PriceError where none is known."""
    if provider not in STANDARD_TIERS:
        raise PriceError(
            f"No standard object storage is known of {provider}",
            allowed=", ".join(STANDARD_TIERS),
            next_step="Name its tier in STANDARD_TIERS of ragopt/bill/text_lines.py, with prices in ragopt/bill/prices",
        )
    return STANDARD_TIERS[provider]


def text_lines(workload: Workload, book: PriceBook) -> tuple[BillLine, ...]:
    """Return what the chunks' text costs in a month (part `text`); no line where a chunk has no text.

    One object per chunk and one read per returned chunk: the most requests that any layout needs. Text that the vector
    database returns as metadata belongs into `metadata_bytes` instead, with `text_bytes_per_chunk` at 0.

    Args:
        workload: as asked for, not `at_average()`: it is stored at its average size.
        book: prices.

    Raises:
        PriceError: a missing price.
    """
    if not workload.text_bytes_per_chunk:
        return ()
    tier, average = standard_tier(workload.provider), workload.n_vectors_average
    place = (workload.provider, workload.region, "object_storage")
    storage = book.price(*place, f"{tier}-storage")
    writes = Decimal(workload.n_vectors) / workload.horizon_months + workload.growth_vectors_per_month
    return without_zeros(
        [
            make_line(
                f"Object storage {tier}: text of the chunks",
                average * workload.text_bytes_per_chunk / storage.attribute("bytes_per_unit"),
                storage,
                part="text",
                formula=f"{average:,f} chunks on average x {workload.text_bytes_per_chunk:,} bytes / "
                f"{storage.attribute('bytes_per_unit'):,f}",
            ),
            make_line(
                f"Reads from {tier}: one per returned chunk",
                Decimal(workload.queries_per_month) * workload.k / REQUESTS_PER_UNIT,
                book.price(*place, f"{tier}-get"),
                part="text",
                formula=f"{workload.queries_per_month:,} queries x {workload.k} chunks / 1,000",
            ),
            make_line(
                f"Writes to {tier}: one per chunk, the first load spread over the horizon",
                writes / REQUESTS_PER_UNIT,
                book.price(*place, f"{tier}-put"),
                part="text",
                formula=f"({workload.n_vectors:,} chunks / {workload.horizon_months} months + "
                f"{workload.growth_vectors_per_month:,} added a month) / 1,000",
            ),
        ]
    )
