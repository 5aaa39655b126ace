"""What the trials of a sweep are measured on: vectors of every model, queries, judgements."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.corpus.token_counts import key_bytes, mean_tokens, metadata_bytes, spaced, tokens_per_chunk
from ragopt.embed.open_embedder import open_embedder
from ragopt.errors import InputError
from ragopt.measure.judged import Judge
from ragopt.sweep.candidate_depth import candidates_of
from ragopt.sweep.corpus_stage import Corpus, QuerySplit, load_corpus, split_queries, usable_rows
from ragopt.sweep.grid import read_grid
from ragopt.sweep.half_precision import checked_embedder
from ragopt.sweep.judging import Judging
from ragopt.sweep.memory_plan import EMBEDDING_BYTES, MemoryPlan, unlimited
from ragopt.sweep.model_stage import ModelData, complete, embed_corpus, embed_queries, open_ready
from ragopt.sweep.planned_memory import base_of, base_of_texts, joined, memory_of
from ragopt.sweep.settings import READY_MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from ragopt.artifacts import ArtifactStore
    from ragopt.bill.workload_fields import Value
    from ragopt.devices import Device
    from ragopt.sweep.progress import Progress
    from ragopt.sweep.settings import SweepSettings


@dataclass(frozen=True, slots=True)
class Material:
    """What the trials are measured on.

    Attributes:
        models: one record per model.
        query_ids: of all queries. document_ids: by row. duplicates: row to further documents.
        qrels: judgements, or None. split: which queries select and which confirm.
        about_corpus, about_queries: for ``run.json``.
        measured_workload: fields of a workload read off the corpus; empty for ready vectors.
        query_texts: of all queries; None for ready vectors, which come without text.
        memory: that the sweep takes, stage by stage.
    """

    models: tuple[ModelData, ...]
    query_ids: Sequence[str]
    document_ids: Sequence[str]
    duplicates: Mapping[int, Sequence[str]]
    qrels: Mapping[str, Mapping[str, int]] | None
    split: QuerySplit
    about_corpus: Mapping[str, Any]
    about_queries: Mapping[str, Any]
    measured_workload: Mapping[str, Value] = field(default_factory=dict)
    query_texts: Sequence[str] | None = None
    memory: MemoryPlan = field(default_factory=unlimited)

    def judging(self, rows: NDArray[np.int64], *, k: int) -> Judging:
        """What the queries of these row numbers are judged by, in this order."""
        return Judging(
            [self.query_ids[row] for row in rows.tolist()],
            self.document_ids,
            self.duplicates,
            Judge(self.qrels, k=k) if self.qrels else None,
            k,
        )


def gather_material(
    settings: SweepSettings, store: ArtifactStore, progress: Progress, device: Device, *, must_fit: bool = True
) -> Material:  # fmt: skip
    """Read, embed and search exactly on a device, or read all of that back.

    Args:
        settings: of the sweep.
        store: artifact store.
        progress: told of every phase.
        device: where to embed and search.
        must_fit: whether a limit on memory that cannot be kept is an error, before anything is embedded.

    Raises:
        RagoptError: anything wrong with corpus, queries, judgements or models.
    """
    if settings.ready:
        return _ready_material(settings, store, progress, device)
    return _material(settings, store, progress, device, must_fit=must_fit)


def _material(
    settings: SweepSettings, store: ArtifactStore, progress: Progress, device: Device, *, must_fit: bool
) -> Material:  # fmt: skip
    embedders = [open_embedder(model, device=settings.device) for model in settings.models]
    names = [embedder.name for embedder in embedders]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two of the models are both called {name}: {', '.join(settings.models)}",
                allowed="models whose printed names differ; a folder is called by its last part",
                next_step="Rename one of the folders",
            )
    first = embedders[0]
    if settings.grid:
        for embedder in embedders:
            read_grid(Path(settings.grid), embedder.name, embedder.dim)
    corpus = load_corpus(
        settings, store, tokenizer=first.tokenizer, tokenizer_name=first.name,
        progress=progress.phase("corpus", f"Reading {settings.corpus}"),
    )  # fmt: skip
    summary = corpus.chunks.summary
    progress.notice(
        f"{summary.n_documents:,} documents, {summary.n_chunks:,} chunks, {summary.n_duplicates:,} exact duplicates "
        f"embedded once; {len(corpus.queries.ids):,} {'synthetic ' if corpus.queries.synthetic else ''}queries "
        f"({corpus.queries.source})"
    )
    split = split_queries(usable_rows(corpus.queries.ids, corpus.queries.qrels), settings)
    rows = split.rows
    base_bytes = base_of_texts(device, summary.n_chunks)
    memory = joined([
        memory_of(settings, embedder.name, summary.n_chunks, embedder.dim, n_select=len(split.select),
                  n_confirm=len(split.confirm), base_bytes=base_bytes,
                  embedding_bytes=EMBEDDING_BYTES if "dtype" in embedder.identity else 0)
        for embedder in embedders
    ])  # fmt: skip
    if must_fit:
        memory.check()
    models = []
    for embedder in embedders:
        embedder = checked_embedder(embedder, store, corpus, query_rows=rows, metric=settings.metric,  # noqa: PLW2901
                                    seed=settings.seed, notice=progress.notice)  # fmt: skip
        progress.notice(f"Embedding with {embedder.name} ({embedder.dim} dimensions) on {embedder.device}")
        vectors = embed_corpus(
            store, corpus, embedder, settings.metric, progress.phase("embed", f"Embedding chunks, {embedder.name}")
        )
        queries = embed_queries(
            store, corpus.queries, rows, embedder, settings.metric, progress.phase("queries", "Embedding queries")
        )
        report = progress.phase("exact", "Exact neighbours")
        n_candidates = candidates_of(settings, embedder.name, vectors.n, vectors.dim, len(split.select))
        models.append(
            complete(store, model=embedder.name, model_device=embedder.device, device=device,
                     dtype=str(embedder.identity.get("dtype", "")), vectors=vectors,
                     queries=queries, all_rows=rows, split=split, k=settings.k,
                     n_candidates=n_candidates, metric=settings.metric, report=report)
        )  # fmt: skip
    return Material(
        tuple(models),
        corpus.queries.ids,
        corpus.chunks.document_ids(),
        corpus.chunks.duplicates(),
        corpus.queries.qrels,
        split,
        _about_corpus(corpus),
        {"source": corpus.queries.source, "synthetic": corpus.queries.synthetic},
        _measured_workload(corpus, first.tokenizer),
        corpus.queries.texts,
        memory,
    )


def _measured_workload(corpus: Corpus, tokenizer: Tokenizer | None) -> dict[str, Value]:
    """Bytes of a chunk's text, id and title, and tokens by the first model's tokenizer where it shows one."""
    summary = corpus.chunks.summary
    found: dict[str, Value] = {
        "text_bytes_per_chunk": -(-summary.text_bytes // summary.n_chunks),
        "key_bytes": key_bytes(corpus.chunks),
        "metadata_bytes": metadata_bytes(corpus.chunks),
    }
    if tokenizer is not None:
        found["tokens_per_chunk"] = tokens_per_chunk(corpus.chunks, tokenizer)
        found["query_tokens"] = mean_tokens(spaced(corpus.queries.texts), tokenizer)
    return found


def _about_corpus(corpus: Corpus) -> dict[str, Any]:
    summary = corpus.chunks.summary
    return {
        "source": corpus.source,
        "fingerprint": corpus.fingerprint,
        "n_documents": summary.n_documents,
        "n_chunks": summary.n_chunks,
        "n_duplicates": summary.n_duplicates,
    }


def _ready_material(
    settings: SweepSettings, store: ArtifactStore, progress: Progress, device: Device
) -> Material:  # fmt: skip
    from ragopt.corpus.qrels import read_qrels  # noqa: PLC0415 - loaded when first used
    from ragopt.corpus.queries import Queries, check_qrels  # noqa: PLC0415 - loaded when first used

    ready = settings.ready
    if ready is None:
        raise ValueError("no ready vectors")
    opened = open_ready(store, ready, settings.metric, progress.phase("embed", f"Reading {ready.vectors}"))
    qrels = read_qrels(Path(settings.qrels)) if settings.qrels else None
    query_ids = tuple(opened.query_ids)
    check_qrels(Queries(query_ids, query_ids, qrels, synthetic=False, source=""), opened.vector_ids)
    split = split_queries(usable_rows(query_ids, qrels), settings)
    rows = split.rows
    data = complete(
        store, model=READY_MODEL, model_device="ready", device=device, vectors=opened.vectors,
        queries=opened.queries.rows(rows),
        all_rows=rows, split=split, k=settings.k,
        n_candidates=candidates_of(settings, READY_MODEL, opened.vectors.n, opened.vectors.dim, len(split.select)),
        metric=settings.metric,
        report=progress.phase("exact", "Exact neighbours"),
    )  # fmt: skip
    n = opened.vectors.n
    memory = memory_of(settings, READY_MODEL, n, opened.vectors.dim, n_select=len(split.select),
                       n_confirm=len(split.confirm), base_bytes=base_of(device))  # fmt: skip
    return Material(
        (data,),
        query_ids,
        opened.vector_ids,
        {},
        qrels,
        split,
        {"source": ready.vectors, "fingerprint": opened.vectors.fingerprint, "n_documents": n, "n_chunks": n,
         "n_duplicates": 0},
        {"source": ready.query_vectors, "synthetic": False, "fingerprint": opened.queries.fingerprint},
        memory=memory,
    )  # fmt: skip
