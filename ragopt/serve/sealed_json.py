"""JSON files that carry the SHA-256 of their own content: any changed byte is noticed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import canonical_json
from ragopt.errors import IndexFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SEAL = "sha256"
MOST_BYTES = 64 << 20
"""A manifest names every file of its folder in some 150 bytes each: four hundred thousand files stay below this, and
what JSON of this length can hold at most, empty tables, takes 2 GB as objects of Python."""


def sealed(content: Mapping[str, Any]) -> str:
    """Write content as canonical JSON with the SHA-256 of the rest under `sha256`."""
    body = {name: value for name, value in content.items() if name != SEAL}
    return canonical_json({**body, SEAL: hashlib.sha256(canonical_json(body).encode()).hexdigest()})


def read_sealed(path: Path) -> dict[str, Any]:
    """Read sealed content back.

    Raises:
        IndexFormatError: the file is missing, too large, no JSON, or not byte for byte what was written.
    """
    try:
        if not path.is_file():
            raise _damaged(path, "is missing or no file")
        with path.open("rb") as handle:
            raw = handle.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise _damaged(path, f"has more than {MOST_BYTES:,} bytes")
        content = json.loads(raw.decode("utf-8"))
        whole = isinstance(content, dict) and sealed(content).encode() == raw
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, "is missing or no JSON") from error
    if not whole:
        raise _damaged(path, "was changed: it does not match its own SHA-256")
    return dict(content)


def _damaged(path: Path, how: str) -> IndexFormatError:
    return IndexFormatError(f"{path} {how}", allowed="the file as ragopt wrote it",
                            next_step="Restore the folder from a copy, or build the index again")  # fmt: skip
