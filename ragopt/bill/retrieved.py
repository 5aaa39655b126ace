"""How many chunks one query brings back before a reranker drops some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.bill.workload import Workload


def results_per_query(workload: Workload) -> int:
    """Chunks that a search returns and whose text is read: k, or all that a reranker chooses them from.

    >>> from ragopt.bill.workload import Workload
    >>> results_per_query(Workload(1000, k=10)), results_per_query(Workload(1000, k=10, reranker="cohere:rerank-v3.5"))
    (10, 50)
    """
    return max(workload.k, workload.rerank_candidates) if workload.reranker else workload.k
