"""The vectors, queries and judgements that every row is measured on, written once for the processes that need them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.corpus.qrels import read_qrels
from ragopt.embed.stored_rows import unit_rows
from ragopt.measure.neighbours import Neighbours, exact_neighbours

if TYPE_CHECKING:
    from pathlib import Path

K = 10
TARGET = 0.99
"""recall_vs_exact@10 that every row shall reach: its lower 95 % bound on the selecting queries, ragopt's own rule."""

N_SELECT = 1_000
"""Queries that choose knobs; the other 2,000 are reported."""

N_SQUAD = 2_067
"""First corpus rows, the passages of data/squad in file order; only they are judged (facts/compression.md A)."""

BLOCK_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Data:
    """All that is measured on.

    Attributes:
        corpus: float32 (22067, 384) unit vectors.
        queries: float32 (3000, 384) unit vectors, the selecting ones first.
        corpus_ids: one a row.
        query_ids: one a row.
        qrels: judgements by query id and document id.
        exact: neighbours of all queries.
    """

    corpus: Any
    queries: Any
    corpus_ids: list[str]
    query_ids: list[str]
    qrels: dict[str, dict[str, int]]
    exact: Neighbours


SPLITS = ("file", "random")
"""`file`: the first 1,000 queries of the file choose knobs. SQuAD's are grouped by article and the first are easier
(hnswlib at ef=73: .9926 on them, .9866 on the others), so that knobs fall short on the rest; `random` draws them."""


def read_data(shared: Path, *, split: str, seed: int) -> Data:
    """Read, order the queries so that the selecting ones come first, and search exactly."""
    stem = shared / "vectors" / "squad22k-minilm-384"
    corpus, queries = (
        unit_rows(np.load(f"{stem}.{part}.f16.npy").astype(np.float32)) for part in ("corpus", "queries")
    )
    squad = shared / "data" / "squad"
    ids = _ids(squad / "corpus.jsonl")
    if len(ids) != N_SQUAD:
        raise ValueError(f"{squad} has {len(ids)} passages, {N_SQUAD} expected: rows would not match ids")
    corpus_ids = [*ids, *(f"wiki-{row}" for row in range(N_SQUAD, len(corpus)))]
    query_ids = _ids(squad / "queries.jsonl")[: len(queries)]
    if split == "random":
        order = np.random.default_rng(seed).permutation(len(queries))
        queries, query_ids = queries[order], [query_ids[row] for row in order]
    blocks = ((start, corpus[start : start + BLOCK_ROWS]) for start in range(0, len(corpus), BLOCK_ROWS))
    exact = exact_neighbours(blocks, queries, k=K, n=len(corpus), metric="cosine", gather=lambda rows: corpus[rows])
    qrels = read_qrels(squad / "qrels" / "test.tsv")
    return Data(corpus, queries, corpus_ids, query_ids, qrels, exact)


def write_data(data: Data, folder: Path) -> None:
    """Write what the processes of the rows read: vectors, ids and exact neighbours."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "corpus.npy", data.corpus)
    np.save(folder / "select.npy", data.queries[:N_SELECT])
    np.save(folder / "report.npy", data.queries[N_SELECT:])
    np.savez(folder / "exact-select.npz", ids=data.exact.ids[:N_SELECT], scores=data.exact.scores[:N_SELECT])
    (folder / "corpus-ids.txt").write_text("\n".join(data.corpus_ids) + "\n", encoding="utf-8")
    (folder / "select-ids.txt").write_text("\n".join(data.query_ids[:N_SELECT]) + "\n", encoding="utf-8")
    # Judgements of the selecting queries alone: a sweep refuses those of queries that it was not given.
    judged = ((query, data.qrels.get(query, {})) for query in data.query_ids[:N_SELECT])
    lines = [f"{query}\t{document}\t{grade}" for query, grades in judged for document, grade in grades.items()]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _ids(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["_id"] for line in lines]
