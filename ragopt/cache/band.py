"""Without a log: what a chunk cache may hit and save, as a band of a model, and no recommendation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.bill.retrieved import results_per_query
from ragopt.cache.entry_bytes import chunk_entry_bytes
from ragopt.cache.memory_price import memory_price
from ragopt.cache.unit_prices import unit_prices
from ragopt.cache.zipf_model import ALPHA_HIGH, ALPHA_LOW, MODEL_LABEL, zipf_band

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload

SHARES = (
    Decimal("0.001"),
    Decimal("0.01"),
    Decimal("0.05"),
    Decimal("0.1"),
    Decimal("0.2"),
    Decimal("0.5"),
    Decimal(1),
)
"""Of the corpus that a cache holds: the sizes that caching studies report (RAGCache 3 %, our own replay 5 and 20 %)."""

WARNING = (
    "A Zipf model alone is no measurement: fitted to a real trace of a RAG service it said 28 to 42 % where the replay "
    "hit 55 %, for sessions come back to the same chunks. Replay a log before choosing a size: ragopt cache LOG."
)
"""Measured on RAGPulse, 2026-11-23."""


@dataclass(frozen=True, slots=True)
class BandRow:
    """A chunk cache of one size.

    Attributes:
        size_items: chunks that it holds.
        size_bytes: their bytes, overhead included.
        hits_low, hits_high: share of chunk reads that hit, with the less and the more skewed popularities.
        saved_low_usd, saved_high_usd: a month, before its memory.
        memory_usd: of the memory, a month.
    """

    size_items: int
    size_bytes: int
    hits_low: float
    hits_high: float
    saved_low_usd: Decimal
    saved_high_usd: Decimal
    memory_usd: Decimal


@dataclass(frozen=True, slots=True)
class ModelBand:
    """What a Zipf model says of a chunk cache.

    Attributes:
        label: stands beside every figure.
        n_items: chunks of the corpus.
        alpha_low, alpha_high: skews of popularity at both ends.
        reads_per_month: chunk reads.
        usd_per_read: that a hit saves.
        rows: sizes rising.
        warning: what the model is not.
    """

    label: str
    n_items: int
    alpha_low: float
    alpha_high: float
    reads_per_month: int
    usd_per_read: Decimal
    rows: tuple[BandRow, ...]
    warning: str


def model_band(workload: Workload, book: PriceBook) -> ModelBand:
    """Give the band of a chunk cache over a corpus of `workload.n_vectors` chunks.

    Raises:
        PriceError, InputError: a price of the workload is missing.
    """
    prices, memory = unit_prices(workload, book), memory_price(book, workload)
    n_items = workload.n_vectors
    each = chunk_entry_bytes(workload.text_bytes_per_chunk, metadata_bytes=workload.metadata_bytes)
    reads = workload.queries_per_month * results_per_query(workload)
    sizes = sorted({max(1, int(n_items * share)) for share in SHARES})
    rows = tuple(
        BandRow(
            point.size_items,
            point.size_items * each,
            point.low,
            point.high,
            reads * prices.chunk_read * Decimal(repr(point.low)),
            reads * prices.chunk_read * Decimal(repr(point.high)),
            memory.usd(point.size_items * each),
        )
        for point in zipf_band(n_items, sizes)
    )
    return ModelBand(MODEL_LABEL, n_items, ALPHA_LOW, ALPHA_HIGH, reads, prices.chunk_read, rows, WARNING)


def band_json(band: ModelBand) -> Mapping[str, Any]:
    """Give the band as JSON: money as decimal strings."""
    plain = dataclasses.asdict(band)
    rows = [{name: f"{one:f}" if isinstance(one, Decimal) else one for name, one in row.items()}
            for row in plain["rows"]]  # fmt: skip
    return {**plain, "usd_per_read": f"{band.usd_per_read:f}", "rows": rows}
