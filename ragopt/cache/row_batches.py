"""Rows of a log or a chunk file, some thousands at a time, whatever their format."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ragopt.corpus.text_files import TO_UTF8, json_object, unreadable
from ragopt.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES = 1 << 18
"""Bytes of JSONL in memory at a time: 1,300 lines of 200 bytes; at least one line, however long."""

BATCH_ROWS = 1 << 12
"""Rows of Parquet in memory at a time."""

FORMATS = ".jsonl, .jsonl.gz or .parquet"

EXAMPLE = '{"time": 1726000000, "query": "..."}'


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Some rows.

    Attributes:
        file: they stand in.
        unit: what its rows are called: line (JSONL, from 1) or row (Parquet, from 0).
        numbers: of each row.
        columns: field to one value per row; None where a row lacks it or says null.
        found: names of fields that its first row has (Parquet: every column).
    """

    file: str
    unit: str
    numbers: Sequence[int]
    columns: Mapping[str, Sequence[Any]]
    found: Sequence[str]

    def place(self, row: int) -> str:
        """File and line of one of its rows, for messages."""
        return f"{self.file}, {self.unit} {self.numbers[row]}"


def read_batches(path: Path, fields: Sequence[str]) -> Iterator[RowBatch]:
    """Stream a file's rows, blank lines left out.

    Args:
        path: .jsonl, .jsonl.gz or .parquet.
        fields: to read; one that the file lacks is a column of None.

    Raises:
        InputError: no such file, another suffix, a damaged file, text that is not UTF-8, a line that is no JSON object.
    """
    name = path.name.lower()
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}", allowed=FORMATS, next_step="Check the path")
    if name.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")):
        return _json_batches(path, fields)
    if name.endswith(".parquet"):
        return _parquet_batches(path, fields)
    raise InputError(
        f"Cannot read rows from {path}: unknown suffix {path.suffix!r}",
        allowed=FORMATS,
        next_step="Convert the file to one of these",
    )


def _json_batches(path: Path, fields: Sequence[str]) -> Iterator[RowBatch]:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    number = 0
    try:
        with cast("BinaryIO", opened(path, "rb")) as handle:
            while lines := handle.readlines(BATCH_BYTES):
                if number == 0:
                    lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
                rows, numbers = _parsed(lines, number, path)
                number += len(lines)
                if rows:
                    columns = {field: [row.get(field) for row in rows] for field in fields}
                    yield RowBatch(str(path), "line", numbers, columns, list(rows[0]))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} is damaged after line {number}: {error}", next_step="Compress the file again"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _parsed(lines: Sequence[bytes], before: int, path: Path) -> tuple[list[dict[str, Any]], Sequence[int]]:
    """Parse lines; `before` of the file's lines came earlier."""
    # Half the time of json.loads (measured), which is left to lines that this does not take: blank ones and wrong ones.
    decode = json.JSONDecoder().raw_decode
    rows = []
    try:
        for text in b"".join(lines).decode().removesuffix("\n").split("\n"):
            row, end = decode(text)
            if type(row) is not dict or (end != len(text) and text[end:].strip()):
                return _one_by_one(lines, before, path)
            rows.append(row)
    except (ValueError, RecursionError):
        return _one_by_one(lines, before, path)
    return rows, range(before + 1, before + 1 + len(lines))


def _one_by_one(lines: Sequence[bytes], before: int, path: Path) -> tuple[list[dict[str, Any]], Sequence[int]]:
    rows, numbers = [], []
    for number, line in enumerate(lines, start=before + 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{place} is not UTF-8: byte 0x{line[error.start]:02x} at its byte {error.start + 1}",
                allowed="UTF-8 text",
                next_step=TO_UTF8,
            ) from error
        rows.append(json_object(text, place, EXAMPLE))
        numbers.append(number)
    return rows, numbers


def _parquet_batches(path: Path, fields: Sequence[str]) -> Iterator[RowBatch]:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    from ragopt.corpus.tables import open_parquet  # noqa: PLC0415 - loaded when first used

    number = 0
    with open_parquet(path) as file:
        names: list[str] = file.schema_arrow.names
        twice = next((field for field in fields if names.count(field) > 1), None)
        if twice is not None:
            raise InputError(
                f"{path}: {twice!r} is the name of two columns", next_step="Rename or remove one of the two"
            )
        wanted = [field for field in fields if field in names]
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
                if batch.num_rows:
                    nothing: list[Any] = [None] * batch.num_rows
                    columns = dict.fromkeys(fields, nothing) | _columns(batch)
                    yield RowBatch(str(path), "row", range(number, number + batch.num_rows), columns, names)
                number += batch.num_rows
        except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
            raise InputError(
                f"{path} is damaged after row {number}: {error}", next_step="Write the file again"
            ) from error


def _columns(batch: pa.RecordBatch) -> dict[str, list[Any]]:
    """Python values by column; moments are seconds since 1970 as `Moment`."""
    return {field.name: _values(batch.column(index), field.name) for index, field in enumerate(batch.schema)}


def _values(column: pa.Array, name: str) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    kind = column.type
    if pa.types.is_timestamp(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return _moments(column.cast(pa.int64()).to_pylist(), per_second, has_zone=kind.tz is not None)
    if pa.types.is_date32(kind):
        days = column.cast(pa.int32()).to_pylist()
        return [None if day is None else Moment(day * 86_400.0, has_zone=False) for day in days]
    if pa.types.is_date64(kind):
        return _moments(column.cast(pa.int64()).to_pylist(), 10**3, has_zone=False)
    try:
        return cast("list[Any]", column.to_pylist())
    except pa.ArrowException:
        raise  # damage of the file, which the caller words
    except (ValueError, OverflowError) as error:
        # A date that Python cannot hold, or an unknown time zone, within a list or a struct.
        raise InputError(
            f"The column {name!r} holds a value that cannot be read: {error}",
            next_step="Correct that value or name another column",
        ) from error


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a Parquet column.

    Attributes:
        seconds: since 1970, UTC.
        has_zone: whether the column says so; one without a zone is taken as UTC.
    """

    seconds: float
    has_zone: bool

    def __repr__(self) -> str:
        """ISO 8601, for messages; seconds where Python has no such year."""
        try:
            text = (datetime(1970, 1, 1) + timedelta(seconds=self.seconds)).isoformat()  # noqa: DTZ001 - zone is below
        except OverflowError:
            return f"{self.seconds} s since 1970"
        return text + "Z" * self.has_zone


def _moments(ticks: Sequence[int | None], per_second: int, *, has_zone: bool) -> list[Moment | None]:
    # Whole seconds and the rest apart: a count of nanoseconds since 1970 has more digits than a float64.
    return [
        None if tick is None else Moment(tick // per_second + tick % per_second / per_second, has_zone)
        for tick in ticks
    ]
