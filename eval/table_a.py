"""Recall of four codecs on 22,067 sentence vectors, with and without rescoring, against figures measured before.

Reads ``vectors/squad22k-minilm-384.{corpus,queries}.f16.npy`` under the folder that RAGOPT_SHARED names. Exact search,
recall, training and search are ragopt's own; the expected figures were measured with plain FAISS in another script.

    RAGOPT_SHARED=... OMP_NUM_THREADS=1 python eval/table_a.py --out eval/results/2026-11-23-table-a.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from ragopt.embed.stored_rows import unit_rows
from ragopt.index.build import add_blocks, set_search, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.serialized import checked_bytes
from ragopt.measure.neighbours import exact_neighbours, recall_vs_exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.measure.neighbours import Neighbours

SEED = 20261123
N_QUERIES = 1_000
MAX_TRAIN_ROWS = 60_000
K = 10
RESCORING_FACTOR = 10
TOLERANCE = 0.01
BLOCK_ROWS = 4_096

EXPECTED: dict[str, tuple[float | None, float | None]] = {
    "PQ96x4fs": (None, None),
    "PCAR192,PQ96x4fs": (0.7694, 0.9997),
    "RaBitQ": (0.7079, 0.9968),
    "SQ4": (0.9257, 1.0),
    "PCAR128,PQ64x4fs": (0.7046, 0.9956),
}
"""recall_vs_exact@10 by code alone and after rescoring 100, measured with plain FAISS 1.15.1 on 2026-11-23.

Plain PQ96x4fs has no row there; its figures are reported without a comparison.
"""


def read_vectors(shared: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corpus and the first queries as float32 unit vectors, (22067, 384) and (1000, 384)."""
    stem = shared / "vectors" / "squad22k-minilm-384"
    corpus, queries = (np.load(f"{stem}.{part}.f16.npy").astype(np.float32) for part in ("corpus", "queries"))
    return unit_rows(corpus), unit_rows(queries[:N_QUERIES])


def exact(corpus: NDArray[np.float32], queries: NDArray[np.float32]) -> Neighbours:
    """Exact neighbours by ragopt's streamed pass."""
    blocks = ((start, corpus[start : start + BLOCK_ROWS]) for start in range(0, len(corpus), BLOCK_ROWS))
    return exact_neighbours(blocks, queries, k=K, n=len(corpus), metric="cosine", gather=lambda rows: corpus[rows])


def measure(base: str, corpus: NDArray[np.float32], queries: NDArray[np.float32], truth: Neighbours) -> dict[str, Any]:
    """Build one factory with a float32 rescoring tier and measure it with and without that tier."""
    factory = parse_factory(f"{base},RFlat", corpus.shape[1])
    began = time.perf_counter()
    index = train_index(factory, corpus[:MAX_TRAIN_ROWS], metric="cosine", seed=SEED)
    add_blocks(index, ((start, corpus[start : start + BLOCK_ROWS]) for start in range(0, len(corpus), BLOCK_ROWS)))
    build_seconds = time.perf_counter() - began
    sizes = checked_bytes(factory, index)
    search = f"k_factor_rf={RESCORING_FACTOR}"
    set_search(index, search)
    rescored = index.search(queries, K)[1]
    by_code = index.base_index.search(queries, K)[1]
    expected_by_code, expected_rescored = EXPECTED[base]
    return {
        "factory": str(factory),
        "search": search,
        "ram_bytes_per_vector": sizes.ram_bytes_per_vector,
        "recall_vs_exact@10 by code": round(float(recall_vs_exact(by_code, truth, k=K).mean()), 4),
        "recall_vs_exact@10": round(float(recall_vs_exact(rescored, truth, k=K).mean()), 4),
        "expected by code": expected_by_code,
        "expected": expected_rescored,
        "build_seconds": round(build_seconds, 1),
    }


def disagreements(rows: list[dict[str, Any]]) -> list[str]:
    """Name every figure that is further than `TOLERANCE` from the expected one."""
    pairs = [("recall_vs_exact@10 by code", "expected by code"), ("recall_vs_exact@10", "expected")]
    return [
        f"{row['factory']}: {measured} is {row[measured]}, {row[expected]} expected"
        for row in rows
        for measured, expected in pairs
        if row[expected] is not None and abs(row[measured] - row[expected]) > TOLERANCE
    ]


def cpu_model() -> str:
    """Name of the processor, from /proc/cpuinfo where there is one."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def table(shared: Path) -> dict[str, Any]:
    """Measure every factory and return the whole result."""
    corpus, queries = read_vectors(shared)
    truth = exact(corpus, queries)
    return {
        "plan": "table-a",
        "date": "2026-11-23",
        "data": "squad22k-minilm-384: all-MiniLM-L6-v2, 22,067 passages, the first 1,000 SQuAD questions",
        "seed": SEED,
        "metric": "cosine",
        "k": K,
        "n_vectors": len(corpus),
        "dim": corpus.shape[1],
        "n_queries": len(queries),
        "train_rows": min(len(corpus), MAX_TRAIN_ROWS),
        "n_threads": faiss.omp_get_max_threads(),
        "versions": {"python": sys.version.split()[0], "faiss": faiss.__version__, "numpy": np.__version__},
        "machine": {"cpu": cpu_model(), "system": platform.system(), "arch": platform.machine()},
        "tolerance": TOLERANCE,
        "rows": [measure(base, corpus, queries, truth) for base in EXPECTED],
    }


def main() -> int:
    """Write the result; exit code 1 when a figure disagrees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    shared = os.environ.get("RAGOPT_SHARED")
    if not shared:
        parser.error("RAGOPT_SHARED is not set: name the folder that holds vectors/")
    result = table(Path(shared))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for row in result["rows"]:
        print(row["factory"], row["recall_vs_exact@10 by code"], row["recall_vs_exact@10"])
    wrong = disagreements(result["rows"])
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
