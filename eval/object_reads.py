"""Requests and bytes that a query reads from an object store: LanceDB's indexes, and FAISS inverted lists.

    RAGOPT_SHARED=... python eval/object_reads.py --out eval/results/2026-11-26-object-reads.json

The store is `object_store_server.py`: real bytes over real HTTP, in this process. The settings of an index run in one
fresh process, each with a session (so with caches) of its own: it opens the table, sends one query (cold), fills the
caches, and sends the measured queries one at a time. Vectors: 22,067 MiniLM vectors (documents in file order, so that
neighbours lie side by side) and 100,000 clustered ones (in random order). Counts of requests and bytes do not depend on
the machine's speed; rounds are counted with an artificial delay of 30 ms an answer. CPU time is that of the process,
with other work on the machine: an upper figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from object_reads_data import SEED, TEXT_BYTES, clustered, minilm, rows_of
from object_reads_faiss import measure_faiss
from object_store_server import TAKE_LOG, Request, Store, longest_chain, serve

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_QUERIES = 64
N_DELAYED = 5
DELAY_SECONDS = 0.03
K = 10
EVERY_PARTITION = 100_000
APPEND_ROWS = 100

CACHES = ("default", "all", "half", "none")
"""The index cache: LanceDB's own size, 1.1 and 0.5 of what the whole index weighs in it, and 0 bytes.

A partition weighs its codes and row ids and, once more for each partition, the codebook that all of them share.
"""

INDEXES = (
    ("IvfPq", "minilm-22k", None, (5, 20)),
    ("IvfPq", "minilm-22k", 86, (5, 20, 50)),
    ("IvfPq", "clustered-100k", None, (5, 20)),
    ("IvfPq", "clustered-100k", 316, (5, 20, 50)),
    ("IvfRq", "clustered-100k", 316, (5, 20, 50)),
)
"""Kind, vectors, partitions (None: LanceDB's own number) and nprobes. 86 is the most that it makes of 22,067 rows."""


def main() -> None:
    """Measure everything and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", help="measure one kind of index again and keep the rest of the file")
    parser.add_argument("--worker", help="JSON of one setting: used by this script itself")
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(worker(json.loads(given.worker))))
        return
    store = Store()
    server = serve(store)
    url = f"http://127.0.0.1:{server.server_port}"
    data = {"minilm-22k": minilm(), "clustered-100k": clustered()}
    result: dict[str, Any] = {"about": about(), "lancedb": [], "faiss": []}
    if given.only:
        result = json.loads(given.out.read_text(encoding="utf-8"))
        result["lancedb"] = [index for index in result["lancedb"] if index["kind"] != given.only]
    for name, (corpus, queries) in data.items():
        np.save(_queries_file(name), queries)
        if given.only:
            continue
        result["faiss"] += measure_faiss(name, corpus, queries, store, url)
    for kind, name, n_partitions, nprobes in INDEXES:
        if given.only not in (None, kind):
            continue
        where = f"{name}-{kind}-{n_partitions}"
        built = build_lancedb(store, url, where, data[name][0], kind, n_partitions)
        result["lancedb"].append({"vectors": name, "n": len(data[name][0]), "kind": kind, **built, "settings": []})
        weight = cache_weight(kind, *data[name][0].shape, built["n_partitions"])
        result["lancedb"][-1]["cache_weight_bytes"] = weight
        for row in run_workers(store, url, where, name, settings(nprobes), weight):
            result["lancedb"][-1]["settings"].append(row)
            print(where, json.dumps(row), flush=True)
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def settings(nprobes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Every setting of one index: caches by nprobes by refine_factor, and a text column once.

    What a cache of a certain weight spares is asked without rescoring, which reads the table alone.
    """
    grid = [
        {"cache": cache, "nprobes": nprobe, "refine_factor": refine, "text": False}
        for cache in CACHES
        for nprobe in nprobes
        for refine in (0, 10)
        if cache in ("default", "none") or not refine
    ]
    return [*grid, {"cache": "default", "nprobes": nprobes[1], "refine_factor": 10, "text": True}]


def cache_weight(kind: str, n: int, dim: int, n_partitions: int) -> int:
    """Bytes that LanceDB's cache counts for a whole index.

    IVF_PQ: rows of dim / 16 code bytes and an 8-byte id, and the codebook with each partition. IVF_RQ has no codebook:
    dim / 8 code bytes, factors and an id.
    """
    if kind == "IvfRq":
        return n * (dim // 8 + 16 + 8) + 4 * dim * n_partitions
    return n * (dim // 16 + 8) + 4 * dim * 256 * n_partitions


def storage_options(url: str) -> dict[str, str]:
    """What LanceDB needs to take the local server for S3."""
    return {
        "aws_endpoint": url, "allow_http": "true", "aws_region": "us-east-1", "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
    }  # fmt: skip


def build_lancedb(
    store: Store, url: str, where: str, corpus: NDArray[Any], kind: str, n_partitions: int | None
) -> dict[str, Any]:  # fmt: skip
    """Write a table, index it and append to a copy of it; the requests and bytes of each, and the size of each file."""
    import lancedb  # noqa: PLC0415 - the workers must not pay for it here
    import lancedb.index  # noqa: PLC0415 - as above

    store.take_log()
    database = lancedb.connect(f"s3://bucket/{where}", storage_options=storage_options(url))
    table = database.create_table("corpus", rows_of(corpus))
    loaded = _writes(store.take_log())
    options = {} if n_partitions is None else {"num_partitions": n_partitions}
    table.create_index("vector", config=getattr(lancedb.index, kind)(distance_type="cosine", **options))
    indexed = _writes(store.take_log())
    (index,) = table.list_indices()
    files = {}
    for key, content in store.objects.items():
        if key.startswith(f"bucket/{where}/") and key.endswith((".idx", ".lance")):
            files[Path(key).name if key.endswith(".idx") else "data"] = len(content)
    other = database.create_table("appended", rows_of(corpus[:1000]))
    store.take_log()
    other.add(rows_of(corpus[:APPEND_ROWS]))
    appended = _writes(store.take_log())
    return {
        "n_partitions": n_partitions or len(corpus) // 8192, "asked": n_partitions is not None, "file_bytes": files,
        "details": index.index_details, "load": loaded,
        "index": indexed, f"append_{APPEND_ROWS}": appended,
    }  # fmt: skip


def run_workers(
    store: Store, url: str, where: str, name: str, wanted: list[dict[str, Any]], weight: int
) -> list[dict[str, Any]]:
    """Measure the settings of one index in a fresh process, then their rounds in another with delayed answers.

    Each setting has a session of its own, so its caches begin empty; the first one also has the process to itself.
    """
    task = {"url": url, "where": where, "queries": str(_queries_file(name)), "settings": wanted, "weight": weight}
    measured = _in_process({**task, "n_queries": N_QUERIES})
    slow = [setting for setting in wanted if setting["nprobes"] == wanted[-1]["nprobes"] and setting["cache"] != "all"]
    store.delay_seconds = DELAY_SECONDS
    delayed = _in_process({**task, "settings": slow, "n_queries": N_DELAYED})
    store.delay_seconds = 0.0
    rounds = {json.dumps(setting): row for setting, row in zip(slow, delayed, strict=True)}
    rows = []
    for setting, row in zip(wanted, measured, strict=True):
        late = rounds.get(json.dumps(setting))
        for part in ("open", "cold", "warm"):
            row[part]["rounds"] = late and late[part]["rounds"]
        rows.append({**setting, **row})
    return rows


def _in_process(task: dict[str, Any]) -> list[dict[str, Any]]:
    command = [sys.executable, __file__, "--worker", json.dumps(task)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def worker(task: dict[str, Any]) -> list[dict[str, Any]]:
    """For each setting: open the table, query it cold, fill the cache, query it warm; what each read."""
    queries = np.load(task["queries"])
    return [_measure(task, setting, queries) for setting in task["settings"]]


def _measure(task: dict[str, Any], setting: dict[str, Any], queries: NDArray[Any]) -> dict[str, Any]:
    take_log(task)
    cache_bytes = {
        "default": None, "all": task["weight"] * 11 // 10, "half": task["weight"] // 2, "none": 0
    }[setting["cache"]]  # fmt: skip
    table, session = _opened(task, cache_bytes)
    opened = take_log(task)
    _ask(table, queries[1], setting)
    cold = take_log(task)
    if setting["cache"] in ("default", "all"):
        _ask(table, queries[2], {**setting, "nprobes": EVERY_PARTITION})
    n_fill = task["n_queries"] if setting["cache"] == "half" else 1
    for query in queries[2 : 2 + n_fill]:
        _ask(table, query, setting)
    take_log(task)
    warm, cpu = [], _cpu_seconds()
    for query in queries[100 : 100 + task["n_queries"]]:
        _ask(table, query, setting)
        warm.append(take_log(task))
    cpu = _cpu_seconds() - cpu
    return {
        "cache_limit_bytes": cache_bytes, "session_bytes": session.size_bytes,
        "open": summary([opened]), "cold": summary([cold]), "warm": summary(warm),
        "warm_by_file": _by_file(warm), "cpu_ms_per_query": round(1000 * cpu / len(warm), 2),
    }  # fmt: skip


def _opened(task: dict[str, Any], cache_bytes: int | None) -> tuple[Any, Any]:
    import lancedb  # noqa: PLC0415 - loaded in the worker alone

    session = lancedb.Session(index_cache_size_bytes=cache_bytes)
    place = f"s3://bucket/{task['where']}"
    database = lancedb.connect(place, storage_options=storage_options(task["url"]), session=session)
    return database.open_table("corpus"), session


def _ask(table: Any, query: NDArray[Any], setting: dict[str, Any]) -> None:
    columns = ["row", "_distance", *(["text"] if setting["text"] else [])]
    wanted = table.search(query, vector_column_name="vector").limit(K).nprobes(setting["nprobes"]).select(columns)
    (wanted.refine_factor(setting["refine_factor"]) if setting["refine_factor"] else wanted).to_arrow()


def take_log(task: dict[str, Any]) -> list[Request]:
    """Fetch what the store logged since the last time."""
    with urllib.request.urlopen(f"{task['url']}/{TAKE_LOG}") as answer:  # noqa: S310 - a local server
        return [Request(*entry) for entry in json.load(answer)]


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def summary(logs: list[list[Request]]) -> dict[str, float]:
    """Median, p95 and mean of GETs and bytes per query; other requests on average; the most rounds by the median."""
    gets = [sum(request.method in ("GET", "HEAD") for request in log) for log in logs]
    sizes = [sum(request.size_bytes for request in log if request.method == "GET") for log in logs]
    other = [sum(request.method not in ("GET", "HEAD") for request in log) for log in logs]
    found: dict[str, float] = {"n": len(logs)}
    for name, values in (("gets", gets), ("bytes", sizes)):
        found |= {
            name: float(np.median(values)), f"{name}_p95": float(np.percentile(values, 95)),
            f"{name}_mean": round(float(np.mean(values)), 2),
        }  # fmt: skip
    found["lists"] = float(np.mean(other))
    found["rounds"] = float(np.median([longest_chain(log) for log in logs]))
    return found


def _by_file(logs: list[list[Request]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for log in logs:
        for request in log:
            name = Path(request.key).name
            entry = found.setdefault(name if name.endswith(".idx") else Path(name).suffix, {"gets": 0.0, "bytes": 0.0})
            entry["gets"] += 1 / len(logs)
            entry["bytes"] += request.size_bytes / len(logs)
    return {name: {what: round(value, 2) for what, value in entry.items()} for name, entry in found.items()}


def _writes(log: list[Request]) -> dict[str, int]:
    counted = {method: sum(request.method == method for request in log) for method in ("PUT", "POST", "LIST", "GET")}
    return {**counted, "bytes_put": sum(request.size_bytes for request in log if request.method == "PUT")}


def _queries_file(name: str) -> Path:
    folder = Path(tempfile.gettempdir()) / "object-reads"  # the workers read it from there
    folder.mkdir(exist_ok=True)
    return folder / f"{name}-queries.npy"


def about() -> dict[str, Any]:
    """Versions, machine and what the figures stand on."""
    return {
        "script": "eval/object_reads.py", "seed": SEED, "n_queries": N_QUERIES, "k": K, "text_bytes": TEXT_BYTES,
        "delay_seconds_for_rounds": DELAY_SECONDS, "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("lancedb", "pyarrow", "faiss-cpu", "numpy")},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load_average": os.getloadavg()},
    }  # fmt: skip


if __name__ == "__main__":
    main()
