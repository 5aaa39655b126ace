"""The measured rows of eval/scan_cost.py: what is timed, at which sizes, and how."""

from __future__ import annotations

import math
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

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

BY_NAME = (
    "SQ6", "SQbf16", "SQtqmse1", "SQtqmse2", "SQtqmse3", "SQtqmse4", "RaBitQ3", "RaBitQ5", "RaBitQ6", "RaBitQ7",
    "RaBitQ8", "RaBitQfs2", "RaBitQfs3", "RaBitQfs4", "RaBitQfs5", "RaBitQfs6", "RaBitQfs7", "RaBitQfs8",
)  # fmt: skip
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
    **{name: [(64, name), (384, name)] for name in BY_NAME},
    "RaBitQfs": [(128, "RaBitQfs"), (384, "RaBitQfs")],
    "RQ": [(128, "RQ4x8"), (128, "RQ16x8"), (256, "RQ16x8")],
    "PRQ": [(128, "PRQ2x4x8"), (128, "PRQ4x4x8"), (256, "PRQ8x4x8")],
}
# These scans wait for memory: they are fitted on codes of twice a 32 MB cache, since a real index is not in the cache.
MEMORY_BOUND = ("Flat", "SQfp16", "PQx4fs", "SQbf16", "RaBitQfs")
BEYOND_CACHE_BYTES = 64_000_000
REFINES = ["Flat", "SQ8", "SQfp16", "SQ4", "SQ6", "SQbf16", "SQtqmse1", "SQtqmse2", "SQtqmse3", "SQtqmse4"]
GRAPHS = [(256, "HNSW16,Flat"), (256, "HNSW16,SQ8"), (128, "HNSW32,SQ4"), (384, "HNSW32,SQ8")]
GRAPH_VECTORS = 20_000  # a walk visits neighbours, not the corpus; a graph of more takes minutes to build
SEARCH_THRESHOLD = faiss.cvar.distance_compute_blas_threshold
GRAPH_EF = (16, 64, 256)
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
    (256, "IVF256,RaBitQfs", "nprobe=16"),
    (256, "IVF256,SQtqmse2", "nprobe=16"),
    (128, "RQ32x4fs", ""),
    (128, "PRQ4x8x4fs", ""),
]


def unit_vectors(rows: int, dim: int) -> NDArray[np.float32]:
    """Seeded random directions, float32 (rows, dim)."""
    rng = np.random.default_rng([SEED, rows, dim])
    vectors = rng.standard_normal((rows, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def timed(work: Any, queries: NDArray[np.float32]) -> dict[str, float]:
    """CPU nanoseconds per query: median and least of N_ROUNDS rounds of at least MIN_ROUND_SECONDS each."""
    set_training_by_blas(on=False)
    rounds = []
    for _ in range(N_ROUNDS + 1):
        calls, start = 0, time.process_time_ns()
        while calls == 0 or time.process_time_ns() - start < MIN_ROUND_SECONDS * 1e9:
            for row in range(len(queries)):
                work(queries[row : row + 1])
            calls += len(queries)
        rounds.append((time.process_time_ns() - start) / calls)
    rounds = rounds[1:]  # the first round warms up
    set_training_by_blas(on=True)
    return {"median_ns": round(statistics.median(rounds), 1), "min_ns": round(min(rounds), 1)}


def set_training_by_blas(*, on: bool) -> None:
    """Train with BLAS, ten times sooner (ragopt/index/blas_training.py), but search as FAISS does by itself."""
    faiss.cvar.distance_compute_blas_threshold = 20 if on else SEARCH_THRESHOLD


def cheap(index: Any) -> Any:
    """Let additive codes train and encode in seconds: which codes a scan meets does not change its time."""
    inner = faiss.downcast_index(index)
    for quantizer in [getattr(inner, name) for name in ("rq", "prq") if hasattr(inner, name)]:
        splits = [quantizer.subquantizer(split) for split in range(getattr(quantizer, "nsplits", 0))]
        for one in [faiss.downcast_AdditiveQuantizer(split) for split in splits] or [quantizer]:
            one.train_type, one.max_beam_size, one.cp.niter = one.Train_default, 1, 2
    return index


def build(factory: str, dim: int) -> Any:
    """Train and fill an index with N_VECTORS vectors."""
    index = cheap(faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT))
    data = unit_vectors(N_VECTORS, dim)
    index.train(data[:N_TRAIN])
    index.add(data)
    return index


def scan_rows(family: str) -> list[dict[str, Any]]:
    """Time one family at every dimension and size of SCANS."""
    rows = []
    for dim, factory in SCANS[family]:
        index = cheap(faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT))
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


def graph_rows() -> list[dict[str, Any]]:
    """Time walks through HNSW graphs: the nanoseconds of a search and the codes that it compares."""
    rows = []
    for dim, factory in GRAPHS:
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
        data, queries = unit_vectors(N_VECTORS, dim)[:GRAPH_VECTORS], unit_vectors(N_QUERIES, dim)
        index.train(data[:N_TRAIN])
        index.add(data)
        graph = faiss.downcast_index(index)
        for ef in GRAPH_EF:
            graph.hnsw.efSearch = ef
            figures = timed(lambda query, index=index: index.search(query, K), queries)
            faiss.cvar.hnsw_stats.reset()
            index.search(queries, K)
            rows.append(
                {"factory": factory, "dim": dim, "n_vectors": GRAPH_VECTORS, "efSearch": ef,
                 "code_bytes": faiss.downcast_index(graph.storage).sa_code_size(),
                 "n_compared": faiss.cvar.hnsw_stats.ndis / len(queries), **figures}
            )  # fmt: skip
            print(rows[-1], flush=True)
    return rows


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
        if search:
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
