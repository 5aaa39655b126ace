"""From written files to a version: flush, hash, replace the manifest, acknowledge."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import fsync_folder
from ragopt.serve.file_checks import entries_of, files_under
from ragopt.serve.layout import TABLE_NAME, generation_name, safe_path
from ragopt.serve.manifest import Manifest, make_current, named_files
from ragopt.serve.table import lance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ragopt.serve.snapshot import Snapshot


def table_at(snapshot: Snapshot) -> Any:
    """Open the table for writing, at the snapshot's version: what a killed writer appended behind it is undone."""
    manifest = snapshot.manifest
    folder = safe_path(snapshot.root, manifest.table).parent
    table = lance().connect(str(folder)).open_table(TABLE_NAME)
    if table.version != manifest.table_version:
        table.checkout(manifest.table_version)
        table.restore()
    return table


def commit(
    root: Path, manifest: Manifest, *, before: Manifest | None = None, still_ours: Callable[[], None] | None = None
) -> Manifest:
    """Make a version durable and current, then acknowledge it.

    Args:
        root: the folder.
        manifest: the new version; its `files` are found here.
        before: the version that it follows in the same generation, whose files keep their checksums and whose
            superseded ones are removed; None for a generation that is new.
        still_ours: raises where another folder lies at `root` by now; called last before the manifest is replaced.

    Returns:
        The manifest as written.
    """
    generation = root / generation_name(manifest.generation)
    if before is not None:
        known = dict(before.files)
        own = [(name, safe_path(root, name)) for name in named_files(manifest)]
        own += list(files_under(safe_path(root, manifest.table), root))
        manifest = replace(manifest, files=entries_of(own, known))
        for folder in (*(one for one in generation.rglob("*") if one.is_dir()), generation):
            fsync_folder(folder)
    if still_ours is not None:
        still_ours()
    make_current(root, manifest)
    if before is not None:
        for name in set(before.files) - set(manifest.files):
            with contextlib.suppress(OSError):
                (root / name).unlink()
    return manifest
