"""Limits, order and the decision: the cheapest trial whose lower bounds meet every limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ragopt.bill.targets import cheapest
from ragopt.errors import InputError
from ragopt.measure.intervals import paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from ragopt.records import Bill, Trial, TrialResult

Objective = Literal["usd", "ram"]

TIE = Decimal("1.01")
"""Bills within 1 % of the least are ties: VM prices come in steps and CPU times carry noise."""

NDCG = "ndcg@10"
NO_LIMIT = "no limit"
SELECTION = "selection/"
"""Prefix of a confirmed trial's per-query scores from the selection stage."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a recommendation has to meet; None is no limit.

    Attributes:
        min_recall: of the lower 95 % bound of recall_vs_exact@k.
        min_ndcg_ratio: of nDCG@10 over exact search's with the best model, on the same queries, lower 95 % bound.
        max_p99_ms: measured single-thread p99 latency in milliseconds.
        max_usd: USD a month at the cheapest target.
    """

    min_recall: float | None = 0.95
    min_ndcg_ratio: float | None = None
    max_p99_ms: float | None = None
    max_usd: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse limits that no trial can meet or miss. Raises InputError."""
        for option, value, high in (
            ("--min-recall", self.min_recall, 1.0),
            ("--min-ndcg-ratio", self.min_ndcg_ratio, 1.0),
            ("--max-p99-ms", self.max_p99_ms, 1e9),
            ("--max-usd", self.max_usd, Decimal(10**12)),
        ):
            # A NaN compares false as a float and raises as a Decimal.
            if value is not None and (math.isnan(value) or not 0 < value <= high):
                raise InputError(f"{option} {value} is out of range", allowed=f"above 0, at most {high:g}",
                                 next_step=f"Correct {option}")  # fmt: skip

    @property
    def only_recall(self) -> bool:
        """Whether recall_vs_exact is the only limit, so that a trial that meets it meets all."""
        return self.min_ndcg_ratio is None and self.max_p99_ms is None and self.max_usd is None

    def printed(self) -> str:
        """Return the limits as command-line options."""
        parts = [
            ("--min-recall", self.min_recall),
            ("--min-ndcg-ratio", self.min_ndcg_ratio),
            ("--max-p99-ms", self.max_p99_ms),
            ("--max-usd", self.max_usd),
        ]
        return " ".join(f"{option} {value}" for option, value in parts if value is not None) or NO_LIMIT


@dataclass(frozen=True, slots=True)
class Decision:
    """Which trials meet the limits, best first, and how the others miss them.

    Attributes:
        fitting: printed trials that meet every limit, in order of preference.
        misses: printed trial to the limits it misses, in words; empty text for fitting ones.
        closest: when none fits, the trial whose shortfalls add up to the least, then the preferred one;
            None when nothing was measured.
    """

    fitting: tuple[str, ...]
    misses: Mapping[str, tuple[str, ...]]
    closest: str | None


def is_exact(trial: Trial) -> bool:
    """Tell whether a trial is exact search at full dimension: what recall_vs_exact is measured against."""
    return trial.factory == "Flat" and trial.space.reduction == "none"


def cheapest_bill(result: TrialResult) -> Bill | None:
    """Return a trial's least bill (see `ragopt.bill.targets.cheapest`), None when it was not billed."""
    return cheapest(result.bills) if result.bills else None


def scores_for(result: TrialResult, name: str, *, confirmed: bool) -> np.ndarray | None:
    """Per-query scores of a trial on the confirmation queries or on the selection queries; None when there are none.

    Args:
        result: a measured trial.
        name: of the quality.
        confirmed: which set of queries.
    """
    if confirmed:
        return result.per_query.get(name) if result.confirmed else None
    return result.per_query.get(SELECTION + name if result.confirmed else name)


def ndcg_ratio_margin(result: TrialResult, exact: TrialResult, *, ratio: float) -> float:
    """Lower 95 % bound of nDCG@10 minus `ratio` times exact search's on the same queries; below 0 the limit is missed.

    The bound of a ratio of two paired means lies above r exactly when the interval of mean(trial - r x exact) lies
    above zero (Fieller, J. R. Stat. Soc. B 16, 1954, p. 175), so no ratio of noisy means is formed.
    """
    ours = scores_for(result, NDCG, confirmed=result.confirmed)
    theirs = scores_for(exact, NDCG, confirmed=result.confirmed)
    if ours is None or theirs is None:
        raise InputError("--min-ndcg-ratio needs judged queries, and this run has none",
                         next_step="Give --qrels, or drop --min-ndcg-ratio")  # fmt: skip
    if result.trial == exact.trial:
        # Against itself the ratio is 1 by definition: no sample of queries makes that uncertain.
        return (1 - ratio) * float(theirs.mean())
    ours, theirs = same_queries(ours, theirs)
    return paired_difference(ours, ratio * theirs).low


def same_queries(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the scores of two trials to the queries that both were run on: a race takes them in one order."""
    n = min(len(ours), len(theirs))
    return ours[:n], theirs[:n]


@dataclass(frozen=True, slots=True)
class _Miss:
    """A limit that is missed, in words, and by how much: as a share of the limit, for nDCG@10 in its own units."""

    words: str
    distance: float


def _misses(
    result: TrialResult, limits: Limits, *, k: int, exact: TrialResult | None, to_build: bool
) -> list[_Miss]:  # fmt: skip
    name = f"recall_vs_exact@{k}"
    if name not in result.quality or result.status == "unsuitable":
        return [_Miss(result.reason or "not measured", math.inf)]
    only_built = result.confirmed or not to_build
    misses = [
        _recall_miss(result, limits, name),
        _ndcg_miss(result, limits, exact),
        _latency_miss(result, limits) if only_built else None,
        _bill_miss(result, limits),
        _upper_bound_miss(result) if only_built else None,
    ]
    return [miss for miss in misses if miss]


def _upper_bound_miss(result: TrialResult) -> _Miss | None:
    if result.confirmed or not result.upper_bound:
        return None
    return _Miss("its recall is only an upper bound until it is built", 0.0)


def _recall_miss(result: TrialResult, limits: Limits, name: str) -> _Miss | None:
    low = result.quality[name].low
    if limits.min_recall is None or low >= limits.min_recall:
        return None
    return _Miss(f"{name} is at least {low:.4f}, not {limits.min_recall}", 1 - low / limits.min_recall)


def _ndcg_miss(result: TrialResult, limits: Limits, exact: TrialResult | None) -> _Miss | None:
    if limits.min_ndcg_ratio is None:
        return None
    if exact is None:
        raise InputError("--min-ndcg-ratio needs exact search in the grid", next_step="Add a Flat entry to it")
    margin = ndcg_ratio_margin(result, exact, ratio=limits.min_ndcg_ratio)
    if margin >= 0:
        return None
    return _Miss(f"{NDCG} over exact search's may be below {limits.min_ndcg_ratio}", -margin)


def _latency_miss(result: TrialResult, limits: Limits) -> _Miss | None:
    if limits.max_p99_ms is None:
        return None
    if result.latency is None:
        return _Miss("p99 latency was not measured", math.inf)
    p99 = result.latency.p99
    if p99 <= limits.max_p99_ms:
        return None
    return _Miss(f"p99 latency is {p99:.3f} ms, not at most {limits.max_p99_ms}", p99 / limits.max_p99_ms - 1)


def _bill_miss(result: TrialResult, limits: Limits) -> _Miss | None:
    if limits.max_usd is None:
        return None
    bill = cheapest_bill(result)
    if bill is None:
        return _Miss("it was not billed", math.inf)
    usd = bill.usd_per_month
    if usd <= limits.max_usd:
        return None
    return _Miss(f"it costs {usd} USD a month, not at most {limits.max_usd}", float(usd) / float(limits.max_usd) - 1)


def order(results: Sequence[TrialResult], *, objective: Objective, k: int) -> list[TrialResult]:
    """Sort measured trials, best first.

    `usd`: least bill; bills within 1 % of the least are ties, broken by fewer RAM code bytes, then fewer disk bytes,
    then better quality, then the printed trial. `ram`: fewest RAM code bytes, then the bill, then the same.
    """
    name = f"recall_vs_exact@{k}"

    def usd(result: TrialResult) -> Decimal:
        bill = cheapest_bill(result)
        return bill.usd_per_month if bill else Decimal("Infinity")

    def rest(result: TrialResult) -> tuple[float, float, float, str]:
        sizes, quality = result.index_bytes, result.quality.get(name)
        if sizes is None or quality is None:
            return (float("inf"), float("inf"), 0.0, str(result.trial))
        return (sizes.ram_bytes_per_vector, sizes.disk_bytes_per_vector, -quality.value, str(result.trial))

    if objective == "ram":
        return sorted(results, key=lambda result: (rest(result)[0], usd(result), rest(result)[1:]))
    ordered: list[TrialResult] = []
    left = sorted(results, key=lambda result: (usd(result), rest(result)))
    while left:
        least = usd(left[0])
        ties = [result for result in left if usd(result) <= least * TIE or usd(result) == least]
        ordered += sorted(ties, key=rest)
        left = left[len(ties) :]
    return ordered


def exact_of(results: Sequence[TrialResult]) -> TrialResult | None:
    """Return the exact search that quality ratios are measured against: Flat with the best nDCG@10 of all models."""
    flats = [result for result in results if is_exact(result.trial)]
    if not flats:
        return None
    return max(flats, key=lambda result: result.quality[NDCG].value if NDCG in result.quality else 0.0)


def decide(
    results: Sequence[TrialResult], limits: Limits, *, objective: Objective, k: int, to_build: bool = False,
    raced: bool = False,
) -> Decision:  # fmt: skip
    """Decide which trials meet the limits and in which order they are preferred.

    Args:
        results: every trial of a run.
        limits: what has to be met; they apply to lower bounds.
        objective: usd or ram; see `order`.
        k: of recall_vs_exact@k.
        to_build: whether the decision is what to build next: an estimate that is only an upper bound, and a latency
            that only a built index has, then exclude nobody.
        raced: whether the trials were raced for these limits: what was dropped then comes in when nothing but exact
            search fits.

    Returns:
        The decision; nothing is measured.

    Raises:
        InputError: a limit on a figure that this run does not have.
    """
    exact = exact_of(results)
    misses = {result.trial: _misses(result, limits, k=k, exact=exact, to_build=to_build) for result in results}
    words = {str(trial): tuple(miss.words for miss in found) for trial, found in misses.items()}
    # Only fitting trials are sorted: one that does not fit must not decide which of them tie.
    fits = [result for result in results if not misses[result.trial]]
    kept = [result for result in fits if result.status != "dropped"] if raced else fits
    # Exact search always fits: it is no reason to leave out what was dropped.
    compressed = any(not is_exact(result.trial) for result in kept)
    fitting = order(kept if compressed else fits, objective=objective, k=k)
    if fitting:
        return Decision(tuple(str(result.trial) for result in fitting), words, None)

    def distance(result: TrialResult) -> float:
        return sum(miss.distance for miss in misses[result.trial])

    measured = order([result for result in results if result.quality], objective=objective, k=k)
    closest = min(measured, key=distance, default=None)
    return Decision((), words, str(closest.trial) if closest else None)
