"""Lists of ids per request while a log is read: the chunks that it read and the blocks of its prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.bill.workload_fields import MOST_TOKENS
from ragopt.cache.coded_log import Lists, Prompts
from ragopt.cache.coder import Coder, key_of
from ragopt.cache.column_file import ColumnFile
from ragopt.cache.row_values import bad_value, id_lists, is_id, is_nothing
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from ragopt.cache.chunk_file import ChunkSizes
    from ragopt.cache.log_fields import LogFields
    from ragopt.cache.row_batches import RowBatch


BLOCK_FORM = 'a text, an id, {"id": ..., "tokens": 0 or more}, or a list of them'
"""What a block of a prompt may be in a log."""


class ChunkColumn:
    """The chunks that each request read; a line may lack them.

    Args:
        field: of the log.
        sizes: of every chunk that exists; None where nobody says.
    """

    def __init__(self, field: str, sizes: ChunkSizes | None) -> None:
        self.field = field
        self.coder = Coder(keep=True)
        self.is_there = False
        self._sizes = sizes
        self._ends = _Ends()
        self._codes = ColumnFile(np.int32)

    def add(self, batch: RowBatch) -> None:
        """Read the next batch. Raises InputError with the line: no list of ids, or an id of no known chunk."""
        values = batch.columns[self.field]
        self.is_there |= values.count(None) < len(values)
        keys, counts = id_lists(batch, self.field)
        n_before = len(self.coder)
        self._codes.append(self.coder.encode(keys, np.repeat(np.asarray(batch.numbers, dtype=np.int64), counts)))
        self._ends.append(counts)
        if self._sizes is not None:
            unknown = next((key for key in self.coder.texts[n_before:] if key not in self._sizes.rows), None)
            if unknown is not None:
                row = int(np.searchsorted(np.cumsum(counts), keys.index(unknown), side="right"))
                raise InputError(
                    f"{batch.place(row)}: {self.field!r} holds {unknown!r}, which is no chunk of {self._sizes.source}",
                    allowed=f"the {len(self._sizes.rows):,} ids of that file",
                    next_step="Name the chunk file of this log with --chunks, or correct the line",
                )

    def finish(self) -> Lists | None:
        """The lists, or None where no line has the field."""
        if not self.is_there:
            return None
        return Lists(self._ends.finish(), self._codes.finish(), self.coder.names())

    def size_bytes(self) -> NDArray[np.int64] | None:
        """int64 (n_distinct,) by code, where sizes are known."""
        if self._sizes is None or not self.is_there:
            return None
        return self._sizes.size_bytes[[self._sizes.rows[name] for name in self.coder.texts]]


class PromptColumn:
    """The blocks of each request's prompt.

    Args:
        fields: of the log; those of `prompt` are its parts.
        sizes: of the chunks, whose part is then of known length.
        empty_history: keys of values that stand for no history, which are no block.
    """

    def __init__(self, fields: LogFields, sizes: ChunkSizes | None, empty_history: Collection[str]) -> None:
        self._fields = fields
        self._sizes = sizes
        self._empty_history = empty_history
        self._coder = Coder()
        self._ends = _Ends()
        self._codes, self._tokens = ColumnFile(np.int32), ColumnFile(np.int32)
        self._parts = ColumnFile(np.int32)
        self._n_tokens = 0
        self._n_shared = 0
        self._n_uncovered = 0

    def add(self, batch: RowBatch, tokens_in: NDArray[np.int64] | None) -> None:
        """Read the next batch.

        Args:
            batch: rows.
            tokens_in: int64 (n,) of each request, or None where the log does not say.

        Raises:
            InputError: a value that can be no block, blocks of known length that are longer than the whole prompt, or
                blocks of unknown length without `tokens_in`; with the line.
        """
        found = [self._part(batch, number, field) for number, field in enumerate(self._fields.prompt)]
        counts = np.stack([part_counts for _, _, part_counts in found], axis=1)
        n_parts = counts.shape[1]
        # Blocks stand request by request, and within a request part by part.
        first = np.concatenate(([0], np.cumsum(counts.ravel())))[:-1].reshape(counts.shape)
        n_blocks = int(counts.sum())
        codes, tokens = np.empty(n_blocks, dtype=np.int32), np.empty(n_blocks, dtype=np.int64)
        for number, (part_codes, part_tokens, part_counts) in enumerate(found):
            within = np.arange(len(part_codes)) - np.repeat(np.cumsum(part_counts) - part_counts, part_counts)
            where = np.repeat(first[:, number], part_counts) + within
            codes[where], tokens[where] = part_codes, part_tokens
        per_request = counts.sum(axis=1)
        self._codes.append(codes)
        self._parts.append(np.repeat(np.tile(np.arange(n_parts), len(counts)), counts.ravel()))
        self._tokens.append(self._shared_out(batch, tokens, per_request, tokens_in))
        self._ends.append(per_request)

    def warnings(self) -> tuple[str, ...]:
        """What the blocks leave out."""
        if not self._n_uncovered:
            return ()
        said = (
            f"{self._n_uncovered:,} requests have more tokens than the blocks of their prompt, all of known length: "
            "the rest is in no block and counts as never cached"
        )
        return (said,)

    def finish(self) -> Prompts:
        """The blocks of every request."""
        return Prompts(
            self._ends.finish(),
            self._codes.finish(),
            self._tokens.finish(),
            self._parts.finish(),
            self._fields.prompt,
            self._n_shared / self._n_tokens if self._n_tokens else 0.0,
            self._fields.block_tokens,
        )

    def _part(
        self, batch: RowBatch, number: int, field: str
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """One part of every row's prompt: codes, tokens (-1 where unknown), and how many blocks each row has."""
        nothing = self._empty_history if field == self._fields.history else ()
        keys, tokens, counts = _blocks_of(batch, field, nothing)
        lines = np.repeat(np.asarray(batch.numbers, dtype=np.int64), counts)
        # Parts never share a code: an id of one field and the same id of another are different texts.
        codes = self._coder.encode([f"{number}:{key}" for key in keys], lines)
        if field == self._fields.chunks and self._sizes is not None and self._sizes.tokens is not None:
            rows = np.fromiter((self._sizes.rows[key] for key in keys), dtype=np.int64, count=len(keys))
            return codes, np.where(tokens < 0, self._sizes.tokens[rows], tokens).astype(np.int64), counts
        return codes, tokens, counts

    def _shared_out(
        self,
        batch: RowBatch,
        tokens: NDArray[np.int64],
        per_request: NDArray[np.int64],
        tokens_in: NDArray[np.int64] | None,
    ) -> NDArray[np.int64]:
        """Give what a request's known blocks leave of its tokens to the others: whole numbers that add up."""
        unknown = tokens < 0
        starts = np.cumsum(per_request) - per_request
        request = np.repeat(np.arange(len(per_request)), per_request)
        n_unknown = _sums(unknown, starts, per_request)
        known = _sums(np.where(unknown, 0, tokens), starts, per_request)
        if tokens_in is None:
            if unknown.any():
                row = int(request[np.argmax(unknown)])
                raise InputError(
                    f"{batch.place(row)}: the prompt has blocks of unknown length, and the log has no "
                    f"{self._fields.tokens_in!r} to take it from",
                    next_step="Name the field with the prompt's tokens, give each block its own, or leave out --prompt",
                )
            tokens_in = known
        rest = tokens_in - known
        if (rest < 0).any():
            row = int(np.argmax(rest < 0))
            raise InputError(
                f"{batch.place(row)}: the blocks of its prompt have {known[row]:,} tokens, but "
                f"{self._fields.tokens_in!r} is {tokens_in[row]:,}",
                allowed="a prompt at least as long as its blocks",
                next_step="Correct the line or the chunk file, or take the chunks out of --prompt",
            )
        self._n_uncovered += int(((rest > 0) & (n_unknown == 0)).sum())
        before = np.concatenate(([0], np.cumsum(unknown)))
        rank = before[:-1] - np.repeat(before[starts], per_request)
        shared = _spread(rest[request], rank, n_unknown[request], self._fields.block_tokens)
        # One block of unknown length has exactly what is left: only several have to share it.
        self._n_shared += int(shared[unknown & (n_unknown[request] > 1)].sum())
        result = np.where(unknown, shared, tokens)
        self._n_tokens += int(result.sum())
        return result


def _spread(
    rest: NDArray[np.int64], rank: NDArray[np.int64], n_unknown: NDArray[np.int64], block_tokens: int | None
) -> NDArray[np.int64]:
    """Tokens of blocks of unknown length.

    Args:
        rest: int64 (n_blocks,), what the known blocks of each block's request leave.
        rank: how many unknown blocks of the request stand before it.
        n_unknown: how many the request has.
        block_tokens: of each, the last one taking what is left and none more than is left; None spreads evenly.
    """
    if block_tokens is None:
        each, more = np.divmod(rest, np.maximum(n_unknown, 1))
        return np.asarray(each + (rank < more), dtype=np.int64)
    left = np.maximum(rest - rank * block_tokens, 0)
    return np.asarray(np.where(rank == n_unknown - 1, left, np.minimum(left, block_tokens)), dtype=np.int64)


class _Ends:
    """Where each request's list starts, growing on disk."""

    def __init__(self) -> None:
        self._file = ColumnFile(np.int64)
        self._file.append([0])
        self._end = 0

    def append(self, counts: NDArray[np.int64]) -> None:
        ends = self._end + np.cumsum(counts)
        self._file.append(ends)
        self._end = int(ends[-1])

    def finish(self) -> NDArray[np.int64]:
        return self._file.finish()


def _sums(values: NDArray[Any], starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    before = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
    return np.asarray(before[starts + counts] - before[starts])


def _blocks_of(
    batch: RowBatch, field: str, nothing: Collection[str]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """One part of every row's prompt: keys and tokens (-1 where unknown) of its blocks, and how many each row has."""
    keys: list[str] = []
    tokens: list[int] = []
    counts = np.zeros(len(batch.numbers), dtype=np.int64)
    for row, value in enumerate(batch.columns[field]):
        if is_nothing(value) or (nothing and key_of(value) in nothing):
            continue
        n_before = len(keys)
        for one in value if isinstance(value, list) else (value,):
            name, length = _sized(batch, row, field, one) if isinstance(one, dict) and "tokens" in one else (one, -1)
            if not is_id(name) and not isinstance(name, (dict, list)):
                raise bad_value(batch, row, field, value, BLOCK_FORM)
            if not is_nothing(name):
                keys.append(key_of(name))
                tokens.append(length)
        counts[row] = len(keys) - n_before
    return keys, np.array(tokens, dtype=np.int64), counts


def _sized(batch: RowBatch, row: int, field: str, block: dict[str, Any]) -> tuple[Any, int]:
    """A block that says its own length, as ``{"id": ..., "tokens": ...}``."""
    length = block["tokens"]
    whole = isinstance(length, int) and not isinstance(length, bool) and 0 <= length <= MOST_TOKENS
    if not whole or set(block) != {"id", "tokens"}:
        raise bad_value(batch, row, field, block, BLOCK_FORM)
    return block["id"], length
