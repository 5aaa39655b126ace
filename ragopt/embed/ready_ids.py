"""The ids that belong to ready vectors, so that judgements can name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ragopt.errors import InputError

ALLOWED_FILES = ".txt (one id per line), .npy (integers or strings), .parquet (one column), .jsonl (id, _id or value)"
ID_KEYS = ("_id", "id")  # BEIR's name first


def read_ids(path: str | None, *, n: int) -> list[str]:
    """Read one id per vector, in row order.

    Args:
        path: file of ids; None gives the row numbers from 0.
        n: number of vectors.

    Returns:
        n distinct strings.

    Raises:
        InputError: the file is missing or unreadable, ids are empty, repeated, or not n.
    """
    if path is None:
        return [str(row) for row in range(n)]
    file = Path(path).expanduser()
    readers = {".txt": _txt_ids, ".npy": _npy_ids, ".parquet": _parquet_ids, ".jsonl": _jsonl_ids}
    reader = readers.get(file.suffix.lower())
    try:
        is_file = file.is_file()
    except OSError as error:  # a folder on the way that may not be entered, or a name that is too long
        raise InputError(f"Cannot read {file}: {error.strerror}", next_step="Check the path and its rights") from error
    if reader is None or not is_file:
        failed = f"Cannot read ids from {file}" if reader is None else f"There is no file {file}"
        raise InputError(failed, allowed=ALLOWED_FILES, next_step="Check the path")
    ids = reader(file)
    if len(ids) != n:
        raise InputError(
            f"{file} holds {len(ids)} ids for {n} vectors", allowed=f"{n} ids", next_step="Write one id per vector"
        )
    seen: dict[str, int] = {}
    for row, identifier in enumerate(ids):
        if not identifier:
            raise InputError(f"Id {row} (counting from 0) of {file} is empty", next_step="Give every vector an id")
        if (before := seen.setdefault(identifier, row)) != row:
            raise InputError(
                f"The id {identifier!r} stands twice in {file}, at {before} and {row} (counting from 0)",
                allowed="distinct ids",
                next_step="Rename one of them",
            )
    return ids


def _lines(file: Path) -> list[str]:
    """Read the lines of a UTF-8 file; only line feeds end a line, so ids may hold any other character."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}", next_step="Check the file and its rights") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}, line {line} is not UTF-8", next_step="Save the file as UTF-8") from error
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _txt_ids(file: Path) -> list[str]:
    return _lines(file)


def _jsonl_ids(file: Path) -> list[str]:
    ids = []
    for number, line in enumerate(_lines(file), start=1):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"{file}, line {number} is not JSON: {error}", next_step="Repair that line") from error
        if isinstance(value, dict):
            value = next((value[key] for key in ID_KEYS if key in value), None)
        ids.append(_id_text(value, f"{file}, line {number}"))
    return ids


def _npy_ids(file: Path) -> list[str]:
    try:
        array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(
            f"Cannot read {file}: {error}",
            allowed=ALLOWED_FILES,
            next_step="Save the ids with numpy.save(path, numpy.array(ids, dtype=str))",
        ) from error
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise InputError(
            f"{file} holds an array of shape {array.shape} and type {array.dtype}",
            allowed="one dimension of integers or strings",
            next_step="Save the ids with numpy.save(path, numpy.array(ids, dtype=str))",
        )
    return [str(value) for value in array.tolist()]


def _parquet_ids(file: Path) -> list[str]:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"Cannot read {file}: {error}", allowed=ALLOWED_FILES, next_step="Write it again") from error
    if table.num_columns != 1:
        raise InputError(
            f"{file} has the columns {', '.join(table.column_names)}",
            allowed="exactly one column",
            next_step="Write the ids alone into a file",
        )
    return [_id_text(value, f"{file}, row {row}") for row, value in enumerate(table.column(0).to_pylist())]


def _id_text(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InputError(
            f"{where} holds no id but {value!r}", allowed="a string or an integer", next_step="Repair that line"
        )
    return str(value)
