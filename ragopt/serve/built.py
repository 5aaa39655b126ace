"""What `ragopt build` wrote, and that the opened folder finds what the run found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.errors import IndexFormatError
from ragopt.measure.intervals import mean_interval
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.serve.layout import generation_name
from ragopt.serve.locks import hold_generation
from ragopt.serve.nearest import nearest_rows
from ragopt.serve.snapshot import opened_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ragopt.records import LatencyMs, Quality, Run
    from ragopt.serve.manifest import Manifest
    from ragopt.serve.run_material import RunMaterial


@dataclass(frozen=True, slots=True)
class LanceMeasured:
    """LanceDB's own index, measured on the half of the run's confirmation queries that nothing was tuned on.

    Attributes:
        index: printed form. min_recall: limit that it was tuned to. n_tuning: queries that it was tuned on.
        quality: by name, every quality that the run's queries allow. latency: of a search by vector.
        index_bytes: of the index on the disk, without the table's texts and full vectors.
        warnings: limits of the run that the index was not held to; it meets all others.
    """

    index: str
    min_recall: float
    n_tuning: int
    quality: Mapping[str, Quality]
    latency: LatencyMs
    index_bytes: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """What `build_index` wrote, and that it finds what the run found.

    Attributes:
        folder: the served folder. trial: printed form; for LanceDB exact search over the full vectors of the model.
        n_chunks: vectors. version: of the folder. k: results counted.
        recall: recall_vs_exact@k measured on what was written; low and high are its 95 % interval, over n_queries
            confirmation queries of the run.
        n_different: queries whose recall_vs_exact is another than in the run; None where the run did not build it.
        size_bytes: of the files that the manifest names. lance: of LanceDB's index; None for FAISS.
        columns: of metadata, that can be filtered by.
        replaced_version: of the index that stood there; None where none did.
    """

    folder: Path
    trial: str
    n_chunks: int
    version: int
    k: int
    recall: float
    low: float
    high: float
    n_queries: int
    n_different: int | None
    size_bytes: int
    lance: LanceMeasured | None = None
    columns: tuple[str, ...] = ()
    replaced_version: int | None = None


def compared_with_run(root: Path, manifest: Manifest, run: Run, material: RunMaterial) -> Built:
    """Search the written files with the run's confirmation queries, and compare with what the run measured.

    Raises:
        IndexFormatError: recall_vs_exact lies outside the run's own interval.
    """
    data, k = material.data, manifest.k
    lease = hold_generation(root / generation_name(manifest.generation))
    snapshot = opened_version(root, manifest, lease)
    rows = nearest_rows(snapshot, data.confirm_queries, manifest.n_results)[1]
    lease.close()
    scores = recall_vs_exact(rows, data.confirm_exact, k=k)
    now = mean_interval(scores)
    result = next(one for one in run.trials if str(one.trial) == manifest.trial)
    name = f"recall_vs_exact@{k}"
    n_different = None
    if result.confirmed:
        before, kept = result.quality[name], result.per_query[name]
        n_different = int((scores != kept).sum()) if len(kept) == len(scores) else len(scores)
        if n_different and not before.low <= now.value <= before.high:
            raise IndexFormatError(
                f"The built index has {name} {now.value:.4f}, the run measured {before.value:.4f}",
                allowed=f"{before.low:.4f} to {before.high:.4f}, the run's 95 % interval",
                next_step="Check that FAISS is of the run's version, or sweep again",
            )
    return Built(root, manifest.trial, data.vectors.n, manifest.version, k, now.value, now.low, now.high, len(scores),
                 n_different, size_bytes(manifest))  # fmt: skip


def size_bytes(manifest: Manifest) -> int:
    """Bytes of the files that the manifest of a version names."""
    return sum(entry.size_bytes for entry in manifest.files.values())


def index_bytes(manifest: Manifest) -> int:
    """Bytes of the files of LanceDB's index, a folder inside the table's (lancedb 0.40)."""
    inside = f"{manifest.table}/_indices/"
    return sum(entry.size_bytes for name, entry in manifest.files.items() if name.startswith(inside))
