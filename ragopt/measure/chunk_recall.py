"""How many of the judged documents are among the first chunks: what a generator gets that is sent so many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BY_CHUNKS = "recall_by_chunks@"
"""How the names of these scores begin; the number of chunks follows."""

DEPTHS = (1, 2, 3, 5, 10)
"""Numbers of chunks that are looked at, besides the k of a run: those that a generator is usually sent."""


def depths_of(k: int, n_results: int) -> tuple[int, ...]:
    """Numbers of chunks to look at, ascending: DEPTHS and k, as far as a search returns so many."""
    return tuple(sorted({depth for depth in (*DEPTHS, k) if depth <= n_results}))


def recall_by_chunks(
    found: NDArray[np.int64],
    relevant: Sequence[frozenset[str]],
    document_ids: Sequence[str],
    duplicates: Mapping[int, Sequence[str]],
    depths: Sequence[int],
) -> NDArray[np.float32]:
    """Share of a query's relevant documents that one of its first d chunks belongs to.

    Unlike recall_vs_qrels@d, which looks at the d best *documents*: several of d chunks can be of one document.

    Args:
        found: int64 (n_queries, >= max(depths)) chunk rows, best first, -1 for none.
        relevant: ids of each query's relevant documents; a query without any scores 0, as in trec_eval.
        document_ids: the document of each chunk row.
        duplicates: by chunk row, further documents that hold the same chunk.
        depths: numbers of chunks.

    Returns:
        float32 (n_queries, len(depths)).
    """
    scores = np.zeros((len(found), len(depths)), dtype=np.float32)
    for number, (rows, wanted) in enumerate(zip(found.tolist(), relevant, strict=True)):
        if not wanted:
            continue
        seen: set[str] = set()
        reached = []
        for row in rows[: max(depths)]:
            if row >= 0:
                seen |= wanted.intersection((document_ids[row], *duplicates.get(row, ())))
            reached.append(len(seen))
        scores[number] = [reached[depth - 1] / len(wanted) for depth in depths]
    return scores
