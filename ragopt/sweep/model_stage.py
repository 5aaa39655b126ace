"""Second stage: one model's vectors, its queries' vectors and their exact neighbours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.devices import CPU, CPU_NAME
from ragopt.embed.open_embedder import WORDLLAMA
from ragopt.embed.ready import open_ready_vectors, read_ids
from ragopt.embed.spaces import Rotation, fit_joint_rotation, fit_rotation
from ragopt.embed.store import BLOCK_ROWS, Vectors, embed_to_store, vectors_recipe
from ragopt.errors import InputError
from ragopt.measure.neighbours import MARGIN, Neighbours
from ragopt.measure.neighbours_on import neighbours_on
from ragopt.sweep.corpus_stage import FEWEST_FIT_QUERIES, Corpus, QuerySplit, texts_fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.corpus.queries import Queries
    from ragopt.devices import Device
    from ragopt.embed.embedder import Embedder
    from ragopt.records import Metric, Space
    from ragopt.sweep.settings import ReadyVectors

Report = Callable[[int, int], None]

EXACT_BLOCK_BYTES = 24 << 20
"""Vectors compared with all queries at once: fewer blocks, fewer merges of their candidates."""

SLOW_BLOCK_ROWS = 512
"""What a kill may lose of a transformer's work: 32 s at 16 texts a second (all-MiniLM-L6-v2 on two CPU cores)."""

REMOTE = "remote"
"""Device of a model behind an endpoint, whose speed is not known: blocks are short."""


@dataclass(frozen=True, slots=True)
class ModelData:
    """One model's vectors and what they are measured against.

    Attributes:
        model: printed name. device: where it ran.
        vectors: of the corpus, at full dimension.
        select_queries, confirm_queries: float32 (n, dim) query vectors.
        select_exact, confirm_exact: their exact neighbours in the full-dimension space.
        candidates: int32 (n_select, K) candidates of the selection queries, exact nearest first.
        fit_queries: float32 (m, dim) queries that a reduction may be fitted on, in neither of the sets; may be empty.
        dtype: of the model's weights as torch names it; empty for other models.
    """

    model: str
    device: str
    vectors: Vectors
    select_queries: NDArray[np.float32]
    confirm_queries: NDArray[np.float32]
    select_exact: Neighbours
    confirm_exact: Neighbours
    candidates: NDArray[np.int32]
    fit_queries: NDArray[np.float32]
    dtype: str = ""


def embed_corpus(store: ArtifactStore, corpus: Corpus, embedder: Embedder, metric: Metric, report: Report) -> Vectors:
    """Embed every chunk once at full dimension; resumable block by block."""
    chunks = corpus.chunks
    slow = embedder.device == CPU_NAME and embedder.name != WORDLLAMA
    block_rows = SLOW_BLOCK_ROWS if slow or embedder.device == REMOTE else BLOCK_ROWS
    recipe = corpus_recipe(corpus, embedder, metric)
    return embed_to_store(store, recipe, n_texts=chunks.n_chunks, texts=chunks.embed_texts, embedder=embedder,
                          role="document", metric=metric, block_rows=block_rows, progress=report)  # fmt: skip


def corpus_recipe(corpus: Corpus, embedder: Embedder, metric: Metric) -> Mapping[str, object]:
    """Everything that a corpus's vectors depend on."""
    return vectors_recipe(embedder, texts_fingerprint=corpus.chunks_key, n_texts=corpus.chunks.n_chunks,
                          role="document", metric=metric)  # fmt: skip


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


def find_exact(  # noqa: PLR0913 - everything that the neighbours depend on
    store: ArtifactStore,
    vectors: Vectors,
    queries: NDArray[np.float32],
    *,
    k: int,
    metric: Metric,
    n_candidates: int = 0,
    device: Device = CPU,
    report: Report = lambda _done, _total: None,
) -> tuple[Neighbours, NDArray[np.int32]]:  # fmt: skip
    """Find each query's exact neighbours, and candidates behind them, in one streamed pass, or read them back.

    The device is no part of the artifact's recipe: the neighbours are the same.

    Returns:
        The k + MARGIN best with their scores, and int32 (n_queries, K) rows of all candidates.

    Raises:
        InputError: k is larger than the corpus.
    """
    recipe = exact_recipe(vectors, queries, k=k, metric=metric, n_candidates=n_candidates)
    block_rows = max(1024, EXACT_BLOCK_BYTES // (4 * vectors.dim))

    def make(folder: Path) -> None:
        found = neighbours_on(device)(vectors.blocks(block_rows), queries, k=k, n=vectors.n, metric=metric,
                                      gather=vectors.rows, n_candidates=n_candidates, progress=report)  # fmt: skip
        near = slice(k + MARGIN)
        np.savez(folder / "neighbours.npz", ids=found.ids[:, near], scores=found.scores[:, near],
                 candidates=found.ids.astype(np.int32))  # fmt: skip

    with np.load(store.get_or_make(recipe, make) / "neighbours.npz", allow_pickle=False) as stored:
        return Neighbours(stored["ids"], stored["scores"]), stored["candidates"]


def exact_recipe(
    vectors: Vectors, queries: NDArray[np.float32], *, k: int, metric: Metric, n_candidates: int
) -> Mapping[str, object]:  # fmt: skip
    """Everything that the exact neighbours depend on."""
    return {
        "kind": "neighbours",
        "format": 4,
        "vectors": vectors.fingerprint,
        "queries": queries_fingerprint(queries),
        "k": k,
        "n_candidates": n_candidates,
        "metric": metric,
    }


def queries_fingerprint(queries: NDArray[np.float32]) -> str:
    """SHA-256 of query vectors with their shape."""
    digest = hashlib.sha256(repr(queries.shape).encode())
    digest.update(np.ascontiguousarray(queries, dtype="<f4").data)
    return digest.hexdigest()


def rotation_of(data: ModelData, space: Space, sample: NDArray[np.float32]) -> Rotation | None:
    """Fit the rotation that a space needs on a training sample; None for one that needs none.

    Raises:
        InputError: a joint rotation without queries to fit it on.
    """
    if space.reduction == "pca":
        return fit_rotation(sample)
    if space.reduction != "joint":
        return None
    if not len(data.fit_queries):
        raise InputError(
            f"{space} is fitted on queries beside those that are measured, and none are left over",
            allowed=f"at least {FEWEST_FIT_QUERIES} more queries than --n-queries and --confirm-queries take",
            next_step="Give more queries, or smaller --n-queries and --confirm-queries",
        )
    return fit_joint_rotation(sample, data.fit_queries)


def fitted_on(data: ModelData, space: Space) -> str:
    """What, beside the vectors, a space depends on: the queries of a joint rotation; empty for the others."""
    return queries_fingerprint(data.fit_queries) if space.reduction == "joint" else ""


def complete(  # noqa: PLR0913 - the parts of one record
    store: ArtifactStore,
    *,
    model: str,
    model_device: str,
    vectors: Vectors,
    queries: NDArray[np.float32],
    all_rows: NDArray[np.int64],
    split: QuerySplit,
    k: int,
    n_candidates: int,
    metric: Metric,
    report: Report,
    device: Device = CPU,
    dtype: str = "",
) -> ModelData:
    """Find exact neighbours for both sets of queries, for the selection queries with their candidates.

    Args:
        store: artifact store.
        model: printed name.
        model_device: where the model ran.
        vectors: of the corpus.
        queries: float32 (len(all_rows), dim).
        all_rows: sorted row numbers of the chosen queries, union of all sets.
        split: which of them select, confirm and fit.
        k: neighbours.
        n_candidates: candidates of each selection query.
        metric: of the vectors.
        report: progress.
        device: where the neighbours are looked for.
        dtype: of the model's weights.
    """
    select, confirm = (queries[np.searchsorted(all_rows, rows)] for rows in (split.select, split.confirm))
    select_exact, candidates = find_exact(
        store, vectors, select, k=k, metric=metric, n_candidates=n_candidates, device=device, report=report
    )
    confirm_exact = select_exact
    if not split.holdout:
        confirm = select
    else:
        confirm_exact, _ = find_exact(store, vectors, confirm, k=k, metric=metric, device=device, report=report)
    fit = queries[np.searchsorted(all_rows, split.fit)]
    return ModelData(model, model_device, vectors, select, confirm, select_exact, confirm_exact, candidates, fit, dtype)
