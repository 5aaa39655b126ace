"""The exact answer cache: a question that begins a conversation, asked again word for word."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.advice import CachePlan, TtlPoint
from ragopt.cache.curves import hit_curve
from ragopt.cache.entry_bytes import answer_entry_bytes
from ragopt.cache.key_streams import answer_keys, first_turns
from ragopt.cache.plan_keyed import Asked, plan_keyed
from ragopt.cache.plan_setting import Stage
from ragopt.cache.reasons import reason_of
from ragopt.cache.replay import replay
from ragopt.cache.requests import n_reads, one_read_each, per_request, writer_of
from ragopt.units import format_seconds

if TYPE_CHECKING:
    from decimal import Decimal

    from numpy.typing import NDArray

    from ragopt.cache.plan_setting import Setting
    from ragopt.cache.records import Reads

ENDLESS = "the log has neither times nor index versions, so nothing would end an answer's life"
"""Why a cache of answers is off."""

DAY_S = 86_400.0

TTLS_S = (300.0, 3600.0, DAY_S, 7 * DAY_S)
"""Shown beside the chosen one: a provider's prompt cache, an hour, a day, a week."""

MOST_TTL_WITHOUT_VERSION_S = DAY_S
"""The longest life of an answer whose log does not say which index it was made from: passages may have changed since.
An assumption: corpora that change are usually re-indexed by night."""

USUAL_TTL_S = 7 * DAY_S
"""Where the key holds the index version, a change of the corpus ends an answer's life; a week for what else changes."""


def plan_answer(setting: Setting, usd_before: Decimal, *, ttl_s: float | None) -> tuple[CachePlan, Stage]:
    """Plan the cache of exact answers, the first that a request meets.

    Args:
        setting: the log and the prices.
        usd_before: the bill of a month without caches.
        ttl_s: seconds that an answer lives; None chooses by whether the log has index versions.

    Returns:
        The plan, and how far each request gets behind it.
    """
    log = setting.log
    turns = first_turns(log)
    everything = np.ones(log.n_requests, dtype=np.bool_)
    stage = Stage(everything, everything, ~everything)
    if log.times_s is None and log.versions is None:
        return CachePlan.off("answer", ENDLESS), stage
    if not turns.mask[setting.warm :].any():
        why = "no request begins a conversation, and later turns depend on what was said before"
        return CachePlan.off("answer", why), stage
    life, told = _life(setting, ttl_s)
    out = setting.workload.answer_tokens if log.tokens_out is None else round(float(log.tokens_out.mean()))
    reads = one_read_each(answer_keys(log), turns.mask, log.times_s, answer_entry_bytes(out))
    asked = Asked("answer", reads, reads, setting.costs.all[turns.mask], searching=everything, ttl_s=life)
    planned = plan_keyed(setting, asked, usd_before)
    plan = replace(
        planned.plan,
        reason=reason_of(planned.plan, usd_before),
        ttls=_ttls(setting, reads, life),
        notes=tuple(
            filter(
                None,
                (
                    turns.note and f"{turns.note}.",
                    told,
                    _unended(setting, life),
                    _same_chunks(setting, reads, life),
                ),
            )
        ),
    )
    left = everything & ~(per_request(reads, planned.hits) > 0)
    return plan, Stage(left, left, ~everything)


def _life(setting: Setting, ttl_s: float | None) -> tuple[float | None, str]:
    log = setting.log
    if log.times_s is None:
        return None, "The log has no times: answers are taken to live until the index version changes."
    if log.versions is not None:
        return ttl_s or USUAL_TTL_S, ""
    most = MOST_TTL_WITHOUT_VERSION_S
    if ttl_s is None:
        return most, (
            f"The log does not say which index version answered: an answer lives {format_seconds(most)}, "
            "for passages may change (--answer-ttl)."
        )
    if ttl_s > most:
        return ttl_s, (
            f"The log does not say which index version answered: in {format_seconds(ttl_s)} passages may change, and "
            "answers from old ones are served until then."
        )
    return ttl_s, ""


def _unended(setting: Setting, life: float | None) -> str:
    """Say where the log is too short for an answer to expire in it."""
    times = setting.times_s
    if life is None or times is None or life < times[-1] - times[0]:
        return ""
    return (
        f"The counted half lasts {format_seconds(float(times[-1] - times[0]))}: no answer of {format_seconds(life)} "
        "expires in it, so that a shorter life was not told from this one."
    )


def _ttls(setting: Setting, reads: Reads, life: float | None) -> tuple[TtlPoint, ...]:
    if reads.times_s is None:
        return ()
    size = int(reads.item_bytes) * max(len(reads.keys), 1)
    lives = sorted({*TTLS_S, *(() if life is None else (life,))})
    return tuple(
        TtlPoint(one, hit_curve(reads, "LRU", [size], ttl_s=one, seed=setting.seed).points[0].hits)
        for one in (*lives, None)
    )


def _same_chunks(setting: Setting, reads: Reads, life: float | None) -> str:
    """How many repeats would have read the very chunks that the kept answer was made from."""
    log = setting.log
    if log.chunks is None:
        return "The log has no chunk ids: whether a repeated question would read the same chunks cannot be told."
    hits = replay(reads, "LRU", size_bytes=int(reads.item_bytes) * len(reads.keys), ttl_s=life)
    request = np.repeat(np.arange(log.n_requests), n_reads(reads).astype(np.int64))
    counted = np.flatnonzero(hits & (request >= setting.warm))
    if not len(counted):
        return ""
    wrote = writer_of(reads, hits)[counted]
    same = [_chunks_of(setting, request[one]) == _chunks_of(setting, request[other])
            for one, other in zip(counted, wrote, strict=True)]  # fmt: skip
    share = sum(same) / len(same)
    return (
        f"{100 * share:.0f} % of the {len(same):,} repeats read the very chunks that the kept answer was made from; "
        "the others would be answered from what the first one read."
    )


def _chunks_of(setting: Setting, request: int) -> frozenset[int]:
    chunks = setting.log.chunks
    if chunks is None:
        return frozenset()
    codes: NDArray[np.int32] = chunks.codes[chunks.starts[request] : chunks.starts[request + 1]]
    return frozenset(codes.tolist())
