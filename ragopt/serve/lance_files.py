"""Which files a version of the table reads: Lance's own manifest names them, and may name other folders.

A table that was cloned without its data reads that of its source, by absolute path. Neither checksums of the folder nor
a copy of it hold such files, so that a served folder has none. lancedb 0.40 does not tell of them; its manifest does,
a protobuf message (Lance's format: protos/table.proto; field numbers as lancedb 0.40 writes them, tried with a table
that has deletions, added columns and a shallow clone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.errors import IndexFormatError
from ragopt.serve.layout import safe_path
from ragopt.serve.manifest import table_versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ragopt.serve.manifest import Manifest

MAGIC = b"LANC"
"""The last bytes of a manifest, behind 8 bytes of the message's place and 4 of the format's version."""
FRAGMENTS, BASE_PATHS = 2, 18
"""Fields of Manifest: parts of the table; other folders that their files lie in."""
FRAGMENT_FILES = 2
"""Field of DataFragment: its data files."""
FILE_PATH, BASE_PATH = 1, 4
"""Field of DataFile: name below `data/`. Field of BasePath: the other folder."""
MOST_SHIFT = 63
"""Of a number's last byte: numbers have 64 bits at most, so that no length of hostile bytes is read as one."""
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5
"""How a field is encoded (protobuf.dev, "Encoding")."""


def outside_files(root: Path, manifest: Manifest) -> list[str]:
    """Folders and data files that the table's version reads and that a served folder's manifest does not name.

    Raises:
        IndexFormatError: Lance's manifest cannot be read.
    """
    outside = []
    for name in sorted(table_versions(manifest) & set(manifest.files)):
        path = safe_path(root, name)
        try:
            outside += _read_by(message_of(path.read_bytes()), manifest.table)
        except (OSError, ValueError, TypeError, IndexError) as error:
            raise IndexFormatError(
                f"{path} is no manifest of Lance that can be read: {error}",
                next_step="Restore the folder from a copy, or build the index again",
            ) from error
    return [name for name in outside if name not in manifest.files]


def _read_by(message: bytes, table: str) -> list[str]:
    """Other folders, then data files, that a manifest of Lance names."""
    folders: list[str] = []
    files: list[str] = []
    for number, value in fields_of(message):
        if number == BASE_PATHS:
            other = bytes_of(dict(fields_of(bytes_of(value))).get(BASE_PATH, b""))
            folders.append(f"the folder {other.decode()}")
        elif number == FRAGMENTS:
            files += _files_of(bytes_of(value), table)
    return [*folders, *files]


def _files_of(fragment: bytes, table: str) -> Iterator[str]:
    """Names of a fragment's data files, from the root of the served folder."""
    for number, value in fields_of(fragment):
        if number == FRAGMENT_FILES:
            name = bytes_of(dict(fields_of(bytes_of(value))).get(FILE_PATH, b""))
            yield f"{table}/data/{name.decode()}"


def message_of(raw: bytes) -> bytes:
    """The message in a file of Lance's manifest.

    Raises:
        ValueError: it is no such file, or shorter than it says.
    """
    place = int.from_bytes(raw[-16:-8], "little")
    size = int.from_bytes(raw[place : place + 4], "little")
    message = raw[place + 4 : place + 4 + size]
    if raw[-4:] != MAGIC or len(message) != size:
        raise ValueError("it ends early")
    return message


def fields_of(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a protobuf message's fields, in order; nested messages and texts as bytes.

    Raises:
        ValueError, IndexError: it is no such message.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        if kind == LENGTH:
            size, place = _varint(message, place)
        elif kind in (FIXED_64, FIXED_32):
            size = 8 if kind == FIXED_64 else 4
        else:
            raise ValueError(f"a field is of kind {kind}")
        if place + size > len(message):
            raise ValueError("a field ends behind its message")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, MOST_SHIFT + 1, 7):
        byte = message[place]
        value |= (byte & 127) << shift
        place += 1
        if byte < 128:  # the last byte has its highest bit clear
            return value, place
    raise ValueError("a number has more than 64 bits")


def bytes_of(value: int | bytes) -> bytes:
    """A field that has to be a text or a message. Raises TypeError: it is a number."""
    if isinstance(value, int):
        raise TypeError("a number stands in the place of a message")
    return value
