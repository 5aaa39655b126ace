"""Names inside a served folder, and the rule that no name leaves it.

DIR/
├── manifest.json       the commit point: what belongs to this version, with the SHA-256 of every file
├── acknowledged.json   the last version that a writer was told is durable: an older manifest is a rolled-back folder
├── writer.lock         held by the one writer
└── gen-000001/         a generation; `compact` and a second build write the next one beside it
    ├── generation.lock held, shared, by every reader of this generation
    ├── index.faiss     the base segment: codes, and the rescoring tier behind them
    ├── template.faiss  the same index, trained and empty: appended rows are encoded with it
    ├── rotation.npy    of a pca or joint space
    ├── *.npy           lines of each segment, tombstones, canaries
    ├── segment-*.faiss appended rows
    └── chunks.lance/   the table: text, metadata and, on request, vectors
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragopt.errors import IndexFormatError

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST_FILE, ACKNOWLEDGED_FILE, WRITER_LOCK = "manifest.json", "acknowledged.json", "writer.lock"
GENERATION_LOCK = "generation.lock"
INDEX_FILE, TEMPLATE_FILE, ROTATION_FILE = "index.faiss", "template.faiss", "rotation.npy"
TABLE_NAME = "chunks"
TABLE_FOLDER = f"{TABLE_NAME}.lance"

MUTABLE = ("latest_version_hint.json",)
"""Lance rewrites this hint in place with every version and opens without it or with any content (lancedb 0.40, tried):
it is no part of what a manifest names."""

SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
"""What ragopt and Lance call their files: letters, digits, dot, dash, underscore, in folders."""


def generation_name(number: int) -> str:
    """Folder of a generation.

    >>> generation_name(1)
    'gen-000001'
    """
    return f"gen-{number:06d}"


def safe_path(root: Path, name: str) -> Path:
    """Turn a name of a manifest into a path inside the folder.

    Raises:
        IndexFormatError: the name is absolute, goes up, holds other characters, or one of its parts is a link.
    """
    parts = name.split("/")
    if not SAFE_NAME.fullmatch(name) or any(part in (".", "..") for part in parts):
        raise IndexFormatError(
            f"{root / MANIFEST_FILE} names the file {name!r}",
            allowed="names inside the folder, of letters, digits, dots, dashes and underscores",
            next_step="Do not open this folder: it was not written by ragopt",
        )
    path = root
    for part in parts:
        path /= part
        if path.is_symlink():
            raise IndexFormatError(
                f"{path} is a symbolic link",
                allowed="files and folders inside the index folder",
                next_step="Copy the folder with its links followed (cp -rL), or build the index again",
            )
    return path
