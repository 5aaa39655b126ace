"""What a measurement of serving finds: one row a batch size, every figure with its interval and its n."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.measure.quantiles import Quantile


@dataclass(frozen=True, slots=True)
class ServeRow:
    """Searches at one batch size.

    Attributes:
        batch_size: questions of every call, or `max_queries` of the batcher; None where the callers did without one.
        p50_ms: half of the calls (or questions, with callers) took no longer, in milliseconds.
        p95_ms: 95 % took no longer.
        p99_ms: 99 % took no longer.
        questions_per_second: median of the repeats; its `n` is their number.
        questions_per_call: how full the batches were on average.
        seconds: measured, all repeats together.
    """

    batch_size: int | None
    p50_ms: Quantile
    p95_ms: Quantile
    p99_ms: Quantile
    questions_per_second: Quantile
    questions_per_call: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ServeBench:
    """Latency and throughput of one index on this machine.

    Attributes:
        calls: one caller after another; a row per batch size, latencies of whole calls.
        callers: `concurrency` callers at once through a `QueryBatcher`; a row per `max_queries`, latencies from
            question to answer.
        unbatched: the same callers, each searching the index itself.
        k: passages per question.
        concurrency: callers at once, each with one question in flight.
        max_wait_ms: of the batcher.
        p99_limit_ms: that the recommendation keeps; None for none.
        n_distinct: different questions there were to ask.
        most_repeats: how often the most asked question was asked at one batch size.
        n_cores: of this machine, that this process may use.
        seed: of the order of the questions.
        recommended: the batch size with the highest throughput within the limit; None when there is none.
        reason: why this one, or why none, in one or more sentences.
        warnings: what makes the figures less than they seem.
    """

    calls: tuple[ServeRow, ...]
    callers: tuple[ServeRow, ...]
    unbatched: ServeRow
    k: int
    concurrency: int
    max_wait_ms: float
    p99_limit_ms: float | None
    n_distinct: int
    most_repeats: int
    n_cores: int
    seed: int
    recommended: int | None
    reason: str
    warnings: tuple[str, ...]

    @property
    def recommended_row(self) -> ServeRow | None:
        """The row of the recommended batch size."""
        return next((row for row in self.callers if row.batch_size == self.recommended), None)
