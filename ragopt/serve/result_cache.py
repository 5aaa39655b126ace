"""Answers by everything that they depend on: a question that was asked before is neither embedded nor searched."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from ragopt.serve.entry_sizes import size_of_hits
from ragopt.serve.hits import Hit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ragopt.serve.byte_cache import ByteCache
    from ragopt.serve.query_vector_cache import Model


class ResultKey(NamedTuple):
    """What an answer depends on within one version of one folder, and whose it is.

    Attributes:
        tenant: as the caller gave it. where: exact text of the condition. k: chunks asked for.
        model: that embeds the question; None for a query that is a vector already.
        query: exact text, or the bytes of the vector that is searched.
    """

    tenant: str
    where: str | None
    k: int
    model: Model | None
    query: str | bytes


class ResultCache:
    """Hits by `ResultKey`."""

    def __init__(self, entries: ByteCache) -> None:
        """Keep them there."""
        self.entries = entries

    def answers(
        self, version: int, keys: Sequence[ResultKey], search: Callable[[list[int]], list[list[Hit]]]
    ) -> list[list[Hit]]:
        """Take what is known and search for the rest in one call.

        Args:
            version: that is searched.
            keys: one per query; one that comes twice is searched once.
            search: gives the hits of the queries at some places.

        Returns:
            Hits per query, the caller's own to change.
        """
        known: dict[ResultKey, tuple[Hit, ...]] = {}
        missing: dict[ResultKey, int] = {}
        for place, key in enumerate(keys):
            if key in known or key in missing:
                continue
            kept = self.entries.get(version, key)
            if kept is None:
                missing[key] = place
            else:
                known[key] = kept
        if missing:
            for key, hits in zip(missing, search(list(missing.values())), strict=True):
                known[key] = tuple(hits)
                self.entries.put(version, key, tuple(map(own_copy, hits)), size_of_key(key) + size_of_hits(hits))
        return [list(map(own_copy, known[key])) for key in keys]


def own_copy(hit: Hit) -> Hit:
    """A hit with metadata of its own; everything else of it cannot be changed."""
    return Hit(hit.id, hit.document, hit.title, hit.text, hit.score, dict(hit.metadata), hit.also_in)


def size_of_key(key: ResultKey) -> int:
    """Bytes of a key in memory; the model is not counted: all keys share it."""
    return sum(map(sys.getsizeof, (key, key.tenant, key.where or "", key.k, key.query)))
