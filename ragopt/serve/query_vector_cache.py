"""Query vectors by text: a question that was embedded before is not embedded again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ragopt.embed.embedder import Embedder
    from ragopt.records import Metric
    from ragopt.serve.byte_cache import ByteCache

    Model = tuple[tuple[tuple[str, str | int], ...], str]

ANY_VERSION = 0
"""Vectors of questions are of a model, whatever the index holds: they all belong to the version that a cache begins
with."""


def model_key(embedder: Embedder, metric: Metric) -> Model:
    """All that a stored query vector depends on beside its text: the model, and whether it has unit length."""
    return tuple(sorted(embedder.identity.items())), "unit" if metric == "cosine" else "as given"


class QueryVectorCache:
    """Vectors by model and exact text. They outlive changes of the index, but are never another model's."""

    def __init__(self, entries: ByteCache) -> None:
        """Keep them there."""
        self.entries = entries

    def rows(
        self, model: Model, texts: Sequence[str], embed: Callable[[list[str]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Take what is known and embed the rest in one call.

        Args:
            model: from `model_key`.
            texts: questions, at least one; one that comes twice is embedded once.
            embed: gives float32 (n, dim) for some of them.

        Returns:
            float32 (len(texts), dim), the caller's own to change.
        """
        known: dict[str, Any] = {text: self.entries.get(ANY_VERSION, (model, text)) for text in dict.fromkeys(texts)}
        missing = [text for text, row in known.items() if row is None]
        if missing:
            for text, row in zip(missing, embed(missing), strict=True):
                known[text] = row
                kept, key = row.copy(), (model, text)
                self.entries.put(ANY_VERSION, key, kept, sum(map(sys.getsizeof, (key, text, kept))))
        return np.stack([known[text] for text in texts])
