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
    """Read chunks by id; one that is not there is left out. Raises InputError: an id is no text."""
    for name in ids:
        if not isinstance(name, str):
            raise InputError(f"{name!r} is no id", allowed="text", next_step="Give ids as text")
    lines: dict[str, Line] = {}
    for found in _found(snapshot, ids, (ROW, ID, DOCUMENT, TITLE, TEXT, METADATA)):
        for one in found.to_pylist():
            lines[one[ID]] = Line(one[ROW], one[ID], one[DOCUMENT], one[TITLE], one[TEXT], json.loads(one[METADATA]))
    return lines


def all_ids(snapshot: Snapshot) -> list[str]:
    """Ids of all chunks, in the order in which they were written."""
    names: list[str] = lines_where(snapshot.table, None, (ID,))[ID].to_pylist()
    return names


def hits_with_vectors(index: Index, hits: Sequence[Hit]) -> tuple[list[Hit], NDArray[np.float32]]:
    """Chunks that were found, with their full-dimension vectors: read where the index keeps them, else embedded again.

    Returns:
        The hits without those that were deleted meanwhile, and float32 (n, full dimension), of any length.

    Raises:
        InputError: the index keeps neither vectors nor texts.
    """
    snapshot = index.snapshot
    dim = snapshot.manifest.full_dim
    if not hits:
        return [], np.empty((0, dim), np.float32)
    if not snapshot.manifest.with_vectors:
        texts = [embed_text(hit.title, hit.text) for hit in hits]
        if not all(texts):
            raise InputError(
                f"The chunk {hits[texts.index('')].id!r} has no text that could be embedded again",
                next_step="Build the index with its vectors: ragopt build RUN --out DIR --with-vectors",
            )
        return list(hits), np.asarray(index.embedder.embed_documents(texts), np.float32)
    vectors: dict[str, NDArray[np.float32]] = {}
    for found in _found(snapshot, [hit.id for hit in hits], (ID, VECTOR)):
        rows = found[VECTOR].combine_chunks().flatten().to_numpy().reshape(-1, dim)
        vectors |= dict(zip(found[ID].to_pylist(), rows, strict=True))
    left = [hit for hit in hits if hit.id in vectors]
    return left, np.array([vectors[hit.id] for hit in left], np.float32).reshape(-1, dim)


def _found(snapshot: Snapshot, ids: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    for where in id_filters(dict.fromkeys(ids), (ID,)):
        yield lines_where(snapshot.table, where, columns)
