"""From what was measured to one TrialResult per trial."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ragopt.choose import SELECTION, is_exact
from ragopt.measure.intervals import Interval, mean_interval
from ragopt.records import Quality, TrialResult

if TYPE_CHECKING:
    from ragopt.measure.neighbours import Neighbours
    from ragopt.sweep.judging import Judging
    from ragopt.sweep.measured import Measured
    from ragopt.sweep.pricing import Pricing


def result_of(measured: Measured, exact: Neighbours, judging: Judging, pricing: Pricing) -> TrialResult:
    """Judge and bill one trial measured on one set of queries."""
    per_query = judging.scores(measured.found, measured.scores, exact)
    quality = {}
    for name, scores in per_query.items():
        interval = mean_interval(scores)
        if is_exact(measured.trial) and name.startswith("recall_vs_exact") and interval.value == 1:
            # Exact search finds the exact neighbours by definition: no sample of queries makes that uncertain.
            interval = Interval(1.0, 1.0, 1.0, interval.n)
        quality[name] = Quality(interval.value, interval.low, interval.high, interval.n)
    cpu = pricing.cpu(measured)
    return TrialResult(
        trial=measured.trial,
        status="estimated",
        quality=quality,
        index_bytes=measured.index_bytes,
        latency=measured.timing.latency,
        qps=measured.timing.qps,
        cpu_ms_per_query=cpu.value,
        cpu_ms_low=cpu.low,
        cpu_ms_high=cpu.high,
        train_seconds=measured.train_seconds,
        build_seconds=measured.build_seconds,
        bills=pricing.bills(measured.trial, measured.index_bytes, cpu),
        per_query=per_query,
    )


def confirmed_result(selected: TrialResult, confirmed: TrialResult) -> TrialResult:
    """Join a trial's confirmation with what selection had said of it."""
    quality = {
        name: replace(figure, estimated=selected.quality[name].value) for name, figure in confirmed.quality.items()
    }
    earlier = {SELECTION + name: scores for name, scores in selected.per_query.items()}
    return replace(
        confirmed, status="finalist", confirmed=True, quality=quality, per_query={**confirmed.per_query, **earlier}
    )
