"""Whether a corpus may be embedded in half precision: nDCG@10 of float32 and of half vectors on a sample, in pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from ragopt.artifacts import canonical_json, key_of, write_atomically
from ragopt.embed.embedder import Embedder
from ragopt.embed.stored_rows import unit_rows
from ragopt.errors import InputError
from ragopt.measure.intervals import Interval, paired_difference
from ragopt.measure.judged import CUTOFF, Judge, documents_of
from ragopt.measure.neighbours import exact_neighbours
from ragopt.sweep.corpus_stage import texts_fingerprint
from ragopt.sweep.precision_sample import PrecisionSample, draw_sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.embed.precision import Precision
    from ragopt.records import Metric
    from ragopt.sweep.corpus_stage import Corpus

MOST_LOSS = 0.005
"""nDCG@10 that half precision may cost at most, with 95 % confidence: half a point, what ragopt allows a training on an
accelerator too. Without any difference, 765 queries show that much (`paired_difference`)."""

FEWEST_TEXTS = 50_000
"""A corpus of fewer is embedded in float32 unchecked: the check embeds 5,096 texts in either precision, a tenth of
this, and loads the model once more."""

CHUNKS_SEEN = 10 * CUTOFF
"""Chunks ranked of each query: a document's chunks may take up places before the tenth document."""

CHECK_FILE = "check.json"


@runtime_checkable
class HalfEmbedder(Embedder, Protocol):
    """An embedder that can hold its weights in half precision."""

    @property
    def half(self) -> Precision | None:
        """The half precision that is worth a check, or None."""

    def with_precision(self, precision: Precision) -> HalfEmbedder:
        """Return the same model in another precision."""


@dataclass(frozen=True, slots=True)
class HalfCheck:
    """What the check found.

    Attributes:
        precision: the half precision that was tried.
        judged: whether the queries' own judgements counted, or else the ten nearest by float32.
        loss: nDCG@10 of float32 less that of half vectors, with its 95 % interval; None when half gave no vectors.
        n_documents: in the sample.
        failed: why half gave no vectors; empty when it did.
    """

    precision: Precision
    judged: bool
    loss: Interval | None
    n_documents: int
    failed: str = ""

    @property
    def kept(self) -> bool:
        """Whether the corpus may be embedded in half precision."""
        return self.loss is not None and self.loss.high <= MOST_LOSS

    def printed(self) -> str:
        """The finding and what follows from it, in one line."""
        used = f"embedding in {self.precision if self.kept else 'float32'}"
        if self.loss is None:
            return f"{used}: {self.precision} fails, {self.failed}"
        by = "the judgements" if self.judged else "the ten nearest by float32"
        return (
            f"{used}: {self.precision} loses {100 * self.loss.value:.2f} points of nDCG@{CUTOFF} against {by}, at most "
            f"{100 * self.loss.high:.2f} with 95 % confidence ({100 * MOST_LOSS:.1f} allowed; {self.loss.n:,} queries, "
            f"{self.n_documents:,} texts)"
        )


def checked_embedder(  # noqa: PLR0913 - everything that the check depends on
    embedder: Embedder,
    store: ArtifactStore,
    corpus: Corpus,
    *,
    query_rows: NDArray[np.int64],
    metric: Metric,
    seed: int,
    notice: Callable[[str], None],
) -> Embedder:
    """Return the embedder that the corpus is to be embedded by: in half precision where the check allows it.

    The finding is stored: a second sweep reads it back and embeds nothing for it.

    Args:
        embedder: in float32. One that has no half precision worth a check is returned as it is.
        store: where artifacts lie.
        corpus: chunks and queries.
        query_rows: int64 (n,) row numbers of the queries that the sweep uses.
        metric: of the vectors.
        seed: of the sample.
        notice: told the finding.

    Raises:
        RagoptError: embedding the sample in float32 failed.
    """
    half = embedder.half if isinstance(embedder, HalfEmbedder) else None
    if half is None or not isinstance(embedder, HalfEmbedder) or corpus.chunks.n_chunks < FEWEST_TEXTS:
        return embedder
    recipe = {
        "kind": "half_precision",
        "format": 1,
        "embedder": dict(embedder.identity),
        "device": embedder.device.partition(":")[0],
        "precision": half,
        "corpus": corpus.chunks_key,
        "queries": texts_fingerprint([corpus.queries.texts[row] for row in query_rows.tolist()]),
        "qrels": key_of({"qrels": corpus.queries.qrels}),
        "metric": metric,
        "seed": seed,
    }
    tried: list[HalfEmbedder] = []

    def make(folder: Path) -> None:
        tried.append(embedder.with_precision(half))
        sample = draw_sample(corpus, query_rows, seed=seed)
        found = compare_precisions(embedder, tried[0], sample, precision=half, metric=metric)
        write_atomically(folder / CHECK_FILE, canonical_json(_to_json(found)))

    found = _from_json((store.get_or_make(recipe, make) / CHECK_FILE).read_text(encoding="utf-8"))
    notice(f"{embedder.name}: {found.printed()}")
    if not found.kept:
        return embedder
    return tried[0] if tried else embedder.with_precision(half)


def compare_precisions(
    full: Embedder, half: Embedder, sample: PrecisionSample, *, precision: Precision, metric: Metric
) -> HalfCheck:
    """Embed a sample with both and compare what they find.

    Args:
        full: the model in float32.
        half: the same model in half precision.
        sample: texts, queries and judgements.
        precision: that of `half`.
        metric: of the vectors.

    Raises:
        RagoptError: embedding in float32 failed.

    Source: docs/method-embed.md#half-precision.
    """
    expected = _rankings(full, sample, metric)
    judged, n_documents = sample.qrels is not None, len(sample.texts)
    try:
        found = _rankings(half, sample, metric)
    except InputError as error:  # values beyond its range
        return HalfCheck(precision, judged, None, n_documents, error.failed)
    qrels = sample.qrels
    if qrels is None:
        qrels = {query: _nearest(ranking) for query, ranking in zip(sample.query_ids, expected, strict=True)}
    judge = Judge(qrels, k=CUTOFF)
    name = f"ndcg@{CUTOFF}"
    loss = paired_difference(
        judge.scores(sample.query_ids, expected)[name], judge.scores(sample.query_ids, found)[name]
    )
    return HalfCheck(precision, judged, loss, n_documents)


def _nearest(ranking: dict[str, float]) -> dict[str, int]:
    # In trec_eval's order, which puts the higher id first among equal scores: float32 then scores 1 against itself.
    best = sorted(ranking.items(), key=lambda item: (item[1], item[0]), reverse=True)[:CUTOFF]
    return {name: 1 for name, _ in best}


def _rankings(embedder: Embedder, sample: PrecisionSample, metric: Metric) -> list[dict[str, float]]:
    texts, queries = embedder.embed_documents(sample.texts), embedder.embed_queries(sample.queries)
    if metric == "cosine":
        texts, queries = unit_rows(texts), unit_rows(queries)
    depth = min(CHUNKS_SEEN, len(texts))
    found = exact_neighbours(
        [(0, texts)], queries, k=depth, n=len(texts), metric=metric, gather=lambda rows: texts[rows]
    )
    ids, scores = found.ids[:, :depth], found.scores[:, :depth].astype(np.float32)
    return documents_of(ids, scores, sample.document_ids, sample.duplicates)


def _to_json(found: HalfCheck) -> dict[str, object]:
    loss = found.loss
    return {
        "precision": found.precision,
        "judged": found.judged,
        "loss": None if loss is None else [loss.value, loss.low, loss.high, loss.n],
        "n_documents": found.n_documents,
        "failed": found.failed,
    }


def _from_json(text: str) -> HalfCheck:
    values = json.loads(text)
    values["loss"] = Interval(*values["loss"]) if values["loss"] else None
    return HalfCheck(**values)
