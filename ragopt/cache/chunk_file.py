"""The chunks of a corpus and how large each is."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.entry_bytes import BYTES_PER_TOKEN
from ragopt.cache.log_columns import MOST_TOKENS
from ragopt.cache.row_batches import RowBatch, read_batches
from ragopt.cache.row_values import bad_value, ids, is_nothing, whole_numbers
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ID_FIELDS = ("id", "chunk_id", "passage_id", "_id")
"""ragopt's and most exports' names, RAGPulse's, and BEIR's."""

TOKEN_FIELDS = ("tokens", "token_length", "n_tokens")

MOST_BYTES = 10**9
"""As `text_bytes_per_chunk` in `ragopt/bill/workload_fields.py`: a chunk of a gigabyte is a slip."""

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class ChunkSizes:
    """Every chunk of a corpus.

    Attributes:
        source: the file, as given.
        rows: chunk id to its row in the arrays.
        size_bytes: int64 (n,) of the payload.
        tokens: int32 (n,), or None where the file counts none: they are not guessed from bytes.
        from_tokens: whether bytes are `BYTES_PER_TOKEN` for each token, for want of anything better.
    """

    source: str
    rows: Mapping[str, int]
    size_bytes: NDArray[np.int64]
    tokens: NDArray[np.int32] | None
    from_tokens: bool


def read_chunk_sizes(path: Path, id_field: str = "") -> ChunkSizes:
    """Read a chunk file: JSONL or Parquet with an id and `bytes`, `text`, `tokens` or `token_length`.

    Bytes are those of `bytes`, else of the UTF-8 text, else four for each token.

    Args:
        path: of the file.
        id_field: its field with the id; empty for the first of `ID_FIELDS` that its first line has.

    Raises:
        InputError: a file that cannot be read or holds no chunk, no such field, a line without a size, a size that is
            negative, NaN, not whole or absurdly large, or an id that comes twice with different sizes; with the line.
    """
    rows: dict[str, int] = {}
    places: array[int] = array("q")
    sizes: array[int] = array("q")
    tokens: array[int] = array("i")
    from_tokens = False
    for batch in read_batches(path, _fields(id_field)):
        keys, batch_bytes, batch_tokens = _sizes_of(batch, id_field)
        for row, (key, size, n_tokens) in enumerate(
            zip(keys, batch_bytes.tolist(), batch_tokens.tolist(), strict=True)
        ):
            taken_from_tokens = size == UNKNOWN
            n_bytes = n_tokens * BYTES_PER_TOKEN if taken_from_tokens else size
            from_tokens |= taken_from_tokens
            first = rows.setdefault(key, len(rows))
            if first == len(sizes):
                sizes.append(n_bytes)
                tokens.append(n_tokens)
                places.append(batch.numbers[row])
            elif (sizes[first], tokens[first]) != (n_bytes, n_tokens):
                raise InputError(
                    f"{batch.place(row)}: the chunk {key!r} has another size than on {batch.unit} {places[first]}",
                    allowed="one size for each id",
                    next_step="Keep one of the two lines",
                )
    if not rows:
        raise InputError(f"{path} holds no chunks", next_step="Name another file with --chunks")
    counted = np.array(tokens, dtype=np.int32)
    known = None if (counted == UNKNOWN).any() else counted
    return ChunkSizes(str(path), rows, np.array(sizes, dtype=np.int64), known, from_tokens)


def _fields(id_field: str) -> tuple[str, ...]:
    return (*((id_field,) if id_field else ID_FIELDS), "bytes", "text", *TOKEN_FIELDS)


def _sizes_of(batch: RowBatch, id_field: str) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Ids, bytes and tokens of a batch, UNKNOWN where a row does not say."""
    field = id_field or next((name for name in ID_FIELDS if name in batch.found), "")
    if field not in batch.found:
        raise InputError(
            f"{batch.place(0)}: there is no field with the chunk's id",
            allowed=f"{', '.join(ID_FIELDS)}, or one of the fields found: {', '.join(map(repr, batch.found))}",
            next_step="Name it with --chunk-id-field",
        )
    empty = next((row for row, value in enumerate(batch.columns[field]) if is_nothing(value)), None)
    keys, rows = ids(batch, field)
    if empty is None and len(rows) < len(batch.numbers):
        empty = int(np.setdiff1d(np.arange(len(batch.numbers)), rows)[0])
    if empty is not None:
        raise bad_value(batch, empty, field, batch.columns[field][empty], "the id of a chunk")
    size, has_size = whole_numbers(batch, "bytes", MOST_BYTES)
    for row, text in enumerate(batch.columns["text"]):
        if text is not None and not has_size[row]:
            if not isinstance(text, str):
                raise bad_value(batch, row, "text", text, "the chunk's text")
            size[row], has_size[row] = len(text.encode(errors="surrogatepass")), True
    tokens, has_tokens = np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
    for name in TOKEN_FIELDS:
        found, has = whole_numbers(batch, name, MOST_TOKENS)
        tokens, has_tokens = np.where(has_tokens, tokens, found), has_tokens | has
    without = np.flatnonzero(~(has_size | has_tokens))
    if without.size:
        raise InputError(
            f"{batch.place(int(without[0]))}: the chunk {keys[int(without[0])]!r} has no size",
            allowed=f"a field bytes, text, {' or '.join(TOKEN_FIELDS)}",
            next_step="Write its size or its text",
        )
    return keys, np.where(has_size, size, UNKNOWN), np.where(has_tokens, tokens, UNKNOWN)
