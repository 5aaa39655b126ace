"""The semantic cache: a similar question's answer or results, where labels certify that few of them are wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import numpy as np

from ragopt.cache.advice import CachePlan, FalseHitPoint
from ragopt.cache.key_streams import asked_alike, combined, first_turns
from ragopt.cache.plan_answer import ENDLESS
from ragopt.cache.plan_setting import both, is_for_money
from ragopt.cache.reasons import percent, usd_range
from ragopt.cache.semantic_neighbours import semantic_hits
from ragopt.cache.semantic_threshold import (
    SemanticThreshold,
    choose_threshold,
    least_labelled_hits,
    usd_saved_per_wrong_answer,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.plan_setting import Setting, Stage

    Bools = NDArray[np.bool_]

MOST_POINTS = 60
"""Of the chart: more steps of a threshold than pixels say nothing."""

Serves = Literal["answer", "result"]
"""What a hit is served: the similar question's answer, or its search results."""


@dataclass(frozen=True, slots=True)
class Semantic:
    """What is known of similar questions.

    Attributes:
        scores: float64 (n_labelled,) similarity of each labelled hit.
        wrong: bool (n_labelled,): whether what it would be served was wrong.
        serves: what the labels are of: pairs that a person judged certify answers, judgements only search results.
        vectors: float32 (n_distinct, dim) unit vectors by code of ``log.queries``; None where the log has no texts.
        source: of the labels, in words.
        why_no_vectors: why there are none, as a clause; empty where there are.
    """

    scores: NDArray[np.float64]
    wrong: Bools
    serves: Serves
    vectors: NDArray[np.float32] | None
    source: str
    why_no_vectors: str = ""


def plan_semantic(
    setting: Setting, stage: Stage, usd_before: Decimal, semantic: Semantic | None, *, budget: float,
    ttl_s: float | None,
) -> tuple[CachePlan, Stage, tuple[FalseHitPoint, ...]]:  # fmt: skip
    """Plan the semantic cache, behind the exact one; it is off unless labels certify a threshold and it saves money.

    Args:
        setting: the log and the prices.
        stage: how far each request gets.
        usd_before: the bill of a month without caches.
        semantic: labels and vectors; None where there are no labels.
        budget: most false hits, as a share of hits, that the upper 95 % bound may reach.
        ttl_s: life of an answer.

    Returns:
        The plan, how far each request gets behind it, and the false hits along the threshold.
    """
    if semantic is None:
        need = (
            f"without labelled pairs (--labels) nobody knows how often a similar question has another answer; "
            f"{least_labelled_hits(budget):,} labelled hits without any error are the fewest for {100 * budget:g} %"
        )
        return _off(need), stage, ()
    chosen = choose_threshold(semantic.scores, semantic.wrong, max_false_hit_rate=budget)
    points = _points(chosen)
    if chosen.threshold is None or chosen.upper_bound is None:
        return _off(chosen.reason), stage, points
    if semantic.vectors is None:
        reason = (
            f"the labels certify a threshold of {chosen.threshold:.4f}, but {semantic.why_no_vectors}, so how "
            "often it would hit is not known"
        )
        return _off(reason), stage, points
    if semantic.serves == "answer" and setting.log.times_s is None and setting.log.versions is None:
        return _off(ENDLESS), stage, points
    hits = _hits(setting, stage, semantic, semantic.vectors, chosen.threshold, ttl_s)
    plan, left = _planned(setting, stage, usd_before, semantic, chosen, hits)
    return replace(plan, ttl_s=ttl_s), left, points


def _off(why: str) -> CachePlan:
    return CachePlan.off("semantic", why)


def _points(chosen: SemanticThreshold) -> tuple[FalseHitPoint, ...]:
    kept = np.unique(np.linspace(0, len(chosen.taus) - 1, min(MOST_POINTS, len(chosen.taus))).astype(int))
    return tuple(
        FalseHitPoint(float(chosen.taus[one]), int(chosen.n_above[one]), int(chosen.wrong_above[one]),
                      float(chosen.upper_bounds[one]))
        for one in kept
    )  # fmt: skip


def _hits(
    setting: Setting, stage: Stage, semantic: Semantic, vectors: NDArray[np.float32], threshold: float,
    ttl_s: float | None,
) -> Bools:  # fmt: skip
    """Which requests a semantic cache behind the exact one answers: bool (n_requests,).

    An entry's life is cut into windows of its TTL, at whose ends the cache is emptied: as a rule fewer hits than
    entries give that expire one by one, but not always, for then other questions are the ones that are stored.
    """
    log = setting.log
    asking = first_turns(log).mask if semantic.serves == "answer" else np.ones(log.n_requests, dtype=np.bool_)
    columns = list(asked_alike(log))
    if ttl_s is not None and log.times_s is not None:
        columns.append(((log.times_s - log.times_s[0]) // ttl_s).astype(np.int32))
    contexts = np.asarray(combined(*columns))[asking] if columns else None
    found = np.zeros(log.n_requests, dtype=np.bool_)
    found[asking] = semantic_hits(vectors, np.asarray(log.queries)[asking], threshold, contexts)
    return found & (stage.passing if semantic.serves == "answer" else stage.searching)


def _planned(
    setting: Setting, stage: Stage, usd_before: Decimal, semantic: Semantic, chosen: SemanticThreshold, hits: Bools
) -> tuple[CachePlan, Stage]:  # fmt: skip
    answers = semantic.serves == "answer"
    each = setting.costs.reads + (setting.costs.tokens if answers else 0.0)
    asked = stage.passing & first_turns(setting.log).mask if answers else stage.searching
    if not asked[setting.warm :].any():
        return _off("the exact cache leaves nothing to do"), stage
    share = setting.share(hits, asked)
    saved = both(setting.usd_per_month(np.where(hits, each, 0.0)), setting.search_saved(stage.searching, hits))
    on = is_for_money(saved, usd_before)
    bound = chosen.upper_bound or 1.0
    what = "answers" if answers else "search results"
    certified = (
        f"at a similarity of {chosen.threshold:.4f} or more at most {100 * bound:.2f} % of its {what} are wrong "
        f"(95 %, {chosen.n_wrong_hits} of {chosen.n_hits:,} labelled hits)"
    )
    money = f"{percent(share)} of the questions that reach it hit, which saves USD {usd_range(saved)} a month"
    reason = f"{'saves: ' if on else 'off: '}{certified}; {money}"
    plan = CachePlan(
        "semantic", on=on, buys="money" if on else "nothing",
        reason=f"{reason}." if on else f"{reason}, too little to serve wrong {what} for.",
        alone=None, hits=share, all_hits=share, saved=saved,
        notes=_notes(semantic, what, usd_saved_per_wrong_answer(_usd_per_hit(setting, saved.value, hits), bound)),
    )  # fmt: skip
    if not on:
        return plan, stage
    left = replace(stage, searching=stage.searching & ~hits)
    return plan, replace(left, passing=stage.passing & ~hits) if answers else left


def _notes(semantic: Semantic, what: str, per_wrong: Decimal) -> tuple[str, ...]:
    told = (
        f"It saves USD {per_wrong.quantize(Decimal('0.0001')):f} for each wrong one of its {what} at that rate: where "
        "one costs you more, leave the cache off."
    )
    of = f"Labels: {semantic.source}. They hold for a cache of the size that they were drawn from; nothing is evicted."
    return (told, of, "It needs each question's vector, which a cache of query vectors may hold.")


def _usd_per_hit(setting: Setting, usd_per_month: Decimal, hits: Bools) -> Decimal:
    share = Decimal(f"{hits[setting.warm :].mean():.15f}")
    return usd_per_month / (setting.month * share) if share else Decimal(0)
