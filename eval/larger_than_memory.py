"""A sweep and a build over vectors larger than the memory that they may take: peaks, and a kill -9 halfway.

Vectors are clustered, 2,000,000 x 384 unless said otherwise: 3.07 GB. `ragopt sweep --max-memory 1GB` finds exact
neighbours, estimates and builds IVF1024,PQ48np and measures it, in a process whose memory is read from /proc and from
wait4(2), which is what /usr/bin/time -v prints. Then the same with an empty cache, killed with -9 when half of the
index's shards are on the disk, and started again.

    python eval/larger_than_memory.py --work /var/tmp/larger --rows 2000000
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ragopt.sweep.run_info import machine, versions

ROOT = Path(__file__).resolve().parents[1]
DIM, N_CLUSTERS, N_DIRECTIONS, N_QUERIES, BLOCK_ROWS = 384, 2000, 64, 3000, 50_000
GRID = '[[grid]]\nfactories = ["IVF1024,PQ48np"]\nsearch = ["nprobe=16", "nprobe=64"]\n'
MOST = "1GB"
POLL_SECONDS = 0.1


def write_vectors(folder: Path, rows: int, seed: int) -> None:
    """Write unit vectors around centres and as many queries as a sweep takes, unless they are there."""
    if (folder / "queries.npy").exists():
        return
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((N_CLUSTERS, DIM), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    directions = rng.standard_normal((N_DIRECTIONS, DIM), dtype=np.float32) / np.float32(N_DIRECTIONS**0.5)

    def drawn(n: int) -> np.ndarray:
        inside = rng.standard_normal((n, N_DIRECTIONS), dtype=np.float32) @ directions
        found = centres[rng.integers(0, N_CLUSTERS, n)] + np.float32(0.2) * inside
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype("<f4")

    with (folder / "vectors.npy").open("wb") as out:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, DIM)}
        np.lib.format.write_array_header_1_0(out, header)
        for first in range(0, rows, BLOCK_ROWS):
            out.write(drawn(min(BLOCK_ROWS, rows - first)).tobytes())
    np.save(folder / "queries.npy", drawn(N_QUERIES))


def command(folder: Path, cache: Path, out: Path, most: str) -> list[str]:
    """The sweep."""
    return [sys.executable, "-m", "ragopt", "sweep", "--vectors", str(folder / "vectors.npy"), "--query-vectors",
            str(folder / "queries.npy"), "--grid", str(folder / "grid.toml"), "--min-recall", "0.1", "--objective",
            "ram", "--max-memory", most, "--out", str(out), "--cache-dir", str(cache)]  # fmt: skip


def watched(arguments: list[str], *, stop: Path | None = None, n_stop: int = 0) -> dict[str, float | int]:
    """Run a command and read its memory; kill it with -9 once `stop` has so many shards."""
    began, peaks = time.perf_counter(), {"RssAnon": 0, "RssFile": 0}
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    killed = False
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            break
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name = line.partition(":")[0]
            if name in peaks:
                peaks[name] = max(peaks[name], int(line.split()[1]) * 1024)
        if stop is not None and not killed and len(shards(stop)) >= n_stop:
            os.kill(process.pid, signal.SIGKILL)
            killed = True
        time.sleep(POLL_SECONDS)
    code = os.waitstatus_to_exitcode(status)
    if code != (-signal.SIGKILL if killed else 0):
        raise SystemExit(f"the sweep ended with {code}: {process.stderr.read() if process.stderr else ''}")
    return {"seconds": round(time.perf_counter() - began, 1), "killed": killed,
            "peak_anonymous_bytes": peaks["RssAnon"], "peak_file_pages_bytes": peaks["RssFile"],
            "max_resident_bytes": usage.ru_maxrss * 1024}  # fmt: skip


def shards(cache: Path) -> list[Path]:
    """Whole shards of the index that is being built."""
    return [one for one in cache.glob("built-codes/**/pieces/*") if one.is_dir() and one.name[:1].isdigit()
            and not one.name.endswith(".tmp")]  # fmt: skip


def index_sha256(cache: Path) -> str:
    """SHA-256 of the built index."""
    (file,) = cache.glob("built/**/index.faiss")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="Folder for some 13 GB, emptied of caches at the end.")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--max-memory", default=MOST)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    write_vectors(given.work, given.rows, given.seed)
    (given.work / "grid.toml").write_text(GRID)
    rows = []
    for name in ("once", "resumed"):
        cache, out = given.work / f"cache-{name}", given.work / f"run-{name}"
        for folder in (cache, out):
            shutil.rmtree(folder, ignore_errors=True)
        arguments = command(given.work, cache, out, given.max_memory)
        if name == "resumed":
            half = -(-given.rows // 131_072) // 2
            rows.append({"run": "killed at half", **watched(arguments, stop=cache, n_stop=half)})
            rows[-1]["shards_kept"] = len(shards(cache))
        rows.append({"run": name, **watched(arguments), "index_sha256": index_sha256(cache)})
        info = json.loads((out / "run.json").read_text())
        rows[-1] |= {"warnings": [one for one in info["warnings"] if "--max-memory" in one],
                     "peak_resident_bytes": info["peak_resident_bytes"],
                     "trial": json.loads((out / "recommendation.json").read_text())["trial"]}  # fmt: skip
        for row in rows[-2:]:
            print(json.dumps(row))
    result = {"about": f"{given.rows} x {DIM} float32, --max-memory {given.max_memory}", "seed": given.seed,
              "versions": versions(), "machine": machine(), "rows": rows}  # fmt: skip
    date = dt.datetime.now(tz=dt.UTC).date().isoformat()
    target = ROOT / "eval" / "results" / f"{date}-larger-than-memory.json"
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(target)
    for name in ("once", "resumed"):
        shutil.rmtree(given.work / f"cache-{name}", ignore_errors=True)


if __name__ == "__main__":
    main()
