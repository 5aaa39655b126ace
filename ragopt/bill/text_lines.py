"""The store of chunk text: in standard object storage, one object per chunk, read once per chunk that is fetched."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import Charges, make_line, total, without_zeros
from ragopt.bill.request_units import requests_per_unit
from ragopt.bill.retrieved import results_per_query
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

STANDARD_TIERS = {"aws": "s3-standard", "gcp": "gcs-standard", "azure": "azure-hot", "cloudflare": "r2-standard"}
"""By provider, the tier that answers at once and charges no retrieval, as the price files name it."""


def standard_tier(provider: str) -> str:
    """Name a provider's standard object storage. Raises PriceError where none is known."""
    if provider not in STANDARD_TIERS:
        raise PriceError(
            f"No standard object storage is known of {provider}",
            allowed=", ".join(STANDARD_TIERS),
            next_step="Name its tier in STANDARD_TIERS of ragopt/bill/text_lines.py, with prices in ragopt/bill/prices",
        )
    return STANDARD_TIERS[provider]


def text_charges(workload: Workload, book: PriceBook) -> Charges:
    """Return what the chunks' text costs in a month (part `text`); no line where a chunk has no text.

    One object per chunk and one read per chunk that a search returns, those that a reranker then drops included: the
    most requests that any layout needs. Text that the vector database returns as metadata belongs into
    `metadata_bytes` instead, with `text_bytes_per_chunk` at 0.

    Args:
        workload: as asked for, not `at_average()`: it is stored at its average size.
        book: prices.

    Returns:
        Lines; `usd_before_minimum` leaves out the first load, which is spread over the horizon.

    Raises:
        PriceError: a missing price, or a unit that counts no requests.
    """
    if not workload.text_bytes_per_chunk:
        return Charges((), Decimal("0.00"))
    tier = standard_tier(workload.provider)
    place = (workload.provider, workload.region, "object_storage")
    storage, put = book.price(*place, f"{tier}-storage"), book.price(*place, f"{tier}-put")
    each, average = results_per_query(workload), workload.n_vectors_average
    kept = make_line(
        f"Object storage {tier}: text of the chunks",
        average * workload.text_bytes_per_chunk / storage.attribute("bytes_per_unit"),
        storage,
        part="text",
        formula=f"{average:,f} chunks on average x {workload.text_bytes_per_chunk:,} bytes / "
        f"{storage.attribute('bytes_per_unit'):,f}",
    )
    reads = _requests(
        f"Reads from {tier}: one per chunk that a search returns",
        Decimal(workload.queries_per_month) * each,
        book.price(*place, f"{tier}-get"),
        f"{workload.queries_per_month:,} queries x {each} {'candidates' if workload.reranker else 'chunks'}",
    )
    first = _requests(
        f"Writes to {tier}: one per chunk, the first load spread over the horizon",
        Decimal(workload.n_vectors_first) / workload.horizon_months,
        put,
        f"{workload.n_vectors_first:,} chunks / {workload.horizon_months} months",
    )
    growth = workload.growth_vectors_per_month
    added = _requests(f"Writes to {tier}: chunks added", Decimal(growth), put, f"{growth:,} chunks a month")
    return Charges(without_zeros([kept, reads, first, added]), total([kept, reads, added]))


def _requests(item: str, n_requests: Decimal, price: Price, formula: str) -> BillLine:
    per_unit = requests_per_unit(price)
    return make_line(item, n_requests / per_unit, price, part="text", formula=f"{formula} / {per_unit:,}")
