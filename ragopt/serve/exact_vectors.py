"""The folder's vectors as the model gave them, wherever the folder has them: for exact neighbours of new queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ragopt.corpus.chunks import embed_text
from ragopt.embed.stored_rows import stored_rows
from ragopt.errors import IndexFormatError
from ragopt.index.factory import parse_factory
from ragopt.index.inner import refined_parts
from ragopt.serve.hits import row_ids_of
from ragopt.serve.table import ROW, ROWID, TEXT, TITLE, VECTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ragopt.embed.embedder import Embedder
    from ragopt.serve.manifest import Manifest
    from ragopt.serve.snapshot import Snapshot

BLOCK_ROWS = 4_096
"""Vectors read at once: 25 MB at 1,536 dimensions."""


ExactPart = Literal["codes", "float32 tier", "16-bit tier"]

TIERS: dict[str, ExactPart] = {"Flat": "float32 tier", "SQfp16": "16-bit tier"}
"""Rescoring tiers, by factory, that are the vectors or near enough: docs/method-check.md#drift-of-queries."""

SOURCES: dict[ExactPart, str] = {
    "codes": "the float32 codes of the index",
    "float32 tier": "the float32 rescoring tier of the index",
    "16-bit tier": "the 16-bit rescoring tier of the index, each component within 2^-11 of itself",
}
"""2^-11 is half a unit in the last place of IEEE 754 half precision; components below 2^-14 are within 2^-25."""


class ReadRows(Protocol):
    """Reads the full-dimension vectors of some rows."""

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Float32 (len(rows), full dimension), in the order of `rows`."""


@dataclass(frozen=True, slots=True)
class ExactVectors:
    """The vectors of all rows that are not deleted, numbered anew from 0 in their order.

    Attributes:
        rows: int64 (n,) rows of the index, ascending.
        read: of rows of the index.
        source: where the vectors come from, in words.
    """

    rows: NDArray[np.int64]
    read: ReadRows
    source: str

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """First number and vectors, a block at a time."""
        for first in range(0, len(self.rows), BLOCK_ROWS):
            yield first, self.read(self.rows[first : first + BLOCK_ROWS])

    def gather(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors by number."""
        parts = [numbers[first : first + BLOCK_ROWS] for first in range(0, len(numbers), BLOCK_ROWS)]
        return np.concatenate([self.read(self.rows[part]) for part in parts])

    def numbers_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of rows that were found; below 0 stays below 0."""
        return np.where(rows < 0, -1, np.searchsorted(self.rows, rows))


def exact_vectors(snapshot: Snapshot, embedder: Embedder | None) -> ExactVectors | None:
    """Find exact vectors: in the table, in the index where a part of it holds them, or by embedding texts again.

    Args:
        snapshot: of the folder.
        embedder: embeds the table's texts where the folder keeps no float32 vectors; None does not.

    Returns:
        None where only codes are kept and nothing is embedded: `has_exact_vectors` says so before anything is opened.
    """
    rows = np.arange(snapshot.manifest.n_rows) if snapshot.alive is None else np.flatnonzero(snapshot.alive)
    if snapshot.manifest.with_vectors:
        return ExactVectors(rows, lambda some: _of_table(snapshot, some), "the vectors that the table keeps")
    part = exact_part(snapshot.manifest)
    if part is not None and (part != "16-bit tier" or embedder is None):
        return ExactVectors(rows, lambda some: _of_index(snapshot, some, part), SOURCES[part])
    if embedder is None:
        return None
    source = "the texts of the table, embedded again"
    return ExactVectors(rows, lambda some: _embedded(snapshot, some, embedder), source)


def has_exact_vectors(manifest: Manifest) -> bool:
    """Whether a folder holds vectors that exact neighbours can be found by, without embedding its texts again."""
    return manifest.with_vectors or exact_part(manifest) is not None


def exact_part(manifest: Manifest) -> ExactPart | None:
    """Which part of a FAISS index holds the model's own vectors, in float32 or in half precision; None for none.

    Not through a reduced space; codes not through a transform (a rescoring tier stands before it), nor in inverted
    lists, where FAISS finds no vector by its number.
    """
    trial = manifest.parsed_trial
    if manifest.engine != "faiss" or trial.space.reduction != "none":
        return None
    factory = parse_factory(trial.factory, trial.space.dim)
    if factory.refine is not None and factory.refine.text in TIERS:
        return TIERS[factory.refine.text]
    plain = factory.transform is None and not factory.nlist
    return "codes" if plain and factory.codec.family == "Flat" else None


def _of_index(snapshot: Snapshot, rows: NDArray[np.int64], where: ExactPart) -> NDArray[np.float32]:
    vectors = np.empty((len(rows), snapshot.manifest.full_dim), np.float32)
    for part in snapshot.parts:
        own = (rows >= part.first_row) & (rows < part.first_row + part.n_rows)
        if own.any():
            codes, tier = refined_parts(part.index)
            index: Any = codes if where == "codes" else tier
            vectors[own] = index.reconstruct_batch(rows[own] - part.first_row)
    return vectors


def _of_table(snapshot: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    found = _first_lines(snapshot, rows, [VECTOR])
    flat = found[VECTOR].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors: NDArray[np.float32] = np.asarray(flat, np.float32).reshape(len(found), -1)
    return _ordered(found, rows, vectors)


def _embedded(snapshot: Snapshot, rows: NDArray[np.int64], embedder: Embedder) -> NDArray[np.float32]:
    found = _first_lines(snapshot, rows, [TITLE, TEXT])
    texts = [embed_text(title, text) for title, text in zip(found[TITLE].to_pylist(), found[TEXT].to_pylist(),
                                                            strict=True)]  # fmt: skip
    given = embedder.embed_documents(texts)
    vectors = stored_rows(given, snapshot.manifest.metric, describe=lambda line: f"the chunk {texts[line][:60]!r}")
    return _ordered(found, rows, vectors)


def _first_lines(snapshot: Snapshot, rows: NDArray[np.int64], columns: list[str]) -> Any:
    """One line of the table for each row: lines of equal text have equal vectors."""
    pairs = row_ids_of(snapshot, rows)
    first = np.unique(pairs[:, 0], return_index=True)[1]
    return snapshot.table.take_row_ids(pairs[first, 1].tolist()).select([ROW, *columns]).with_row_id().to_arrow()


def _ordered(found: Any, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of lines in the order of the rows that were asked for."""
    have = found[ROW].to_numpy()
    order = np.argsort(have)
    places = np.searchsorted(have[order], rows)
    if len(have) != len(np.unique(rows)) or not np.array_equal(have[order][np.minimum(places, len(have) - 1)], rows):
        raise IndexFormatError(
            f"The table has lines of {len(have):,} of {len(rows):,} rows ({ROWID})",
            next_step="Restore the folder from a copy, or build the index again",
        )
    return vectors[order[places]]
