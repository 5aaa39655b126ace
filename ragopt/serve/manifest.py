"""The manifest of a served folder: what belongs to one version."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ragopt.artifacts import prepared
from ragopt.records import Metric, Trial
from ragopt.serve.layout import ACKNOWLEDGED_FILE, MANIFEST_FILE
from ragopt.serve.sealed_json import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.corpus.metadata import ColumnKind
    from ragopt.corpus.splitting import ChunkOptions
    from ragopt.serve.lance_index import LanceIndex

SCHEMA = 1
FORMAT = "ragopt-index"
Engine = Literal["faiss", "lancedb"]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What a file of the folder has to be: SHA-256 in hexadecimal, and length."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that were added together: a FAISS file and the lines of the table that they stand for.

    Attributes:
        index: file of the FAISS index; empty for vectors that LanceDB searches in the table.
        lines: file of uint64 (n_lines, 2): row, row id of the table.
        n_rows: vectors.
    """

    index: str
    lines: str
    n_rows: int


@dataclass(frozen=True, slots=True)
class State:
    """Files of what changes with a version.

    Attributes:
        dead_rows: int64 rows that are deleted. dead_lines: uint64 row ids of the table's lines that are.
        canary_rows: int64 (n_canaries, depth) exact neighbours among all rows of this version, best first.
        canary_scores: float64, their scores.
        added_errors: float64 (n_added,) coding errors of the last rows, those that were added since the build, deleted
            ones included; empty where rows are kept whole.
    """

    dead_rows: str
    dead_lines: str
    canary_rows: str
    canary_scores: str
    added_errors: str


@dataclass(frozen=True, slots=True)
class Coding:
    """Relative squared error of codes, ||x - decoded||^2 / ||x||^2, over some vectors: count, mean, variance."""

    n: int
    mean: float
    variance: float


def coding_of(errors: NDArray[np.floating]) -> Coding:
    """Count, mean and variance (n - 1) of coding errors, in double precision."""
    n, exact = len(errors), errors.astype(np.float64)
    return Coding(n, float(exact.mean()) if n else 0.0, float(exact.var(ddof=1)) if n > 1 else 0.0)


@dataclass(frozen=True, slots=True)
class CanaryRecall:
    """recall_vs_exact@k of the canaries when the folder was built: mean, 95 % interval, and what each of them found.

    Attributes:
        hits: of each canary in order, how many of its k exact neighbours were found.
    """

    value: float
    low: float
    high: float
    hits: tuple[int, ...]


@functools.lru_cache(maxsize=64)
def _parsed(trial: str) -> Trial:
    """Parse once what every search asks for: a handful of folders are open at a time."""
    return Trial.parse(trial)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of a served index.

    Attributes:
        version: from 1, one more with every change. generation: from 1, one more with every rewriting of the whole.
        engine: where vectors are searched. trial: printed form; for LanceDB, whose indexes are no trials, exact search
            over the full vectors of the model, which is what its results are compared with. metric: of the vectors.
        k: that quality was measured at. n_results: that every search of the run asked for.
        full_dim: of the model's vectors. seed: of the run.
        model: what the vectors depend on, an embedder's `identity`; empty for ready vectors.
        chunk: how documents are cut.
        segments: base first. n_rows: vectors in all of them, deleted ones included.
        state: files of what changes. template: empty trained index. rotation: of a pca or joint space, or empty.
        canaries: file of float32 (n, full_dim) query vectors. questions: file of their texts, or empty.
        table: folder of the table. table_version: of Lance.
        columns: metadata columns that can be filtered by, with their kinds.
        with_vectors: whether the table holds the full vectors.
        coding: of the base's training sample.
        lance: index in the table and how it is searched; None for FAISS.
        files: by name, every file.
        about: for people and for `check`: run, workload, recommendation, versions, quality of the trial.
        canary_recall: at the build; None where fewer than k vectors, or fewer than two canaries, were there.
        coding_held_out: of rows that a second quantizer was not trained on; None where there is none to compare with.
    """

    version: int
    generation: int
    engine: Engine
    trial: str
    metric: Metric
    k: int
    n_results: int
    full_dim: int
    seed: int
    model: Mapping[str, str | int]
    chunk: ChunkOptions
    segments: tuple[Segment, ...]
    state: State
    template: str
    rotation: str
    canaries: str
    questions: str
    table: str
    table_version: int
    columns: Mapping[str, ColumnKind]
    with_vectors: bool
    coding: Coding
    lance: LanceIndex | None
    files: Mapping[str, FileEntry]
    about: Mapping[str, Any]
    canary_recall: CanaryRecall | None = None
    coding_held_out: Coding | None = None

    @property
    def n_rows(self) -> int:
        """Vectors of all segments, deleted ones included."""
        return sum(segment.n_rows for segment in self.segments)

    @property
    def parsed_trial(self) -> Trial:
        """The trial."""
        return _parsed(self.trial)


def make_current(root: Path, manifest: Manifest) -> None:
    """Make a version the folder's current one, the commit point of every change, and acknowledge it.

    From then on an older manifest is damage. Both files are written before either is put in its place: on a full disk
    nothing has changed.

    Raises:
        StorageError: the disk is full.
    """
    content = {"schema": SCHEMA, "format": FORMAT, **asdict(manifest)}
    told = {"schema": SCHEMA, "version": manifest.version}
    with (
        prepared(root / MANIFEST_FILE, sealed(content)) as put_manifest,
        prepared(root / ACKNOWLEDGED_FILE, sealed(told)) as put_acknowledged,
    ):
        put_manifest()
        put_acknowledged()


def table_versions(manifest: Manifest) -> set[str]:
    """What Lance calls the file of a version, in its second and its first scheme of naming (lancedb 0.40)."""
    folder = f"{manifest.table}/_versions"
    return {f"{folder}/{2**64 - 1 - manifest.table_version}.manifest", f"{folder}/{manifest.table_version}.manifest"}


def named_files(manifest: Manifest) -> list[str]:
    """Files that a manifest names itself; those of the table stand only under `files`."""
    state = asdict(manifest.state).values()
    required = [segment.lines for segment in manifest.segments] + [*state, manifest.canaries]
    if manifest.engine == "faiss":
        required += [segment.index for segment in manifest.segments] + [manifest.template]
    return [*required, *(name for name in (manifest.rotation, manifest.questions) if name)]
