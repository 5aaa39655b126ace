"""Time the training of 8-bit product quantizers by the width of their parts: FAISS's own way and the padded one.

Usage: python eval/narrow_pq.py [--rounds 3]. Prints a table and writes eval/results/<date>-narrow-pq.json.
"""

import argparse
import datetime as dt
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from ragopt.index.narrow_pq import train_narrow_pq
from ragopt.sweep.run_info import machine, versions

WIDTHS = (2, 4, 6, 8, 16)
PARTS = 4
ROWS = 16_384


def seconds(train: Callable[[faiss.Index, np.ndarray], None], sample: np.ndarray, width: int) -> float:
    """Wall seconds of one training on one thread."""
    index = faiss.IndexPQ(width * PARTS, PARTS, 8)
    began = time.perf_counter()
    train(index, sample)
    return time.perf_counter() - began


def main() -> None:
    """Measure every width, alternating the two ways, and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    rows = []
    for width in WIDTHS:
        sample = rng.standard_normal((ROWS, width * PARTS)).astype(np.float32)
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(seconds(lambda index, x: index.train(x), sample, width))
            if width < 8:
                ours.append(seconds(train_narrow_pq, sample, width))
        row = {"dims_per_part": width, "faiss_seconds": round(statistics.median(theirs), 3)}
        if ours:
            row["padded_seconds"] = round(statistics.median(ours), 3)
            row["ratio"] = round(row["faiss_seconds"] / row["padded_seconds"], 1)
        rows.append(row)
        print(row)
    today = dt.datetime.now(tz=dt.UTC).date()
    about = f"{ROWS} random rows, {PARTS} parts of 8 bits, one thread, median of {rounds} rounds"
    result = {"about": about, "seed": 0, "versions": versions(), "machine": machine(), "rows": rows}
    path = Path(__file__).parent / "results" / f"{today}-narrow-pq.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
