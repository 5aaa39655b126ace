"""A query log from a file, in columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.cache.chunk_file import ChunkSizes, read_chunk_sizes
from ragopt.cache.coded_log import MISSING, CodedLog
from ragopt.cache.coder import Coder, key_of
from ragopt.cache.entry_bytes import BYTES_PER_TOKEN
from ragopt.cache.log_checks import MOST_REPEATED, check_gap, check_order, dominant, n_repeated, too_small
from ragopt.cache.log_columns import CountColumn, KeyColumn, TimeColumn
from ragopt.cache.log_fields import ROLES, LogFields, option_of
from ragopt.cache.log_lists import ChunkColumn, PromptColumn
from ragopt.cache.log_order import in_order
from ragopt.cache.log_times import NO_TIME
from ragopt.cache.row_batches import read_batches
from ragopt.cache.row_values import ids, structures
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.cache.row_batches import RowBatch


def read_log(
    path: str | Path,
    fields: LogFields,
    *,
    chunks: str | Path | None = None,
    keep_texts: bool = False,
    named: Collection[str] = frozenset(),
    sampled_by_key: bool = False,
) -> CodedLog:
    """Read a query log and check that it can be replayed.

    Memory grows with the distinct queries, sessions, chunks and so on, not with the log, whose columns lie in files
    without a name; sorting a log whose lines are not in order of time takes 16 bytes for each request on top.

    Queries are compared exactly, as a cache would: ``"Hi"``, ``"hi"`` and ``"hi "`` are three. A whole number and the
    text of its digits are one value. A history or a filter that is a list or an object is compared as a whole.

    Args:
        path: `.jsonl`, `.jsonl.gz` or `.parquet`; blank lines are skipped. Times are numbers (seconds since 1970 or
            since the log's start; milliseconds, microseconds and nanoseconds since 1970 are told by their size), ISO
            8601 texts or Parquet timestamps and dates. An empty text, list or object and null are no value.
        fields: which field is what.
        chunks: file of every chunk and its size; see `read_chunk_sizes`.
        keep_texts: keep the text of every distinct query.
        named: roles (`ROLES`) whose field the user named, so that it must exist.
        sampled_by_key: the log holds all requests of some keys; see `check_order`.

    Returns:
        The log in order of time, with `warnings`, `insufficient` and `refused` filled.

    Raises:
        InputError: a file that cannot be read or has no requests, a query that is missing, a value of the wrong kind,
            a time that some lines lack, a chunk that the chunk file does not have, a named field that no line has;
            with the file and the line (Parquet: the row, from 0).
        StorageError: no room for the columns.
    """
    sizes = None if chunks is None else read_chunk_sizes(Path(chunks), fields.chunk_file_id)
    reading = _Reading(fields, sizes, keep_texts=keep_texts)
    for batch in read_batches(Path(path), fields.read()):
        reading.add(batch)
    log = reading.finish(str(path), named)
    return _checked(log, reading, sampled_by_key=sampled_by_key)


class _Reading:
    """A log while it is read."""

    def __init__(self, fields: LogFields, sizes: ChunkSizes | None, *, keep_texts: bool) -> None:
        nothing = {key_of(value) for value in fields.empty_history}
        self.fields = fields
        self.unit = "line"
        self.found: tuple[str, ...] = ()
        self._sizes = sizes
        self.queries = KeyColumn(fields.query, partial(ids, required=True), Coder(keep=keep_texts))
        self.histories = KeyColumn(fields.history, partial(structures, nothing=nothing))
        self.sessions, self.tenants = KeyColumn(fields.session, ids), KeyColumn(fields.tenant, ids)
        self.versions = KeyColumn(fields.index_version, structures)
        self.filters = KeyColumn(fields.filter, structures)
        self.ks = KeyColumn(fields.k, ids)
        self.times = TimeColumn(fields.time)
        self.tokens_in, self.tokens_out = CountColumn(fields.tokens_in), CountColumn(fields.tokens_out)
        self.chunks = ChunkColumn(fields.chunks, sizes)
        self.prompts = PromptColumn(fields, sizes, nothing) if fields.prompt else None
        self._keep_texts = keep_texts
        self._absent = set(fields.read())
        self._unmatched = set(nothing)

    def add(self, batch: RowBatch) -> None:
        self.unit = batch.unit
        self.found = self.found or tuple(batch.found)
        self._absent -= {name for name in self._absent if batch.columns[name].count(None) < len(batch.numbers)}
        if self._unmatched and self.fields.history in batch.columns:
            self._unmatched -= {key_of(value) for value in batch.columns[self.fields.history] if value is not None}
        for keys in (self.queries, self.histories, self.sessions, self.tenants, self.versions, self.filters, self.ks):
            keys.add(batch)
        self.times.add(batch)
        self.chunks.add(batch)
        self.tokens_out.add(batch)
        tokens_in = self.tokens_in.add(batch)
        if self.prompts is not None:
            self.prompts.add(batch, tokens_in)

    def finish(self, source: str, named: Collection[str]) -> CodedLog:
        queries = self.queries.finish()
        if queries is None:
            raise InputError(f"{source} holds no requests", next_step="Name another log")
        self._check_named(source, named)
        return CodedLog(
            source=source,
            times_s=self.times.finish(),
            queries=queries,
            histories=self.histories.finish(is_there=self.fields.history not in self._absent),
            sessions=self.sessions.finish(),
            tenants=self.tenants.finish(),
            versions=self.versions.finish(),
            filters=self.filters.finish(),
            ks=self.ks.finish(),
            chunks=self.chunks.finish(),
            chunk_bytes=self.chunks.size_bytes(),
            chunk_field=self.fields.chunks,
            n_corpus_chunks=None if self._sizes is None else len(self._sizes.rows),
            tokens_in=self.tokens_in.finish(),
            tokens_out=self.tokens_out.finish(),
            prompts=None if self.prompts is None else self.prompts.finish(),
            query_texts=self.queries.coder.texts if self._keep_texts else None,
        )

    def _check_named(self, source: str, named: Collection[str]) -> None:
        """Refuse fields that the user named and no line has; those of the prompt are always named."""
        wanted = {
            option_of(role): self.fields.by_role()[role]
            for role in ROLES
            if role in named and self.fields.by_role()[role]
        }
        wanted |= {f"--prompt ({field})": field for field in self.fields.prompt}
        for option, field in wanted.items():
            if field in self._absent:
                raise InputError(
                    f"No {self.unit} of {source} has a field {field!r}",
                    allowed=f"the fields of its first {self.unit}: {', '.join(map(repr, self.found))}",
                    next_step=f"Correct {option}",
                )

    def unmatched(self) -> tuple[str, ...]:
        """What was named as an empty history and stands in no line."""
        return tuple(f"No history is {key!r}, which --empty-history names" for key in sorted(self._unmatched))

    def warnings(self) -> tuple[str, ...]:
        late = self.times.n_late
        said = [
            *((f"{late:,} {self.unit}s were not in order of time: the log was sorted",) if late else ()),
            *self.times.warnings(),
            *(self.prompts.warnings() if self.prompts is not None else ()),
        ]
        if self._sizes is not None and self._sizes.from_tokens:
            said.append(
                f"{self._sizes.source} gives tokens, not bytes: {BYTES_PER_TOKEN} bytes of text were taken for each"
            )
        return tuple(said)


def _checked(log: CodedLog, reading: _Reading, *, sampled_by_key: bool) -> CodedLog:
    """Sort the log where it must be, and say what its figures are worth."""
    if reading.times.n_late:
        log = in_order(log)
    if log.times_s is not None:
        check_gap(log.times_s, reading.times.first, reading.times.last)
    order = check_order(log.sessions, log.histories, sampled_by_key=sampled_by_key)
    warnings = [*reading.warnings(), *order.warnings]
    if log.times_s is None:
        warnings.insert(0, NO_TIME)
    if (repeated := n_repeated(log)) > MOST_REPEATED * log.n_requests:
        warnings.append(
            f"{repeated:,} of {log.n_requests:,} requests repeat the one before in time, query and session: a log that "
            "holds lines twice shows hits that no user made"
        )
    warnings.extend(reading.unmatched())
    if order.marker != MISSING:
        shown = reading.histories.coder.describe(order.marker, reading.unit)
        warnings.append(
            f"The history {shown} comes in many requests of many sessions: if it stands for an empty one, name it with "
            "--empty-history. Until then that no requests were left out of the log cannot be tested"
        )
    if (top := dominant(log.queries)) is not None:
        shown = reading.queries.coder.describe(top[0], reading.unit)
        warnings.append(f"The query {shown} is {top[1]:.1%} of all requests: a bot or a health check decides the hits")
    if log.chunks is not None and (top := dominant(log.chunks.codes)) is not None:
        shown = repr(log.chunks.names[top[0]])
        warnings.append(f"The chunk {shown} is {top[1]:.1%} of all reads: a bot or a default answer decides the hits")
    return replace(
        log,
        warnings=tuple(warnings),
        insufficient=too_small(log.times_s, log.n_requests),
        refused=order.refused,
    )
