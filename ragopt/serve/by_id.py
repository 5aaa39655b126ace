"""Chunks of a served index by their ids, without a search."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ragopt.corpus.chunks import embed_text
from ragopt.errors import InputError
from ragopt.serve.table import DOCUMENT, ID, METADATA, ROW, TEXT, TITLE, VECTOR, Line, id_filters, lines_where

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ragopt.serve.hits import Hit
    from ragopt.serve.opened import Index
    from ragopt.serve.snapshot import Snapshot


def lines_by_id(snapshot: Snapshot, ids: Sequence[str]) -> dict[str, Line]:
    """Read chunks by id; one that is not there is left out."""
    lines: dict[str, Line] = {}
    for found in _found(snapshot, ids, (ROW, ID, DOCUMENT, TITLE, TEXT, METADATA)):
        for one in found.to_pylist():
            lines[one[ID]] = Line(one[ROW], one[ID], one[DOCUMENT], one[TITLE], one[TEXT], json.loads(one[METADATA]))
    return lines


def all_ids(snapshot: Snapshot) -> list[str]:
    """Ids of all chunks, in the order in which they were written."""
    names: list[str] = lines_where(snapshot.table, None, (ID,))[ID].to_pylist()
    return names


def vectors_of_hits(index: Index, hits: Sequence[Hit]) -> NDArray[np.float32]:
    """Full-dimension vectors of chunks that were found: read where the index keeps them, else embedded again.

    Returns:
        float32 (len(hits), full dimension), of any length.

    Raises:
        InputError: the index keeps neither vectors nor texts, or a chunk was deleted since it was found.
    """
    snapshot = index.snapshot
    if not hits:
        return np.empty((0, snapshot.manifest.full_dim), np.float32)
    if not snapshot.manifest.with_vectors:
        texts = [embed_text(hit.title, hit.text) for hit in hits]
        if not all(texts):
            raise InputError(
                f"The chunk {next(hit.id for hit in hits if not hit.text)!r} has no text that could be embedded again",
                next_step="Build the index with its vectors: ragopt build RUN --out DIR --with-vectors",
            )
        return np.asarray(index.embedder.embed_documents(texts), np.float32)
    vectors: dict[str, NDArray[np.float32]] = {}
    for found in _found(snapshot, [hit.id for hit in hits], (ID, VECTOR)):
        rows = found[VECTOR].combine_chunks().flatten().to_numpy().reshape(-1, snapshot.manifest.full_dim)
        vectors |= dict(zip(found[ID].to_pylist(), rows, strict=True))
    for hit in hits:
        if hit.id not in vectors:
            raise InputError(f"The chunk {hit.id!r} was deleted after it was found", next_step="Search again")
    return np.stack([vectors[hit.id] for hit in hits])


def _found(snapshot: Snapshot, ids: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    for where in id_filters(dict.fromkeys(ids), (ID,)):
        yield lines_where(snapshot.table, where, columns)
