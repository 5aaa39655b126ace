"""What each cache of `ragopt.open(DIR, cache=...)` leaves of a search's time, and what a miss costs on top.

squad-100k by WordLlama in one PQ index. Each round asks every question once of every way, the ways in a random
order per question, so that a slow moment of the machine hits all of them alike:

- plain: no cache argument;
- answer: the same question was asked before, result cache;
- vector: its vector is known, embedding cache alone;
- lines: its lines are known, chunk cache alone;
- vector and lines: both, without the result cache;
- miss: all three caches, emptied before each question.

A figure is the median over questions of the median over rounds; a ratio is of two ways within one round, its median
over rounds and the least and largest round beside it. Also: what a result cache counts against what Python allocates
(tracemalloc; cachebox's own table is not traced).

    RAGOPT_SHARED=... OMP_NUM_THREADS=1 python eval/cache_serve.py --work DIR --out eval/results/<date>-cache-serve.json
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import ragopt
from ragopt.cache.settings import CacheSettings
from ragopt.corpus.splitting import ChunkOptions

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 20261126
CORPUS = "squad-100k"
FACTORY = "PQ64x4fs,Refine(SQ8)"
N_QUESTIONS, N_ROUNDS, K = 300, 9, 5
ROOM = 1 << 28
"""Bytes per cache: nothing is evicted while times are measured."""
WAYS = {
    "plain": None,
    "answer": CacheSettings(result_bytes=ROOM),
    "vector": CacheSettings(embedding_bytes=ROOM),
    "lines": CacheSettings(chunk_bytes=ROOM),
    "vector and lines": CacheSettings(embedding_bytes=ROOM, chunk_bytes=ROOM),
    "miss": CacheSettings(ROOM, ROOM, ROOM),
}


def built(shared: Path, work: Path) -> Path:
    """Sweep one trial over the corpus and build it, unless that was done before."""
    out = work / "index"
    if not out.exists():
        work.mkdir(parents=True, exist_ok=True)
        grid = work / "grid.toml"
        grid.write_text(f'about = "One trial."\n[[grid]]\nfactories = ["{FACTORY}"]\nsearch = ["k_factor_rf=4"]\n')
        run = ragopt.sweep(shared / "data" / CORPUS, models=("wordllama",), grid=str(grid), descend=False,
                           cost_model="scan", limits={"min_recall": 0.5}, chunk=ChunkOptions(chunk_tokens=None),
                           seed=SEED, out=work / "run", cache_dir=work / "cache")  # fmt: skip
        ragopt.build(run, out=out, cache_dir=work / "cache")
    return out


def questions_of(shared: Path) -> list[str]:
    """Questions of the corpus in a random order, no two alike."""
    with (shared / "data" / CORPUS / "queries.jsonl").open(encoding="utf-8") as lines:
        texts = list(dict.fromkeys(json.loads(line)["text"] for line in lines))
    return [texts[place] for place in np.random.default_rng(SEED).permutation(len(texts))]


def timed_us(call: Callable[[], Any]) -> float:
    """Microseconds of one call."""
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e3


def measured(folder: Path, questions: list[str]) -> dict[str, list[list[float]]]:
    """Microseconds by way: a list of rounds, each a list over the questions."""
    indexes = {way: ragopt.open(folder, verify="quick", cache=cache) for way, cache in WAYS.items()}
    wanted = indexes["plain"].search(questions, K)
    for way, index in indexes.items():
        for question, hits in zip(questions, wanted, strict=True):
            found = index.search(question, K)
            if [hit.id for hit in found] != [hit.id for hit in hits]:
                raise RuntimeError(f"{way} finds something else for {question!r}")
    rng, rounds = np.random.default_rng(SEED), {way: [] for way in WAYS}
    for _ in range(N_ROUNDS):
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for question in questions:
            for way in rng.permutation(list(WAYS)).tolist():
                if way == "miss":
                    indexes[way].clear_cache()
                times[way].append(timed_us(lambda way=way, question=question: indexes[way].search(question, K)))
        for way, found in times.items():
            rounds[way].append(found)
    return rounds


def memory_of_answers(folder: Path, questions: list[str]) -> dict[str, Any]:
    """Fill a result cache, and compare what it counts with the memory that Python allocates meanwhile."""
    index = ragopt.open(folder, verify="quick", cache=CacheSettings(result_bytes=ROOM))
    index.search(questions[:100], K)
    index.clear_cache()
    gc.collect()
    tracemalloc.start()
    for first in range(0, len(questions), 100):
        index.search(questions[first : first + 100], K)
    gc.collect()
    traced_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    result = index.cache_stats().result
    return {"n_entries": result.n_entries, "counted_bytes": result.size_bytes, "traced_bytes": traced_bytes}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    shared = Path(os.environ["RAGOPT_SHARED"])
    folder, questions = built(shared, args.work), questions_of(shared)
    loads = [os.getloadavg()[0]]
    memory = memory_of_answers(folder, questions[1_000:6_000])
    rounds = measured(folder, questions[:N_QUESTIONS])
    loads.append(os.getloadavg()[0])
    p50_us = {way: float(np.median([np.median(one) for one in found])) for way, found in rounds.items()}
    ratios = {}
    for way, found in rounds.items():
        each = [np.median(one) / np.median(plain) for one, plain in zip(found, rounds["plain"], strict=True)]
        ratios[way] = {"median": float(np.median(each)), "least": min(map(float, each)), "most": max(map(float, each))}
    with ragopt.open(folder, verify="quick") as index:
        about = {"n_chunks": index.n_chunks, "trial": index.manifest.trial}
    result = {
        "about": {"corpus": f"{CORPUS}, passages whole, wordllama", **about, "k": K, "n_questions": N_QUESTIONS,
                  "n_rounds": N_ROUNDS, "seed": SEED},
        "machine": {"processor": platform.machine(), "cpus": os.cpu_count(), "python": platform.python_version(),
                    "load_average": loads},
        "versions": {name: importlib.metadata.version(name) for name in ("cachebox", "faiss-cpu", "lancedb", "numpy")},
        "p50_us": p50_us,
        "ratio_to_plain": ratios,
        "memory_of_answers": memory,
    }  # fmt: skip
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
