"""Second stage: one model's vectors, its queries' vectors and their exact neighbours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.embed.open_embedder import WORDLLAMA
from ragopt.embed.ready import open_ready_vectors, read_ids
from ragopt.embed.store import BLOCK_ROWS, Vectors, embed_to_store, vectors_recipe
from ragopt.errors import InputError
from ragopt.measure.neighbours import Neighbours, exact_neighbours
from ragopt.sweep.corpus_stage import Corpus, QuerySplit, texts_fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.corpus.queries import Queries
    from ragopt.embed.embedder import Embedder
    from ragopt.records import Metric
    from ragopt.sweep.settings import ReadyVectors

Report = Callable[[int, int], None]

SLOW_BLOCK_ROWS = 512
"""What a kill may lose of a transformer's work: 32 s at 16 texts a second (all-MiniLM-L6-v2 on two CPU cores)."""


@dataclass(frozen=True, slots=True)
class ModelData:
    """One model's vectors and what they are measured against.

    Attributes:
        model: printed name. device: where it ran.
        vectors: of the corpus, at full dimension.
        select_queries, confirm_queries: float32 (n, dim) query vectors.
        select_exact, confirm_exact: their exact neighbours in the full-dimension space.
    """

    model: str
    device: str
    vectors: Vectors
    select_queries: NDArray[np.float32]
    confirm_queries: NDArray[np.float32]
    select_exact: Neighbours
    confirm_exact: Neighbours


def embed_corpus(store: ArtifactStore, corpus: Corpus, embedder: Embedder, metric: Metric, report: Report) -> Vectors:
    """Embed every chunk once at full dimension; resumable block by block."""
    chunks = corpus.chunks
    block_rows = BLOCK_ROWS if embedder.name == WORDLLAMA else SLOW_BLOCK_ROWS
    recipe = vectors_recipe(embedder, texts_fingerprint=corpus.chunks_key, n_texts=chunks.n_chunks,
                            role="document", metric=metric)  # fmt: skip
    return embed_to_store(store, recipe, n_texts=chunks.n_chunks, texts=chunks.embed_texts, embedder=embedder,
                          role="document", metric=metric, block_rows=block_rows, progress=report)  # fmt: skip


def embed_queries(
    store: ArtifactStore, queries: Queries, rows: NDArray[np.int64], embedder: Embedder, metric: Metric, report: Report
) -> NDArray[np.float32]:
    """Embed the chosen queries; float32 (len(rows), dim)."""
    texts = [queries.texts[row] for row in rows.tolist()]
    recipe = vectors_recipe(embedder, texts_fingerprint=texts_fingerprint(texts), n_texts=len(texts), role="query",
                            metric=metric)  # fmt: skip
    vectors = embed_to_store(store, recipe, n_texts=len(texts), texts=lambda start, stop: texts[start:stop],
                             embedder=embedder, role="query", metric=metric, progress=report)  # fmt: skip
    return vectors.rows(np.arange(vectors.n))


@dataclass(frozen=True, slots=True)
class ReadyData:
    """Ready vectors of a corpus and of its queries, with their ids."""

    vectors: Vectors
    queries: Vectors
    vector_ids: Sequence[str]
    query_ids: Sequence[str]


def open_ready(store: ArtifactStore, ready: ReadyVectors, metric: Metric, report: Report) -> ReadyData:
    """Open vectors that the user has embedded already.

    Raises:
        InputError: a file that cannot be used, or queries of another dimension than the corpus.
    """
    vectors = open_ready_vectors(store, ready.vectors, column=ready.column, metric=metric, progress=report)
    queries = open_ready_vectors(store, ready.query_vectors, column=ready.column, metric=metric)
    if vectors.dim != queries.dim:
        raise InputError(
            f"The query vectors {ready.query_vectors} have {queries.dim} dimensions, the corpus vectors {vectors.dim}",
            allowed=f"{vectors.dim} dimensions",
            next_step="Embed queries and corpus with the same model",
        )
    return ReadyData(vectors, queries, read_ids(ready.vector_ids, n=vectors.n), read_ids(ready.query_ids, n=queries.n))


def find_exact(
    store: ArtifactStore, vectors: Vectors, queries: NDArray[np.float32], *, k: int, metric: Metric, report: Report
) -> Neighbours:
    """Find each query's exact neighbours in one streamed pass, or read them back.

    Raises:
        InputError: k is larger than the corpus.
    """
    recipe = exact_recipe(vectors, queries, k=k, metric=metric)

    def make(folder: Path) -> None:
        found = exact_neighbours(vectors.blocks(), queries, k=k, n=vectors.n, metric=metric, gather=vectors.rows,
                                 progress=report)  # fmt: skip
        np.savez(folder / "neighbours.npz", ids=found.ids, scores=found.scores)

    with np.load(store.get_or_make(recipe, make) / "neighbours.npz") as stored:
        return Neighbours(stored["ids"], stored["scores"])


def exact_recipe(vectors: Vectors, queries: NDArray[np.float32], *, k: int, metric: Metric) -> Mapping[str, object]:
    """Everything that the exact neighbours depend on."""
    return {
        "kind": "neighbours",
        "format": 1,
        "vectors": vectors.fingerprint,
        "queries": queries_fingerprint(queries),
        "k": k,
        "metric": metric,
    }


def queries_fingerprint(queries: NDArray[np.float32]) -> str:
    """SHA-256 of query vectors with their shape."""
    digest = hashlib.sha256(repr(queries.shape).encode())
    digest.update(np.ascontiguousarray(queries, dtype="<f4").data)
    return digest.hexdigest()


def complete(  # noqa: PLR0913 - the parts of one record
    store: ArtifactStore,
    *,
    model: str,
    device: str,
    vectors: Vectors,
    queries: NDArray[np.float32],
    all_rows: NDArray[np.int64],
    split: QuerySplit,
    k: int,
    metric: Metric,
    report: Report,
) -> ModelData:
    """Find exact neighbours for all chosen queries in one pass and divide them into the two sets.

    Args:
        store: artifact store.
        model: printed name.
        device: where the model ran.
        vectors: of the corpus.
        queries: float32 (len(all_rows), dim).
        all_rows: sorted row numbers of the chosen queries, union of both sets.
        split: which of them select and which confirm.
        k: neighbours.
        metric: of the vectors.
        report: progress.
    """
    exact = find_exact(store, vectors, queries, k=k, metric=metric, report=report)
    select, confirm = np.searchsorted(all_rows, split.select), np.searchsorted(all_rows, split.confirm)
    return ModelData(
        model,
        device,
        vectors,
        queries[select],
        queries[confirm],
        Neighbours(exact.ids[select], exact.scores[select]),
        Neighbours(exact.ids[confirm], exact.scores[confirm]),
    )
