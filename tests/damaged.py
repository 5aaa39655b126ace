"""Runs cases of damage in processes of their own, so that the end of one is noticed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from ragopt.serve.sealed_json import read_sealed, sealed
from tests.helpers import ROOT
from tests.small_served import build, given_documents, opened

if TYPE_CHECKING:
    from pathlib import Path

    Change = list[object]

LOCKS = ("writer.lock", "gen-000001/generation.lock")
HINT = "gen-000001/chunks.lance/_versions/latest_version_hint.json"
SEALED = ("manifest.json", "acknowledged.json")


def outcomes(
    folder: Path, cases: list[list[Change]], *, verify: str = "full", small_bytes: int | None = None
) -> tuple[list[str], int]:
    """What opening each damaged copy came to, and the peak of resident memory in MiB; see `damage_child`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    task = json.dumps({"folder": str(folder), "cases": cases, "verify": verify, "small_bytes": small_bytes})
    done = subprocess.run([sys.executable, ROOT / "tests" / "damage_child.py"], input=task, capture_output=True,
                          text=True, env=environment, cwd=ROOT, check=False, timeout=200)  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"ended with {done.returncode} in case {len(lines)}: {done.stderr[-2000:]}"
    assert len(lines) == len(cases) + 1
    return lines[:-1], int(lines[-1].split()[1])


def refused(folder: Path, cases: list[list[Change]], *, verify: str = "full") -> list[str]:
    """Check that every case ends in an error that says what is wrong with the folder; the errors."""
    lines = outcomes(folder, cases, verify=verify)[0]
    wrong = [(number, str(case)[:120], line) for number, (case, line) in enumerate(zip(cases, lines, strict=True))
             if not line.startswith("refused IndexFormatError")]  # fmt: skip
    assert not wrong, wrong[:9]
    return lines


def two_folders(small: Path, place: Path) -> tuple[Path, Path]:
    """Two folders of one run with an appended segment and deletions, each with texts of its own."""
    made = []
    for name in ("first", "second"):
        made.append(build(small, place / name))
        with opened(made[-1]) as index:
            index.add(given_documents({f"a{n}": f"text of a{n}" for n in range(5)}), split=False)
            index.add(given_documents({f"{name}{n}": f"text of {name} {n}" for n in range(5)}), split=False)
            index.delete(["a0", "b0" if name == "first" else "b1"])
    return made[0], made[1]


def files_of(folder: Path) -> list[str]:
    """Names of all files."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def checked_files(folder: Path) -> list[str]:
    """Names of all files but locks and Lance's hint."""
    return [name for name in files_of(folder) if name not in (*LOCKS, HINT)]


def resealed(folder: Path, **values: object) -> str:
    """The manifest with other values and a seal that fits; `...` leaves a value out."""
    content = {**read_sealed(folder / "manifest.json"), **values}
    return sealed({name: value for name, value in content.items() if value is not ...})


def written(name: str, data: bytes | str) -> Change:
    """The change that writes a file."""
    return ["write", name, base64.b64encode(data.encode() if isinstance(data, str) else data).decode()]


def forged(folder: Path, name: str, data: bytes) -> list[Change]:
    """A file with other content, and a manifest with its right checksum."""
    files = dict(read_sealed(folder / "manifest.json")["files"])
    files[name] = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    return [written(name, data), written("manifest.json", resealed(folder, files=files))]
