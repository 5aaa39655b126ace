"""A log whose lines are not in order of time, put in order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.cache.column_file import ColumnFile, blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.coded_log import CodedLog, Lists, Prompts

REQUEST_COLUMNS = (
    "times_s", "queries", "sessions", "tenants", "versions", "filters", "ks", "histories", "tokens_in", "tokens_out",
)  # fmt: skip


def in_order(log: CodedLog) -> CodedLog:
    """Sort a log by time; requests of one time keep the order of their lines.

    The order itself is held in memory: 16 bytes for each request while it sorts.

    Args:
        log: with times.
    """
    if log.times_s is None:
        return log
    order = np.argsort(log.times_s, kind="stable")
    columns: dict[str, Any] = {
        name: _taken(column, order) for name in REQUEST_COLUMNS if (column := getattr(log, name)) is not None
    }
    chunks = None if log.chunks is None else _lists_taken(log.chunks, order)
    prompts = None if log.prompts is None else _prompts_taken(log.prompts, order)
    return replace(log, **columns, chunks=chunks, prompts=prompts)


def _taken(column: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
    file = ColumnFile(column.dtype)
    for block in blocks(len(order)):
        file.append(column[order[block]])
    return file.finish()


def _lists_taken(lists: Lists, order: NDArray[np.intp]) -> Lists:
    starts, (codes,) = _runs_taken(lists.starts, (lists.codes,), order)
    return replace(lists, starts=starts, codes=codes)


def _prompts_taken(prompts: Prompts, order: NDArray[np.intp]) -> Prompts:
    starts, (codes, tokens, parts) = _runs_taken(prompts.starts, (prompts.codes, prompts.tokens, prompts.parts), order)
    return replace(prompts, starts=starts, codes=codes, tokens=tokens, parts=parts)


def _runs_taken(
    starts: NDArray[np.int64], columns: tuple[NDArray[Any], ...], order: NDArray[np.intp]
) -> tuple[NDArray[np.int64], tuple[NDArray[Any], ...]]:
    """Move whole lists: each request's run of every column."""
    new_starts = ColumnFile(np.int64)
    new_starts.append([0])
    files = tuple(ColumnFile(column.dtype) for column in columns)
    end = 0
    for block in blocks(len(order)):
        first = starts[order[block]]
        counts = starts[order[block] + 1] - first
        ends = np.cumsum(counts)
        rows = np.repeat(first - (ends - counts), counts) + np.arange(int(ends[-1]))
        for file, column in zip(files, columns, strict=True):
            file.append(column[rows])
        new_starts.append(end + ends)
        end += int(ends[-1])
    return new_starts.finish(), tuple(file.finish() for file in files)
