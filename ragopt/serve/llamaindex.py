"""A served index as a LlamaIndex retriever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import MissingExtra
from ragopt.serve.adapter_metadata import metadata_of_chunk

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
except ImportError as error:
    raise MissingExtra.for_extra("The LlamaIndex adapter", "llamaindex") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.serve.hits import Hit
    from ragopt.serve.opened import Index

TOP_K = 2
"""LlamaIndex's own default (DEFAULT_SIMILARITY_TOP_K, llama-index-core 0.14)."""


class RagoptRetriever(BaseRetriever):
    """Finds the chunks of an opened index for LlamaIndex.

    Nodes have the chunk's id and text, its document as their source, and its metadata with its `title`, and its
    `document` where it is a part of one, unless the metadata uses these keys itself. Scores are cosine, inner product
    or minus the squared distance; higher is nearer.

    Args:
        index: from `ragopt.open`; its own model embeds the questions, whatever LlamaIndex's settings name.
        similarity_top_k: chunks per question.
        where: a SQL condition, as in `Index.search`.
        tenant: as in `Index.search`; a retriever costs nothing, so make one per tenant.

    Example:
        ``RagoptRetriever(ragopt.open("index"), similarity_top_k=5, where="year >= 2024").retrieve("a question")``
    """

    def __init__(
        self, index: Index, *, similarity_top_k: int = TOP_K, where: str | None = None, tenant: str = ""
    ) -> None:
        self.index = index
        self.similarity_top_k = similarity_top_k
        self.where = where
        self.tenant = tenant
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """Search with the bundle's vector where it brings one, else with the mean of its texts' (LlamaIndex's rule).

        Raises:
            InputError: as `Index.search`.
        """
        queries: list[str] | NDArray[np.float32]
        if query_bundle.embedding is not None:
            queries = np.asarray([query_bundle.embedding], np.float32)
        else:
            queries = query_bundle.embedding_strs
            if len(queries) != 1:  # one is its own mean, and its answer may be known without its vector
                queries = self.index.embed_queries(queries).mean(axis=0, keepdims=True)
        found = self.index.search(queries, self.similarity_top_k, self.where, tenant=self.tenant)[0]
        return [node_of(hit) for hit in found]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """Search in a thread, so that other tasks go on."""
        return await asyncio.to_thread(self._retrieve, query_bundle)


def node_of(hit: Hit) -> NodeWithScore:
    """Give a chunk as a node with its score."""
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=hit.document)}
    node = TextNode(id_=hit.id, text=hit.text, metadata=metadata_of_chunk(hit), relationships=source)
    return NodeWithScore(node=node, score=hit.score)
