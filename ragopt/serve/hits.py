"""What a search returns: chunks with their text, title, document and metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ragopt.serve.lance_reads import unreadable
from ragopt.serve.nearest import NOTHING
from ragopt.serve.table import Line, take_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.corpus.records import MetadataValue
    from ragopt.serve.snapshot import Snapshot

    TakeLines = Callable[[NDArray[np.uint64]], dict[int, Line]]


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk that was found.

    Attributes:
        id: of the chunk. document: id of its document. title: of the document, empty where it has none.
        text: of the chunk. score: inner product, cosine, or minus the squared distance; higher is nearer.
        metadata: of the document. also_in: further documents that hold the same text.
    """

    id: str
    document: str
    title: str
    text: str
    score: float
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    also_in: tuple[str, ...] = ()


def row_ids_of(snapshot: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """uint64 (n, 2), row and row id of every line of some rows that is not deleted, sorted by row.

    Raises:
        IndexFormatError: a row has no line.
    """
    wanted = np.unique(rows[rows != NOTHING])
    found = []
    for part in snapshot.parts:
        own = wanted[(wanted >= part.first_row) & (wanted < part.first_row + part.n_rows)].astype(np.uint64)
        if len(own):
            column = part.lines[:, 0]
            starts, ends = np.searchsorted(column, own, "left"), np.searchsorted(column, own, "right")
            counts = ends - starts
            if (counts < 1).any():
                raise unreadable(f"there is no line of row {own[np.argmin(counts)]}")
            places = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
            found.append(np.asarray(part.lines[places]))
    lines = np.concatenate(found) if found else np.empty((0, 2), np.uint64)
    return lines[~np.isin(lines[:, 1], snapshot.dead_lines)] if len(snapshot.dead_lines) else lines


def hits_of(
    snapshot: Snapshot,
    scores: NDArray[np.float32],
    rows: NDArray[np.int64],
    matching: NDArray[np.uint64] | None = None,
    take: TakeLines | None = None,
) -> list[list[Hit]]:
    """Read the lines of the rows that were found, all in one call.

    Args:
        snapshot: where they were found.
        scores: float32 (m, k).
        rows: int64 (m, k), `NOTHING` where there is none.
        matching: row ids that a filter let through; None for all.
        take: gives lines by row id, one that is not there left out; None reads them from the table.

    Raises:
        IndexFormatError: a row has no line, or the table not the line that it should have.
    """
    lines = row_ids_of(snapshot, rows)
    if matching is not None:
        lines = lines[np.isin(lines[:, 1], matching)]
    taken = take_lines(snapshot.table, lines[:, 1]) if take is None else take(lines[:, 1])
    by_row: dict[int, list[Line]] = {}
    for row, row_id in lines.tolist():
        if row_id not in taken:
            raise unreadable(f"it has no line {row_id}")
        by_row.setdefault(row, []).append(taken[row_id])
    missing = set(rows[rows != NOTHING].tolist()) - set(by_row)
    if missing:
        raise unreadable(f"there is no line of row {min(missing)}")
    return [
        [_hit(by_row[row], score) for row, score in zip(some_rows, some, strict=True) if row != NOTHING]
        for some_rows, some in zip(rows.tolist(), scores.tolist(), strict=True)
    ]


def _hit(lines: list[Line], score: float) -> Hit:
    first = lines[0]
    others = tuple(line.document for line in lines[1:] if line.document != first.document)
    return Hit(first.id, first.document, first.title, first.text, score, first.metadata, others)
