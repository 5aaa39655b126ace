"""The seeded sample of a corpus and its queries on which two precisions are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ragopt.sweep.corpus_stage import Corpus

    Rows = NDArray[np.int64]

N_QUERIES, N_TEXTS = 1_000, 4_096
"""765 queries without any difference show a loss under half a point, the rest is for what differs."""

FEWEST_JUDGED = 765
"""Judged queries from which judgements can show it; with fewer the nearest by float32 stand in, and texts for queries.
"""


@dataclass(frozen=True, slots=True)
class PrecisionSample:
    """What is embedded in either precision.

    Attributes:
        texts: of chunks. document_ids: of each. duplicates: position in `texts` to further documents of the same text.
        query_ids: unique. queries: their texts.
        qrels: judgements of these queries on these documents; None when there are too few.
    """

    texts: Sequence[str]
    document_ids: Sequence[str]
    query_ids: Sequence[str]
    queries: Sequence[str]
    qrels: Mapping[str, Mapping[str, int]] | None = None
    duplicates: Mapping[int, Sequence[str]] = field(default_factory=dict)


def draw_sample(corpus: Corpus, query_rows: Rows, *, seed: int) -> PrecisionSample:
    """Draw up to `N_QUERIES` queries and `N_TEXTS` texts: with what is relevant to them, where enough are judged.

    Without enough judged queries, ids of chunks stand in for those of documents, and further texts of the corpus, which
    are not among those searched, for the queries that are missing.

    Args:
        corpus: chunks and queries.
        query_rows: int64 (n,) row numbers of the queries to draw from.
        seed: the same seed draws the same sample.
    """
    generator = np.random.default_rng(seed)
    qrels = corpus.queries.qrels
    judged = [row for row in query_rows.tolist() if qrels and qrels.get(corpus.queries.ids[row])]
    drawn = np.array(judged if len(judged) >= FEWEST_JUDGED else query_rows, dtype=np.int64)
    queries = np.sort(generator.permutation(drawn)[:N_QUERIES]).tolist()
    ids, texts = corpus.queries.ids, corpus.queries.texts
    if qrels is not None and len(judged) >= FEWEST_JUDGED:
        return _with_judgements(corpus, queries, qrels, generator)
    others = generator.permutation(corpus.chunks.n_chunks)
    rows = np.sort(others[:N_TEXTS]).tolist()
    standing_in = np.sort(others[N_TEXTS : N_TEXTS + N_QUERIES - len(queries)]).tolist()
    return PrecisionSample(
        corpus.chunks.texts(rows),
        [str(row) for row in rows],
        [f"query {ids[row]}" for row in queries] + [f"text {row}" for row in standing_in],
        [texts[row] for row in queries] + corpus.chunks.texts(standing_in),
    )


def _with_judgements(
    corpus: Corpus, queries: list[int], qrels: Mapping[str, Mapping[str, int]], generator: np.random.Generator
) -> PrecisionSample:
    ids = [corpus.queries.ids[row] for row in queries]
    wanted = {document for query in ids for document, grade in qrels[query].items() if grade >= 1}
    document_ids, duplicates = corpus.chunks.document_ids(), corpus.chunks.duplicates()
    order = generator.permutation(len(document_ids)).tolist()
    relevant = [row for row in order if document_ids[row] in wanted or not wanted.isdisjoint(duplicates.get(row, ()))]
    first = set(relevant[: N_TEXTS // 2])
    others = [row for row in order if row not in first]
    rows = sorted([*first, *others[: N_TEXTS - len(first)]])
    held = {document_ids[row] for row in rows} | {one for row in rows for one in duplicates.get(row, ())}
    # Relevant documents that are not in the sample cannot be found in it, by either precision.
    kept = {query: {name: grade for name, grade in qrels[query].items() if name in held} for query in ids}
    return PrecisionSample(
        corpus.chunks.texts(rows),
        [document_ids[row] for row in rows],
        ids,
        [corpus.queries.texts[row] for row in queries],
        {query: grades for query, grades in kept.items() if grades},
        {place: duplicates[row] for place, row in enumerate(rows) if row in duplicates},
    )
