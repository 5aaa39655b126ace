"""Traffic that is billed by the byte: text that leaves for the internet, and searches that cross zones."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import make_line, without_zeros
from ragopt.bill.retrieved import results_per_query
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

QUERY_BYTES_PER_DIMENSION = 4
"""A question's vector travels as float32."""

BYTES_PER_HIT = 12
"""An id of 8 bytes (FAISS int64) and a score of 4 (float32)."""

FREE_BETWEEN_ZONES = ("azure",)
"""Providers that charge nothing between the zones of a region: Azure
(https://learn.microsoft.com/azure/reliability/availability-zones-overview)."""


def network_lines(workload: Workload, book: PriceBook, *, dim: int | None) -> tuple[BillLine, ...]:
    """Return what traffic costs in a month (part `egress`).

    Internet: queries x k x text bytes x `internet_egress_share`; what a reranker drops does not leave. Providers'
    free allowances are not deducted: an account has them once, whatever else it sends. Zones: a caller reaches each
    zone's replica equally often, so that 1 - 1/n_zones of all question vectors and results cross; the price is that
    of a byte moved, both ends together.

    Args:
        workload: what is asked for.
        book: prices.
        dim: dimension of the question's vector; only traffic between zones needs it.

    Raises:
        InputError: several zones, but the dimension is not known.
        PriceError: a missing price.
    """
    return without_zeros([*_to_the_internet(workload, book), *_between_zones(workload, book, dim)])


def _to_the_internet(workload: Workload, book: PriceBook) -> tuple[BillLine, ...]:
    n_chunks = Decimal(workload.queries_per_month) * workload.k
    n_bytes = n_chunks * workload.text_bytes_per_chunk * workload.internet_egress_share
    if not n_bytes:
        return ()
    price = book.price(workload.provider, workload.region, "network", "internet-egress")
    return (
        make_line(
            "Traffic to the internet: text of returned chunks",
            n_bytes / price.attribute("bytes_per_unit"),
            price,
            part="egress",
            formula=f"{workload.queries_per_month:,} queries x {workload.k} chunks x "
            f"{workload.text_bytes_per_chunk:,} bytes x {workload.internet_egress_share:f} / "
            f"{price.attribute('bytes_per_unit'):,f}",
        ),
    )


def _between_zones(workload: Workload, book: PriceBook, dim: int | None) -> tuple[BillLine, ...]:
    if workload.n_zones == 1 or not workload.queries_per_month or workload.provider in FREE_BETWEEN_ZONES:
        return ()
    if dim is None:
        raise InputError(
            f"Searches cross {workload.n_zones} zones, but the dimension of a question's vector is not known",
            next_step="Give the dimension with --dim, or keep the replicas in one zone",
        )
    price = book.price(workload.provider, workload.region, "network", "cross-zone")
    hit_bytes = BYTES_PER_HIT + workload.metadata_bytes + workload.key_bytes
    hits = results_per_query(workload)
    query_bytes = dim * QUERY_BYTES_PER_DIMENSION + hits * hit_bytes
    crossing = Decimal(workload.queries_per_month) * query_bytes * (workload.n_zones - 1) / workload.n_zones
    return (
        make_line(
            "Traffic between zones: questions' vectors and results",
            crossing / price.attribute("bytes_per_unit"),
            price,
            part="egress",
            formula=f"{workload.queries_per_month:,} queries x ({dim:,} x 4 + {hits} x {hit_bytes:,}) bytes x "
            f"(1 - 1/{workload.n_zones}) crossing / {price.attribute('bytes_per_unit'):,f}",
        ),
    )
