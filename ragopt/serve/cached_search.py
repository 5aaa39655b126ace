"""A search of one version: what the caches know is taken from there, the rest is embedded, searched and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.serve.filters import allowed_rows
from ragopt.serve.hits import Hit, hits_of
from ragopt.serve.nearest import checked_k
from ragopt.serve.result_cache import ResultKey
from ragopt.serve.row_store import row_store
from ragopt.serve.table import take_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ragopt.embed.embedder import Embedder
    from ragopt.serve.asked import Queries
    from ragopt.serve.caches import Caches
    from ragopt.serve.hits import TakeLines
    from ragopt.serve.snapshot import Snapshot

    Embed = Callable[[list[str]], NDArray[np.float32]]


def search_version(
    snapshot: Snapshot, queries: Queries, k: int, where: str | None, *, embed: Embed, take: TakeLines | None = None
) -> list[list[Hit]]:
    """Search without looking whether the answer is known.

    Args:
        snapshot: that is searched.
        queries: from `asked_queries`.
        k: chunks per query.
        where: a SQL condition; None for all.
        embed: gives the vectors of questions.
        take: reads lines of the table; None reads them from it.

    Raises:
        InputError: k is out of range, or the condition cannot be read.
    """
    if isinstance(queries, np.ndarray):
        vectors = queries
    else:
        vectors = embed(queries) if queries else np.empty((0, snapshot.manifest.full_dim), np.float32)
    allowed, matching = allowed_rows(snapshot, where)
    store = row_store(snapshot.manifest.engine)
    scores, rows = store.nearest(snapshot, vectors, checked_k(k), where=where, allowed=allowed)
    return hits_of(snapshot, scores, rows, matching, take)


def cached_search(  # noqa: PLR0913 - what an answer depends on
    caches: Caches,
    snapshot: Snapshot,
    queries: Queries,
    k: int,
    where: str | None,
    *,
    tenant: str,
    embed: Embed,
    embedder: Callable[[], Embedder],
) -> list[list[Hit]]:
    """Search with what the caches know of this version.

    Once another version is served, a search that is still under way on this one neither finds nor keeps anything.

    Args:
        caches: in front of the index.
        snapshot: that is searched.
        queries: from `asked_queries`.
        k: chunks per query.
        where: a SQL condition; None for all.
        tenant: whose entries are looked up and written.
        embed: gives the vectors of questions.
        embedder: gives the model of questions.

    Raises:
        InputError: as `search_version`.
    """
    number, results = caches.number_of(snapshot), caches.results
    take = None if number is None else _take_lines(caches, snapshot, number)

    def search(some: Queries) -> list[list[Hit]]:
        return search_version(snapshot, some, k, where, embed=embed, take=take)

    # What is no condition at all is refused where it is read; so is one that nothing was asked with.
    if number is None or results is None or not len(queries) or not isinstance(where, str | None):
        return search(queries)
    depth = checked_k(k)
    if isinstance(queries, np.ndarray):
        keys = [ResultKey(tenant, where, depth, None, vector.tobytes()) for vector in queries]
        return results.answers(number, keys, lambda places: search(queries[places]))
    model = caches.model(embedder(), snapshot.manifest.metric)
    keys = [ResultKey(tenant, where, depth, model, text) for text in queries]
    return results.answers(number, keys, lambda places: search([queries[place] for place in places]))


def _take_lines(caches: Caches, snapshot: Snapshot, number: int) -> TakeLines | None:
    chunks = caches.chunks
    if chunks is None:
        return None
    return lambda row_ids: chunks.taken(number, row_ids, lambda missing: take_lines(snapshot.table, missing))
