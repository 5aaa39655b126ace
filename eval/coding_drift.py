"""How much recall_vs_exact@10 falls when rows are coded by a quantizer that was trained on rows of another kind.

Gives the ratio of coding errors at which `ragopt check` says re-train (docs/method-check.md). The corpus is cut into 32
clusters; the quantizer is trained on the clusters nearest to one of them, and codes all. `same kind` trains on a random
part instead. Two ratios of the rows outside: to those trained on, and to rows held out, whose error is that of a second
quantizer trained on a random half of them. The loss is against the same factory trained on all, on the queries whose
ten exact neighbours mostly lie outside.

    RAGOPT_SHARED=... OMP_NUM_THREADS=1 python eval/coding_drift.py --out eval/results/<date>-coding-drift.json
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

from ragopt.embed.stored_rows import unit_rows
from ragopt.embed.wordllama import WordLlamaEmbedder
from ragopt.index.build import add_blocks, set_search, train_index
from ragopt.index.coding_error import coding_errors
from ragopt.index.compacted import template_of
from ragopt.index.factory import parse_factory
from ragopt.measure.intervals import paired_difference
from ragopt.measure.neighbours import exact_neighbours, recall_vs_exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

SEED = 20261126
K = 10
N_QUERIES = 1_000
N_CLUSTERS = 32
CLUSTERS = (16, 8, 4, 2, 1)
SHARES = (0.5, 0.25, 0.1)
"""Of the corpus, drawn at random to train on."""
FACTORIES = ("PQ{quarter}x4fs", "SQ4", "SQ8", "RaBitQ", "PCAR128,PQ64x4fs", "PQ{eighth}np", "IVF64,PQ{eighth}np",
             "PQ{eighth}np,Refine(SQ8)", "PQ{quarter}x4fs,Refine(SQ8)", "RaBitQ,Refine(SQ8)")  # fmt: skip
"""With as many parts as a quarter and an eighth of the dimension."""
SEARCH = {True: "k_factor_rf=4", False: ""}
FLOOR = 30
"""Fewest queries that a loss is given for."""


def read_sets(shared: Path) -> dict[str, tuple[Vectors, Vectors]]:
    """Corpus and queries as unit vectors: SQuAD by MiniLM (22,067 x 384), SciFact by WordLlama (5,183 x 256)."""
    stem = shared / "vectors" / "squad22k-minilm-384"
    corpus, queries = (np.load(f"{stem}.{part}.f16.npy").astype(np.float32) for part in ("corpus", "queries"))
    sets = {"squad22k-minilm": (unit_rows(corpus), unit_rows(queries[:N_QUERIES]))}
    folder, model = shared / "data" / "scifact", WordLlamaEmbedder()
    texts = []
    for name in ("corpus", "queries"):
        lines = map(json.loads, (folder / f"{name}.jsonl").read_text("utf-8").splitlines())
        texts.append([f"{line.get('title', '')} {line['text']}".strip() for line in lines])
    sets["scifact-wordllama"] = (
        unit_rows(model.embed_documents(texts[0])),
        unit_rows(model.embed_queries(texts[1][:N_QUERIES])),
    )
    return sets


def nearest_clusters(corpus: Vectors) -> NDArray[np.int64]:
    """Each row's cluster, clusters numbered by their distance from one of them."""
    kmeans = faiss.Kmeans(corpus.shape[1], N_CLUSTERS, seed=SEED, niter=10, spherical=True)
    kmeans.train(corpus)
    of_row = kmeans.index.search(corpus, 1)[1][:, 0]
    order = np.argsort(-(kmeans.centroids @ kmeans.centroids[0]))
    return np.argsort(order)[of_row]


def recalls(factory: str, train: Vectors, corpus: Vectors, queries: Vectors, exact: Any) -> tuple[Any, Any]:
    """Per-query recall_vs_exact@10 of a factory trained on some rows, filled with all; and its empty template."""
    parsed = parse_factory(factory, corpus.shape[1])
    index = train_index(parsed, train, metric="cosine", seed=SEED)
    add_blocks(index, [(0, corpus)])
    search = SEARCH["Refine" in factory]
    set_search(index, ",".join(part for part in (search, "nprobe=16" if parsed.nlist else "") if part))
    return recall_vs_exact(index.search(queries, K)[1], exact, k=K), template_of(index)


def held_out_error(factory: str, rows: Vectors) -> float | None:
    """Mean coding error of half of some rows by a quantizer that was trained on the other half."""
    parsed = parse_factory(factory, rows.shape[1])
    half = np.random.default_rng(SEED).permutation(len(rows)) < len(rows) // 2
    if half.sum() < parsed.min_train_rows:
        return None
    return float(coding_errors(train_index(parsed, rows[half], metric="cosine", seed=SEED), rows[~half]).mean())


def measured(
    factory: str, inside: NDArray[np.bool_], corpus: Vectors, queries: Vectors, exact: Any, best: Any
) -> dict[str, Any]:
    """Ratios of coding errors and loss of recall for one set of training rows."""
    ours, template = recalls(factory, corpus[inside], corpus, queries, exact)
    before, added = coding_errors(template, corpus[inside]), coding_errors(template, corpus[~inside])
    held_out = held_out_error(parse_factory(factory, corpus.shape[1]).base_text, corpus[inside])
    affected = (~inside[exact.ids[:, :K]]).mean(axis=1) > 0.5
    loss = paired_difference(best[affected], ours[affected]) if affected.sum() >= FLOOR else None
    return {
        "n_train": int(inside.sum()),
        "error_trained_on": float(before.mean()),
        "error_held_out": held_out,
        "error_added": float(added.mean()),
        "ratio_to_trained_on": float(added.mean() / before.mean()),
        "ratio_to_held_out": float(added.mean() / held_out) if held_out else None,
        "n_affected_queries": int(affected.sum()),
        "recall_trained_on_all": float(best[affected].mean()) if affected.any() else None,
        "loss": None if loss is None else [loss.value, loss.low, loss.high],
    }


def rows_of(name: str, corpus: Vectors, queries: Vectors) -> list[dict[str, Any]]:
    """Every factory with every set of training rows."""
    exact = exact_neighbours([(0, corpus)], queries, k=K, n=len(corpus), metric="cosine", gather=lambda r: corpus[r])
    cluster = nearest_clusters(corpus)
    draw = np.random.default_rng(SEED).random(len(corpus))
    sets = [("same kind", f"{share:.0%}", draw < share) for share in SHARES]
    sets += [("other kind", f"{n} of {N_CLUSTERS} clusters", cluster < n) for n in CLUSTERS]
    found = []
    dim = corpus.shape[1]
    for factory in (pattern.format(quarter=dim // 4, eighth=dim // 8) for pattern in FACTORIES):
        best = recalls(factory, corpus, corpus, queries, exact)[0]
        for kind, trained_on, inside in sets:
            if inside.sum() < parse_factory(factory, dim).min_train_rows:
                continue
            row = measured(factory, inside, corpus, queries, exact, best)
            found.append({"set": name, "factory": factory, "kind": kind, "trained_on": trained_on, **row})
            print(f"{name} {factory:22} {kind:10} {trained_on:18} {row['ratio_to_trained_on']:7.3f} "
                  f"{row['ratio_to_held_out']} {row['loss']}", flush=True)  # fmt: skip
    return found


def main() -> None:
    """Measure both sets and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    rows: list[dict[str, Any]] = []
    for name, (corpus, queries) in read_sets(Path(os.environ["RAGOPT_SHARED"])).items():
        rows += rows_of(name, corpus, queries)
    versions = {"python": sys.version.split()[0], "faiss": faiss.__version__, "numpy": np.__version__}
    told = {"seed": SEED, "k": K, "machine": platform.machine(), "versions": versions, "rows": rows}
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
