"""What the whole retrieval service costs beside its index: the lines that are the same at every target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ragopt.bill.archive_lines import archive_charges
from ragopt.bill.embedding_lines import embedding_lines
from ragopt.bill.generation_lines import generation_lines, generation_notes
from ragopt.bill.lines import Charges, total
from ragopt.bill.network_lines import network_lines
from ragopt.bill.rerank_lines import rerank_lines, rerank_notes
from ragopt.bill.text_lines import text_charges

if TYPE_CHECKING:
    from datetime import datetime

    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

__all__ = ["CAUTION", "embedding_lines", "shared_charges"]

CAUTION = "Prices of "
"""How a note begins that repeats what a price's own caution says."""


def shared_charges(
    workload: Workload, book: PriceBook, *, dim: int | None = None, when: datetime | None = None
) -> Charges:
    """Return what is the same whatever index and target are chosen; embedding is apart, for it is not.

    Args:
        workload: as asked for, not `at_average()`: what is stored is billed at its average size.
        book: prices.
        dim: dimension of the model's vectors; needed where raw vectors are kept or zones are crossed.
        when: the day whose token prices count; today where none is given.

    Returns:
        Lines of at least a cent of the parts text, storage (raw vectors), documents, rerank, generation and egress;
        `usd_before_minimum` leaves out first loads that are spread over the horizon. Notes: what could not be compared
        or is assumed, and every caution of a price.

    Raises:
        InputError: a figure that the workload needs is not known, or two contradict each other.
        PriceError: a price is missing.
    """
    text, archive = text_charges(workload, book), archive_charges(workload, book, dim=dim)
    by_the_month = (
        *rerank_lines(workload, book),
        *generation_lines(workload, book, when=when),
        *network_lines(workload, book, dim=dim),
    )
    lines = (*text.lines, *archive.lines, *by_the_month)
    return Charges(
        lines,
        text.usd_before_minimum + archive.usd_before_minimum + total(by_the_month),
        (
            *archive.notes,
            *rerank_notes(workload, book),
            *generation_notes(workload, book, when=when),
            *_cautions(lines),
        ),
    )


def _cautions(lines: Iterable[BillLine]) -> tuple[str, ...]:
    """Every caution once, with the parts of the bill that it is of."""
    parts: dict[str, dict[str, None]] = {}
    for line in lines:
        if line.caution:
            parts.setdefault(line.caution, {})[line.part] = None
    return tuple(f"{CAUTION}{' and '.join(names)}: {caution.rstrip('.')}." for caution, names in parts.items())
