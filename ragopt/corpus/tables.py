"""Documents from tables: JSONL line by line, Parquet by record batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.corpus.metadata import metadata_of, without_vectors
from ragopt.corpus.parquet_columns import metadata_paths, nanoseconds_as_text
from ragopt.corpus.records import Document, ReadOptions
from ragopt.corpus.text_files import clean, read_json_lines, unreadable
from ragopt.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ID_NAMES = ("_id", "id")
"""BEIR writes `_id`; most other exports write `id`."""

BATCH_ROWS = 1024
"""Parquet rows in memory at a time: some tens of MB even when every row is a long document."""


def read_jsonl(path: Path, options: ReadOptions, *, with_metadata: bool) -> Iterator[Document]:
    """Stream the documents of a JSONL file.

    Args:
        path: of the file.
        options: its columns.
        with_metadata: take the other columns as metadata, but for lists of numbers, which are vectors.

    Raises:
        InputError: a broken line, a column that is missing or of the wrong type, an id that comes twice, or a value
            that no metadata can hold (`metadata_of`).
    """
    seen: dict[str, int] = {}
    for number, row in read_json_lines(path):
        place = f"{path}, line {number}"
        id_column, title_column, text_column = columns_of(options, list(row), place)
        document = Document(
            id=_id_of(row[id_column], id_column, place),
            title=_text_of(row.get(title_column) if title_column else None, title_column or "title", place),
            text=_text_of(row[text_column], text_column, place),
            metadata=metadata_of(without_vectors(_rest(row, id_column, title_column, text_column)), place)
            if with_metadata
            else {},
        )
        first = seen.setdefault(document.id, number)
        if first != number:
            raise duplicate_id(document.id, f"{path}, line {first}", f"line {number}")
        yield document


def read_parquet(files: Sequence[Path], options: ReadOptions, *, with_metadata: bool) -> Iterator[Document]:
    """Stream the documents of one or more Parquet files, `BATCH_ROWS` rows at a time.

    Args:
        files: in the order to read.
        options: their columns.
        with_metadata: take the other columns as metadata, but for lists of numbers and binary columns, which are not
            even read. Without it only the columns of `options` are read.

    Raises:
        InputError: a file that is no Parquet, a column that is missing or of the wrong type, an id that comes twice, or
            a value that no metadata can hold (`metadata_of`).
    """
    seen: dict[str, tuple[int, int]] = {}
    for file_number, path in enumerate(files):
        for row_number, document in _read_parquet_file(path, options, with_metadata=with_metadata):
            place = (file_number, row_number)
            first = seen.setdefault(document.id, place)
            if first != place:
                raise duplicate_id(document.id, f"{files[first[0]]}, row {first[1]}", f"{path}, row {row_number}")
            yield document


def _read_parquet_file(path: Path, options: ReadOptions, *, with_metadata: bool) -> Iterator[tuple[int, Document]]:
    with open_parquet(path) as file:
        id_column, title_column, text_column = columns_of(options, file.schema_arrow.names, str(path))
        columns = [name for name in (id_column, title_column, text_column) if name]
        others = metadata_paths(file.schema_arrow, columns, str(path)) if with_metadata else []
        for number, row in read_rows(file, [*columns, *others], path):
            place = f"{path}, row {number}"
            document = Document(
                id=_id_of(row[id_column], id_column, place),
                title=_text_of(row[title_column], title_column, place) if title_column else "",
                text=_text_of(row[text_column], text_column, place),
                metadata=metadata_of(_rest(row, id_column, title_column, text_column), place) if others else {},
            )
            yield number, document


def _rest(row: Mapping[str, Any], *taken: str | None) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in taken}


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file for reading. Raises InputError when it is none."""
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{path} cannot be read as Parquet: {error}", next_step="Write the file again or remove it"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def read_rows(file: pq.ParquetFile, columns: Sequence[str], path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Stream rows of an open Parquet file as mappings, each with its number from 0.

    Args:
        file: open for reading.
        columns: names, or `struct.child` for a part of a struct.
        path: of the file, for errors.

    Raises:
        InputError: the file is damaged, or holds a value that Python cannot (a date after the year 9999).
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    number = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            for row in _python_rows(batch, path, number):
                yield number, row
                number += 1
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise InputError(
            f"{path} is damaged after row {number}: {error}", next_step="Write the file again or remove it"
        ) from error


def _python_rows(batch: pa.RecordBatch, path: Path, first: int) -> list[dict[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    try:
        rows: list[dict[str, Any]] = nanoseconds_as_text(batch).to_pylist(maps_as_pydicts="strict")
    except (pa.ArrowException, UnicodeDecodeError):
        raise  # damage of the file, which read_rows words
    except (ValueError, OverflowError, KeyError) as error:
        # A date that Python cannot hold, an unknown time zone, a map with one key twice.
        raise InputError(
            f"{path}, rows {first} to {first + batch.num_rows - 1}: a value cannot be read: {error}",
            next_step="Correct that value or leave out its column",
        ) from error
    return rows


def columns_of(options: ReadOptions, found: Sequence[str], place: str) -> tuple[str, str | None, str]:
    """Choose the id, title and text columns among those `found`.

    Returns:
        The three names; the title's is None when there is no such column and none was asked for.

    Raises:
        InputError: a column is missing; lists the columns found and names the option.
    """
    usual_id = next((name for name in ID_NAMES if name in found), ID_NAMES[0])
    usual_title = "title" if "title" in found else None
    id_column = options.id_column or usual_id
    title_column = options.title_column or usual_title
    text_column = options.text_column or "text"
    wanted = {"--id-column": id_column, "--title-column": title_column, "--text-column": text_column}
    for option, column in wanted.items():
        if column is not None and column not in found:
            listed = ", ".join(found) or "none"
            raise InputError(
                f"{place}: there is no column {column!r}",
                allowed=f"the columns found: {listed}",
                next_step=f"Name the column with {option}",
            )
    return id_column, title_column, text_column


def duplicate_id(document_id: str, first: str, second: str) -> InputError:
    """Say that two documents have one id, and where."""
    return InputError(
        f"Two documents have the id {document_id!r}: {first} and {second}",
        allowed="ids that are unique in the corpus",
        next_step="Rename or remove one of the two, or name another column with --id-column",
    )


def _id_of(value: object, column: str, place: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip():
        return clean(value, column, place)
    raise InputError(
        f"{place}: {value!r} in column {column!r} is no document id",
        allowed="a string that is not empty, or a whole number",
        next_step="Correct that value or name another column with --id-column",
    )


def _text_of(value: object, column: str, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value, column, place)
    raise InputError(
        f"{place}: column {column!r} holds {type(value).__name__} {str(value)[:40]!r}",
        allowed="text",
        next_step="Name the right column with --text-column or --title-column",
    )
