"""Compare indexes trained by torch with those that FAISS trains: recall over several seeds, and codes.

Usage: RAGOPT_SHARED=<folder> python eval/torch_training_check.py [--device cpu] [--threads 1] [--seeds 5].
Twelve factories cover every pair of {inner product, L2} x {8, 4 bits} x {flat, lists} x {none, PCA, OPQ} x {rescored
or not}. Writes eval/results/<date>-torch-training-<device>.json after each seed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import torch

from ragopt.index.blas_training import blas_training
from ragopt.index.build import add_blocks, empty_index
from ragopt.index.factory import parse_factory
from ragopt.index.inner import first_transform, inner_index, refined_parts
from ragopt.index.seeding import bound_memory, release_training, seed_training
from ragopt.index.torch_encoding import TorchEncoder, add_with_torch
from ragopt.index.torch_rotation import Opq, opq_rotation
from ragopt.index.torch_training import fill_with_torch
from ragopt.measure.neighbours import exact_neighbours, recall_vs_exact
from ragopt.sweep.run_info import machine, versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPQ_PARTS, OPQ_DIM = 24, 192

COMBINATIONS = (
    ("ip", "PQ24np"),
    ("ip", "IVF64,PQ48x4fs,Refine(SQ8)"),
    ("ip", "PCAR192,PQ48x4fs"),
    ("ip", "PCA192,IVF64,PQ24np,Refine(SQ8)"),
    ("ip", "OPQ24_192,PQ24np,Refine(SQ8)"),
    ("ip", "OPQ24_192,IVF64,PQ48x4fs"),
    ("l2", "PQ48x4fs,Refine(SQ8)"),
    ("l2", "IVF64,PQ24np"),
    ("l2", "PCAR192,PQ24np,Refine(SQ8)"),
    ("l2", "PCA192,IVF64,PQ48x4fs"),
    ("l2", "OPQ24_192,PQ48x4fs"),
    ("l2", "OPQ24_192,IVF64,PQ24np,Refine(SQ8)"),
)
"""Metric and factory. All values of any two of the five properties meet in at least two rows."""

TRAINING_ROWS = 16_384  # what a sweep trains on to select
K, NPROBE, K_FACTOR = 10, 16, 4
MEMORY_BYTES = 32 << 20


def main() -> None:
    """Measure every combination for every seed and write the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    faiss.omp_set_num_threads(given.threads)
    torch.set_num_threads(given.threads)
    corpus, queries = squad()
    exact = {
        metric: exact_neighbours([(0, corpus)], queries, k=K, n=len(corpus), metric=metric, gather=lambda r: corpus[r])
        for metric in ("ip", "l2")
    }
    rows: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        sample = corpus[np.sort(np.random.default_rng(seed).permutation(len(corpus))[:TRAINING_ROWS])]
        rotations = opq_rotations(sample, seed, given.device)
        for metric, text in COMBINATIONS:
            row = compared(text, metric, sample, seed=seed, device=given.device, rotations=rotations, corpus=corpus,
                           queries=queries, exact=exact[metric])  # fmt: skip
            rows.append(row)
            print(row, flush=True)
        write(rows, given.device, corpus, queries)


def squad() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """22,067 passages and 3,000 queries of 384 dimensions, of unit length."""
    stem = f"{os.environ['RAGOPT_SHARED']}/vectors/squad22k-minilm-384"
    both = [np.load(f"{stem}.{part}.f16.npy").astype(np.float32) for part in ("corpus", "queries")]
    corpus, queries = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in both)
    return corpus, queries


def opq_rotations(sample: NDArray[np.float32], seed: int, device: str) -> dict[str, Any]:
    """One rotation of each maker for all factories with OPQ, with its seconds: it depends on no other part."""
    found: dict[str, Any] = {}
    began = time.perf_counter()
    matrix = faiss.OPQMatrix(sample.shape[1], OPQ_PARTS, OPQ_DIM)
    quantizer = faiss.ProductQuantizer(OPQ_DIM, OPQ_PARTS, 8)
    quantizer.cp.seed, quantizer.cp.min_points_per_centroid = seed, 1
    matrix.pq = quantizer
    with blas_training():
        matrix.train(sample)
    found["faiss"] = faiss.vector_to_array(matrix.A)
    matrix.pq = None
    found["faiss_seconds"] = time.perf_counter() - began
    began = time.perf_counter()
    how = Opq(OPQ_PARTS, OPQ_DIM, seed, MEMORY_BYTES)
    found["torch"] = opq_rotation(torch.tensor(sample, device=device), how).ravel()
    found["torch_seconds"] = time.perf_counter() - began
    print({name: value for name, value in found.items() if name.endswith("seconds")}, flush=True)
    return found


def prepared(text: str, metric: Any, dim: int, rotation: NDArray[np.float32]) -> Any:
    """An empty index, its OPQ filled in if it has one."""
    index = empty_index(parse_factory(text, dim), metric)
    transform = first_transform(index)
    if isinstance(transform, faiss.OPQMatrix):
        faiss.copy_array_to_vector(rotation, transform.A)
        transform.is_trained = True
        transform.set_is_orthonormal()
    return index


def compared(  # noqa: PLR0913 - one measurement
    text: str,
    metric: Any,
    sample: NDArray[np.float32],
    *,
    seed: int,
    device: str,
    rotations: dict[str, Any],
    corpus: NDArray[np.float32],
    queries: NDArray[np.float32],
    exact: Any,
) -> dict[str, Any]:
    """Recall of one factory trained by FAISS and by torch, and the share of equal codes from FAISS's centroids."""
    row: dict[str, Any] = {"metric": metric, "factory": text, "seed": seed}
    by_faiss = prepared(text, metric, sample.shape[1], rotations["faiss"])
    held = seed_training(by_faiss, seed)
    bound_memory(by_faiss)
    began = time.perf_counter()
    with blas_training():
        by_faiss.train(sample)
    row["faiss_train_seconds"] = round(time.perf_counter() - began, 2)
    release_training(by_faiss)
    del held
    row["equal_codes"] = equal_codes(by_faiss, corpus, device)
    by_torch = prepared(text, metric, sample.shape[1], rotations["torch"])
    began = time.perf_counter()
    fill_with_torch(by_torch, sample, device=device, seed=seed, memory_bytes=MEMORY_BYTES)
    row["torch_train_seconds"] = round(time.perf_counter() - began, 2)
    add_blocks(by_faiss, [(0, corpus)])
    add_with_torch(by_torch, [(0, corpus)], device=device, memory_bytes=MEMORY_BYTES)
    by_torch = faiss.deserialize_index(faiss.serialize_index(by_torch))  # plain FAISS opens it
    for name, index in (("faiss", by_faiss), ("torch", by_torch)):
        if isinstance(inner_index(index), faiss.IndexIVF):
            inner_index(index).nprobe = NPROBE
        if isinstance(index, faiss.IndexRefine):
            index.k_factor = K_FACTOR
        row[name] = round(float(recall_vs_exact(index.search(queries, K)[1], exact, k=K).mean()), 5)
    return row


def equal_codes(index: Any, vectors: NDArray[np.float32], device: str) -> float:
    """Share of list numbers and codes that torch and FAISS give alike, from the same centroids."""
    base = refined_parts(index)[0]
    lists, codes = TorchEncoder(base, device=device, memory_bytes=MEMORY_BYTES).encode(vectors)
    theirs = base.sa_encode(vectors)
    coarse = theirs.shape[1] - codes.shape[1]
    if inner_index(base).pq.nbits == 4:
        codes, theirs = ((values[:, :, None] >> np.array([0, 4]) & 15).reshape(len(values), -1)
                         for values in (codes, theirs[:, coarse:]))  # fmt: skip
        same = codes == theirs
    else:
        same = codes == theirs[:, coarse:]
    if lists is not None:
        assert coarse == 1  # noqa: S101 - 64 lists take one byte
        same = np.column_stack([same, lists == base.sa_encode(vectors)[:, 0]])
    return float(same.mean())


def write(rows: list[dict[str, Any]], device: str, corpus: Any, queries: Any) -> None:
    """Means over the seeds measured so far."""
    summary = []
    for metric, text in COMBINATIONS:
        of = [row for row in rows if (row["metric"], row["factory"]) == (metric, text)]
        differences = [100 * (row["torch"] - row["faiss"]) for row in of]
        summary.append(
            {
                "metric": metric,
                "factory": text,
                "faiss": round(statistics.fmean(row["faiss"] for row in of), 4),
                "torch": round(statistics.fmean(row["torch"] for row in of), 4),
                "points": round(statistics.fmean(differences), 2),
                "points_sd": round(statistics.stdev(differences), 2) if len(of) > 1 else None,
                "least_equal_codes": min(row["equal_codes"] for row in of),
                "faiss_train_seconds": round(statistics.median(row["faiss_train_seconds"] for row in of), 2),
                "torch_train_seconds": round(statistics.median(row["torch_train_seconds"] for row in of), 2),
            }
        )
    about = (
        f"recall_vs_exact@{K} on squad22k-minilm-384, {len(corpus)} rows, {len(queries)} queries, trained on "
        f"{TRAINING_ROWS} rows by FAISS on the CPU and by torch on {device}; nprobe {NPROBE}, k_factor {K_FACTOR}; "
        "OPQ is trained once a seed and maker, apart from the seconds; points: torch less FAISS, mean over seeds"
    )
    result = {"about": about, "device": device, "torch": torch.__version__, "torch_threads": torch.get_num_threads(),
              "versions": versions(), "machine": machine(), "summary": summary, "rows": rows}  # fmt: skip
    name = torch.device(device).type
    path = Path(__file__).parent / "results" / f"{dt.datetime.now(tz=dt.UTC).date()}-torch-training-{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
