"""From which similarity on a semantic cache may answer: certified by labelled hits, never by a point estimate."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

CONFIDENCE = 0.95
"""One-sided, as in the facts that this rests on: 59, 149 and 299 hits without an error for 5, 2 and 1 %."""

ROUNDING = 1e-6
"""Inner products of float32 unit vectors pass 1 by some 1e-7: what is further outside [-1, 1] is no similarity."""


@dataclass(frozen=True, slots=True)
class SemanticThreshold:
    """What labelled hits say about a semantic cache.

    Attributes:
        threshold: least similarity of a hit; None where the cache must stay off.
        upper_bound: upper confidence bound of the false-hit rate at the threshold; None where it is off.
        max_false_hit_rate: the budget.
        confidence: of every bound, one-sided.
        n_labelled, n_wrong: all labelled hits, and those whose cached answer was wrong.
        n_hits, n_wrong_hits: those with a similarity of the threshold or more; 0 where it is off.
        taus: float64 (n_taus,), the similarities seen, falling: the x axis of the bound's chart.
        n_above, wrong_above: int64 (n_taus,), labelled hits of this similarity or more, and the wrong ones.
        upper_bounds: float64 (n_taus,), upper bound of the false-hit rate with that threshold.
        tested: bool (n_taus,): the steps of the sequence; only these decide.
        reason: why it is off, in a sentence; empty where it is on.
    """

    threshold: float | None
    upper_bound: float | None
    max_false_hit_rate: float
    confidence: float
    n_labelled: int
    n_wrong: int
    n_hits: int
    n_wrong_hits: int
    taus: Floats
    n_above: Ints
    wrong_above: Ints
    upper_bounds: Floats
    tested: NDArray[np.bool_]
    reason: str = ""


def clopper_pearson_upper(n_wrong: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE) -> Floats:
    """One-sided upper confidence bound of a share: the largest under which so few wrong ones are not too unlikely.

    Args:
        n_wrong: (...) how many of them.
        n: (...) out of how many, at least 1.
        confidence: of the bound.

    Returns:
        float64 (...): the quantile of Beta(n_wrong + 1, n - n_wrong); 1 where all are wrong.

    Source: Clopper and Pearson, Biometrika 26 (1934) 404-413.

    >>> float(clopper_pearson_upper(0, 149).round(4))
    0.0199
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - loaded when first used

    wrong, all_of_them = np.asarray(n_wrong, dtype=np.float64), np.asarray(n, dtype=np.float64)
    right = all_of_them - wrong
    return np.asarray(np.where(right > 0, betaincinv(wrong + 1, np.maximum(right, 1), confidence), 1.0), np.float64)


def least_labelled_hits(budget: float, confidence: float = CONFIDENCE) -> int:
    """Return the fewest labelled hits, all of them right, whose upper bound keeps the budget.

    Args:
        budget: largest false-hit rate, between 0 and 1.
        confidence: one-sided.

    Raises:
        InputError: a budget or confidence outside (0, 1).

    >>> [least_labelled_hits(budget) for budget in (0.05, 0.02, 0.01)]
    [59, 149, 299]
    """
    _check_shares(budget, confidence)
    # Without an error the bound is 1 - (1 - confidence)^(1/n).
    n = max(1, round(float(np.log1p(-confidence) / np.log1p(-budget))) - 1)
    while clopper_pearson_upper(0, n, confidence) > budget:
        n += 1
    return n


def choose_threshold(
    scores: ArrayLike, wrong: ArrayLike, *, max_false_hit_rate: float, confidence: float = CONFIDENCE
) -> SemanticThreshold:
    """Choose the least similarity whose false-hit rate is inside the budget with confidence.

    Fixed-sequence testing from the most similar hits down. "All hits of similarity tau or more are wrong too often" is
    tested at the full level, step after step, and the first step that cannot be refuted ends it; so the chance that the
    threshold breaks the budget stays under 1 - confidence, however many steps there are (Maurer, Hothorn and Lehmacher
    1995; for risks: Angelopoulos et al., Learn then Test, arXiv 2110.01052). The steps depend on the similarities
    alone, never on the labels: the first is where so many hits lie above that none wrong would suffice, each next one
    where one more wrong hit can be borne. A step at every similarity between would be valid too, but it ends at the
    first wrong hit between two of these. Hits of equal similarity stand or fall together.

    Measured by tests/test_cache_semantic_threshold.py, 2,000 draws of 300 labelled hits from each of four true curves
    and a budget of 5 %: it was broken in 4.3 % of the draws where every threshold was a hair over the budget, else in
    0.8 to 1.4 %; the lowest threshold whose point estimate keeps the budget broke it in 52 to 99 %.

    Args:
        scores: (n,) similarity of each labelled hit to what was cached before it, in [-1, 1]: a random part of a
            service's hits, without exact repeats, which another cache answers.
        wrong: (n,) bool, whether the cached answer was wrong for it.
        max_false_hit_rate: the budget: share of hits that may be wrong, in (0, 1).
        confidence: one-sided, in (0, 1).

    Returns:
        The threshold, or none with the reason.

    Raises:
        InputError: other lengths, a similarity that is no number or outside [-1, 1], a budget or confidence outside
            (0, 1).
    """
    _check_shares(max_false_hit_rate, confidence)
    similarity, errors = _checked(scores, wrong)
    taus, n_above, wrong_above = _from_above(similarity, errors)
    upper = clopper_pearson_upper(wrong_above, n_above, confidence)
    steps = _steps(n_above, max_false_hit_rate, confidence)
    kept = -1
    for step in steps:
        if upper[step] > max_false_hit_rate:
            break
        kept = step
    tested = np.zeros(len(taus), dtype=np.bool_)
    tested[steps] = True
    return SemanticThreshold(
        threshold=float(taus[kept]) if kept >= 0 else None,
        upper_bound=float(upper[kept]) if kept >= 0 else None,
        max_false_hit_rate=max_false_hit_rate,
        confidence=confidence,
        n_labelled=len(similarity),
        n_wrong=int(errors.sum()),
        n_hits=int(n_above[kept]) if kept >= 0 else 0,
        n_wrong_hits=int(wrong_above[kept]) if kept >= 0 else 0,
        taus=taus,
        n_above=n_above,
        wrong_above=wrong_above,
        upper_bounds=upper,
        tested=tested,
        reason="" if kept >= 0 else _why_off(n_above, wrong_above, steps, max_false_hit_rate, confidence),
    )


def usd_saved_per_wrong_answer(value_usd: Decimal, false_hit_rate: float) -> Decimal:
    """Return how many USD a semantic cache saves for each wrong answer that it gives.

    Args:
        value_usd: what one hit saves.
        false_hit_rate: share of hits that are wrong: the upper bound, since nothing better is certain. In (0, 1].

    Raises:
        InputError: a rate outside (0, 1].

    >>> usd_saved_per_wrong_answer(Decimal("0.013"), 0.02)
    Decimal('0.65')
    """
    if not 0 < false_hit_rate <= 1:
        raise InputError(
            f"No false-hit rate is {false_hit_rate}",
            allowed="above 0, at most 1",
            next_step="Pass the upper bound at the threshold, which is never 0",
        )
    return value_usd / Decimal(repr(float(false_hit_rate)))


def _check_shares(budget: float, confidence: float) -> None:
    for name, value in (("false-hit rate", budget), ("confidence", confidence)):
        if not 0 < value < 1:
            raise InputError(
                f"The {name} {value} cannot be tested",
                allowed="between 0 and 1, both excluded",
                next_step="Give a share, such as 0.02 for the rate and 0.95 for the confidence",
            )


def _checked(scores: ArrayLike, wrong: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    similarity, labels = np.asarray(scores, dtype=np.float64), np.asarray(wrong)
    if similarity.ndim != 1 or similarity.shape != labels.shape or (labels.dtype != np.bool_ and labels.size):
        raise InputError(
            f"Similarities of shape {similarity.shape} come with labels of shape {labels.shape} and {labels.dtype}",
            allowed="one bool for each similarity",
            next_step="Pass both columns of the same labelled hits",
        )
    bad = np.flatnonzero(~(np.abs(similarity) <= 1 + ROUNDING))
    if len(bad):
        raise InputError(
            f"Similarity {similarity[bad[0]]} of labelled hit {bad[0]} is no cosine",
            allowed="-1 to 1",
            next_step="Pass cosine similarities, not distances",
        )
    return np.clip(similarity, -1, 1), labels.astype(np.bool_)


def _from_above(similarity: Floats, errors: NDArray[np.bool_]) -> tuple[Floats, Ints, Ints]:
    """Return the similarities seen, falling, with the number of hits and of wrong hits from each of them up."""
    order = np.argsort(-similarity, kind="stable")
    ordered = similarity[order]
    last_of_tie = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
    wrong_above = np.cumsum(errors[order], dtype=np.int64)
    return ordered[last_of_tie], last_of_tie.astype(np.int64) + 1, wrong_above[last_of_tie]


def _steps(n_above: Ints, budget: float, confidence: float) -> list[int]:
    """Places of the similarities that are tested: each has enough hits above it to bear one more error."""
    steps: list[int] = []
    borne = 0
    while len(n_above) and n_above[-1] >= (needed := _hits_to_bear(borne, budget, confidence)):
        place = int(np.searchsorted(n_above, needed))
        if not steps or place > steps[-1]:
            steps.append(place)
        borne += 1
    return steps


@cache
def _hits_to_bear(n_wrong: int, budget: float, confidence: float) -> int:
    """Fewest hits among which so many wrong ones keep the upper bound within the budget."""
    if n_wrong == 0:
        return least_labelled_hits(budget, confidence)
    n = _hits_to_bear(n_wrong - 1, budget, confidence) + 1
    while clopper_pearson_upper(n_wrong, n, confidence) > budget:
        n += 1
    return n


def _why_off(n_above: Ints, wrong_above: Ints, steps: list[int], budget: float, confidence: float) -> str:
    n = int(n_above[-1]) if len(n_above) else 0
    hits = f"{n:,} labelled hit" + ("" if n == 1 else "s")
    least = f"{least_labelled_hits(budget, confidence):,} without any error are needed for {percent(budget)}"
    if not n:
        return f"No labelled hits, {least}"
    if not steps:
        return f"{hits}, {least}"
    first = steps[0]
    upper = float(clopper_pearson_upper(wrong_above[first], n_above[first], confidence))
    return (
        f"{int(wrong_above[first]):,} of the {int(n_above[first]):,} most similar labelled hits are wrong: up to "
        f"{percent(upper)} of such hits may be, more than {percent(budget)}"
    )


def percent(share: float) -> str:
    """Write a share in per cent with as many digits as it needs, three at most.

    >>> percent(0.02), percent(0.0316), percent(0.005)
    ('2 %', '3.16 %', '0.5 %')
    """
    return f"{100 * share:.3g} %"
