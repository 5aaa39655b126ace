"""From a finished run back to what it measured: its corpus, vectors and queries, found in the cache or made again."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import ArtifactStore
from ragopt.choose import Limits
from ragopt.corpus.records import ReadOptions
from ragopt.corpus.splitting import ChunkOptions
from ragopt.devices import AUTO
from ragopt.embed.open_embedder import open_embedder
from ragopt.errors import ArtifactError, InputError
from ragopt.measure.judged import Judge
from ragopt.serve.run_device import device_for_run
from ragopt.serve.run_precision import as_swept
from ragopt.sweep.corpus_stage import Corpus, load_corpus, split_queries, usable_rows
from ragopt.sweep.half_precision import checked_embedder
from ragopt.sweep.judging import Judging
from ragopt.sweep.kept_run import results_of_a_search
from ragopt.sweep.model_stage import ModelData, embed_corpus, embed_queries, find_exact, open_ready
from ragopt.sweep.run_folder import DAMAGE, RUN_FILE
from ragopt.sweep.settings import READY_MODEL, ReadyVectors, SearchPlan, SweepSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ragopt.embed.embedder import Embedder
    from ragopt.records import Run, Trial
    from ragopt.sweep.progress import Progress


@dataclass(frozen=True, slots=True)
class RunMaterial:
    """What a run measured a trial on.

    Attributes:
        settings: of the run.
        plan: how its trials are built and searched.
        data: vectors and confirmation queries with their exact neighbours; the selection queries are left out.
        corpus: chunks; None for ready vectors.
        vector_ids: by row, of ready vectors; empty otherwise.
        embedder: None for ready vectors.
        questions: text of each confirmation query; empty for ready vectors.
        query_ids: of the confirmation queries. qrels: judgements, or None.
    """

    settings: SweepSettings
    plan: SearchPlan
    data: ModelData
    corpus: Corpus | None
    vector_ids: Sequence[str]
    embedder: Embedder | None
    questions: Sequence[str]
    query_ids: Sequence[str]
    qrels: Mapping[str, Mapping[str, int]] | None

    def judging(self, rows: NDArray[np.int64]) -> Judging:
        """What the confirmation queries of these row numbers are judged by, in this order."""
        chunks = self.corpus.chunks if self.corpus else None
        return Judging(
            [self.query_ids[row] for row in rows.tolist()],
            chunks.document_ids() if chunks else self.vector_ids,
            chunks.duplicates() if chunks else {},
            Judge(self.qrels, k=self.plan.k) if self.qrels else None,
            self.plan.k,
        )


def settings_of_run(
    run: Run, cache_dir: Path, *, corpus: str | None = None, device: str = AUTO, max_memory_bytes: int | None = None
) -> SweepSettings:  # fmt: skip
    """Read a run's settings back from ``run.json``.

    Args:
        run: finished.
        cache_dir: where its artifacts lie.
        corpus: where the corpus lies now; None where the run found it.
        device: to work on here, whatever the run was made on.
        max_memory_bytes: to keep here, likewise; None is no limit.

    Raises:
        ArtifactError: the arguments in ``run.json`` are damaged.
    """
    given = run.info.get("arguments")
    try:
        if not isinstance(given, dict):
            raise TypeError("arguments is no table")
        known = {one.name for one in fields(SweepSettings)} - {"limits", "out", "cache_dir", "prices", "workload"}
        values: dict[str, Any] = {name: value for name, value in given.items() if name in known}
        values["models"] = tuple(values["models"])
        values["read"], values["chunk"] = ReadOptions(**values["read"]), ChunkOptions(**values["chunk"])
        values["ready"] = ReadyVectors(**values["ready"]) if values["ready"] else None
        settings = SweepSettings(
            **{**values, "device": device, "max_memory_bytes": max_memory_bytes}, limits=Limits(), cache_dir=cache_dir
        )
    except DAMAGE as error:
        raise ArtifactError(f"The run in {run.folder} is damaged: the arguments of {RUN_FILE}: {error}",
                            next_step="Sweep again") from error  # fmt: skip
    return settings if corpus is None else replace(settings, corpus=corpus)


def material_of_run(run: Run, trial: Trial, settings: SweepSettings, progress: Progress) -> RunMaterial:
    """Find or make again the corpus, the vectors of a trial's model, and the confirmation queries.

    Raises:
        InputError: the corpus is not the one that was swept, or a file of the run is gone.
        RagoptError: as in a sweep.
    """
    store, device = ArtifactStore(settings.cache_dir), device_for_run(run, settings.device)
    progress.notice(f"device: {device.printed()}")
    plan = SearchPlan(settings.metric, settings.k, results_of_a_search(run), settings.seed, device,
                      max_memory_bytes=settings.max_memory_bytes)  # fmt: skip
    if settings.ready:
        return _ready(run, settings, store, progress, plan)
    return _texts(run, trial, settings, store, progress, plan)


def _texts(
    run: Run, trial: Trial, settings: SweepSettings, store: ArtifactStore, progress: Progress, plan: SearchPlan
) -> RunMaterial:  # fmt: skip
    first = open_embedder(settings.models[0], device=settings.device)
    corpus = load_corpus(settings, store, tokenizer=first.tokenizer, tokenizer_name=first.name,
                         progress=progress.phase("corpus", f"Reading {settings.corpus}"))  # fmt: skip
    _check_same(run, corpus.fingerprint, settings.corpus or "")
    split = split_queries(usable_rows(corpus.queries.ids, corpus.queries.qrels), settings)
    embedder = first if first.name == trial.space.model else _embedder_called(trial.space.model, settings)
    embedder = checked_embedder(embedder, store, corpus, query_rows=split.rows, metric=settings.metric,
                                seed=settings.seed, notice=progress.notice)  # fmt: skip
    embedder = as_swept(embedder, run, store, corpus, metric=settings.metric, notice=progress.notice)
    vectors = embed_corpus(
        store, corpus, embedder, settings.metric, progress.phase("embed", f"Embedding chunks, {embedder.name}")
    )
    rows = split.rows
    queries = embed_queries(
        store, corpus.queries, rows, embedder, settings.metric, progress.phase("queries", "Embedding queries")
    )
    confirm = queries[np.searchsorted(rows, split.confirm)]
    fit = queries[np.searchsorted(rows, split.fit)]
    data = _data(store, plan, embedder, vectors, confirm, fit)
    questions = [corpus.queries.texts[row] for row in split.confirm.tolist()]
    query_ids = [corpus.queries.ids[row] for row in split.confirm.tolist()]
    return RunMaterial(settings, plan, data, corpus, (), embedder, questions, query_ids,
                       corpus.queries.qrels)  # fmt: skip


def _ready(
    run: Run, settings: SweepSettings, store: ArtifactStore, progress: Progress, plan: SearchPlan
) -> RunMaterial:  # fmt: skip
    if settings.ready is None:
        raise ValueError("no ready vectors")
    opened = open_ready(
        store, settings.ready, settings.metric, progress.phase("embed", f"Reading {settings.ready.vectors}")
    )
    _check_same(run, opened.vectors.fingerprint, settings.ready.vectors)
    qrels = None
    if settings.qrels:
        from ragopt.corpus.qrels import read_qrels  # noqa: PLC0415 - loaded when first used

        qrels = read_qrels(Path(settings.qrels))
    split = split_queries(usable_rows(tuple(opened.query_ids), qrels), settings)
    data = _data(store, plan, None, opened.vectors, opened.queries.rows(split.confirm),
                 opened.queries.rows(split.fit))  # fmt: skip
    query_ids = [opened.query_ids[row] for row in split.confirm.tolist()]
    return RunMaterial(settings, plan, data, None, opened.vector_ids, None, (), query_ids, qrels)


def _data(
    store: ArtifactStore, plan: SearchPlan, embedder: Embedder | None, vectors: Any, confirm: Any, fit: Any
) -> ModelData:
    exact, candidates = find_exact(store, vectors, confirm, k=plan.k, metric=plan.metric, device=plan.device)
    model, device = (embedder.name, embedder.device) if embedder else (READY_MODEL, "ready")
    return ModelData(model, device, vectors, confirm, confirm, exact, exact, candidates, fit)


def _check_same(run: Run, fingerprint: str, source: str) -> None:
    """Refuse another corpus than the one that was measured: the recommendation says nothing of it."""
    swept = run.info.get("corpus", {}).get("fingerprint")
    if swept != fingerprint:
        raise InputError(
            f"{source} is not what the run in {run.folder} measured: it has changed since",
            allowed=f"the corpus with the fingerprint {str(swept)[:12]}...",
            next_step="Sweep again, or name the unchanged corpus with --corpus",
        )


def _embedder_called(name: str, settings: SweepSettings) -> Embedder:
    for model in settings.models:
        if model == name or Path(model).name == name:
            return open_embedder(model, device=settings.device)
    raise InputError(f"The run has no model {name!r}", allowed=", ".join(settings.models),
                     next_step="Name a trial of this run")  # fmt: skip
