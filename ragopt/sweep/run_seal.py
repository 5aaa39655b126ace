"""Checksums of a run folder: a file that is no longer what the sweep wrote is told, whoever changed it.

They find accidents and careless edits, not forgers: who can write the folder can seal it again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import canonical_json
from ragopt.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SEAL, FILES = "sha256", "files"
"""Keys of ``run.json``: of the rest of its own content, and of the other files by name."""

NEXT_STEP = "Sweep again: what is stored is used. Or restore the folder from a copy"


def sha256_of(data: bytes | str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def sealed_info(info: Mapping[str, Any], files: Mapping[str, bytes | str]) -> dict[str, Any]:
    """Add the checksums to the content of ``run.json``.

    Args:
        info: content without checksums; older ones are replaced.
        files: content of the folder's other files by name.
    """
    return sealed_with(info, {name: sha256_of(data) for name, data in files.items()})


def sealed_with(info: Mapping[str, Any], checksums: Mapping[str, str | list[str]]) -> dict[str, Any]:
    """Add checksums that are known to the content of ``run.json``.

    Args:
        info: content without checksums; older ones are replaced.
        checksums: SHA-256 by name; several while a file is being replaced, of the new and of the old content.
    """
    body = {**unsealed(info), FILES: dict(checksums)}
    return {**body, SEAL: sha256_of(canonical_json(body))}


def unsealed(info: Mapping[str, Any]) -> dict[str, Any]:
    """Take the checksums out of the content of ``run.json``."""
    return {name: value for name, value in info.items() if name not in (SEAL, FILES)}


def check_seal(folder: Path, name: str, info: Mapping[str, Any]) -> Mapping[str, str | list[str]]:
    """Check the content of ``run.json`` against its own checksum.

    The content counts, not the bytes: it may be laid out anew.

    Args:
        folder: of the run.
        name: of the file, for the message.
        info: its whole content.

    Returns:
        SHA-256 by name of the folder's other files; several where the replacing of one was cut off.

    Raises:
        ArtifactError: it has no checksums, or another content.
    """
    told, files = info.get(SEAL), info.get(FILES)
    if not isinstance(told, str) or not isinstance(files, dict):
        raise _damaged(folder, f"{name} has no checksums, so an earlier version of ragopt wrote it or it was changed")
    body = {key: value for key, value in info.items() if key != SEAL}
    if sha256_of(canonical_json(body)) != told:
        raise _damaged(folder, f"{name} was changed, it does not match its own SHA-256")
    return files


def checked_bytes(folder: Path, name: str, files: Mapping[str, str | list[str]]) -> bytes:
    """Read a file of the folder and check it.

    Raises:
        ArtifactError: it is missing, or not what the sweep wrote.
        OSError: it cannot be read.
    """
    path = folder / name
    if not path.is_file():
        raise _damaged(folder, f"{name} is missing")
    data = path.read_bytes()
    told = files.get(name)
    if sha256_of(data) not in (told if isinstance(told, list) else [told]):
        raise _damaged(folder, f"{name} was changed, its SHA-256 is not the one in run.json")
    return data


def kept_bytes(folder: Path, name: str, files: Mapping[str, str | list[str]]) -> bytes | None:
    """Read a file that not every run has, and check it; None where the run has none.

    Raises:
        ArtifactError: it is missing, not what the sweep wrote, or there although the sweep wrote none.
        OSError: it cannot be read.
    """
    if name in files:
        return checked_bytes(folder, name, files)
    if (folder / name).exists():
        raise _damaged(folder, f"it has a {name} that run.json does not name, so it is of another run")
    return None


def _damaged(folder: Path, how: str) -> ArtifactError:
    return ArtifactError(f"The run in {folder} is damaged: {how}", next_step=NEXT_STEP)
