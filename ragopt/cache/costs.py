"""What each request of a log costs without any cache, and how many of them a month has."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

import numpy as np

from ragopt.bill.generation_lines import prompt_length
from ragopt.bill.retrieved import results_per_query
from ragopt.bill.workload import SECONDS_PER_MONTH
from ragopt.cache.runs import run_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.bill.workload import Workload
    from ragopt.cache.coded_log import CodedLog
    from ragopt.cache.unit_prices import UnitPrices

    Usd = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RequestCosts:
    """USD that each request pays by the piece; what its search costs is in the index's own bill.

    Attributes:
        embedding: float64 (n_requests,): its question turned into a vector.
        reads: its chunks' texts read.
        tokens: its prompt read and its answer written, at full price.
        notes: what was assumed.
    """

    embedding: Usd
    reads: Usd
    tokens: Usd
    notes: tuple[str, ...]

    @property
    def all(self) -> Usd:
        """Everything together."""
        return self.embedding + self.reads + self.tokens


def request_costs(log: CodedLog, workload: Workload, prices: UnitPrices) -> RequestCosts:
    """Price each request: by the chunks and tokens of the log where it has them, else by the workload's.

    Money per request is float64: a share of a cent, multiplied by a share that was measured.
    """
    n, notes = log.n_requests, []
    if log.chunks is None:
        n_chunks = np.full(n, results_per_query(workload))
        notes.append(f"The log has no chunk ids: each request is taken to read {results_per_query(workload)} chunks.")
    else:
        n_chunks = np.diff(log.chunks.starts)
    tokens_in, tokens_out = prompt_tokens(log), log.tokens_out
    if prices.input_token and (tokens_in is None or tokens_out is None):
        missing = [f"{count:,} of the {name}" for name, count, column in (
            ("prompt", prompt_length(workload), tokens_in), ("answer", workload.answer_tokens, tokens_out))
            if column is None]  # fmt: skip
        notes.append(f"Tokens that the log does not have are the workload's: {' and '.join(missing)} in each request.")
    into = np.full(n, prompt_length(workload)) if tokens_in is None else tokens_in
    out = np.full(n, workload.answer_tokens) if tokens_out is None else tokens_out
    return RequestCosts(
        np.full(n, float(prices.embedded_query)),
        n_chunks * float(prices.chunk_read),
        into * float(prices.input_token) + out * float(prices.output_token),
        tuple(notes),
    )


def prompt_tokens(log: CodedLog) -> NDArray[np.int32] | NDArray[np.int64] | None:
    """Tokens of each prompt: int (n_requests,) as logged, else those of its blocks; None where the log has neither."""
    if log.tokens_in is not None or log.prompts is None:
        return log.tokens_in
    return run_sums(log.prompts.starts, log.prompts.tokens, np.int64)


def requests_per_month(log: CodedLog, workload: Workload, *, stated: bool) -> tuple[Decimal, str]:
    """Return how many requests a month has, and where that comes from in words.

    Args:
        log: its own rate counts where nobody states another: requests over the time from first to last.
        workload: whose `queries_per_month` counts where it was stated, or where the log has no time.
        stated: whether somebody stated it.
    """
    span = span_seconds(log)
    if stated or not span:
        reason = "as stated" if stated else "the workload's default: the log does not say how long it took"
        return Decimal(workload.queries_per_month), reason
    rate = Decimal(log.n_requests) * SECONDS_PER_MONTH / Decimal(span)
    told = f"the log's own rate, {log.n_requests:,} in {span / 86_400:,.1f} days"
    return max(rate.quantize(Decimal(1)), Decimal(1)), told


def span_seconds(log: CodedLog) -> float:
    """Seconds from the first request to the last; 0 where the log has no time."""
    return float(log.times_s[-1] - log.times_s[0]) if log.times_s is not None and log.n_requests else 0.0


def peak_share(times_s: Usd | None, passing: NDArray[np.bool_]) -> float:
    """Share of the busiest hour's requests that still come in the busiest hour of those that pass.

    Hours are counted from the first request; without times it is the share of all requests.

    Args:
        times_s: float64 (n,) seconds, never falling.
        passing: bool (n,).
    """
    if times_s is None or not len(passing):
        return float(passing.mean()) if len(passing) else 1.0
    hours = ((times_s - times_s[0]) // 3600).astype(np.int64)
    return float(np.bincount(hours[passing], minlength=1).max() / np.bincount(hours).max())


LEAST_PEAK_QPS = Decimal("0.001")
"""The least that a workload takes (`bill.workload_fields`), and the digits that a peak is told with."""


def busiest_minute_qps(log: CodedLog, month: Decimal) -> Decimal | None:
    """Requests per second in the log's busiest minute, in proportion where a month has more or fewer than its rate.

    Minutes are counted from the first request. Never below the month's average, nor LEAST_PEAK_QPS; None where the log
    does not say how long it took.
    """
    span = span_seconds(log)
    if log.times_s is None or not span:
        return None
    minutes = ((log.times_s - log.times_s[0]) // 60).astype(np.int64)
    busiest = Decimal(int(np.unique(minutes, return_counts=True)[1].max())) / 60
    own = Decimal(log.n_requests) * SECONDS_PER_MONTH / Decimal(span)
    peak = max(busiest * month / own, month / SECONDS_PER_MONTH, LEAST_PEAK_QPS)
    return peak.quantize(LEAST_PEAK_QPS, rounding=ROUND_CEILING)
