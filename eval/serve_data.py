"""The vectors and queries that every row is served with, embedded once and split for choosing and for reporting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

K = 10
TARGET = 0.95
"""recall_vs_exact@10 that every row shall reach: its lower 95 % bound on the choosing queries."""

N_SELECT = 3_000
"""Queries that choose settings: 1,000 to select and 2,000 to confirm, what a sweep takes by default."""

N_EMBED = 10_000
"""Texts embedded at once; only bounds memory."""

BLOCK_ROWS = 4_096


def write_data(source: Path, folder: Path, *, seed: int) -> dict[str, Any]:
    """Embed a BEIR corpus and its queries with WordLlama, search exactly, and write what the rows read.

    Writes `corpus.npy`, `select.npy` and `report.npy`, float32 unit rows, and `exact-select.npz` and
    `exact-report.npz`. Nothing is done again that is there already.

    Args:
        source: folder with corpus.jsonl and queries.jsonl.
        folder: where the files go.
        seed: of the random order of the queries, whose first `N_SELECT` choose settings.

    Returns:
        What the result says of the data.
    """
    about = folder / "data.json"
    if not about.exists():
        folder.mkdir(parents=True, exist_ok=True)
        corpus, queries = (_embedded(source / f"{part}.jsonl") for part in ("corpus", "queries"))
        queries = queries[np.random.default_rng(seed).permutation(len(queries))]
        np.save(folder / "corpus.npy", corpus)
        for part, rows in (("select", queries[:N_SELECT]), ("report", queries[N_SELECT:])):
            np.save(folder / f"{part}.npy", rows)
            _write_exact(folder / f"exact-{part}.npz", corpus, rows)
        about.write_text(json.dumps({
            "name": f"{source.name}, passages whole, embedded with wordllama", "n_vectors": len(corpus),
            "dim": corpus.shape[1], "n_select": N_SELECT, "n_report": len(queries) - N_SELECT, "split_seed": seed,
        }))  # fmt: skip
    return json.loads(about.read_text())  # type: ignore[no-any-return]


def _embedded(path: Path) -> Any:
    from ragopt.embed.open_embedder import open_embedder  # noqa: PLC0415 - loaded when first used
    from ragopt.embed.stored_rows import unit_rows  # noqa: PLC0415 - loaded when first used

    with path.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    texts = [f"{record['title']}\n{record['text']}" if record.get("title") else record["text"] for record in records]
    embedder = open_embedder("wordllama")
    parts = [unit_rows(embedder.embed_documents(texts[at : at + N_EMBED])) for at in range(0, len(texts), N_EMBED)]
    return np.concatenate(parts)


def _write_exact(path: Path, corpus: Any, queries: Any) -> None:
    from ragopt.measure.neighbours import exact_neighbours  # noqa: PLC0415 - loaded when first used

    blocks = ((start, corpus[start : start + BLOCK_ROWS]) for start in range(0, len(corpus), BLOCK_ROWS))
    found = exact_neighbours(blocks, queries, k=K, n=len(corpus), metric="cosine", gather=lambda rows: corpus[rows])
    np.savez(path, ids=found.ids, scores=found.scores)
