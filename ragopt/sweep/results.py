"""From what was estimated or measured to one TrialResult per trial."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ragopt.choose import SELECTION, is_exact
from ragopt.index.factory import parse_factory
from ragopt.index.size import index_bytes
from ragopt.measure.intervals import Interval, mean_interval
from ragopt.records import Quality, Trial, TrialResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ragopt.measure.neighbours import Neighbours
    from ragopt.sweep.estimate_stage import Estimate
    from ragopt.sweep.judging import Judging
    from ragopt.sweep.measured import Measured
    from ragopt.sweep.pricing import Pricing


def _quality(trial: Trial, per_query: Mapping[str, NDArray[np.float32]]) -> dict[str, Quality]:
    quality = {}
    for name, scores in per_query.items():
        interval = mean_interval(scores)
        if is_exact(trial) and name.startswith("recall_vs_exact") and interval.value == 1:
            # Exact search finds the exact neighbours by definition: no sample of queries makes that uncertain.
            interval = Interval(1.0, 1.0, 1.0, interval.n)
        quality[name] = Quality(interval.value, interval.low, interval.high, interval.n)
    return quality


def estimated_result(estimate: Estimate, exact: Neighbours, judging: Judging, pricing: Pricing) -> TrialResult:
    """Judge and bill one trial as its candidates say; nothing of it was built.

    Args:
        estimate: of one trial.
        exact: neighbours of the same queries.
        judging: of the same queries, in the same order.
        pricing: of the run.
    """
    trial = estimate.trial
    # Places stand for scores: only their order is judged.
    order = np.broadcast_to(-np.arange(estimate.found.shape[1], dtype=np.float32), estimate.found.shape)
    per_query = judging.scores(estimate.found, order, exact)
    sizes = index_bytes(parse_factory(trial.factory, trial.space.dim), pricing.n_vectors)
    cpu = pricing.estimated_cpu(trial, sizes, estimate.timing)
    return TrialResult(
        trial=trial,
        status="estimated",
        upper_bound=not estimate.converged,
        quality=_quality(trial, per_query),
        index_bytes=sizes,
        cpu_ms_per_query=cpu.value,
        cpu_ms_low=cpu.low,
        cpu_ms_high=cpu.high,
        train_seconds=estimate.train_seconds,
        bills=pricing.bills(trial, sizes, cpu),
        per_query=per_query,
    )


def measured_result(measured: Measured, exact: Neighbours, judging: Judging, pricing: Pricing) -> TrialResult:
    """Judge and bill one built index measured on one set of queries."""
    per_query = judging.scores(measured.found, measured.scores, exact)
    cpu = pricing.cpu(measured)
    return TrialResult(
        trial=measured.trial,
        status="finalist",
        confirmed=True,
        quality=_quality(measured.trial, per_query),
        index_bytes=measured.index_bytes,
        latency=measured.timing.latency,
        cold=measured.cold,
        cold_reason=measured.cold_reason,
        qps=measured.timing.qps,
        qps_all_cores=measured.qps_all_cores,
        cpu_ms_per_query=cpu.value,
        cpu_ms_low=cpu.low,
        cpu_ms_high=cpu.high,
        train_seconds=measured.train_seconds,
        build_seconds=measured.build_seconds,
        bills=pricing.bills(measured.trial, measured.index_bytes, cpu, measured.train_seconds + measured.build_seconds),
        per_query={**per_query, **judging.recall_by_chunks(measured.found)},
    )


def confirmed_result(estimated: TrialResult, confirmed: TrialResult, *, estimate_gap: float) -> TrialResult:
    """Join a finalist's measurement with what the candidates had said of it.

    Args:
        estimated: before it was built.
        confirmed: measured on the confirmation queries.
        estimate_gap: estimated minus built recall_vs_exact on the same selection queries.
    """
    quality = {
        name: replace(figure, estimated=estimated.quality[name].value) for name, figure in confirmed.quality.items()
    }
    earlier = {SELECTION + name: scores for name, scores in estimated.per_query.items()}
    return replace(confirmed, quality=quality, estimate_gap=estimate_gap, forecast=estimated.forecast,
                   per_query={**confirmed.per_query, **earlier})  # fmt: skip
