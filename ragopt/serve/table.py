"""The LanceDB table of a served folder: one line per chunk and document, with its metadata as columns to filter by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import canonical_json
from ragopt.corpus.metadata import ColumnKind, column_value
from ragopt.errors import IndexFormatError, InputError
from ragopt.serve.conditions import whole
from ragopt.serve.lance_reads import lance_reads, unreadable
from ragopt.serve.lance_writes import first_line
from ragopt.serve.layout import TABLE_NAME

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from ragopt.corpus.records import MetadataValue

ROW, ID, DOCUMENT, TITLE, TEXT, METADATA, VECTOR = "row", "id", "document", "title", "text", "metadata", "vector"
OWN_COLUMNS = (ROW, ID, DOCUMENT, TITLE, TEXT, METADATA, VECTOR)
COLUMN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What SQL takes as a name without quotes; other keys of metadata are returned with hits but cannot be filtered by."""
MOST_COLUMNS = 500
"""Columns of metadata: each is a file section that every append writes."""
ROWID = "_rowid"
BATCH_LINES = 4_096
"""Lines handed to Lance at once: some megabytes of text."""
IDS_PER_FILTER = 1_000
"""Ids in one IN (...): DataFusion plans thousands of literals slowly."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a row of the index stands for: a chunk of one document. Rows of equal text have a line per document."""

    row: int
    id: str
    document: str
    title: str
    text: str
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


def filterable(keys: Iterable[str]) -> list[str]:
    """Keys of metadata that become columns: plain names that are none of the table's own, 500 at most."""
    own = {name.lower() for name in OWN_COLUMNS}
    plain = [key for key in keys if COLUMN_NAME.fullmatch(key) and key.lower() not in own]
    return plain[:MOST_COLUMNS]


def schema_of(columns: Mapping[str, ColumnKind], vector_dim: int = 0) -> pa.Schema:
    """The table's schema: own columns, metadata columns by kind, the vector where it is kept."""
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    own = [pa.field(ROW, pa.int64()), *(pa.field(name, pa.string()) for name in (ID, DOCUMENT, TITLE, TEXT, METADATA))]
    extra = [pa.field(name, pa.type_for_alias(kind)) for name, kind in columns.items()]
    vector = [pa.field(VECTOR, pa.list_(pa.float32(), vector_dim))] if vector_dim else []
    return pa.schema([*own, *extra, *vector])


def batch_of(
    lines: Sequence[Line], columns: Mapping[str, ColumnKind], vectors: NDArray[np.float32] | None = None
) -> pa.RecordBatch:
    """Lines as one Arrow batch.

    Args:
        lines: in order.
        columns: metadata columns with their kinds; a line without that key has NULL there.
        vectors: float32 (len(lines), dim), or None.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    schema = schema_of(columns, 0 if vectors is None else vectors.shape[1])
    arrays: list[Any] = [pa.array([line.row for line in lines], pa.int64())]
    arrays += [pa.array([getattr(line, name) for line in lines], pa.string()) for name in (ID, DOCUMENT, TITLE, TEXT)]
    arrays.append(pa.array([canonical_json(dict(line.metadata)) for line in lines], pa.string()))
    for name, kind in columns.items():
        values = [
            column_value(line.metadata[name], kind, column=name) if name in line.metadata else None for line in lines
        ]
        arrays.append(pa.array(values, pa.type_for_alias(kind)))
    if vectors is not None:
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]))
    return pa.record_batch(arrays, schema=schema)


def create_table(folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Any:
    """Write a new table, streaming; an error of `batches` comes through as it is. Use inside `lance_writes`."""
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    failures: list[Exception] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            failures.append(error)
            raise

    reader = pa.RecordBatchReader.from_batches(schema, watched())
    try:
        return lance().connect(str(folder)).create_table(TABLE_NAME, reader, schema=schema)
    except (RuntimeError, ValueError, OSError):
        if failures:
            raise failures[0] from None  # Lance gives only its text
        raise


def lance() -> Any:
    """The module lancedb, quiet: it would log about new tables and few vectors (its logger reads LANCEDB_LOG once)."""
    import os  # noqa: PLC0415 - loaded when first used

    before = os.environ.get("LANCEDB_LOG")
    os.environ.setdefault("LANCEDB_LOG", "error")
    try:
        import lancedb  # noqa: PLC0415 - loaded when first used
    finally:
        if before is None:
            os.environ.pop("LANCEDB_LOG", None)
    return lancedb


def open_table(folder: Path, version: int) -> Any:
    """Open the table at a version; what later versions hold is not seen.

    Raises:
        IndexFormatError: there is no such table or version.
    """
    try:
        with lance_reads():
            return lance().connect(str(folder)).open_table(TABLE_NAME, version=version)
    except (ValueError, RuntimeError, OSError) as error:
        raise IndexFormatError(
            f"The table in {folder} has no version {version}: {first_line(error)}",
            next_step="Restore the folder from a copy, or build the index again",
        ) from error


def lines_where(table: Any, where: str | None, columns: Sequence[str] = (ROW,)) -> pa.Table:
    """Row, row id and other columns of every line that a filter lets through, in the order of row ids.

    Raises:
        InputError: the filter cannot be read or compares a column with a value of another kind.
        IndexFormatError: the table cannot be read.
    """
    condition = None if where is None else _condition(table, where)
    query = table.search().select(list(columns)).with_row_id(True).limit(None)
    try:
        with lance_reads():
            found = (query if condition is None else query.where(condition)).to_arrow()
    except (ValueError, RuntimeError, OSError) as error:
        if where is None or "LanceError(IO)" in str(error):
            raise unreadable(first_line(error)) from error
        raise _bad_filter(table, where, error) from error
    return found.sort_by(ROWID)


def _condition(table: Any, where: str) -> str:
    try:
        if not isinstance(where, str):
            raise ValueError("it is no text")  # noqa: TRY004, TRY301 - told as any other mistake
        return whole(where)
    except ValueError as error:
        raise _bad_filter(table, where, error) from error


def _bad_filter(table: Any, where: str | None, error: Exception) -> InputError:
    columns = ", ".join(f"{one.name} {one.type}" for one in table.schema if one.name not in (VECTOR, METADATA))
    return InputError(
        f"The filter {where!r} cannot be used: {first_line(error)}",
        allowed=f"a SQL condition over {columns}",
        next_step="Write it like: section = 'billing' AND year >= 2024",
    )


def rows_and_ids(found: pa.Table) -> NDArray[np.uint64]:
    """uint64 (n, 2), row and row id of lines, sorted by row."""
    pairs = np.stack([found[ROW].to_numpy().astype(np.uint64), found[ROWID].to_numpy().astype(np.uint64)], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def take_lines(table: Any, row_ids: NDArray[np.uint64]) -> dict[int, Line]:
    """Read lines by row id; one that is deleted is left out. Raises IndexFormatError: the table cannot be read."""
    if not len(row_ids):
        return {}
    names = [ROW, ID, DOCUMENT, TITLE, TEXT, METADATA]
    wanted = np.unique(row_ids)
    try:
        with lance_reads():
            found = table.take_row_ids(wanted.tolist()).select(names).with_row_id().to_arrow()
    except (ValueError, RuntimeError, OSError) as error:
        raise unreadable(first_line(error)) from error
    values = zip(*(found[name].to_pylist() for name in (ROWID, *names)), strict=True)
    return {
        row_id: Line(row, name, document, title, text, json.loads(metadata))
        for row_id, row, name, document, title, text, metadata in values
    }


def quoted(text: str) -> str:
    """A SQL string literal: quotes doubled, nothing else has a meaning inside (standard_conforming_strings)."""
    return "'" + text.replace("'", "''") + "'"


def id_filters(ids: Iterable[str], columns: Sequence[str]) -> Iterator[str]:
    """Conditions that together match every line with one of the ids in one of the columns."""
    every = list(ids)
    for first in range(0, len(every), IDS_PER_FILTER):
        listed = ", ".join(map(quoted, every[first : first + IDS_PER_FILTER]))
        yield " OR ".join(f"{column} IN ({listed})" for column in columns)
