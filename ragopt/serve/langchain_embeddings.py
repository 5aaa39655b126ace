"""Embedding models between LangChain and ragopt, in both directions."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ragopt.corpus.chunks import embed_text
from ragopt.errors import EmbeddingServiceError, InputError, MissingExtra

try:
    from langchain_core.embeddings import Embeddings
except ImportError as error:
    raise MissingExtra.for_extra("The LangChain adapter", "langchain") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from ragopt.serve.opened import Index

NAME_FIELDS = ("model", "model_name", "deployment")
"""Where LangChain's own integrations keep a model's name (langchain-openai, -huggingface, -cohere)."""


class LangChainEmbedder:
    """A LangChain embedding model as an embedder of ragopt: `ragopt.open(DIR, embedder=LangChainEmbedder(model))`.

    Args:
        embeddings: the model.
        name: printed; None takes the name that the object itself keeps, else its class's.
        dim: of its vectors; None embeds one word to find it.

    Raises:
        InputError: the name holds a ``|``.
        EmbeddingServiceError: the model answers with something else than one vector per text.
    """

    device = "remote"
    tokenizer: Tokenizer | None = None

    def __init__(self, embeddings: Embeddings, *, name: str | None = None, dim: int | None = None) -> None:
        self.embeddings = embeddings
        kept = next((getattr(embeddings, field) for field in NAME_FIELDS if getattr(embeddings, field, None)), None)
        self.name = name or str(kept or type(embeddings).__name__)
        if "|" in self.name:
            raise InputError(f"The model's name {self.name!r} holds a |", next_step="Give another one with name=")
        self.dim = dim or len(embeddings.embed_query("dimension"))
        self.identity: Mapping[str, str | int] = {
            "model": self.name,
            "library": f"langchain-core {importlib.metadata.version('langchain-core')}",
            "class": f"{type(embeddings).__module__}.{type(embeddings).__qualname__}",
            "dim": self.dim,
        }

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed passages: float32 (n, dim), as the model gives them."""
        return self._checked(self.embeddings.embed_documents(list(texts)), len(texts))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions one by one, as LangChain's interface has it: float32 (n, dim)."""
        return self._checked([self.embeddings.embed_query(text) for text in texts], len(texts))

    def _checked(self, rows: list[list[float]], n: int) -> NDArray[np.float32]:
        lengths = sorted({len(row) for row in rows})
        if len(rows) != n or lengths not in ([], [self.dim]):
            raise EmbeddingServiceError(
                f"The model {self.name} answered {n} texts with {len(rows)} vectors of the lengths {lengths}",
                allowed=f"{n} vectors of length {self.dim}",
                next_step="Check that it is the model that the index was built with",
            )
        return np.asarray(rows, np.float32).reshape(n, self.dim)


class RagoptEmbeddings(Embeddings):
    """The model of an index as a LangChain embedding model; opened when first used."""

    def __init__(self, index: Index) -> None:
        """Embed as the index does."""
        self._index = index

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed passages, as the model gives them."""
        rows: list[list[float]] = self._index.embedder.embed_documents(
            [embed_text("", text) for text in texts]
        ).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """Embed a question, of unit length for cosine."""
        row: list[float] = self._index.embed_queries([text])[0].tolist()
        return row
