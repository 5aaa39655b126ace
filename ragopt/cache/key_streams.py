"""What each cache is asked for, request by request, as codes: two requests share one where a cache may serve both."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.cache.coded_log import MISSING
from ragopt.cache.column_file import ColumnFile, blocks
from ragopt.cache.log_fields import option_of
from ragopt.cache.session_gaps import gaps_by_block
from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.coded_log import CodedLog

LOW_32_BITS = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class FirstTurns:
    """Which requests begin a conversation.

    Attributes:
        mask: bool (n_requests,).
        note: what they were told by, one sentence; empty where the log has histories.
    """

    mask: NDArray[np.bool_]
    note: str


@dataclass(frozen=True, slots=True)
class ChunkKeys:
    """What a chunk cache is asked for.

    Attributes:
        keys: int32 (n_reads,) from 0; request i reads those of ``log.chunks.starts[i]`` on.
        chunks: int32 (n_distinct,), by key: its code in ``log.chunks``, for its name and its bytes.
    """

    keys: NDArray[np.int32]
    chunks: NDArray[np.int32]


def combined(*columns: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give equal codes to equal tuples.

    Memory grows with the distinct tuples, not with the columns.

    Args:
        columns: one or more of int32 (n,), MISSING being a value like others.

    Returns:
        int32 (n,) in a file, from 0 in order of first appearance.
    """
    if len(columns) == 1:
        return _numbered(columns[0], None)
    result = columns[0]
    for column in columns[1:]:
        result = _numbered(result, column)
    return result


def _numbered(left: NDArray[np.int32], right: NDArray[np.int32] | None) -> NDArray[np.int32]:
    codes: defaultdict[int, int] = defaultdict()
    codes.default_factory = codes.__len__
    file = ColumnFile(np.int32)
    for block in blocks(len(left)):
        packed = np.asarray(left[block], dtype=np.int64)
        if right is not None:
            packed = (packed << 32) | (np.asarray(right[block], dtype=np.int64) & LOW_32_BITS)
        file.append(np.fromiter(map(codes.__getitem__, packed.tolist()), dtype=np.int32, count=len(packed)))
    return file.finish()


def embedding_keys(log: CodedLog) -> NDArray[np.int32]:
    """What a cache of query embeddings is asked for: the query alone, for a service has one embedder.

    Returns:
        int32 (n_requests,) from 0.
    """
    return log.queries


def result_keys(log: CodedLog) -> NDArray[np.int32]:
    """What a cache of search results is asked for: tenant, filter, k, index version, query, as far as they are there.

    Returns:
        int32 (n_requests,) from 0 in order of first appearance.
    """
    return combined(*asked_alike(log), log.queries)


def answer_keys(log: CodedLog) -> NDArray[np.int32]:
    """What an exact answer cache is asked for: the key of the results and the conversation before the query.

    Returns:
        int32 (n_requests,) from 0 in order of first appearance.
    """
    return combined(*asked_alike(log), *_present(log.histories), log.queries)


def chunk_keys(log: CodedLog) -> ChunkKeys:
    """What a chunk cache is asked for: chunk and index version, as far as the log has it.

    A chunk of another index version is another item. Tenants share one: a chunk that they may both read is the same.

    Raises:
        InputError: the log does not say which chunks were read.
    """
    if log.chunks is None:
        raise InputError(
            f"{log.source} does not say which chunks a request read",
            allowed="a field with a list of chunk ids",
            next_step=f"Name it with {option_of('chunks')}",
        )
    codes = log.chunks.codes
    if log.versions is None:
        return ChunkKeys(codes, np.arange(log.chunks.n_distinct, dtype=np.int32))
    per_read = ColumnFile(np.int32)
    for block in blocks(log.n_requests):
        counts = np.diff(log.chunks.starts[block.start : block.stop + 1])
        per_read.append(np.repeat(log.versions[block], counts))
    keys = combined(codes, per_read.finish())
    chunks = np.zeros(0, dtype=np.int32)
    for block in blocks(len(keys)):
        found, first = np.unique(keys[block], return_index=True)
        new = found >= len(chunks)
        chunks = np.concatenate((chunks, codes[block][first[new]]))
    return ChunkKeys(keys, chunks)


def first_turns(log: CodedLog) -> FirstTurns:
    """Tell which requests begin a conversation: those without a history, else the first of each session.

    Only these can be answered from a cache without regard to what was said before.
    """
    mask = np.ones(log.n_requests, dtype=bool)
    if log.histories is not None:
        for block in blocks(log.n_requests):
            mask[block] = log.histories[block] == MISSING
        return FirstTurns(mask, "")
    if log.sessions is not None:
        for block, gaps in gaps_by_block(log.sessions):
            mask[block] = gaps == 0
        return FirstTurns(mask, "The log has no histories: the first request of a session counts as its first turn")
    return FirstTurns(mask, "The log has neither histories nor sessions: every request counts as a first turn")


def asked_alike(log: CodedLog) -> tuple[NDArray[np.int32], ...]:
    """What must be equal beside the question before one search may be served another's results, as the log has it."""
    return _present(log.tenants, log.filters, log.ks, log.versions)


def _present(*columns: NDArray[Any] | None) -> tuple[NDArray[Any], ...]:
    return tuple(column for column in columns if column is not None)
