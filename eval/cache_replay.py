"""Time LRU at six sizes at once against one cachebox replay a size, and take peak memory at N and 4N requests.

Usage: RAGOPT_SHARED=FOLDER python eval/cache_replay.py [--rounds 5]. Prints a table and writes
eval/results/<date>-cache-replay.json. Without RAGOPT_SHARED the tiled RAGPulse log is left out.

The curve includes its intervals, the replays are hits alone. A memory figure is the peak of what Python and numpy
allocate (tracemalloc) in a fresh process that reads the log from files.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ragopt.cache.curves import hit_curve
from ragopt.cache.records import Reads
from ragopt.cache.replay import replay
from ragopt.sweep.run_info import machine, versions

SEED = 0
WEEK_S = 7 * 86_400
SIZES = 6
READS_PER_REQUEST = 4.7  # RAGPulse: 33,255 reads of 7,106 requests


def zipf(n_requests: int, n_keys: int = 100_000) -> Reads:
    """Independent reads with Zipf exponent 1.0, as many a request as on RAGPulse on average."""
    rng = np.random.default_rng(SEED)
    lengths = rng.poisson(READS_PER_REQUEST, n_requests)
    weights = 1 / np.arange(1, n_keys + 1)
    ranks = np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(lengths.sum()))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Reads(rng.permutation(n_keys)[ranks].astype(np.int32), starts, np.linspace(0, WEEK_S, n_requests), 1)


def ragpulse(times: int) -> Reads:
    """The passages that RAGPulse's requests read, week after week."""
    lines = (Path(os.environ["RAGOPT_SHARED"]) / "data/ragpulse/log.jsonl").read_text(encoding="utf-8").splitlines()
    codes: dict[int, int] = {}
    requests = [[codes.setdefault(passage, len(codes)) for passage in json.loads(line)["passages"]] for line in lines]
    keys = np.array([code for request in requests for code in request], dtype=np.int32)
    lengths = np.tile([len(request) for request in requests], times)
    when = np.array([json.loads(line)["t"] for line in lines])
    return Reads(
        np.tile(keys, times),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([when + week * WEEK_S for week in range(times)]),
        1,
    )


def sizes_of(reads: Reads) -> list[int]:
    """Six sizes from 1 % of the items to half of them."""
    n_items = int(reads.keys.max()) + 1
    return [max(1, round(size)) for size in np.geomspace(0.01, 0.5, SIZES) * n_items]


def timed(name: str, reads: Reads, rounds: int) -> dict[str, Any]:
    """Median seconds of the curve and of cachebox's replays alone, alternating; they must agree on every hit."""
    sizes = sizes_of(reads)
    curve_s, cachebox_s = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        curve = hit_curve(reads, "LRU", sizes, warm_share=0)
        middle = time.perf_counter()
        hits = [int(replay(reads, "LRU", size_bytes=size).sum()) for size in sizes]
        curve_s.append(middle - began)
        cachebox_s.append(time.perf_counter() - middle)
        if [round(point.hits.value * point.hits.n) for point in curve.points] != hits:
            raise SystemExit(f"{name}: the curve and cachebox disagree")
    n_requests, seconds = len(reads.starts) - 1, statistics.median(curve_s)
    return {
        "log": name,
        "requests": n_requests,
        "reads": len(reads.keys),
        "items": len(np.unique(reads.keys)),
        "sizes": sizes,
        "seconds": round(seconds, 4),
        "seconds_rounds": [round(one, 4) for one in curve_s],
        "requests_per_second": round(n_requests / seconds),
        "reads_per_second": round(len(reads.keys) / seconds),
        "cachebox_seconds": round(statistics.median(cachebox_s), 4),
        "cachebox_ratio": round(statistics.median(cachebox_s) / seconds, 1),
    }


MEASURE = """
import sys, tracemalloc
import numpy as np
from ragopt.cache.curves import hit_curve
from ragopt.cache.records import Reads
keys, starts, times = (np.load(f"{sys.argv[1]}/{name}.npy", mmap_mode="r") for name in ("keys", "starts", "times"))
sizes = [int(size) for size in sys.argv[2:]]
# A first curve loads what is loaded when first used.
hit_curve(Reads(keys[: starts[99]], starts[:100], np.linspace(0, 86_400, 99), 1), "LRU", sizes)
tracemalloc.start()
hit_curve(Reads(keys, starts, times, 1), "LRU", sizes)
print(tracemalloc.get_traced_memory()[1])
"""


def peak_bytes(reads: Reads) -> int:
    """Peak allocated during the curve; the log's files are the system's to keep in memory or drop."""
    with tempfile.TemporaryDirectory() as folder:
        for name, array in (("keys", reads.keys), ("starts", reads.starts), ("times", reads.times_s)):
            np.save(Path(folder) / f"{name}.npy", np.asarray(array))
        arguments = [sys.executable, "-c", MEASURE, folder, *map(str, sizes_of(reads))]
        return int(subprocess.run(arguments, capture_output=True, check=True, text=True).stdout)


def main() -> None:
    """Time each log and take memory at N and 4N requests; write both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    logs = {"Zipf 1.0 over 100,000 items": zipf(1_000_000)}
    if "RAGOPT_SHARED" in os.environ:
        logs["RAGPulse, 100 times after itself"] = ragpulse(100)
    speed = [timed(name, reads, rounds) for name, reads in logs.items()]
    memory = [
        {"log": "Zipf 1.0 over 100,000 items", "requests": n, "peak_bytes": peak_bytes(zipf(n))}
        for n in (1_000_000, 4_000_000)
    ]
    for row in [*speed, *memory]:
        print(row)
    result = {
        "about": f"LRU at {SIZES} sizes at once with intervals, cold start; medians of {rounds} alternating rounds",
        "seed": SEED,
        "load_average": os.getloadavg()[0],
        "versions": {**versions(), "cachebox": importlib.metadata.version("cachebox")},
        "machine": machine(),
        "speed": speed,
        "memory": memory,
    }
    today = dt.datetime.now(tz=dt.UTC).date()
    path = Path(__file__).parent / "results" / f"{today}-cache-replay.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
