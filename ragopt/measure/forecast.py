"""Recall at a larger corpus from the shortlists of a smaller one: recall@k at N is near recall@(k n / N) at n.

A search goes wrong by the share of the corpus that lies between a true neighbour and the query. The same quantizer and
the best k of N look at the same share as the best k n / N of n; how near that comes was measured, and with it when
there is no figure, only a range, or not even its lower end (docs/method-forecast.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError
from ragopt.measure.intervals import Interval, mean_interval
from ragopt.measure.shortlist import Places, best_rescored
from ragopt.records import RecallForecast

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

MIN_RANK_FOR_VALUE = 10
"""Least k n / N with a point value. Tenfold jumps from 10 on were off by 0.0 to 1.4 points either way, at 1 by 2.9 to
11 points (before the first line of code, on synthetic and wiki vectors; again in eval/forecast.py)."""

MODEL_ERROR = 0.025
"""Most that the ends move for the formula's own error: 2.4 points was the largest of 36 tenfold jumps by random growth
at k = 100 (eval/results/2026-11-25-forecast.json: IVF64,PQ32np rescored to depth 300, 10,000 to 100,000 vectors)."""

MODEL_ERROR_OF_LOSS = 0.25
"""The same as a share of the recall that is lost, for codecs that lose little: 17 % was the largest of those jumps."""

MAX_SHORT = 0.01
"""Share of queries whose thinned shortlist may end before the depth that is rescored; more would bias the check."""

ASSUMED = ", if the corpus grows by more of the same"
"""Said with every forecast: where 90,000 other texts were added to the passages that answer the questions, figures were
up to 12 points too high (eval/forecast.py, growth `haystack`). No shortlist of the n vectors can show that."""


@dataclass(frozen=True, slots=True)
class ForecastCheck:
    """A forecast from a part of the corpus beside what was measured on all of it.

    Attributes:
        forecast: from the part.
        measured: recall_vs_exact@k on the whole corpus.
        scaled: recall at the scaled rank in the part, which `forecast` rests on; None for a scaled rank under 1.
        error: `scaled` minus `measured`.
        inside: whether `measured` lies between the forecast's ends.
    """

    forecast: RecallForecast
    measured: float
    scaled: float | None
    error: float | None
    inside: bool


def recall_at(places: Places, tier_ranks: Places | None, *, rank: float, depth: float | None) -> Scores:
    """recall_vs_exact@rank of every query, linear between whole ranks and depths.

    Args:
        places: int32 (n_queries, R) shortlist in the order of the codes, as places among the exact neighbours (0 is
            the nearest), -1 for none.
        tier_ranks: int32 (n_queries, K) rank of each place under the rescoring tier; None without one.
        rank: neighbours counted, at least 1.
        depth: shortlist entries rescored, at least `rank`; None without rescoring.

    Returns:
        float64 (n_queries,) in [0, 1].

    Raises:
        InputError: a tier without a depth or the reverse, a rank under 1, or more asked for than the shortlist holds.

    >>> recall_at(np.array([[0, 2, 1]], dtype=np.int32), None, rank=1.5, depth=None)
    array([0.75])
    """
    _check_shortlist(places, tier_ranks, rank, depth)
    at_rank = np.zeros(len(places))
    for whole, weight in _around(rank):
        if tier_ranks is None or depth is None:
            at_rank += weight * _hits(places[:, :whole], whole)
            continue
        for entries, share in _around(depth):
            # A depth just under the next whole rank would return fewer than are counted.
            deep = max(entries, whole)
            found = best_rescored(places, tier_ranks, depth=deep, n_results=min(whole, deep))
            at_rank += weight * share * _hits(found, whole)
    return at_rank


def forecast_recall(
    places: Places, tier_ranks: Places | None, *, k: int, depth: int | None, n: int, n_scale: int
) -> RecallForecast:
    """Forecast recall_vs_exact@k of the same quantizer and search parameters on a corpus of `n_scale` vectors.

    The corpus is taken to grow by more of the same: n is to be like a random part of N. Questions whose subject does
    not grow with the corpus lose more (docs/method-forecast.md).

    Args:
        places: int32 (n_queries, R) as in `recall_at`; R at least `depth` or n, or k without rescoring.
        tier_ranks: int32 (n_queries, K); None without rescoring.
        k: neighbours counted.
        depth: shortlist entries rescored at N; None without rescoring.
        n: vectors in the corpus that the shortlists come from.
        n_scale: vectors in the corpus forecast, N.

    Raises:
        InputError: N under n, fewer than 2 queries, or see `recall_at`.

    Source: docs/method-forecast.md#formula.
    """
    if not 1 <= n <= n_scale:
        raise InputError(
            f"Cannot forecast from {n:,} vectors to {n_scale:,}",
            allowed=f"a corpus of at least {n:,} vectors",
            next_step="Give a larger --vectors-at-scale, or leave it out",
        )
    # A search of a corpus smaller than its depth rescores all of it.
    measured = mean_interval(recall_at(places, tier_ranks, rank=k, depth=None if depth is None else min(depth, n)))
    if n_scale == n:
        return RecallForecast(n_scale, measured.value, measured.low, measured.high, f"recall@{k} as measured", "")
    rank = k * n / n_scale
    high = min(1.0, measured.high + _model_error(measured))
    if rank < 1:
        reason = (
            f"{n_scale:,} vectors are {_times(n_scale / n)} times the {n:,} that were swept, and those show how "
            f"recall@{k} falls up to {k} times as many at most; sweep at least {-(-n_scale // k):,} vectors for a "
            f"lower end, {_for_value(k, n_scale):,} for a value"
        )
        return RecallForecast(n_scale, None, None, high, f"at most recall@{k} at {n:,} vectors{ASSUMED}", reason)
    scaled = mean_interval(recall_at(places, tier_ranks, rank=rank, depth=_scaled(depth, n, n_scale)))
    upper = min(1.0, scaled.high + _model_error(scaled))
    method = _method(rank, _scaled(depth, n, n_scale), n)
    low = max(0.0, scaled.low - _model_error(scaled))
    if rank >= MIN_RANK_FOR_VALUE:
        return RecallForecast(n_scale, scaled.value, low, upper, method, "")
    reason = (
        f"the {n:,} vectors that were swept give a range only for {n_scale:,}; sweep at least "
        f"{_for_value(k, n_scale):,} vectors for a value"
    )
    method = f"from recall@{k} at {n:,} vectors down to {method}"
    # Few ranks err downwards in the mean, so they make the lower end. Recall can rise too: the higher upper end counts.
    return RecallForecast(n_scale, None, low, max(high, upper), method, reason)


def thinned_places(places: Places, kept: NDArray[np.bool_]) -> Places:
    """Shortlists as they would be in a part of the corpus, with the same quantizer.

    Args:
        places: int32 (n_queries, R) as in `recall_at`.
        kept: bool (n_queries, K), whether the candidate at each place lies in the part: ``mask[candidate_rows]``.

    A row that is no candidate is not in the part: with too few candidates (K) the codes look better than they are.

    Returns:
        int32 (n_queries, R): the entries kept, in their order and as places among the candidates kept, then -1.

    >>> thinned_places(np.array([[2, 0, 1]], dtype=np.int32), np.array([[True, False, True]]))
    array([[ 1,  0, -1]], dtype=int32)
    """
    there = (places >= 0) & np.take_along_axis(kept, np.maximum(places, 0), axis=1)
    renumbered = np.cumsum(kept, axis=1, dtype=np.int32) - np.int32(1)
    found = np.where(there, np.take_along_axis(renumbered, np.maximum(places, 0), axis=1), np.int32(-1))
    return np.take_along_axis(found, np.argsort(~there, axis=1, kind="stable"), axis=1)


def thinned_ranks(tier_ranks: Places, kept: NDArray[np.bool_]) -> Places:
    """Rescoring ranks of the candidates kept, by their new places; behind them those of the others, never asked for.

    Args:
        tier_ranks: int32 (n_queries, K).
        kept: bool (n_queries, K) as in `thinned_places`.

    Returns:
        int32 (n_queries, K); ranks keep their order, they are not renumbered.
    """
    return np.take_along_axis(tier_ranks, np.argsort(~kept, axis=1, kind="stable"), axis=1)


def validate_forecast(  # noqa: PLR0913 - a trial, a part of its corpus and two sizes
    places: Places,
    tier_ranks: Places | None,
    kept: NDArray[np.bool_],
    *,
    k: int,
    depth: int | None,
    n: int,
    n_kept: int,
) -> ForecastCheck:
    """Forecast from a random part of the corpus to all of it, and compare with what was measured; nothing is built.

    It shows how well the formula holds for growth by more of the same; a part is that by construction.

    Args:
        places: int32 (n_queries, R) as in `recall_at`. The part keeps about R n_kept / n of them, so R is best K, all
            candidates.
        tier_ranks: int32 (n_queries, K); None without rescoring.
        kept: bool (n_queries, K) as in `thinned_places`, of one mask over the corpus rows.
        k: neighbours counted.
        depth: shortlist entries rescored on the whole corpus; None without rescoring.
        n: vectors in the corpus.
        n_kept: vectors in the part.

    Raises:
        InputError: the thinned shortlists are too short, or see `forecast_recall`.
    """
    part = thinned_places(places, kept)
    rank, scaled_depth = k * n_kept / n, _scaled(depth, n_kept, n)
    ranks = None if tier_ranks is None else thinned_ranks(tier_ranks, kept)
    _check_thinned(places, part, n_places=kept.shape[1], needed=max(k, depth or 0))
    forecast = forecast_recall(part, ranks, k=k, depth=depth, n=n_kept, n_scale=n)
    measured = float(recall_at(places, tier_ranks, rank=k, depth=depth).mean())
    scaled = float(recall_at(part, ranks, rank=rank, depth=scaled_depth).mean()) if rank >= 1 else None
    inside = (0.0 if forecast.low is None else forecast.low) <= measured <= forecast.high
    return ForecastCheck(forecast, measured, scaled, None if scaled is None else scaled - measured, inside)


def _around(number: float) -> tuple[tuple[int, float], ...]:
    """The whole numbers around a number with their weights."""
    below = int(number)
    share = number - below
    return ((below, 1.0),) if share == 0 else ((below, 1 - share), (below + 1, share))


def _hits(found: Places, rank: int) -> Scores:
    return np.asarray(((found >= 0) & (found < rank)).sum(axis=1) / rank, dtype=np.float64)


def _scaled(depth: int | None, n: int, n_scale: int) -> float | None:
    return None if depth is None else min(depth * n / n_scale, n)


def _for_value(k: int, n_scale: int) -> int:
    """Fewest vectors whose sweep gives a value at `n_scale`."""
    return -(-MIN_RANK_FOR_VALUE * n_scale // k)


def _times(growth: float) -> str:
    return f"{growth:,.0f}" if growth >= 100 else f"{growth:.4g}"


def _model_error(recall: Interval) -> float:
    return min(MODEL_ERROR, MODEL_ERROR_OF_LOSS * (1 - recall.value))


def _method(rank: float, depth: float | None, n: int) -> str:
    rescored = "" if depth is None else f" with {depth:.3g} rescored"
    return f"recall@{rank:.3g}{rescored} at {n:,} vectors{ASSUMED}"


def _check_shortlist(places: Places, tier_ranks: Places | None, rank: float, depth: float | None) -> None:
    if (tier_ranks is None) != (depth is None):
        raise InputError(
            f"A rescoring depth of {depth} comes {'without' if tier_ranks is None else 'with'} the ranks of a tier",
            allowed="both for a trial that rescores, neither for one that does not",
            next_step="Give tier_ranks and depth together",
        )
    asked = rank if depth is None else depth
    if rank < 1 or asked < rank or asked > places.shape[1]:
        raise InputError(
            f"Cannot take recall@{rank:g} of shortlists of {places.shape[1]} entries, {asked:g} of them used",
            allowed="1 <= rank <= depth <= entries",
            next_step="Give shortlists as deep as the largest rescoring depth",
        )


def _check_thinned(places: Places, part: Places, *, n_places: int, needed: int) -> None:
    if places.shape[1] >= n_places:
        return
    # A shortlist that ended by itself, in few probed lists, lost nothing; one that was cut may have.
    cut = places[:, -1] >= 0
    short = float((cut & ((part >= 0).sum(axis=1) < needed)).mean())
    if short > MAX_SHORT:
        raise InputError(
            f"{short:.0%} of the shortlists of {places.shape[1]} entries keep fewer than {needed} in the part",
            allowed=f"at most {MAX_SHORT:.0%}",
            next_step=f"Give shortlists of all {n_places} candidates",
        )
