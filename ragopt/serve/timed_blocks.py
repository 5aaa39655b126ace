"""One block of timed searches: by one caller with full batches, or by many callers with a question each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from threading import Barrier, BrokenBarrierError
from typing import Any

from ragopt.errors import InputError

ANSWER_SECONDS = 60.0
"""Longest wait for the first answers of all callers; a service that needs longer cannot be measured in blocks."""


@dataclass(frozen=True, slots=True)
class Block:
    """What one block measured.

    Attributes:
        latencies_ms: one a call, or one a question where many callers ask.
        n_answered: questions answered within `seconds`.
        seconds: that count.
        n_asked: questions used up, those that warmed up among them.
        n_calls: searches that answered those.
    """

    latencies_ms: list[float]
    n_answered: int
    seconds: float
    n_asked: int
    n_calls: int


class Questions:
    """An endless supply that goes round a shuffled list, so that equal questions are as far apart as can be."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts, self._next = texts, count()

    def one(self) -> str:
        """The next question; safe for threads, because a count advances in one step."""
        return self._texts[next(self._next) % len(self._texts)]

    def many(self, n: int) -> list[str]:
        """The next n questions."""
        return [self.one() for _ in range(n)]


def time_calls(search: Callable[[list[str]], Any], supply: Questions, batch_size: int, seconds: float) -> Block:
    """Search batches one after another until the time is over; the first, untimed, warms up.

    Args:
        search: answers a list of questions.
        supply: of the questions.
        batch_size: questions of each call.
        seconds: of timed calls; the last one may end later, and counts.
    """
    search(supply.many(batch_size))
    latencies_ms: list[float] = []
    spent_ms = 0.0
    while spent_ms < seconds * 1e3:
        batch = supply.many(batch_size)
        began = time.perf_counter_ns()
        search(batch)
        latencies_ms.append((time.perf_counter_ns() - began) / 1e6)
        spent_ms += latencies_ms[-1]
    n_answered = batch_size * len(latencies_ms)
    return Block(latencies_ms, n_answered, spent_ms / 1e3, n_answered + batch_size, len(latencies_ms) + 1)


def time_callers(ask: Callable[[str], Any], supply: Questions, concurrency: int, seconds: float) -> Block:
    """Let callers ask one question after another at the same time (a closed loop); the first of each warms up.

    The time that counts begins when every caller has its first answer. A latency counts if its question was asked in
    that time, also when the answer came later: leaving the slow ones out would flatter. An answer counts for the
    throughput if it came in that time.

    Args:
        ask: answers one question; safe for threads.
        supply: of the questions.
        concurrency: callers.
        seconds: that count.

    Raises:
        InputError: the first answers took more than a minute, or none came in the time that counts.
        Exception: the first error of a search.
    """
    begun: list[int] = []
    # The action runs once, when the last caller arrives: all of them share its clock.
    barrier = Barrier(concurrency, action=lambda: begun.append(time.perf_counter_ns()), timeout=ANSWER_SECONDS)
    spans = _spans_of_callers(ask, supply, barrier, begun, seconds)
    end = begun[0] + int(seconds * 1e9)
    latencies_ms = [(answered - asked) / 1e6 for asked, answered in spans]
    n_answered = sum(answered <= end for _, answered in spans)
    if not n_answered:
        raise InputError(
            f"No answer came within {seconds:g} s to {concurrency} callers", next_step="Measure for more seconds"
        )
    n_asked = len(spans) + concurrency
    return Block(latencies_ms, n_answered, seconds, n_asked, n_calls=n_asked)


def _spans_of_callers(
    ask: Callable[[str], Any], supply: Questions, barrier: Barrier, begun: list[int], seconds: float
) -> list[tuple[int, int]]:
    """When each question was asked and answered, in nanoseconds."""

    def call() -> list[tuple[int, int]]:
        try:
            ask(supply.one())
        except BaseException:
            # The others would wait for this one.
            barrier.abort()
            raise
        barrier.wait()
        end, spans = begun[0] + int(seconds * 1e9), []
        while (asked := time.perf_counter_ns()) < end:
            ask(supply.one())
            spans.append((asked, time.perf_counter_ns()))
        return spans

    with ThreadPoolExecutor(barrier.parties) as pool:
        futures = [pool.submit(call) for _ in range(barrier.parties)]
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        if isinstance(error, BrokenBarrierError):
            raise InputError(
                f"Not all of {barrier.parties} callers had an answer within {ANSWER_SECONDS:g} s",
                next_step="Measure with fewer callers",
            ) from error
        raise error
    return [span for future in futures for span in future.result()]
