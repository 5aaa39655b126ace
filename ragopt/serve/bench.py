"""Measure how batch size trades latency for throughput on an opened index, and which size keeps a limit."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ragopt.errors import InputError
from ragopt.measure.quantiles import quantile_interval
from ragopt.serve.batcher import MAX_WAIT_MS, QueryBatcher, Searcher
from ragopt.serve.bench_records import ServeBench, ServeRow
from ragopt.serve.choose_batch import SPARE, choose_batch_size, is_undecided, seconds_needed
from ragopt.serve.timed_blocks import Block, Questions, time_callers, time_calls
from ragopt.sweep.workers import n_workers

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Doublings: throughput changes by shares, and 128 is past the bend of every model on a CPU that was tried."""

CONCURRENCY = 32
"""Callers at once: more than the cores of a common machine, so that questions queue."""

N_REPEATS = 6
"""The fewest whose least and largest hold their median with 95 %: 1 - 2 x 0.5^6 = 97 % (`quantile_interval`)."""

MOST_LONGER = 10
"""Times the seconds that a size is measured on for an upper end of its p99: a minute each by default."""

Progress = Callable[[int, int], None]
Job = tuple[Literal["calls", "callers"], int | None]
"""Who asks, and the batch size; None for callers without a batcher."""


def bench_serve(  # noqa: PLR0913 - what to measure, how long, and against which limit
    searcher: Searcher,
    questions: Sequence[str],
    *,
    k: int = 5,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    concurrency: int = CONCURRENCY,
    seconds: float = 6.0,
    p99_limit_ms: float | None = None,
    max_wait_ms: float = MAX_WAIT_MS,
    seed: int = 0,
    progress: Progress | None = None,
) -> ServeBench:
    """Measure calls of growing batch size, then the same sizes through a `QueryBatcher` with many callers.

    Each size gets `seconds`, in six blocks that take turns with those of the other sizes, so that a slow minute of the
    machine does not hit one size alone. Each block's first call, or the first of each caller, warms up untimed.

    Callers are a closed loop: each asks again once it has its answer. Sizes above `concurrency` are left out there: a
    batch never holds more questions than there are callers.

    Args:
        searcher: an opened index; safe for threads.
        questions: different ones; they are asked in a shuffled order, each again only when all have been.
        k: passages per question.
        batch_sizes: questions of a call.
        concurrency: callers at once.
        seconds: of measuring per batch size, in each of the two measurements and without a batcher.
        p99_limit_ms: most milliseconds from question to answer that the recommended size may take at p99. Sizes with
            too few answers for an upper end of p99 are measured on until they have one, `MOST_LONGER` times the seconds
            at most, and not at all where that would not do.
        max_wait_ms: of the batcher.
        seed: of the shuffle, and of the order of the sizes.
        progress: told after every block: done and all; there are more of these when sizes are measured on.

    Raises:
        InputError: no question, an empty batch, no caller, no time, a limit of nothing.
        Exception: the first error of a search.

    Source: docs/method-measure.md#serving.
    """
    texts, sizes = list(dict.fromkeys(questions)), sorted(set(batch_sizes))
    _check(texts, sizes, concurrency, seconds, p99_limit_ms)
    random.Random(seed).shuffle(texts)  # noqa: S311 - an order of questions, no secret
    bench = _Bench(searcher, texts, k, concurrency, seconds / N_REPEATS, max_wait_ms)
    looped = [size for size in sizes if size <= concurrency] or [concurrency]
    jobs: list[Job] = [("calls", size) for size in sizes]
    jobs += [("callers", size) for size in (*looped, None)]
    supplies = {job: Questions(texts) for job in jobs}
    order = random.Random(seed)  # noqa: S311 - as above
    blocks = bench.run([job for _ in range(N_REPEATS) for job in order.sample(jobs, len(jobs))], supplies, progress)
    longer = _longer([("callers", size) for size in looped], blocks, concurrency, p99_limit_ms)
    for job, more in bench.run(longer, supplies, progress, n_before=N_REPEATS * len(jobs)).items():
        blocks[job] += more
    calls = tuple(_row(size, blocks["calls", size], 1) for size in sizes)
    callers = tuple(_row(size, blocks["callers", size], concurrency) for size in looped)
    unbatched = _row(None, blocks["callers", None], concurrency)
    recommended, reason = choose_batch_size(callers, unbatched, p99_limit_ms)
    asked = max(sum(block.n_asked for block in found) for found in blocks.values())
    most_repeats = -(-asked // len(texts))
    return ServeBench(
        calls, callers, unbatched, k, concurrency, max_wait_ms, p99_limit_ms, len(texts), most_repeats,
        n_workers(), seed, recommended, reason, _warnings(most_repeats, len(texts), sizes),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all blocks of one measurement have in common."""

    searcher: Searcher
    texts: Sequence[str]
    k: int
    concurrency: int
    block_seconds: float
    max_wait_ms: float

    def run(
        self, jobs: Sequence[Job], supplies: Mapping[Job, Questions], progress: Progress | None, *, n_before: int = 0
    ) -> dict[Job, list[Block]]:
        """Measure a block of each job in the order given, and tell how many of all are done."""
        found: dict[Job, list[Block]] = {job: [] for job in jobs}
        for number, job in enumerate(jobs, start=1):
            found[job].append(self._block(job, supplies[job]))
            if progress:
                progress(n_before + number, n_before + len(jobs))
        return found

    def _block(self, job: Job, supply: Questions) -> Block:
        kind, size = job
        if kind == "calls" and size is not None:
            return time_calls(self._search, supply, size, self.block_seconds)
        if size is None:
            return time_callers(lambda text: self._search([text]), supply, self.concurrency, self.block_seconds)
        with QueryBatcher(
            self.searcher,
            max_queries=size,
            max_wait_ms=self.max_wait_ms,
            max_pending=max(size, self.concurrency),
        ) as batcher:
            block = time_callers(
                lambda text: batcher.search(text, k=self.k), supply, self.concurrency, self.block_seconds
            )
            return replace(block, n_calls=batcher.counts().n_calls)

    def _search(self, texts: list[str]) -> Any:
        return self.searcher.search(texts, k=self.k)


def _longer(
    jobs: Sequence[Job], blocks: Mapping[Job, Sequence[Block]], concurrency: int, p99_limit_ms: float | None
) -> list[Job]:
    """Blocks to measure besides, taking turns, of the sizes whose p99 may be within the limit but has no upper end.

    As many as their throughput asks for: how many there are does not depend on how the measured latencies lie.
    """
    left: dict[Job, int] = {}
    for job in jobs:
        row = _row(job[1], blocks[job], concurrency)
        times = seconds_needed(row) / row.seconds
        if is_undecided(row, p99_limit_ms) and times <= MOST_LONGER:
            n_blocks = min(math.ceil(N_REPEATS * times * SPARE), N_REPEATS * MOST_LONGER)
            left[job] = n_blocks - N_REPEATS
    rounds = range(max(left.values(), default=0))
    return [job for number in rounds for job, n_more in left.items() if number < n_more]


def _row(size: int | None, blocks: Sequence[Block], n_together: int) -> ServeRow:
    """Percentiles over all blocks, the median of the blocks' throughputs.

    Args:
        size: of the batches.
        blocks: one a repeat.
        n_together: latencies that rise and fall together, because a slow search holds up every caller.
    """
    latencies_ms = [ms for block in blocks for ms in block.latencies_ms]
    n_rounds = max(len(latencies_ms) // n_together, 1)
    p50, p95, p99 = (quantile_interval(latencies_ms, share, n_independent=n_rounds) for share in (0.5, 0.95, 0.99))
    rate = quantile_interval([block.n_answered / block.seconds for block in blocks], 0.5)
    per_call = sum(block.n_asked for block in blocks) / sum(block.n_calls for block in blocks)
    return ServeRow(size, p50, p95, p99, rate, per_call, sum(block.seconds for block in blocks))


def _warnings(most_repeats: int, n_distinct: int, sizes: Sequence[int]) -> tuple[str, ...]:
    found = []
    if most_repeats > 1:
        found.append(
            f"The {n_distinct:,} questions were asked up to {most_repeats:,} times at one batch size: if anything "
            "caches questions or their vectors, these figures flatter."
        )
    if sizes[-1] > n_distinct:
        found.append(f"Batches of more than {n_distinct:,} held the same question more than once.")
    return tuple(found)


def _check(
    texts: Sequence[str], sizes: Sequence[int], concurrency: int, seconds: float, p99_limit_ms: float | None
) -> None:
    checks = (
        (bool(texts), "There is no question to ask", "at least one", "Name a file of them with --queries"),
        (bool(sizes) and sizes[0] >= 1, f"The batch sizes are {list(sizes)}", "whole numbers from 1", "Use 1, 8, 32"),
        (concurrency >= 1, f"The concurrency is {concurrency}", "1 or more", "Use the callers that you expect at once"),
        (0 < seconds < math.inf, f"The time to measure is {seconds} s", "more than 0", "Use 6 seconds a batch size"),
        (p99_limit_ms is None or p99_limit_ms > 0, f"The limit of p99 is {p99_limit_ms} ms", "more than 0", "Use 50"),
    )
    for fine, failed, allowed, next_step in checks:
        if not fine:
            raise InputError(failed, allowed=allowed, next_step=next_step)
