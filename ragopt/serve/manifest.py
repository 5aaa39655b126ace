"""The manifest of a served folder: what belongs to one version, read with every value checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from ragopt.corpus.metadata import ColumnKind
from ragopt.corpus.splitting import ChunkOptions
from ragopt.errors import IndexFormatError, RagoptError
from ragopt.records import Metric, Trial
from ragopt.serve.lance_index import LanceIndex
from ragopt.serve.layout import ACKNOWLEDGED_FILE, MANIFEST_FILE
from ragopt.serve.sealed_json import read_sealed, write_sealed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = 1
FORMAT = "ragopt-index"
Engine = Literal["faiss", "lancedb"]
MOST_ROWS = 2**40
"""More vectors than any one machine holds: a count beyond it is damage."""
MOST_DIM = 2**16
"""Eight times the largest embedding that is sold (facts of models, 2026-07: 8,192 dimensions)."""
HASH_CHARS = 64


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What a file of the folder has to be: SHA-256 in hexadecimal, and length."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that were added together: a FAISS file and the lines of the table that they stand for.

    Attributes:
        index: file of the FAISS index; empty for an index that lives in the table.
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
    """

    dead_rows: str
    dead_lines: str
    canary_rows: str
    canary_scores: str


@dataclass(frozen=True, slots=True)
class Coding:
    """Relative squared error of codes, ||x - decoded||^2 / ||x||^2, over some vectors: count, mean, variance."""

    n: int
    mean: float
    variance: float


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
        coding: of the base's training sample. coding_added: of the rows that were added since the build.
        lance: index in the table and how it is searched; None for FAISS.
        files: by name, every file.
        about: for people and for `check`: run, workload, recommendation, versions, quality of the trial.
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
    coding_added: Coding
    lance: LanceIndex | None
    files: Mapping[str, FileEntry]
    about: Mapping[str, Any]

    @property
    def n_rows(self) -> int:
        """Vectors of all segments, deleted ones included."""
        return sum(segment.n_rows for segment in self.segments)

    @property
    def parsed_trial(self) -> Trial:
        """The trial."""
        return Trial.parse(self.trial)


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Make a version the folder's current one: the commit point of every change."""
    write_sealed(root / MANIFEST_FILE, {"schema": SCHEMA, "format": FORMAT, **asdict(manifest)})


def acknowledge(root: Path, version: int) -> None:
    """Note that a caller was told of a version: from now on an older manifest is damage."""
    write_sealed(root / ACKNOWLEDGED_FILE, {"schema": SCHEMA, "version": version})


def read_manifest(root: Path) -> Manifest:
    """Read the current version.

    Raises:
        IndexFormatError: no served index there, one of a newer schema, a value that cannot be, or a manifest that is
            older than a version that was acknowledged.
    """
    path = root / MANIFEST_FILE
    if not path.is_file():
        raise IndexFormatError(f"{root} is no served index: it has no {MANIFEST_FILE}",
                               next_step="Build one: ragopt build RUN --out DIR")  # fmt: skip
    # The acknowledged version first: a writer moves the manifest on before it.
    told = read_sealed(root / ACKNOWLEDGED_FILE).get("version")
    content = read_sealed(path)
    if content.get("format") != FORMAT or content.get("schema") != SCHEMA:
        raise IndexFormatError(
            f"{path} has format {content.get('format')!r}, schema {content.get('schema')!r}",
            allowed=f"{FORMAT}, schema {SCHEMA}",
            next_step="Open it with the version of ragopt that wrote it",
        )
    try:
        manifest = _parsed(content)
    except (RagoptError, KeyError, TypeError, ValueError) as error:
        raise IndexFormatError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            next_step="Build the index again, or restore the folder from a copy",
        ) from error
    if not isinstance(told, int) or told > manifest.version:
        raise IndexFormatError(
            f"{path} is version {manifest.version}, but version {told} was acknowledged: the manifest was put back",
            next_step="Restore the whole folder from one copy, or build the index again",
        )
    return manifest


def _parsed(content: Mapping[str, Any]) -> Manifest:
    """Check every value; any other raises ValueError, KeyError or TypeError."""
    files = {_text(name): FileEntry(_sha(one["sha256"]), _count(one["size_bytes"]))
             for name, one in _table(content["files"]).items()}  # fmt: skip
    segments = tuple(Segment(_text(one["index"]), _text(one["lines"]), _count(one["n_rows"], MOST_ROWS))
                     for one in content["segments"])  # fmt: skip
    chunk = _table(content["chunk"])
    manifest = Manifest(
        version=_count(content["version"]),
        generation=_count(content["generation"]),
        engine=cast("Engine", _one_of(content["engine"], get_args(Engine))),
        trial=str(Trial.parse(_text(content["trial"]))),
        metric=cast("Metric", _one_of(content["metric"], get_args(Metric))),
        k=_count(content["k"], MOST_ROWS),
        n_results=_count(content["n_results"], MOST_ROWS),
        full_dim=_count(content["full_dim"], MOST_DIM),
        seed=_count(content["seed"]),
        model={_text(name): value for name, value in _table(content["model"]).items()},
        chunk=ChunkOptions(**chunk),
        segments=segments,
        state=State(**{name: _text(value) for name, value in _table(content["state"]).items()}),
        **{name: _text(content[name]) for name in ("template", "rotation", "canaries", "questions", "table")},
        table_version=_count(content["table_version"]),
        columns={_text(name): _kind(kind) for name, kind in _table(content["columns"]).items()},
        with_vectors=bool(content["with_vectors"]),
        coding=_coding(content["coding"]),
        coding_added=_coding(content["coding_added"]),
        lance=None if content["lance"] is None else LanceIndex.parsed(content["lance"]),
        files=files,
        about=_table(content["about"]),
    )
    if not segments or manifest.n_rows > MOST_ROWS:
        raise ValueError(f"{len(segments)} segments of {manifest.n_rows} rows")
    if (manifest.engine == "lancedb") != (manifest.lance is not None):
        raise ValueError(f"engine {manifest.engine} with the LanceDB index {manifest.lance}")
    if any((manifest.engine == "faiss") != bool(segment.index) for segment in segments):
        raise ValueError(f"engine {manifest.engine} with the segments {segments}")
    for name in named_files(manifest):
        if name not in files:
            raise ValueError(f"no checksum of {name}")
    return manifest


def named_files(manifest: Manifest) -> list[str]:
    """Files that a manifest names itself; those of the table stand only under `files`."""
    state = asdict(manifest.state).values()
    parts = [name for segment in manifest.segments for name in (segment.index, segment.lines)]
    single = (manifest.template, manifest.rotation, manifest.canaries, manifest.questions)
    return [name for name in (*parts, *state, *single) if name]


def _coding(value: Any) -> Coding:
    return Coding(_count(value["n"], MOST_ROWS), float(value["mean"]), float(value["variance"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _sha(value: Any) -> str:
    if not (isinstance(value, str) and len(value) == HASH_CHARS):
        raise ValueError(f"{value!r} is no SHA-256")
    return value


def _count(value: Any, most: int = 2**63) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{value!r} is no count up to {most}")
    return value


def _kind(value: Any) -> ColumnKind:
    return cast("ColumnKind", _one_of(value, get_args(ColumnKind)))


def _one_of(value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
    return str(value)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{str(value)[:40]!r} is no table")
    return value
