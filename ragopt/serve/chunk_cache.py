"""Lines of the table by row id: texts and metadata that were read before are not read again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from ragopt.serve.entry_sizes import size_of_line
from ragopt.serve.table import Line

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ragopt.serve.byte_cache import ByteCache


class ChunkCache:
    """Lines of one version of one folder's table.

    Row ids are of a version: compaction numbers anew, and what follows a writer that died may get the ids of its lines.
    """

    def __init__(self, entries: ByteCache) -> None:
        """Keep them there."""
        self.entries = entries

    def taken(
        self, version: int, row_ids: NDArray[np.uint64], read: Callable[[NDArray[np.uint64]], dict[int, Line]]
    ) -> dict[int, Line]:
        """Take what is known and read the rest in one call.

        Args:
            version: of the index, whose table is read.
            row_ids: uint64 (n,).
            read: gives the lines of some row ids; one that is not there is left out.

        Returns:
            Lines by row id, the caller's own to change.
        """
        found: dict[int, Line] = {}
        missing: list[int] = []
        for row_id in dict.fromkeys(row_ids.tolist()):
            line = self.entries.get(version, row_id)
            if line is None:
                missing.append(row_id)
            else:
                found[row_id] = own_copy(line)
        if missing:
            for row_id, line in read(np.array(missing, np.uint64)).items():
                found[row_id] = line
                self.entries.put(version, row_id, own_copy(line), sys.getsizeof(row_id) + size_of_line(line))
        return found


def own_copy(line: Line) -> Line:
    """A line with metadata of its own; everything else of it cannot be changed."""
    return Line(line.row, line.id, line.document, line.title, line.text, dict(line.metadata))
