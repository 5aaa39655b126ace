"""What a search was asked: questions that can be embedded, or vectors that can be searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.corpus.text_files import check_encodable
from ragopt.embed.stored_rows import embedded_rows
from ragopt.errors import InputError
from ragopt.serve.nearest import query_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ragopt.embed.embedder import Embedder
    from ragopt.serve.caches import Caches
    from ragopt.serve.manifest import Manifest
    from ragopt.serve.snapshot import Snapshot

    Queries = list[str] | NDArray[np.float32]


def asked_queries(snapshot: Snapshot, queries: Any) -> Queries:
    """A list of questions, or float32 (n, full dimension) vectors from `query_vectors`.

    Raises:
        InputError: neither texts nor a numpy array, or vectors that do not fit.
    """
    if isinstance(queries, np.ndarray):
        return query_vectors(snapshot, queries)
    if queries is None or isinstance(queries, int | float):
        raise InputError(f"{queries!r} is no question", allowed="a text, a list of texts, or a numpy array",
                         next_step="Give the question as text")  # fmt: skip
    texts = list(queries)
    if not all(isinstance(text, str) for text in texts):
        raise InputError("A list of queries holds something else than text", allowed="questions, or a numpy array",
                         next_step="Give vectors as one float32 array (n_queries, dim)")  # fmt: skip
    return texts


def embedded_questions(
    embedder: Embedder, manifest: Manifest, texts: Sequence[str], caches: Caches | None = None
) -> NDArray[np.float32]:
    """Vectors of questions: those that the caches know, and the model's for the others.

    Returns:
        float32 (n, full dimension), of unit length for cosine; the caller's own to change.

    Raises:
        InputError: a text that no model takes, or the model's answer is no vectors.
    """
    for text in texts:
        check_encodable(text, f"The question {text[:60]!r}")

    def embed(some: Sequence[str]) -> NDArray[np.float32]:
        return embedded_rows(embedder.embed_queries(some), (len(some), manifest.full_dim), manifest.metric,
                             describe=lambda row: f"the question {some[row][:60]!r}")  # fmt: skip

    if caches is None or caches.vectors is None or not texts:
        return embed(texts)
    return caches.vectors.rows(caches.model(embedder, manifest.metric), texts, embed)
