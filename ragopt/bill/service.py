"""What the whole retrieval service costs beside its index: the lines that are the same at every target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.bill.archive_lines import archive_lines
from ragopt.bill.embedding_lines import embedding_lines
from ragopt.bill.generation_lines import generation_lines
from ragopt.bill.network_lines import network_lines
from ragopt.bill.rerank_lines import rerank_lines
from ragopt.bill.text_lines import text_lines

if TYPE_CHECKING:
    from datetime import datetime

    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

__all__ = ["embedding_lines", "shared_lines"]


def shared_lines(
    workload: Workload, book: PriceBook, *, dim: int | None = None, when: datetime | None = None
) -> tuple[BillLine, ...]:
    """Return the lines that are the same whatever index and target are chosen; embedding is apart, for it is not.

    Args:
        workload: as asked for, not `at_average()`: what is stored is billed at its average size.
        book: prices.
        dim: dimension of the model's vectors; needed where raw vectors are kept or zones are crossed.
        when: the day whose token prices count; today where none is given.

    Returns:
        Lines of at least a cent of the parts text, storage (raw vectors), documents, rerank, generation and egress.

    Raises:
        InputError: a figure that the workload needs is not known.
        PriceError: a price is missing.
    """
    return (
        *text_lines(workload, book),
        *archive_lines(workload, book, dim=dim),
        *rerank_lines(workload, book),
        *generation_lines(workload, book, when=when),
        *network_lines(workload, book, dim=dim),
    )
