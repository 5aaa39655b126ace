"""Memory of this process, split: anonymous, mapped index files, and the part of them that only rescoring reads."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
PRESENT = 1 << 63
"""Bit 63 of a page's word in /proc/self/pagemap: the page is in RAM (Linux admin-guide/mm/pagemap)."""


def resident(folder: Path, rescoring_files: str, rescoring_range: tuple[int, int] | None) -> dict[str, int]:
    """Bytes of this process in RAM.

    Code pages of libraries are left out: processes share them, and they say nothing of an index. Files read with
    read(2) instead of mmap(2) stay in the kernel's page cache and are not seen here either.

    Args:
        folder: where the index files are; only mappings of files in it count.
        rescoring_files: glob of file names that only rescoring reads; empty for none.
        rescoring_range: address and length of a rescoring tier inside a mapped file.

    Returns:
        `anonymous`, `mapped` (index files without the rescoring tier) and `rescoring`.
    """
    mapped = rescoring = 0
    for path, rss in _mappings():
        if path.startswith(str(folder)):
            if rescoring_files and fnmatch.fnmatch(Path(path).name, rescoring_files):
                rescoring += rss
            else:
                mapped += rss
    inside = present_bytes(*rescoring_range) if rescoring_range else 0
    return {"anonymous": _anonymous(), "mapped": mapped - inside, "rescoring": rescoring + inside}


def present_bytes(address: int, length: int) -> int:
    """Bytes of whole pages in RAM within a range of addresses."""
    first, last = -(-address // PAGE), (address + length) // PAGE
    if last <= first:
        return 0
    with Path("/proc/self/pagemap").open("rb") as handle:
        handle.seek(first * 8)
        words = handle.read((last - first) * 8)
    present = sum(1 for at in range(0, len(words), 8) if int.from_bytes(words[at : at + 8], "little") & PRESENT)
    return present * PAGE


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(re.search(r"^RssAnon:\s+(\d+) kB", status, flags=re.MULTILINE)[1]) * 1024  # type: ignore[index]


def _mappings() -> list[tuple[str, int]]:
    """Path and resident bytes of each mapping; proc_pid_smaps(5)."""
    found: list[tuple[str, Any]] = []
    path = ""
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            fields = line.split(maxsplit=5)
            path = fields[5] if len(fields) > 5 else ""
        elif line.startswith("Rss:"):
            found.append((path, int(line.split()[1]) * 1024))
    return found
