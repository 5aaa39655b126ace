"""What `ragopt build` wrote, measured on the opened folder before anybody else can open it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.errors import IndexFormatError
from ragopt.measure.intervals import mean_interval
from ragopt.measure.latency import time_searches
from ragopt.measure.neighbours import Neighbours, recall_vs_exact
from ragopt.serve.lance_tuning import halves
from ragopt.serve.layout import generation_name
from ragopt.serve.locks import hold_generation
from ragopt.serve.opened_memory import opened_memory
from ragopt.serve.row_store import row_store
from ragopt.serve.snapshot import opened_version

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.measure.intervals import Interval
    from ragopt.records import LatencyMs, Run
    from ragopt.serve.manifest import Manifest
    from ragopt.serve.run_material import RunMaterial
    from ragopt.serve.snapshot import Snapshot

N_TIMED, N_WARMUP, MOST_TIMING_SECONDS = 500, 10, 5.0
"""As a sweep times finalists, but for longer: one index is timed here, not eight."""


@dataclass(frozen=True, slots=True)
class Built:
    """What `build_index` wrote, and what it finds.

    Attributes:
        folder: the served folder. trial: printed form. lance: printed form of LanceDB's index; empty for FAISS.
        n_chunks: vectors. version: of the folder. k: results counted.
        recall: recall_vs_exact@k measured on the opened folder; low and high are its 95 % interval, over n_queries
            confirmation queries of the run. For LanceDB the half of them that nothing was tuned on.
        n_different: queries whose recall_vs_exact is another than in the run; None where the run did not build it.
        least_recall: limit that LanceDB's index was tuned to; None for FAISS.
        latency: wall time of a search by vector, one after the other, texts not read. FAISS uses one thread; LanceDB
            as many as it likes.
        index_bytes: of the index on the disk, without texts and full vectors of the table.
        ram_bytes: anonymous memory that a fresh process takes for opening the folder and searching the canaries.
        size_bytes: of all files.
    """

    folder: Path
    trial: str
    lance: str
    n_chunks: int
    version: int
    k: int
    recall: float
    low: float
    high: float
    n_queries: int
    n_different: int | None
    least_recall: float | None
    latency: LatencyMs
    index_bytes: int
    ram_bytes: int
    size_bytes: int


def measure_folder(root: Path, manifest: Manifest, run: Run, material: RunMaterial) -> Built:
    """Search the written files with the run's confirmation queries, and compare with what the run measured.

    Raises:
        IndexFormatError: recall_vs_exact lies outside the run's own interval.
    """
    queries, exact = _queries(manifest, material)
    lease = hold_generation(root / generation_name(manifest.generation))
    snapshot = opened_version(root, manifest, lease)
    store = row_store(manifest.engine)
    rows = store.nearest(snapshot, queries, manifest.n_results)[1]
    scores = recall_vs_exact(rows, exact, k=manifest.k)
    now = mean_interval(scores)
    n_different = _n_different(run, manifest, scores, now)
    latency = _latency(snapshot, queries)
    ram_bytes = opened_memory(root, manifest)
    lease.close()
    return Built(
        folder=root,
        trial=manifest.trial,
        lance="" if manifest.lance is None else str(manifest.lance),
        n_chunks=manifest.n_rows,
        version=manifest.version,
        k=manifest.k,
        recall=now.value,
        low=now.low,
        high=now.high,
        n_queries=len(scores),
        n_different=n_different,
        least_recall=None if manifest.lance is None else manifest.about["limits"]["min_recall"],
        latency=latency,
        index_bytes=index_bytes(manifest),
        ram_bytes=ram_bytes,
        size_bytes=sum(entry.size_bytes for entry in manifest.files.values()),
    )


def _queries(manifest: Manifest, material: RunMaterial) -> tuple[NDArray[np.float32], Neighbours]:
    data = material.data
    if manifest.lance is None:
        return data.confirm_queries, data.confirm_exact
    rows = halves(len(data.confirm_queries), manifest.seed)[1]
    return data.confirm_queries[rows], Neighbours(data.confirm_exact.ids[rows], data.confirm_exact.scores[rows])


def _n_different(run: Run, manifest: Manifest, scores: NDArray[np.float32], now: Interval) -> int | None:
    name = f"recall_vs_exact@{manifest.k}"
    result = next((one for one in run.trials if str(one.trial) == manifest.trial), None)
    if manifest.lance is not None or result is None or not result.confirmed:
        return None
    before, kept = result.quality[name], result.per_query[name]
    n_different = int((scores != kept).sum()) if len(kept) == len(scores) else len(scores)
    if n_different and not before.low <= now.value <= before.high:
        raise IndexFormatError(
            f"The built index has {name} {now.value:.4f}, the run measured {before.value:.4f}",
            allowed=f"{before.low:.4f} to {before.high:.4f}, the run's 95 % interval",
            next_step="Check that FAISS is of the run's version, or sweep again",
        )
    return n_different


def _latency(snapshot: Snapshot, queries: NDArray[np.float32]) -> LatencyMs:
    store, timed = row_store(snapshot.manifest.engine), queries[: N_TIMED + N_WARMUP]
    timing = time_searches(lambda query: store.nearest(snapshot, query, snapshot.manifest.k), timed,
                           warmup=min(N_WARMUP, len(timed) // 10), most_seconds=MOST_TIMING_SECONDS)  # fmt: skip
    return timing.latency


def index_bytes(manifest: Manifest) -> int:
    """Bytes of the files that are searched: of FAISS, or of LanceDB's index in the table."""
    own = {segment.index for segment in manifest.segments if segment.index}
    inside = f"{manifest.table}/_indices/"
    return sum(entry.size_bytes for name, entry in manifest.files.items() if name in own or name.startswith(inside))
