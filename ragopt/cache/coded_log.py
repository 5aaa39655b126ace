"""A query log in columns of integers: what every replay reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MISSING = -1
"""Code of a value that a line does not have."""


@dataclass(frozen=True, slots=True)
class Lists:
    """A list of codes per request, one after the other.

    Attributes:
        starts: int64 (n_requests + 1,): request i has ``codes[starts[i]:starts[i + 1]]``.
        codes: int32 (n,) from 0, each below `n_distinct`.
        names: by code, what stands in the log.
    """

    starts: NDArray[np.int64]
    codes: NDArray[np.int32]
    names: Sequence[str]

    @property
    def n_distinct(self) -> int:
        """How many different ones there are."""
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Prompts:
    """The blocks of each request's prompt, in the order in which they are sent.

    Attributes:
        starts: int64 (n_requests + 1,).
        codes: int32 (n,): blocks of one code hold the same text.
        tokens: int32 (n,): tokens of each block.
        parts: int32 (n,): which of `part_names` the block belongs to.
        part_names: fields of the log, in prompt order: instructions, chunks, history, question for example.
        shared_out: share of all tokens in blocks whose length is a guess: what the known blocks of a request leave,
            where several others have to share it.
        block_tokens: that each of them was taken to have, the last one what was left; None spread the rest evenly.
    """

    starts: NDArray[np.int64]
    codes: NDArray[np.int32]
    tokens: NDArray[np.int32]
    parts: NDArray[np.int32]
    part_names: tuple[str, ...]
    shared_out: float
    block_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class CodedLog:
    """A query log, in order of time where it has any; equal codes are equal values. Arrays may lie in a file.

    Attributes:
        source: the log's name, as given.
        times_s: float64 (n_requests,) seconds, never falling; None where the log has no time.
        queries: int32 (n_requests,): the query's text or hash.
        sessions, tenants, versions, filters, ks, histories: int32 (n_requests,), MISSING where a line has none; None
            where the log has no such field. `versions` are of the index; `histories` of the conversation before the
            query, an empty one being MISSING.
        chunks: what each request read; None where the log has no such field.
        chunk_bytes: int64 (chunks.n_distinct,) payload of each; None where it is not known.
        chunk_field: name of the field that they stand in.
        n_corpus_chunks: chunks of the corpus, read or not; None where nobody said.
        tokens_in, tokens_out: int32 (n_requests,) of the language model; None where the log has no such field.
        prompts: None where the log does not say what its prompts were made of.
        query_texts: by code of `queries`, the text; None unless it was asked for.
        warnings: what a reader of any figure has to know, one sentence each: sorted, too short, one key dominates.
        insufficient: why the log is too small for a recommendation; empty where it is not.
        refused: why a replay of this log would mislead (sampled or shuffled); empty where it would not.
    """

    source: str
    times_s: NDArray[np.float64] | None
    queries: NDArray[np.int32]
    sessions: NDArray[np.int32] | None = None
    tenants: NDArray[np.int32] | None = None
    versions: NDArray[np.int32] | None = None
    filters: NDArray[np.int32] | None = None
    ks: NDArray[np.int32] | None = None
    histories: NDArray[np.int32] | None = None
    chunks: Lists | None = None
    chunk_bytes: NDArray[np.int64] | None = None
    chunk_field: str = ""
    n_corpus_chunks: int | None = None
    tokens_in: NDArray[np.int32] | None = None
    tokens_out: NDArray[np.int32] | None = None
    prompts: Prompts | None = None
    query_texts: Sequence[str] | None = None
    warnings: tuple[str, ...] = ()
    insufficient: str = ""
    refused: str = ""

    @property
    def n_requests(self) -> int:
        """How many requests it holds."""
        return len(self.queries)
