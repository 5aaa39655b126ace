"""Read the manifest of a served folder, with every value checked: it may have been damaged, or written by anybody."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast, get_args

from ragopt.corpus.metadata import ColumnKind
from ragopt.corpus.splitting import ChunkOptions
from ragopt.errors import IndexFormatError, RagoptError
from ragopt.records import Metric, Trial
from ragopt.serve.lance_index import LanceIndex
from ragopt.serve.layout import ACKNOWLEDGED_FILE, MANIFEST_FILE, TABLE_FOLDER, generation_name, safe_path
from ragopt.serve.manifest import (
    FORMAT,
    SCHEMA,
    CanaryRecall,
    Coding,
    Engine,
    FileEntry,
    Manifest,
    Segment,
    State,
    named_files,
    table_versions,
)
from ragopt.serve.sealed_json import read_sealed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_ROWS = 2**40
"""More vectors than any one machine holds: a count beyond it is damage."""
MOST_DIM = 2**16
"""Eight times the largest embedding that is sold (facts of models, 2026-07: 8,192 dimensions)."""
MOST_PARAMETER = 2**20
"""Of a search: far beyond any list that is probed or candidate that is kept, and some megabytes of FAISS's heaps."""
SHA256 = re.compile(r"[0-9a-f]{64}")
ROTATED = ("pca", "joint")
"""Reductions that need a rotation's file."""


def read_manifest(root: Path) -> Manifest:
    """Read the current version.

    Raises:
        IndexFormatError: no served index there, one of a newer schema, a value that cannot be, or a manifest that is
            older than a version that was acknowledged.
    """
    path = safe_path(root, MANIFEST_FILE)
    if not path.is_file():
        raise IndexFormatError(f"{root} is no served index: it has no {MANIFEST_FILE}",
                               next_step="Build one: ragopt build RUN --out DIR")  # fmt: skip
    # The acknowledged version first: a writer moves the manifest on before it.
    told = read_sealed(safe_path(root, ACKNOWLEDGED_FILE)).get("version")
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
    full_dim = _count(content["full_dim"], MOST_DIM)
    manifest = Manifest(
        version=_count(content["version"]),
        generation=_count(content["generation"]),
        engine=cast("Engine", _one_of(content["engine"], get_args(Engine))),
        trial=_trial(content["trial"], full_dim),
        metric=cast("Metric", _one_of(content["metric"], get_args(Metric))),
        k=_count(content["k"], MOST_ROWS),
        n_results=_count(content["n_results"], MOST_ROWS),
        full_dim=full_dim,
        seed=_count(content["seed"]),
        model={_text(name): value for name, value in _table(content["model"]).items()},
        chunk=_chunk(content["chunk"]),
        segments=segments,
        state=State(**{name: _text(value) for name, value in _table(content["state"]).items()}),
        **{name: _text(content[name]) for name in ("template", "rotation", "canaries", "questions", "table")},
        table_version=_count(content["table_version"]),
        columns={_text(name): _kind(kind) for name, kind in _table(content["columns"]).items()},
        with_vectors=_flag(content["with_vectors"]),
        coding=_coding(content["coding"]),
        lance=None if content["lance"] is None else LanceIndex.parsed(content["lance"]),
        files=files,
        about=_table(content["about"]),
        canary_recall=_canary_recall(content["canary_recall"], content["k"]),
        coding_held_out=None if content["coding_held_out"] is None else _coding(content["coding_held_out"]),
    )
    _check_names(manifest)
    return manifest


def _check_names(manifest: Manifest) -> None:
    """Refuse files outside the generation, or without a checksum."""
    segments, is_faiss = manifest.segments, manifest.engine == "faiss"
    if is_faiss != (manifest.lance is None) or any(is_faiss != bool(segment.index) for segment in segments):
        raise ValueError(f"engine {manifest.engine} with the LanceDB index {manifest.lance} and segments {segments}")
    if not segments or manifest.n_rows > MOST_ROWS:
        raise ValueError(f"{len(segments)} segments of {manifest.n_rows} rows")
    own = f"{generation_name(manifest.generation)}/"
    if manifest.table != own + TABLE_FOLDER:
        raise ValueError(f"the table {manifest.table!r} is not {own + TABLE_FOLDER}")
    for name in manifest.files:
        # A writer removes what a later version does not name: neither the manifest nor another generation's files.
        if not name.startswith(own):
            raise ValueError(f"the file {name!r} is not in {own}")
    for name in named_files(manifest):
        if name not in manifest.files:
            raise ValueError(f"no checksum of {name}")
    if (manifest.parsed_trial.space.reduction in ROTATED) != bool(manifest.rotation):
        raise ValueError(f"the rotation {manifest.rotation!r} for the space {manifest.parsed_trial.space}")
    if not table_versions(manifest) & set(manifest.files):
        raise ValueError(f"no checksum of version {manifest.table_version} of the table")


def _coding(value: Any) -> Coding:
    return Coding(_count(value["n"], MOST_ROWS), _measured(value["mean"]), _measured(value["variance"]))


def _canary_recall(value: Any, k: int) -> CanaryRecall | None:
    if value is None:
        return None
    mean, low, high = (_measured(value[name]) for name in ("value", "low", "high"))
    if not low <= mean <= high <= 1:
        raise ValueError(f"{mean} [{low}, {high}] is no interval of shares")
    return CanaryRecall(mean, low, high, tuple(_count(one, k) for one in value["hits"]))


def _measured(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is no finite number from 0 on")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _chunk(value: Any) -> ChunkOptions:
    tokens, overlap = value["chunk_tokens"], value["chunk_overlap"]
    return ChunkOptions(None if tokens is None else _count(tokens, MOST_ROWS), _count(overlap, MOST_ROWS))


def _trial(value: Any, full_dim: int) -> str:
    trial = Trial.parse(_text(value))
    space = trial.space
    if space.dim > full_dim or (space.reduction == "none" and space.dim != full_dim):
        raise ValueError(f"{space} is no space of {full_dim} dimensions")
    for number in re.findall(r"\d+", trial.search):
        _count(int(number), MOST_PARAMETER)
    return str(trial)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _sha(value: Any) -> str:
    if not (isinstance(value, str) and SHA256.fullmatch(value)):
        raise ValueError(f"{value!r} is no SHA-256")
    return value


def _count(value: Any, most: int = 2**63 - 1) -> int:
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
