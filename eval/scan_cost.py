"""Measure what a full scan costs per vector and per code byte, for `ragopt/bill/scan_cost.py`.

Run by path: ``python eval/scan_cost.py --out eval/results/2026-11-23-scan-cost.json`` (some minutes).
Seeded random unit vectors, inner product, one thread, one query per call; process CPU time, so that other work on
the machine counts little. The fastest round is fitted, since other work only ever adds time; the median is kept
beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from scipy.optimize import nnls

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 20261123
N_VECTORS = 50_000
N_SMALL = 5_000  # a second size separates what a query costs from what a vector costs
N_TRAIN = 10_000  # random vectors have no structure to learn: more training would change no time
N_QUERIES = 32
N_ROUNDS = 9
MIN_ROUND_SECONDS = 0.05
K = 10

# Factories at several dimensions and sizes, so that bytes and vectors can be told apart.
SCANS: dict[str, list[tuple[int, str]]] = {
    "Flat": [(64, "Flat"), (256, "Flat"), (384, "Flat")],
    "SQ8": [(64, "SQ8"), (256, "SQ8"), (384, "SQ8")],
    "SQ4": [(64, "SQ4"), (256, "SQ4"), (384, "SQ4")],
    "SQfp16": [(64, "SQfp16"), (256, "SQfp16"), (384, "SQfp16")],
    "PQ": [(256, "PQ8np"), (256, "PQ32np"), (256, "PQ64np"), (384, "PQ96np")],
    "PQx4fs": [(256, "PQ32x4fs"), (256, "PQ64x4fs"), (256, "PQ128x4fs")],
    "RaBitQ": [(64, "RaBitQ"), (256, "RaBitQ"), (384, "RaBitQ")],
    "RaBitQ2": [(64, "RaBitQ2"), (256, "RaBitQ2"), (384, "RaBitQ2")],
    "RaBitQ4": [(64, "RaBitQ4"), (256, "RaBitQ4"), (384, "RaBitQ4")],
}
# These scans wait for memory: they are fitted on codes of twice a 32 MB cache, since a real index is not in the cache.
MEMORY_BOUND = ("Flat", "SQfp16", "PQx4fs")
BEYOND_CACHE_BYTES = 64_000_000
REFINES = ["Flat", "SQ8", "SQfp16", "SQ4"]
REFINE_BASES = {"PQx4fs": "PQ32x4fs", "other": "PQ16np"}  # FastScan keeps candidates in a reservoir, others in a heap
REFINE_DIMS = (128, 384)
REFINE_FACTORS = (1, 25)
ROTATIONS = [(256, 128), (384, 128), (1024, 256)]
CHECKS = [
    (256, "IVF256,PQ32np", "nprobe=16"),
    (256, "IVF256,PQ64x4fs", "nprobe=16"),
    (256, "IVF256,SQ8", "nprobe=16"),
    (256, "IVF256,RaBitQ", "nprobe=16"),
    (384, "PCAR128,PQ64x4fs,Refine(SQfp16)", "k_factor_rf=25"),
    (384, "PCAR128,PQ16np,Refine(SQfp16)", "k_factor_rf=25"),
]


def unit_vectors(rows: int, dim: int) -> NDArray[np.float32]:
    """Seeded random directions, float32 (rows, dim)."""
    rng = np.random.default_rng([SEED, rows, dim])
    vectors = rng.standard_normal((rows, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def timed(work: Any, queries: NDArray[np.float32]) -> dict[str, float]:
    """CPU nanoseconds per query: median and least of N_ROUNDS rounds of at least MIN_ROUND_SECONDS each."""
    rounds = []
    for _ in range(N_ROUNDS + 1):
        calls, start = 0, time.process_time_ns()
        while calls == 0 or time.process_time_ns() - start < MIN_ROUND_SECONDS * 1e9:
            for row in range(len(queries)):
                work(queries[row : row + 1])
            calls += len(queries)
        rounds.append((time.process_time_ns() - start) / calls)
    rounds = rounds[1:]  # the first round warms up
    return {"median_ns": round(statistics.median(rounds), 1), "min_ns": round(min(rounds), 1)}


def build(factory: str, dim: int) -> Any:
    """Train and fill an index with N_VECTORS vectors."""
    index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    data = unit_vectors(N_VECTORS, dim)
    index.train(data[:N_TRAIN])
    index.add(data)
    return index


def scan_rows(family: str) -> list[dict[str, Any]]:
    """Time one family at every dimension and size of SCANS."""
    rows = []
    for dim, factory in SCANS[family]:
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
        data, queries = unit_vectors(N_VECTORS, dim), unit_vectors(N_QUERIES, dim)
        index.train(data[:N_TRAIN])
        enough = math.ceil(BEYOND_CACHE_BYTES / index.sa_code_size() / N_VECTORS) * N_VECTORS
        for n_vectors in (N_SMALL, max(enough, N_VECTORS) if family in MEMORY_BOUND else N_VECTORS):
            while index.ntotal < n_vectors:
                index.add(data[: min(N_VECTORS, n_vectors) - index.ntotal % N_VECTORS])
            figures = timed(lambda query, index=index: index.search(query, K), queries)
            rows.append(
                {"family": family, "factory": factory, "dim": dim, "n_vectors": n_vectors,
                 "code_bytes": index.sa_code_size(), **figures}
            )  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def fit(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Fit ns = ns_per_query + n (ns_per_vector + ns_per_byte x code_bytes), nothing negative.

    The slopes come from the large sizes alone, weighted so that relative errors count: small ones run from the cache,
    which an index worth billing does not. What a query costs once is then what the small sizes leave over.
    """
    large = [row for row in rows if row["n_vectors"] >= N_VECTORS]
    measured = np.array([row["min_ns"] for row in large])
    design = np.array([[row["n_vectors"], row["n_vectors"] * row["code_bytes"]] for row in large], dtype=np.float64)
    slopes, _ = nnls(design / measured[:, None], np.ones(len(large)))
    left_over = [
        row["min_ns"] - row["n_vectors"] * (slopes[0] + slopes[1] * row["code_bytes"])
        for row in rows
        if row["n_vectors"] == N_SMALL
    ]
    ns_per_query = max(0.0, statistics.median(left_over))
    return {
        "ns_per_query": round(float(ns_per_query), 1),
        "ns_per_vector": round(float(slopes[0]), 4),
        "ns_per_byte": round(float(slopes[1]), 5),
        "largest_relative_error": round(float(np.max(np.abs((design @ slopes + ns_per_query) / measured - 1))), 3),
    }


def refine_rows() -> list[dict[str, Any]]:
    """What one more rescored vector costs: the slope between two rescoring depths, the deeper first search included."""
    rows = []
    for dim in REFINE_DIMS:
        queries, data = unit_vectors(N_QUERIES, dim), unit_vectors(N_VECTORS, dim)
        for base, factory in REFINE_BASES.items():
            first = build(factory, dim)
            for codec in REFINES:
                second = faiss.index_factory(dim, codec, faiss.METRIC_INNER_PRODUCT)
                second.train(data[:N_TRAIN])
                second.add(data)
                index, times = faiss.IndexRefine(first, second), []
                for factor in REFINE_FACTORS:
                    index.k_factor = factor
                    times.append(timed(lambda query, index=index: index.search(query, K), queries)["min_ns"])
                more = (REFINE_FACTORS[1] - REFINE_FACTORS[0]) * K
                rows.append({"codec": codec, "dim": dim, "base": base, "ns": round((times[1] - times[0]) / more, 1)})
                print(rows[-1], flush=True)
    return rows


def fit_refine(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Fit ns per rescored vector = ns_per_vector[base] + dim x ns_per_dim[codec], nothing negative."""
    bases = list(REFINE_BASES)
    design = np.zeros((len(rows), len(bases) + len(REFINES)))
    for design_row, row in zip(design, rows, strict=True):
        design_row[bases.index(row["base"])] = 1
        design_row[len(bases) + REFINES.index(row["codec"])] = row["dim"]
    measured = np.array([row["ns"] for row in rows])
    solution, _ = nnls(design / measured[:, None], np.ones(len(rows)))
    return {
        "ns_per_vector": {base: round(float(solution[at]), 1) for at, base in enumerate(bases)},
        "ns_per_dim": {codec: round(float(solution[len(bases) + at]), 3) for at, codec in enumerate(REFINES)},
    }


def rotation_rows() -> list[dict[str, Any]]:
    """What a rotation of the query costs per multiply-add."""
    rows = []
    for d_in, d_out in ROTATIONS:
        rotation = faiss.RandomRotationMatrix(d_in, d_out)
        rotation.init(SEED)
        figures = timed(rotation.apply, unit_vectors(N_QUERIES, d_in))
        rows.append({"d_in": d_in, "d_out": d_out, "ns_per_mac": round(figures["min_ns"] / d_in / d_out, 4)})
        print(rows[-1], flush=True)
    return rows


def check_rows() -> list[dict[str, Any]]:
    """Whole searches that the fitted table is compared with; nothing is fitted to them."""
    rows = []
    for dim, factory, search in CHECKS:
        index = build(factory, dim)
        faiss.ParameterSpace().set_index_parameters(index, search)
        figures = timed(lambda query, index=index: index.search(query, K), unit_vectors(N_QUERIES, dim))
        rows.append({"dim": dim, "factory": factory, "search": search, "n_vectors": N_VECTORS, **figures})
        print(rows[-1], flush=True)
    return rows


def ram_row() -> dict[str, Any]:
    """Anonymous memory that opening an index takes, beside the length of its file (Linux)."""
    index = faiss.IndexFlatIP(256)
    index.add(unit_vectors(400_000, 256))
    blob = faiss.serialize_index(index)
    del index
    before = anonymous_bytes()
    opened = faiss.deserialize_index(blob)
    opened.search(unit_vectors(N_QUERIES, 256), K)
    return {"file_bytes": int(blob.size), "anonymous_bytes": anonymous_bytes() - before}


def anonymous_bytes() -> int:
    """RssAnon of this process in bytes (proc(5))."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("No RssAnon in /proc/self/status: run this on Linux")


def cpu_model() -> str:
    """The processor's name, from /proc/cpuinfo."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def measure_again(out: Path, families: list[str]) -> None:
    """Add rounds for some families to a finished file: the faster figure of each row stays, then the fit is redone."""
    result = json.loads(out.read_text(encoding="utf-8"))
    for family in families:
        rows = [row for row in result["scans"] if row["family"] == family]
        for row, again in zip(rows, scan_rows(family), strict=True):
            row.update(min(row, again, key=lambda figures: figures["min_ns"]))
        result["fit"][family] = fit(rows)
    result["protocol"]["measured_again"] = sorted({*result["protocol"].get("measured_again", []), *families})
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure everything and write one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--again", nargs="+", choices=list(SCANS), help="only these, into the file that is there")
    arguments = parser.parse_args()
    out: Path = arguments.out
    faiss.omp_set_num_threads(1)
    if arguments.again:
        measure_again(out, arguments.again)
        return
    scans = {family: scan_rows(family) for family in SCANS}
    refines = refine_rows()
    result = {
        "plan": "scan-cost",
        "date": "2026-11-23",
        "seed": SEED,
        "versions": {"python": sys.version.split()[0], "faiss": faiss.__version__, "numpy": np.__version__},
        "faiss_compile_options": faiss.get_compile_options(),
        "machine": {"cpu": cpu_model(), "system": platform.system(), "arch": platform.machine()},
        "protocol": {"n_threads": 1, "k": K, "n_queries": N_QUERIES, "n_rounds": N_ROUNDS, "metric": "inner product"},
        "fit": {family: fit(rows) for family, rows in scans.items()},
        "fit_refine": fit_refine(refines),
        "refine": refines,
        "rotation": rotation_rows(),
        "checks": check_rows(),
        "ram": ram_row(),
        "scans": [row for rows in scans.values() for row in rows],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
