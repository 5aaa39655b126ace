"""Time the training of one 8-bit product-quantizer part by its width: FAISS's default, and BLAS allowed.

Usage: python eval/pq_training.py [--rounds 5]. Prints a table and writes eval/results/<date>-pq-training.json.
"""

import argparse
import datetime as dt
import json
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import faiss
import numpy as np

from ragopt.index.blas_training import blas_training
from ragopt.sweep.run_info import machine, versions

WIDTHS = (2, 4, 8, 16)
ROWS = (7_500, 16_384, 65_536)


def seconds(sample: np.ndarray, *, blas: bool) -> tuple[float, float]:
    """Wall seconds and mean squared error of one training of 256 centroids on one thread."""
    quantizer = faiss.ProductQuantizer(sample.shape[1], 1, 8)
    quantizer.cp.min_points_per_centroid = 1
    began = time.perf_counter()
    with blas_training() if blas else nullcontext():
        quantizer.train(sample)
    taken = time.perf_counter() - began
    decoded = quantizer.decode(quantizer.compute_codes(sample))
    return taken, float(np.square(decoded - sample).sum(axis=1).mean())


def main() -> None:
    """Measure every size, alternating the two ways, and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    rows = []
    for n in ROWS:
        for width in WIDTHS:
            sample = rng.standard_normal((n, width)).astype(np.float32)
            pairs = [(seconds(sample, blas=False), seconds(sample, blas=True)) for _ in range(rounds)]
            default, lowered = (statistics.median(pair[way][0] for pair in pairs) for way in (0, 1))
            row = {
                "rows": n,
                "dims_per_part": width,
                "default_seconds": round(default, 4),
                "blas_seconds": round(lowered, 4),
                "ratio": round(default / lowered, 1),
                "error_ratio": round(pairs[0][1][1] / pairs[0][0][1], 5),
            }
            rows.append(row)
            print(row)
    today = dt.datetime.now(tz=dt.UTC).date()
    about = f"256 centroids on random rows, one thread, median of {rounds} alternating rounds"
    result = {"about": about, "seed": 0, "versions": versions(), "machine": machine(), "rows": rows}
    path = Path(__file__).parent / "results" / f"{today}-pq-training.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
