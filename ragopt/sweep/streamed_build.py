"""A part of a built index made shard by shard, so that codes are not in memory and a kill loses one shard at most.

Everything lies in one folder of the artifact that is being made, which `ArtifactStore.resume_or_make` locks: the
trained index and one folder per shard, each whole or not there. They are removed when the artifact itself is written.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.artifacts import canonical_json, fsync_file, fsync_folder, storage_errors, whole_folder
from ragopt.embed.spaces import Rotation
from ragopt.errors import IndexFormatError
from ragopt.index.code_shard import write_shard
from ragopt.index.codec_size import FLOAT, code_bytes
from ragopt.index.factory import Factory, parse_factory
from ragopt.index.file_pieces import streams
from ragopt.index.size import ID_BYTES, index_bytes
from ragopt.index.trained import adder_on
from ragopt.sweep.built_parts import ADD_ROWS, Part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray


PIECES = "pieces"
WHOLE_FILE = "whole.faiss"
TRAINED_FOLDER, TRAINED_FILE, ROTATION_FILE, SECONDS_FILE = "trained", "trained.faiss", "rotation.npz", "seconds.json"

IN_MEMORY_BYTES = 64 << 20
"""Codes up to here are built in memory: less than the 100 MB of a training sample of 65,536 x 384, which is in memory
before them in either case, and a second's work to lose for codes that take the longest."""

GROWTH = 3
"""Memory of a vector that grows over what it holds at last: the old one, and one of twice its size that takes its place
(libstdc++, vector::_M_default_append)."""

MEMORY_SHARE = GROWTH + 1
"""Memory that may be used over codes that are built in it: they grow, and rows are encoded beside them."""

BLOCKS_HELD = 3
"""Blocks of rows that encoding holds: as stored, in their space, as residuals of their lists. Measured: 1.5 for
PQ48np,Refine(SQ8), up to 2.8 for IVF1024,PQ48np (eval/results/2026-11-26-streamed-build.json)."""

SHARD_BYTES, SHARD_ROWS = 16 << 20, 8 * ADD_ROWS
"""Most that a shard has: a quarter of what is built in memory, and what 4 seconds encode (PQ48np, one core)."""


def most_in_memory(max_memory_bytes: int | None) -> int:
    """Bytes of codes up to which an index is built in memory, by the memory that may be used; None is no limit."""
    return IN_MEMORY_BYTES if max_memory_bytes is None else min(IN_MEMORY_BYTES, max_memory_bytes // MEMORY_SHARE)


def codes_bytes(factory: Factory, n: int) -> int:
    """Bytes of an index that grow with its vectors: codes, ids and the rescoring tier."""
    return index_bytes(factory, n).file_bytes - index_bytes(factory, 0).file_bytes


def is_streamed(factory: Factory, n: int, max_memory_bytes: int | None) -> bool:
    """Whether an index, or at least its rescoring tier, is built without its codes in memory."""
    can = streams(factory) or factory.refine is not None
    return can and codes_bytes(factory, n) > most_in_memory(max_memory_bytes)


def build_memory_bytes(factory: Factory, full_dim: int, n: int, max_memory_bytes: int | None) -> int:
    """Most anonymous memory that building an index takes beside its training, in bytes.

    Args:
        factory: the whole index.
        full_dim: dimension of the stored vectors.
        n: vectors in it.
        max_memory_bytes: that may be used; None is no limit.
    """
    held = codes_bytes(factory, n)
    if is_streamed(factory, n, max_memory_bytes):
        base = parse_factory(factory.base_text, factory.dim)
        parts = [base, parse_factory(factory.refine_text, factory.dim)] if factory.refine else [base]
        is_base_held = not is_streamed(base, n, max_memory_bytes)
        held = max(_row_bytes(part) * shard_rows(part) for part in parts)
        held = max(held, codes_bytes(base, n)) if is_base_held else held
    return BLOCKS_HELD * FLOAT * full_dim * ADD_ROWS + GROWTH * held


@dataclass(frozen=True, slots=True)
class Shards:
    """What a part's file is written from.

    Attributes:
        trained: the serialized empty index, uint8.
        folders: one per shard, in row order.
        seconds: wall time of `train` and `build`, this time or an earlier one.
    """

    trained: NDArray[np.uint8]
    folders: tuple[Path, ...]
    seconds: dict[str, float]


class StreamedPart:
    """A part of an index, codes or tier, whose shards are made beside the file that is written from them."""

    def __init__(self, part: Part, target: Path) -> None:
        """Write `target`, in a folder to which no other process writes."""
        self.part, self.target, self.pieces = part, target, target.parent / PIECES

    def missing_bytes(self, target_bytes: int) -> int:
        """Bytes that are still to be written: of shards, and of the target, which will have `target_bytes`."""
        if self.target.exists():
            return 0
        row, half = _row_bytes(self.part.factory), self.pieces / WHOLE_FILE
        shards = sum(row * (stop - first) for first, stop, folder in self._ranges() if not folder.is_dir())
        return shards + target_bytes - (half.stat().st_size if half.exists() else 0)

    def make(self) -> Shards:
        """Train and encode whatever is not there yet.

        Raises:
            StorageError: the disk is full or cannot be written; what is whole is kept.
        """
        trained = self._trained()
        for first, stop, folder in self._ranges():
            if not folder.is_dir():
                whole_folder(folder, self._shard(trained, first, stop))
        folders = tuple(folder for _, _, folder in self._ranges())
        seconds = {"train": _seconds(self.pieces / TRAINED_FOLDER), "build": sum(map(_seconds, folders))}
        return Shards(trained, folders, seconds)

    def write(self, fill: Callable[[BinaryIO], None], check: Callable[[Path], object]) -> float:
        """Write the target, as a whole or not at all.

        Args:
            fill: writes into the open file.
            check: raises IndexFormatError for a file that is not right; then the shards go too, one of them being
                damaged, so that the next build starts anew.

        Returns:
            Wall seconds, hardly any when it was written before.
        """
        began, temporary = time.perf_counter(), self.pieces / WHOLE_FILE
        if not self.target.exists():
            with storage_errors(self.target):
                with temporary.open("wb") as out:
                    fill(out)
                fsync_file(temporary)
                try:
                    check(temporary)
                except IndexFormatError:
                    self.remove()
                    raise
                temporary.rename(self.target)
                fsync_folder(self.target.parent)
        return time.perf_counter() - began

    def remove(self) -> None:
        """Remove shards and training, if there are any: what they were made for is written."""
        if self.pieces.is_dir():
            with storage_errors(self.pieces):
                shutil.rmtree(self.pieces)

    def _ranges(self) -> list[tuple[int, int, Path]]:
        each = shard_rows(self.part.factory)
        return [
            (first, min(first + each, self.part.n), self.pieces / f"{first:012d}-{each}")
            for first in range(0, self.part.n, each)
        ]

    def _shard(self, trained: NDArray[np.uint8], first: int, stop: int) -> Callable[[Path], None]:
        def fill(folder: Path) -> None:
            began = time.perf_counter()
            add = adder_on(self.part.plan.device, self.part.factory)
            write_shard(folder, trained, self.part.blocks(first, stop), first_row=first, add=add)
            _keep_seconds(folder, time.perf_counter() - began)

        return fill

    def _trained(self) -> NDArray[np.uint8]:
        folder = self.pieces / TRAINED_FOLDER
        if not folder.is_dir():
            whole_folder(folder, self._train)
        if (folder / ROTATION_FILE).exists():
            with np.load(folder / ROTATION_FILE, allow_pickle=False) as stored:
                self.part.rotation = Rotation(stored["matrix"], stored["explained"])
        return np.fromfile(folder / TRAINED_FILE, np.uint8)

    def _train(self, folder: Path) -> None:
        import faiss  # noqa: PLC0415 - loaded when first used

        index, seconds = self.part.trained()
        rotation = self.part.rotation
        # Not tofile, which tells of a full disk without saying so.
        (folder / TRAINED_FILE).write_bytes(faiss.serialize_index(index).data)
        if rotation is not None:
            np.savez(folder / ROTATION_FILE, matrix=rotation.matrix, explained=rotation.explained)
        _keep_seconds(folder, seconds)


def shard_rows(factory: Factory) -> int:
    """Rows of a shard: a multiple of the rows that are encoded at once."""
    return max(ADD_ROWS, min(SHARD_ROWS, SHARD_BYTES // _row_bytes(factory) // ADD_ROWS * ADD_ROWS))


def _row_bytes(factory: Factory) -> int:
    return code_bytes(factory.codec, factory.codec_dim) + (ID_BYTES if factory.nlist else 0)


def _keep_seconds(folder: Path, seconds: float) -> None:
    (folder / SECONDS_FILE).write_text(canonical_json(seconds), encoding="utf-8")


def _seconds(folder: Path) -> float:
    return float(json.loads((folder / SECONDS_FILE).read_text(encoding="utf-8")))
