"""How many bytes the objects of a cache's entry take in this Python's memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragopt.corpus.records import MetadataValue
    from ragopt.serve.hits import Hit
    from ragopt.serve.table import Line


def size_of_metadata(metadata: Mapping[str, MetadataValue]) -> int:
    """Of a table with its keys and values."""
    parts = (metadata, *metadata.keys(), *metadata.values())
    return sum(map(sys.getsizeof, parts))


def size_of_line(line: Line) -> int:
    """Of a line of the table."""
    parts = (line, line.row, line.id, line.document, line.title, line.text)
    return sum(map(sys.getsizeof, parts)) + size_of_metadata(line.metadata)


def size_of_hits(hits: Sequence[Hit]) -> int:
    """Of a tuple of hits. What an entry of another cache holds too, as texts may be, is counted in both."""
    size = sys.getsizeof(tuple(hits))
    for hit in hits:
        parts = (hit, hit.id, hit.document, hit.title, hit.text, hit.score, hit.also_in, *hit.also_in)
        size += sum(map(sys.getsizeof, parts)) + size_of_metadata(hit.metadata)
    return size
