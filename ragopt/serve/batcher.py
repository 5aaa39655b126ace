"""Micro-batching: questions of concurrent callers become few searches of many questions each.

One search of B questions costs less than B searches of one: the model and the index read their data once for all of
them. The batcher waits for no one by default: while one batch is searched the next one gathers. What that gains on one
machine, and how it is measured: docs/method-measure.md#serving.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from ragopt.corpus.text_files import check_encodable
from ragopt.errors import InputError, RagoptError, ServiceBusy, ServiceClosed

if TYPE_CHECKING:
    from types import TracebackType

MAX_QUERIES = 32
"""Where 32 callers had the highest median throughput, not told from 8 and 16 (docs/method-measure.md#serving)."""

MAX_WAIT_MS = 0.0
"""As in Triton's dynamic batcher, which does not delay by default (docs.nvidia.com, "Batchers", read 2026-11-26)."""

MAX_PENDING = 1024
"""Full batches of the default size that may wait: 32. Beyond that an answer comes too late to be of use."""


class Searcher(Protocol):
    """What is searched: an `Index` of ragopt, or anything that answers a list of questions with a list of answers."""

    def search(self, queries: list[str], k: int = ..., where: str | None = ...) -> Sequence[Any]:
        """Give one answer a question, in their order."""


class Clock(Protocol):
    """Time as the batcher sees it; tests turn its hands themselves."""

    def now_ms(self) -> float:
        """Milliseconds that never go back."""

    def wait(self, condition: threading.Condition, timeout_ms: float | None) -> None:
        """Sleep on a held condition until it is notified or the time is over; None waits for the notice alone."""


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> float:
        """Milliseconds since some moment in the past."""
        return time.monotonic() * 1e3

    def wait(self, condition: threading.Condition, timeout_ms: float | None) -> None:
        """Sleep until a notice or the end of the time."""
        condition.wait(None if timeout_ms is None else min(timeout_ms / 1e3, threading.TIMEOUT_MAX))


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """What a batcher has done since it was made.

    Attributes:
        n_questions: answered, or failed, by a search.
        n_calls: searches made, those that were repeated one by one after a failure among them.
        n_refused: questions refused because too many waited.
    """

    n_questions: int
    n_calls: int
    n_refused: int


class Group(NamedTuple):
    """What questions of one search have in common."""

    k: int
    where: str | None
    tenant: str


@dataclass(slots=True)
class _Asked:
    """A question that waits for its batch."""

    question: str
    group: Group
    accepted_ms: float
    future: Future[Any]


class QueryBatcher:
    """Gather questions of many threads and answer them with one search per batch, `k`, filter and tenant.

    A batch is searched once it holds `max_queries` questions or its oldest one has waited `max_wait_ms`. So a lone
    caller waits at most `max_wait_ms` longer than without the batcher, and not at all with 0: then a batch is what has
    gathered while the one before was searched. Questions are taken in the order in which they came.

    Only questions of the same `k`, the same filter and the same tenant share a search: rescoring depth grows with k, so
    the first answers of a search at a larger k may be others.

    If a search of several questions fails, each is searched alone: a caller gets the error of its own question only.

    One thread searches. Use it as a context manager, or call `close`; a forgotten one ends with the process.

    Args:
        searcher: what is searched; it need not be thread-safe for this.
        max_queries: most questions of one batch.
        max_wait_ms: longest that a question waits for others, in milliseconds.
        max_pending: most questions that wait for their batch; those being searched do not count.
        clock: what tells the time.

    Raises:
        InputError: a limit that is too small.
    """

    def __init__(
        self,
        searcher: Searcher,
        *,
        max_queries: int = MAX_QUERIES,
        max_wait_ms: float = MAX_WAIT_MS,
        max_pending: int = MAX_PENDING,
        clock: Clock | None = None,
    ) -> None:
        _check(max_queries, max_wait_ms, max_pending)
        self._searcher, self._clock = searcher, clock or SystemClock()
        self.max_queries, self.max_wait_ms, self.max_pending = max_queries, float(max_wait_ms), max_pending
        self._pending: deque[_Asked] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._n_questions = self._n_calls = self._n_refused = 0
        self._worker = threading.Thread(target=self._work, name="ragopt-query-batcher", daemon=True)
        self._worker.start()

    def submit(self, question: str, *, k: int = 5, where: str | None = None, tenant: str = "") -> Future[Any]:
        """Ask without waiting: the future brings the answer, or the error of the search.

        A future that is cancelled before its batch is searched costs no search. Callbacks run on the batcher's thread.

        Args:
            question: one question.
            k: passages wanted.
            where: filter, as the searcher takes it.
            tenant: handed to the searcher unless it is empty, as `Index.search` takes it.

        Raises:
            InputError: not one string, half of a surrogate pair, no whole number, no filter, no tenant.
            ServiceBusy: `max_pending` questions wait already.
            ServiceClosed: the batcher was closed.
        """
        _check_question(question, k, where, tenant)
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise ServiceClosed(
                    f"The question {_short(question)} came after the batcher was closed",
                    next_step="Ask before close(), or make a new QueryBatcher",
                )
            if len(self._pending) >= self.max_pending:
                self._n_refused += 1
                raise ServiceBusy(
                    f"{len(self._pending):,} questions wait for an answer",
                    allowed=f"max_pending = {self.max_pending:,}",
                    next_step="Ask again later, add a machine, or raise max_pending",
                )
            self._pending.append(_Asked(question, Group(int(k), where, tenant), self._clock.now_ms(), future))
            # Only a first question or a full batch changes what the worker waits for.
            if len(self._pending) in (1, self.max_queries):
                self._changed.notify_all()
        return future

    def search(self, question: str, *, k: int = 5, where: str | None = None, tenant: str = "") -> Any:
        """Ask and wait for the answer: what the searcher gives for this question.

        To wait no longer than some seconds, use ``submit(...).result(timeout)``.

        Raises:
            InputError, ServiceBusy, ServiceClosed: see `submit`; InputError also in a callback of the batcher's own.
            Exception: that of the search.
        """
        if threading.current_thread() is self._worker:
            raise InputError(
                "A callback of the batcher waits for the batcher's own next answer, which can never come",
                next_step="Use submit() there, or ask from another thread",
            )
        return self.submit(question, k=k, where=where, tenant=tenant).result()

    def counts(self) -> BatchCounts:
        """How many questions and searches there were so far."""
        with self._changed:
            return BatchCounts(self._n_questions, self._n_calls, self._n_refused)

    def close(self) -> None:
        """Answer what was accepted, without waiting for more, and refuse what comes later; may be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._worker:
            self._worker.join()

    def __enter__(self) -> Self:
        """Nothing to do: the worker runs."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _work(self) -> None:
        while batch := self._next_batch():
            groups: dict[Group, list[_Asked]] = {}
            for asked in batch:
                if asked.future.set_running_or_notify_cancel():
                    groups.setdefault(asked.group, []).append(asked)
            for group in groups.values():
                self._answer(group)

    def _next_batch(self) -> list[_Asked]:
        """Sleep until a batch is due, then take it; empty when the batcher is closed and all is answered."""
        with self._changed:
            while (remaining_ms := self._remaining_ms()) is None or remaining_ms > 0:
                self._clock.wait(self._changed, remaining_ms)
            n_taken = min(self.max_queries, len(self._pending))
            return [self._pending.popleft() for _ in range(n_taken)]

    def _remaining_ms(self) -> float | None:
        """How long the next batch still gathers; None while there is none."""
        if self._closed or len(self._pending) >= self.max_queries:
            return 0.0
        if not self._pending:
            return None
        return self._pending[0].accepted_ms + self.max_wait_ms - self._clock.now_ms()

    def _answer(self, group: list[_Asked]) -> None:
        """Search questions of one group, one by one if they fail together."""
        try:
            answers = self._call(group)
        except BaseException as error:  # noqa: BLE001 - a Rust panic is no Exception; a dead worker would hang everyone
            if len(group) > 1:
                for asked in group:
                    self._answer([asked])
                return
            self._count(1)
            group[0].future.set_exception(error)
            return
        self._count(len(group))
        for asked, answer in zip(group, answers, strict=True):
            asked.future.set_result(answer)

    def _call(self, group: list[_Asked]) -> Sequence[Any]:
        k, where, tenant = group[0].group
        with self._changed:
            self._n_calls += 1
        # A searcher of one's own need not know tenants.
        more = {"tenant": tenant} if tenant else {}
        answers = self._searcher.search([asked.question for asked in group], k=k, where=where, **more)
        if len(answers) != len(group):
            raise RagoptError(
                f"The searcher gave {len(answers)} answers to {len(group)} questions",
                allowed="one answer a question",
                next_step="Correct the searcher's search()",
            )
        return answers

    def _count(self, n_questions: int) -> None:
        with self._changed:
            self._n_questions += n_questions


def _check(max_queries: int, max_wait_ms: float, max_pending: int) -> None:
    if max_queries < 1:
        raise InputError(f"max_queries is {max_queries}", allowed="1 or more", next_step="Use 32, or what "
                         "ragopt bench-serve recommends")  # fmt: skip
    if not 0 <= max_wait_ms < math.inf:
        raise InputError(f"max_wait_ms is {max_wait_ms}", allowed="0 or more", next_step="Use 0 to wait for no one")
    if max_pending < max_queries:
        raise InputError(f"max_pending is {max_pending}: a batch of max_queries = {max_queries} never fills",
                         allowed=f"{max_queries} or more", next_step="Raise max_pending")  # fmt: skip


def _check_question(question: object, k: object, where: object, tenant: object) -> None:
    """Refuse what would mix up groups or reach the callers of a whole batch."""
    if not isinstance(question, str):
        raise InputError(f"The question is a {type(question).__name__}", allowed="one string",
                         next_step="Ask one question a call; a list goes to the index itself")  # fmt: skip
    check_encodable(question, f"The question {_short(question)}")
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise InputError(f"k is {k!r}", allowed="a whole number", next_step="Give k as an int")
    if where is not None and not isinstance(where, str):
        raise InputError(f"where is {where!r}", allowed="a string or None", next_step="Give the filter as text")
    if not isinstance(tenant, str):
        raise InputError(f"tenant is {tenant!r}", allowed="text", next_step="Give the tenant's name as text")


def _short(question: str) -> str:
    return repr(question if len(question) <= 60 else question[:59] + "…")
