"""The distinct candidates of some queries as vectors, gathered once for every codec that encodes them."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.artifacts import storage_errors

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
        rows: int64 (m,) ascending. vectors: float32 (m, dim) of those rows; never to be changed.
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give the vectors of ascending rows that were gathered: without a copy where they lie side by side."""
        places = np.searchsorted(self.rows, rows)
        first, last = int(places[0]), int(places[-1])
        if last - first + 1 == len(rows):
            return self.vectors[first : last + 1]
        return self.vectors[places]


class GatheredStore:
    """Gatherings by name, the latest few of them; safe for several threads.

    Large ones lie in a file without a name, mapped into memory: codecs read it in order at the speed of memory, its
    pages are the kernel's to take back, and nothing of it outlives the process.
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
        shape = (len(rows), dim)
        if 4 * len(rows) * dim <= MEMORY_BYTES:
            return Gathered(rows, np.concatenate([read(block) for block in ascending]))
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                for block in ascending:
                    file.write(np.ascontiguousarray(read(block), dtype=np.float32).data)
                file.flush()
                return Gathered(rows, np.asarray(np.memmap(file, dtype=np.float32, mode="r", shape=shape)))
