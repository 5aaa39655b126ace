"""The recommended index beside the float32 baseline, row by row, as markdown and terminal print it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.bill.targets import ram_bytes_per_vector_at
from ragopt.report.info import is_baseline_trial, is_synthetic
from ragopt.report.words import SYNTHETIC, bytes_text, quality_text, shown, usd_text

if TYPE_CHECKING:
    from ragopt.records import Bill, IndexBytes, LatencyMs, RecallForecast, Run, TrialResult

UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Compared:
    """One fact of both indexes.

    Attributes:
        name: of the fact, with its unit.
        ours: of the recommendation, or of the closest trial when nothing fits.
        baseline: of float32 exact search with the same model.
        is_name: whether both are names to be shown letter by letter.
    """

    name: str
    ours: str
    baseline: str
    is_name: bool = False


def baseline_result(run: Run) -> TrialResult | None:
    """The float32 index of the recommended model at its full dimension; None where the run has no such trial."""
    model = run.recommendation.trial.space.model
    return next((result for result in run.trials if is_baseline_trial(result.trial, model)), None)


def beside_baseline(run: Run) -> tuple[Compared, ...]:
    """Every fact that the choice rests on, of the recommendation and of the baseline."""
    chosen, baseline = run.recommendation, baseline_result(run)
    return (
        Compared("trial", shown(str(chosen.trial)), shown(str(baseline.trial)) if baseline else UNKNOWN, is_name=True),
        Compared("figures", _origin(confirmed=chosen.confirmed),
                 _origin(confirmed=baseline.confirmed) if baseline else UNKNOWN),
        *_quality_rows(run, baseline),
        *_byte_rows(run, baseline),
        *_latency_rows(run, baseline),
        Compared("USD per month [95 % range]", _bill_words(chosen.bill), _bill_words(chosen.baseline_bill)),
        Compared("saving, USD per month", _saving(run), ""),
    )  # fmt: skip


def _origin(*, confirmed: bool) -> str:
    return "measured on a built index" if confirmed else "estimated from shared candidates"


def _quality_rows(run: Run, baseline: TrialResult | None) -> list[Compared]:
    chosen = run.recommendation
    label = f" ({SYNTHETIC})" if is_synthetic(run) else ""
    theirs = baseline.quality if baseline else {}
    rows = [
        Compared(f"{name}{label}", quality_text(figure), quality_text(theirs[name]) if name in theirs else UNKNOWN)
        for name, figure in chosen.quality.items()
    ]
    rows += [
        Compared(f"{name} lost against exact search, paired{label}", quality_text(loss), "exact search itself")
        for name, loss in chosen.loss_vs_exact.items()
    ]
    if chosen.forecast is not None:
        name = f"recall_vs_exact@{int(run.info['k'])} forecast for {chosen.forecast.n_vectors:,} vectors"
        rows.append(Compared(name, forecast_text(chosen.forecast), "exact search itself"))
    return rows


def forecast_text(forecast: RecallForecast) -> str:
    """A forecast with its range, and why there is no value or no lower end."""
    why = f": {shown(forecast.reason)}" if forecast.reason else ""
    if forecast.low is None:
        return f"at most {forecast.high:.4f}, no lower end known{why}"
    if forecast.value is None:
        return f"between {forecast.low:.4f} and {forecast.high:.4f}, no value known{why}"
    return f"{forecast.value:.4f} [{forecast.low:.4f}, {forecast.high:.4f}]{why}"


def _byte_rows(run: Run, baseline: TrialResult | None) -> list[Compared]:
    chosen = run.recommendation
    sizes = baseline.index_bytes if baseline else None
    rows = [
        Compared("RAM bytes per vector, codes", bytes_text(chosen.index_bytes.ram_bytes_per_vector),
                 bytes_text(chosen.baseline_ram_bytes_per_vector)),
        Compared("disk bytes per vector, rescoring tier", bytes_text(chosen.index_bytes.disk_bytes_per_vector),
                 bytes_text(sizes.disk_bytes_per_vector) if sizes else UNKNOWN),
        Compared("RAM bytes that do not grow", f"{chosen.index_bytes.ram_fixed_bytes:,} B",
                 f"{sizes.ram_fixed_bytes:,} B" if sizes else UNKNOWN),
    ]  # fmt: skip
    in_ram = ram_bytes_per_vector_at(chosen.target, chosen.index_bytes)
    if in_ram > chosen.index_bytes.ram_bytes_per_vector:
        theirs = _in_ram(chosen.baseline_bill.target, sizes)
        rows.insert(2, Compared("RAM bytes per vector, the target holding the tier in RAM", bytes_text(in_ram), theirs))
    return rows


def _in_ram(target: str, sizes: IndexBytes | None) -> str:
    return bytes_text(ram_bytes_per_vector_at(target, sizes)) if sizes else UNKNOWN


def _latency_rows(run: Run, baseline: TrialResult | None) -> list[Compared]:
    chosen = run.recommendation
    rows = [Compared("latency ms, one thread: p50 / p95 / p99", _latency_words(chosen.latency),
                     _latency_words(baseline.latency if baseline else None))]  # fmt: skip
    if chosen.cold is not None:
        cold = baseline.cold if baseline else None
        rows.append(Compared("latency ms, no page of the tier in RAM", _latency_words(chosen.cold),
                             "no tier" if cold is None else _latency_words(cold)))  # fmt: skip
    return rows


def _latency_words(latency: LatencyMs | None) -> str:
    if latency is None:
        return UNKNOWN
    return f"{latency.p50:.3f} / {latency.p95:.3f} / {latency.p99:.3f}, n = {latency.n_queries:,}"


def _bill_words(bill: Bill) -> str:
    return f"{usd_text(bill.usd_per_month)} [{usd_text(bill.low)}, {usd_text(bill.high)}] on {shown(bill.target)}"


def _saving(run: Run) -> str:
    ours, theirs = run.recommendation.bill.usd_per_month, run.recommendation.baseline_bill.usd_per_month
    share = f" ({(theirs - ours) / theirs * 100:.1f} %)" if theirs else ""
    return f"{usd_text(theirs - ours)}{share}"
