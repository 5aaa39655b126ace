"""Names of files to write, checked before anything is made: suffix, folder, no two alike, nothing of a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.errors import InputError
from ragopt.sweep.run_folder import QUERIES_FILE, RECOMMENDATION_FILE, RUN_FILE, TRIALS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIXES = {"html": (".html", ".htm"), "png": (".png",), "svg": (".svg",), "md": (".md", ".markdown")}
"""Kinds of output, in the order in which they are written, with the suffixes that their files may have."""

KEPT = (RUN_FILE, TRIALS_FILE, RECOMMENDATION_FILE, QUERIES_FILE)
"""Files of a run folder that nothing but a sweep writes; its report and picture may be drawn over."""


def check_files(files: Mapping[str, Path]) -> None:
    """Make sure that every file can be named so.

    Args:
        files: by kind of `SUFFIXES`, the file.

    Raises:
        InputError: no file, a file's suffix or folder, two that are one, or a file that makes up a run.
    """
    if not files:
        raise InputError("No file to write was named", allowed=", ".join(SUFFIXES), next_step="Name one of them")
    for kind, path in files.items():
        _check_kept(kind, path)
        suffixes = SUFFIXES[kind]
        if path.suffix.lower() not in suffixes:
            has = f"the suffix {path.suffix}" if path.suffix else "no suffix"
            raise InputError(f"--{kind} {path} has {has}",
                             allowed=" or ".join(suffixes), next_step=f"Name the file report{suffixes[0]}")  # fmt: skip
        if not path.parent.is_dir():
            raise InputError(f"--{kind} {path}: there is no folder {path.parent}",
                             next_step="Make the folder, or name another")  # fmt: skip
        if path.is_dir():
            raise InputError(f"--{kind} {path} is a folder", next_step=f"Name a file in it: report{suffixes[0]}")
    _check_different(files)


def _check_kept(kind: str, path: Path) -> None:
    """Refuse a file of a finished run, by whatever link it is named."""
    for one in (path, path.resolve()):
        if one.name in KEPT and (one.parent / RUN_FILE).is_file():
            raise InputError(f"--{kind} {path} is {one.name} of the run in {one.parent}",
                             next_step="Name another file: that run could no longer be read")  # fmt: skip


def _check_different(files: Mapping[str, Path]) -> None:
    found: dict[Path, str] = {}
    for kind, path in files.items():
        other = found.setdefault(path.resolve(), kind)
        if other != kind:
            raise InputError(f"--{other} {files[other]} and --{kind} {path} are the same file",
                             next_step="Name two files")  # fmt: skip
