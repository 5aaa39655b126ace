"""Text and JSONL from disk: UTF-8 or a clear error, one JSON object per line or a clear error."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ragopt.errors import InputError

TO_UTF8 = "Convert it first: iconv -f ENCODING -t UTF-8 OLD > NEW"


def read_text(path: Path) -> str:
    """Read a whole UTF-8 file; a byte order mark at its start is dropped.

    Raises:
        InputError: the file is not UTF-8 (with the offset of the first bad byte) or cannot be read.
    """
    return decode(read_bytes(path), path, offset=0)


def read_bytes(path: Path) -> bytes:
    """Read a whole file. Raises InputError when the system refuses it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> InputError:
    """Say that the system refuses to open or read a file."""
    return InputError(
        f"Cannot read {path}: {error.strerror}", next_step="Check the path and its permissions, then run again"
    )


def decode(data: bytes, path: Path, *, offset: int) -> str:
    """Decode UTF-8 bytes that start `offset` bytes into `path`; drop a byte order mark at the file's start.

    Raises:
        InputError: not UTF-8; names the file and the offset of the first bad byte.
    """
    skipped = len(codecs.BOM_UTF8) if offset == 0 and data.startswith(codecs.BOM_UTF8) else 0
    try:
        return data[skipped:].decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {offset + skipped + error.start}",
            allowed="UTF-8 text",
            next_step=TO_UTF8,
        ) from error


def drop_surrogates(text: str) -> str:
    """Drop halves of surrogate pairs, which broken fonts and docstrings about codecs hold and no file can."""
    return text.encode(errors="ignore").decode()


def clean(value: str, column: str, place: str) -> str:
    r"""Return the text unchanged, refusing what no file can store.

    JSON may spell half of a surrogate pair (``"\ud83d"``); UTF-8 and Parquet cannot hold it.
    """
    check_encodable(value, f"{place}: column {column!r}")
    return value


def check_encodable(text: str, what: str) -> None:
    """Refuse half of a surrogate pair, which neither a file nor a tokenizer can take.

    Raises:
        InputError: says that `what` holds it, and where.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} holds half of a surrogate pair at character {error.start}",
            allowed="text that UTF-8 can hold",
            next_step="Correct or remove that character",
        ) from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Stream a UTF-8 file's lines that are not blank, each with its number from 1, without its line end.

    Only ``\n`` ends a line: JSON strings may hold the other characters that `str.splitlines` breaks at.

    Raises:
        InputError: the file is not UTF-8 or cannot be read.
    """
    offset = 0
    try:
        with path.open("rb") as handle:
            for number, raw in enumerate(handle, start=1):
                line = decode(raw, path, offset=offset).rstrip("\r\n")
                offset += len(raw)
                if line.strip():
                    yield number, line
    except OSError as error:
        raise unreadable(path, error) from error


def read_json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Stream the JSON objects of a JSONL file, each with its line number from 1; blank lines are skipped.

    Raises:
        InputError: a line is no JSON object; names the file, the line and the column.
    """
    for number, line in read_lines(path):
        yield number, json_object(line, f"{path}, line {number}", BEIR_LINE)


BEIR_LINE = '{"_id": "1", "title": "", "text": "..."}'


def json_object(line: str, place: str, example: str) -> dict[str, Any]:
    """Parse one line of a JSONL file.

    Args:
        line: without its line end, or with it.
        place: file and line, for errors.
        example: of such a line.

    Raises:
        InputError: it is no JSON object; names the place and the column.
    """
    allowed, next_step = "one JSON object per line", "Correct or remove that line"
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{place}: broken JSON at column {error.colno}: {error.msg}", allowed=allowed, next_step=next_step
        ) from error
    except RecursionError as error:
        raise InputError(f"{place}: JSON nested too deeply", allowed=allowed, next_step=next_step) from error
    except ValueError as error:
        # Python's limit on the digits of a whole number (sys.set_int_max_str_digits).
        raise InputError(f"{place}: JSON that cannot be read: {error}", allowed=allowed, next_step=next_step) from error
    if not isinstance(value, dict):
        raise InputError(
            f"{place}: a JSON {type(value).__name__} where an object belongs",
            allowed=f"{allowed}, like {example}",
            next_step=next_step,
        )
    return value
