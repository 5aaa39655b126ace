"""Raw vectors and source documents, kept in the storage tier that suits how often they are read."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import Charges
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload

RAW_BYTES_PER_DIMENSION = 4
"""float32, what embedding APIs return and every index is built from."""

RAW_VECTOR_OBJECT_BYTES = 100_000_000
"""Raw vectors are written and read in whole files of this size. An assumption: large enough that requests and minimum
sizes cost nothing, small enough to read one file at a time."""


NOTHING = Charges((), Decimal("0.00"))


def archive_charges(workload: Workload, book: PriceBook, *, dim: int | None) -> Charges:
    """Return what raw vectors and source documents cost in a month (parts `storage` and `documents`).

    Args:
        workload: as asked for, not `at_average()`: vectors are stored at their average number.
        book: prices.
        dim: dimension of the vectors that the model returns; only raw vectors need it.

    Returns:
        Lines; `usd_before_minimum` leaves out the first upload, and notes name tiers that could not be compared.

    Raises:
        InputError: raw vectors are kept, but their dimension is not known.
        PriceError: see `storage_tier.tier_charges`.
    """
    documents, vectors = _documents(workload, book), _raw_vectors(workload, book, dim)
    return Charges(
        (*documents.lines, *vectors.lines),
        documents.usd_before_minimum + vectors.usd_before_minimum,
        (*documents.notes, *vectors.notes),
    )


def _documents(workload: Workload, book: PriceBook) -> Charges:
    if not workload.document_bytes:
        return NOTHING
    from ragopt.bill.storage_tier import tier_charges  # noqa: PLC0415 - loaded where something is archived

    return tier_charges(
        workload.document_bytes,
        workload.document_reads_per_month,
        workload.document_object_bytes,
        Decimal(0),
        workload.most_retrieval_hours,
        workload.provider,
        workload.region,
        book,
        workload.storage_tier,
        part="documents",
        what="Source documents",
        loads_per_month=Decimal(1) / workload.horizon_months,
    )


def _raw_vectors(workload: Workload, book: PriceBook, dim: int | None) -> Charges:
    if workload.keep_raw_vectors != "yes":
        return NOTHING
    if dim is None:
        raise InputError(
            "Raw vectors are kept, but their dimension is not known",
            next_step="Give the model's dimension with --dim, or set keep_raw_vectors to no",
        )
    from ragopt.bill.storage_tier import tier_charges  # noqa: PLC0415 - loaded where something is archived

    n_bytes = workload.n_vectors_average * dim * RAW_BYTES_PER_DIMENSION
    return tier_charges(
        int(n_bytes.to_integral_value(rounding=ROUND_CEILING)),
        workload.raw_vector_reads_per_month + workload.reindexes_per_month,
        RAW_VECTOR_OBJECT_BYTES,
        workload.reembeddings_per_month,
        workload.most_retrieval_hours,
        workload.provider,
        workload.region,
        book,
        workload.storage_tier,
        part="storage",
        what=f"Raw vectors, {dim:,} x float32",
        loads_per_month=Decimal(1) / workload.horizon_months,
    )
