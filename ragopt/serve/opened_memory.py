"""Memory of a service that opened a folder, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ragopt.errors import IndexFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from ragopt.serve.manifest import Manifest

PROBE = """
import json, sys
from pathlib import Path
from ragopt.measure.memory import anonymous_bytes, release_free_memory
from ragopt.serve.layout import generation_name
from ragopt.serve.locks import hold_generation
from ragopt.serve.manifest import parsed_manifest
from ragopt.serve.row_store import row_store
from ragopt.serve.snapshot import opened_version

root, content = json.load(sys.stdin)
manifest = parsed_manifest(content)
store = row_store(manifest.engine)
if manifest.engine == "lancedb":
    import lancedb.index
else:
    import faiss
release_free_memory()
before = anonymous_bytes()
snapshot = opened_version(Path(root), manifest, hold_generation(Path(root, generation_name(manifest.generation))))
for query in snapshot.canaries():
    store.nearest(snapshot, query[None], manifest.k)
release_free_memory()
print(max(anonymous_bytes() - before, 0))
"""
"""Libraries are loaded before the first reading: their memory is no matter of the index."""


def opened_memory(root: Path, manifest: Manifest) -> int:
    """Anonymous bytes that opening a folder and searching its canaries one by one adds to a process.

    Memory-mapped files are not in it: they are the system's cache, and can be given up.

    Args:
        root: the folder; its manifest need not be written yet.
        manifest: of the version to open.

    Raises:
        IndexFormatError: the process failed.
    """
    done = subprocess.run(  # noqa: S603 - this Python, with a text of this file
        [sys.executable, "-c", PROBE],
        input=json.dumps([str(root.resolve()), asdict(manifest)]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise IndexFormatError(
            f"A process that opened {root} ended with {done.returncode}: {done.stderr.strip()[-500:]}",
            next_step="Build the index again; report it if it fails again",
        )
    return int(done.stdout.split()[-1])
