"""A served index as a LangChain vector store; `store.as_retriever()` is its retriever."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ragopt.corpus.records import Document as CorpusDocument
from ragopt.errors import InputError, MissingExtra
from ragopt.serve.adapter_metadata import metadata_of_chunk, packed
from ragopt.serve.by_id import all_ids, hits_with_vectors, lines_by_id

try:
    from langchain_core.documents import Document
    from langchain_core.vectorstores import VectorStore
    from langchain_core.vectorstores.utils import maximal_marginal_relevance
except ImportError as error:
    raise MissingExtra.for_extra("The LangChain adapter", "langchain") from error

from ragopt.serve.langchain_embeddings import LangChainEmbedder, RagoptEmbeddings

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from ragopt.serve.hits import Hit
    from ragopt.serve.opened import Index
    from ragopt.serve.table import Line

__all__ = ["LangChainEmbedder", "RagoptEmbeddings", "RagoptVectorStore"]

SHORT = 4
"""Documents of a search that names no number, and LangChain's candidates for a diverse choice: its own defaults."""
CANDIDATES = 20


class RagoptVectorStore(VectorStore):
    """A LangChain vector store around an opened index.

    Its documents are the index's chunks. Documents that are added are not split, have no title, and take the place of
    those with the same id, all in one version that is on the disk when the call returns. Metadata comes back as it was
    given; a chunk of the corpus also has its `title`, and its `document` where it is a part of one, unless its metadata
    uses these keys itself. `filter` is a SQL condition over the index's columns, as `where` of `Index.search`.

    Args:
        index: from `ragopt.open`; `ragopt.open(DIR, embedder=LangChainEmbedder(model))` for ready vectors.
        tenant: as in `Index.search`; a store costs nothing, so make one per tenant.

    Example:
        ``RagoptVectorStore(ragopt.open("index")).as_retriever(search_kwargs={"k": 5, "filter": "year >= 2024"})``
    """

    def __init__(self, index: Index, *, tenant: str = "") -> None:
        self.index = index
        self.tenant = tenant

    @property
    def embeddings(self) -> Embeddings | None:
        """The model; None for an index of ready vectors that was opened without one."""
        if self.index.manifest.model:
            return RagoptEmbeddings(self.index)
        try:
            embedder = self.index.embedder
        except InputError:
            return None
        return embedder.embeddings if isinstance(embedder, LangChainEmbedder) else RagoptEmbeddings(self.index)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, or overwrite those whose ids are there; all of them in one version.

        Args:
            texts: none of them empty.
            metadatas: one per text.
            ids: one per text; None in the place of one makes a random id (UUID 4).
            kwargs: `batch_size` of LangChain's indexing is taken and has no effect.

        Returns:
            The ids, in the order of the texts.

        Raises:
            InputError: numbers that differ, an id that comes twice, metadata that cannot be kept, a text that cannot be
                embedded.
            IndexBusy: another process writes the index.
        """
        kwargs.pop("batch_size", None)
        _refuse(kwargs)
        given = list(texts)
        for name, others in (("metadatas", metadatas), ("ids", ids)):
            if others is not None and len(others) != len(given):
                raise InputError(f"There are {len(given)} texts and {len(others)} {name}", allowed="one per text",
                                 next_step="Give as many of them")  # fmt: skip
        names = [str(uuid.uuid4()) if name is None else name for name in (ids or [None] * len(given))]
        documents = [
            CorpusDocument(name, "", text, packed(metadata or {}, f"document {name!r}"))
            for name, text, metadata in zip(names, given, metadatas or [{}] * len(given), strict=True)
        ]
        self.index.update(documents, split=False)
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Delete chunks, or whole documents, by id; None deletes all, as LangChain has it. Unknown ids are no error."""
        _refuse(kwargs)
        self.index.delete(all_ids(self.index.snapshot) if ids is None else ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Read chunks in the order of the ids; those that are not there are left out."""
        found = lines_by_id(self.index.snapshot, ids)
        return [document_of(found[name]) for name in ids if name in found]

    def similarity_search(
        self,
        query: str,
        k: int = SHORT,
        filter: str | None = None,  # noqa: A002 - LangChain's name
        **kwargs: Any,
    ) -> list[Document]:
        """Find the chunks nearest to a question, best first."""
        _refuse(kwargs)
        return [document_of(hit) for hit in self._found(query, k, filter)]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = SHORT,
        filter: str | None = None,  # noqa: A002 - LangChain's name
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Find chunks with their scores: cosine, inner product or minus the squared distance; higher is nearer.

        `similarity_search_with_relevance_scores` gives (1 + cosine) / 2, from 0 to 1, and refuses other metrics.
        """
        _refuse(kwargs)
        return [(document_of(hit), hit.score) for hit in self._found(query, k, filter)]

    def similarity_search_by_vector(
        self,
        embedding: list[float],
        k: int = SHORT,
        filter: str | None = None,  # noqa: A002 - LangChain's name
        **kwargs: Any,
    ) -> list[Document]:
        """Find the chunks nearest to a vector of the model."""
        _refuse(kwargs)
        return [document_of(hit) for hit in self._near(embedding, k, filter)]

    def max_marginal_relevance_search(
        self, query: str, k: int = SHORT, fetch_k: int = CANDIDATES, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Choose chunks that are near to a question and unlike each other; as below."""
        vector = self.index.embed_queries([query])[0]
        return self.max_marginal_relevance_search_by_vector(vector.tolist(), k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = SHORT,
        fetch_k: int = CANDIDATES,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Choose chunks that are near to a vector and unlike each other, by LangChain's own rule.

        The vectors of the candidates are read from the index where it was built with them; else the `fetch_k` texts are
        embedded again, at every call.

        Args:
            embedding: of the model.
            k: chunks to choose.
            fetch_k: candidates.
            lambda_mult: from 0, only unlike, to 1, only near.
            kwargs: `filter`, as above.
        """
        condition = kwargs.pop("filter", None)
        _refuse(kwargs)
        hits = self._near(embedding, max(k, fetch_k), condition)
        hits, vectors = hits_with_vectors(self.index, hits)
        chosen = maximal_marginal_relevance(np.asarray(embedding, np.float32), list(vectors), lambda_mult, k)
        return [document_of(hits[place]) for place in chosen]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,  # noqa: ARG003 - LangChain's signature
        metadatas: list[dict[str, Any]] | None = None,  # noqa: ARG003
        *,
        ids: list[str] | None = None,  # noqa: ARG003
        **kwargs: Any,  # noqa: ARG003
    ) -> NoReturn:
        """Refuse: an index is built from a measured run, never from texts alone.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{cls.__name__} cannot be made from {len(texts)} texts: an index is trained and measured first",
            allowed=f"{cls.__name__}(ragopt.open(DIR)), and add_texts afterwards",
            next_step="Run: ragopt sweep CORPUS --out RUN, then ragopt build RUN --out DIR",
        )

    def _found(self, query: str, k: int, condition: object) -> list[Hit]:
        return self.index.search(query, k=k, where=_condition(condition), tenant=self.tenant)

    def _near(self, embedding: Sequence[float], k: int, condition: object) -> list[Hit]:
        vectors = np.asarray([embedding], np.float32)
        return self.index.search(vectors, k=k, where=_condition(condition), tenant=self.tenant)[0]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """Cosine from [-1, 1] on [0, 1].

        Raises:
            InputError: inner products and distances have no bounds.
        """
        metric = self.index.manifest.metric
        if metric != "cosine":
            raise InputError(
                f"The metric of this index is {metric}: its scores have no bounds, so none is a relevance from 0 to 1",
                allowed="an index with the metric cosine",
                next_step="Use similarity_search_with_score",
            )
        return relevance_of_cosine


def relevance_of_cosine(score: float) -> float:
    """(1 + cosine) / 2; a compressed vector's score may lie a little beyond its bounds and is taken as the bound.

    >>> relevance_of_cosine(-1.0), relevance_of_cosine(0.5), relevance_of_cosine(1.0000001)
    (0.0, 0.75, 1.0)
    """
    return min(1.0, max(0.0, (1.0 + score) / 2.0))


def document_of(chunk: Hit | Line) -> Document:
    """Give a chunk as a LangChain document."""
    return Document(page_content=chunk.text, metadata=metadata_of_chunk(chunk), id=chunk.id)


def _condition(given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given
    raise InputError(f"The filter is a {type(given).__name__}: {given!r}", allowed="a SQL condition as text, or None",
                     next_step="Write it like: \"section = 'billing' AND year >= 2024\"")  # fmt: skip


def _refuse(kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise InputError(f"RagoptVectorStore does not know the argument {next(iter(kwargs))!r}",
                         allowed="the arguments of its methods", next_step="Leave it out")  # fmt: skip
