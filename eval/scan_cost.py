"""Measure what a full scan costs per vector and per code byte, for `ragopt/bill/scan_cost.py`.

Run by path: ``FAISS_SIMD_LEVEL=AVX2 python eval/scan_cost.py --out eval/results/2026-11-25-scan-cost.json`` (half an
hour), with ``--only SQ8 graph refine`` for parts of it, which are written into a file that is there already; `measured`
in the file says when each part was. AVX2 because that is what every server has; with AVX512 some scans take less.
Seeded random unit vectors, inner product, one thread, one query per call; process CPU time, so that other work on
the machine counts little. The fastest round is fitted, since other work only ever adds time; the median is kept
beside it.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from scan_cost_rows import (
    N_QUERIES,
    N_ROUNDS,
    N_SMALL,
    N_VECTORS,
    REFINE_BASES,
    REFINES,
    SCANS,
    SEED,
    K,
    check_rows,
    graph_rows,
    ram_row,
    refine_rows,
    rotation_rows,
    scan_rows,
    set_training_by_blas,
)
from scipy.optimize import nnls

OTHERS = ("graph", "refine", "rotation", "checks", "ram")


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


def fit_graph(rows: list[dict[str, Any]], scans: dict[str, dict[str, float]]) -> dict[str, float]:
    """Fit what a walk compares, n = share x 2M x efSearch, and what one comparison costs beyond a scanned vector.

    Medians of the rows: each has its own share, and its own nanoseconds over those of its codec in a scan.
    """
    shares, extras = [], []
    for row in rows:
        structure, codec = row["factory"].split(",")
        cost = scans[codec]
        shares.append(row["n_compared"] / (2 * int(structure.removeprefix("HNSW")) * row["efSearch"]))
        of_codes = cost["ns_per_vector"] + cost["ns_per_byte"] * row["code_bytes"]
        extras.append((row["min_ns"] - cost["ns_per_query"]) / row["n_compared"] - of_codes)
    return {"share_compared": round(statistics.median(shares), 3), "ns_per_hop": round(statistics.median(extras), 1)}


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


def skeleton() -> dict[str, Any]:
    """What a file says before anything is measured."""
    return {
        "plan": "scan-cost",
        "date": time.strftime("%Y-%m-%d"),
        "seed": SEED,
        "versions": {"python": sys.version.split()[0], "faiss": faiss.__version__, "numpy": np.__version__},
        "faiss_compile_options": faiss.get_compile_options(),
        "machine": {"cpu": cpu_model(), "system": platform.system(), "arch": platform.machine()},
        "protocol": {"n_threads": 1, "k": K, "n_queries": N_QUERIES, "n_rounds": N_ROUNDS, "metric": "inner product"},
        "measured": {},
        "fit": {},
        "scans": [],
    }


def measure(result: dict[str, Any], part: str) -> None:
    """Measure one part, a family of SCANS or one of OTHERS, and put its rows and its fit into the result."""
    if part in SCANS:
        rows = scan_rows(part)
        result["scans"] = [row for row in result["scans"] if row["family"] != part] + rows
        result["fit"][part] = fit(rows)
    elif part == "graph":
        result["graph"] = graph_rows()
        result["fit_graph"] = fit_graph(result["graph"], result["fit"])
    elif part == "refine":
        result["refine"] = refine_rows()
        result["fit_refine"] = fit_refine(result["refine"])
    else:
        result[part] = {"rotation": rotation_rows, "checks": check_rows, "ram": ram_row}[part]()
    result["measured"][part] = time.strftime("%Y-%m-%d")


def main() -> None:
    """Measure everything, or parts of it, and write one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--again", nargs="+", choices=list(SCANS), help="more rounds, into the file that is there")
    parser.add_argument("--only", nargs="+", choices=[*SCANS, *OTHERS], help="these parts alone")
    arguments = parser.parse_args()
    out: Path = arguments.out
    faiss.omp_set_num_threads(1)
    set_training_by_blas(on=True)
    if arguments.again:
        measure_again(out, arguments.again)
        return
    there = arguments.only and out.exists()
    result = json.loads(out.read_text(encoding="utf-8")) if there else skeleton()
    out.parent.mkdir(parents=True, exist_ok=True)
    for part in arguments.only or [*SCANS, *OTHERS]:
        measure(result, part)
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
