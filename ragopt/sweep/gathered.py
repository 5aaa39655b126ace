"""The distinct candidates of some queries as vectors, gathered once for every codec that encodes them."""

from __future__ import annotations

import functools
import tempfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.artifacts import storage_errors
from ragopt.embed.row_file import read_rows
from ragopt.embed.vector_file import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    ReadRows = Callable[[NDArray[np.int64]], NDArray[np.float32]]

MEMORY_BYTES = 32 << 20
"""Up to so many bytes are held in memory: a thirtieth of what a sweep may use. More go into a file."""

MOST_HELD = 3
"""Gatherings held at once: codecs come in the order of their spaces and rotations, two of them side by side."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Vectors of distinct corpus rows.

    Attributes:
        rows: int64 (m,) ascending.
        take: gives the vectors, float32, at ascending places among the rows; never to be changed.
    """

    rows: NDArray[np.int64]
    take: ReadRows

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give the vectors of ascending rows that were gathered."""
        return self.take(np.searchsorted(self.rows, rows))


class GatheredStore:
    """Gatherings by name, the latest few of them; safe for several threads.

    Large ones lie in a file without a name, from which codecs read blocks in order, and nothing of which outlives the
    process. It is not mapped: all that was touched would count as this process's resident memory.
    """

    def __init__(self, folder: Path) -> None:
        """Use `folder` for the files; it is made when it is needed."""
        self._folder = folder
        self._lock = threading.Lock()
        self._held: dict[Hashable, Gathered] = {}

    def get(self, name: Hashable, blocks: Sequence[NDArray[np.int64]], dim: int, read: ReadRows) -> Gathered:
        """Gather rows, or give what is held under this name.

        Args:
            name: of rows and what was done to them.
            blocks: int64 distinct rows, in any order of blocks, ascending within each and from block to block.
            dim: of the vectors.
            read: gives the vectors of one block.

        Raises:
            StorageError: the disk is full.
        """
        with self._lock:
            if name not in self._held:
                while len(self._held) >= MOST_HELD:
                    del self._held[next(iter(self._held))]
                self._held[name] = self._gather(blocks, dim, read)
            return self._held[name]

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._held.clear()

    def _gather(self, blocks: Sequence[NDArray[np.int64]], dim: int, read: ReadRows) -> Gathered:
        ascending = sorted(blocks, key=lambda block: int(block[0]))
        rows = np.concatenate(ascending)
        if 4 * len(rows) * dim <= MEMORY_BYTES:
            return Gathered(rows, functools.partial(_taken, np.concatenate([read(block) for block in ascending])))
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            # Closed with the last reference to what reads from it.
            file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            for block in ascending:
                write_all(file, np.ascontiguousarray(read(block), dtype=np.float32))
        return Gathered(rows, lambda places: read_rows(file.fileno(), dim, places, self._folder))


def _taken(vectors: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Vectors at ascending places: without a copy where they lie side by side."""
    first, last = int(places[0]), int(places[-1]) + 1
    return vectors[first:last] if last - first == len(places) else vectors[places]
