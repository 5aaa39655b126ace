"""The caches on the way to a prompt: query vectors, search results, chunks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ragopt.bill.retrieved import results_per_query
from ragopt.cache.advice import CachePlan
from ragopt.cache.entry_bytes import chunk_entry_bytes, embedding_entry_bytes, result_entry_bytes
from ragopt.cache.key_streams import chunk_keys, embedding_keys, result_keys
from ragopt.cache.plan_keyed import Asked, Planned, plan_keyed
from ragopt.cache.reasons import percent, reason_of
from ragopt.cache.records import Reads
from ragopt.cache.requests import n_reads, of_requests, one_read_each, per_request

if TYPE_CHECKING:
    from decimal import Decimal

    from numpy.typing import NDArray

    from ragopt.cache.plan_setting import Setting, Stage
    from ragopt.cache.records import CacheName

    Bools = NDArray[np.bool_]

NOTHING_LEFT = "the caches before it leave nothing to do"
"""Why a cache is off that no counted request reaches."""


def plan_embedding(setting: Setting, stage: Stage, usd_before: Decimal) -> tuple[CachePlan, Stage]:
    """Plan the cache of query vectors. Returns the plan, and how far each request gets behind it."""
    log = setting.log
    everything = np.ones(log.n_requests, dtype=np.bool_)
    if not stage.passing[setting.warm :].any():
        return _nothing_left("embedding"), stage
    keys, size = embedding_keys(log), embedding_entry_bytes(setting.dim)
    behind = one_read_each(keys, stage.passing, log.times_s, size)
    asked = Asked(
        "embedding", one_read_each(keys, everything, log.times_s, size), behind, setting.costs.embedding[stage.passing]
    )
    planned = plan_keyed(setting, asked, usd_before)
    hit = per_request(behind, planned.hits) > 0
    return _worded(setting, planned, usd_before), replace(stage, embedded=hit)


def with_run_time_note(setting: Setting, plan: CachePlan, stage: Stage) -> CachePlan:
    """Say what the cache of query vectors finds where results are looked up first, as `ragopt.open` does.

    Args:
        setting: the log.
        plan: of the cache of query vectors.
        stage: behind the cache of results.
    """
    left = stage.searching
    if not plan.on or not left[setting.warm :].any():
        return plan
    share = setting.share(stage.embedded & left, left)
    note = (
        "A service that looks for results first, as ragopt.open does, asks for the vectors of the other questions "
        f"only: {percent(share)} of those hit."
    )
    return replace(plan, notes=(*plan.notes, note), behind_results=share)


def plan_result(setting: Setting, stage: Stage, usd_before: Decimal) -> tuple[CachePlan, Stage]:
    """Plan the cache of search results. Returns the plan, and how far each request gets behind it.

    A hit spares the search and the reads of its chunks, whose texts it holds; and the question's vector, where that was
    in no cache.
    """
    log = setting.log
    if not stage.searching[setting.warm :].any():
        return _nothing_left("result"), stage
    everything = np.ones(log.n_requests, dtype=np.bool_)
    keys, size = result_keys(log), _result_bytes(setting)
    behind = one_read_each(keys, stage.searching, log.times_s, size)
    usd = (setting.costs.reads + np.where(stage.embedded, 0.0, setting.costs.embedding))[stage.searching]
    asked = Asked("result", one_read_each(keys, everything, log.times_s, size), behind, usd, searching=stage.searching)
    planned = plan_keyed(setting, asked, usd_before)
    left = stage.searching & ~(per_request(behind, planned.hits) > 0)
    return _worded(setting, planned, usd_before), replace(stage, searching=left)


def plan_chunk(setting: Setting, stage: Stage, usd_before: Decimal) -> CachePlan:
    """Plan the cache of chunk texts."""
    log = setting.log
    if log.chunks is None:
        why = "the log has no chunk ids (--chunks-field), so that reads of chunks cannot be replayed"
        return CachePlan.off("chunk", why)
    keys = chunk_keys(log)
    if log.chunk_bytes is None:
        size: int | NDArray[np.int64] = chunk_entry_bytes(
            setting.workload.text_bytes_per_chunk, metadata_bytes=setting.workload.metadata_bytes
        )
        note = (
            f"Chunks are taken to have {setting.workload.text_bytes_per_chunk:,} bytes of text each "
            "(--chunks FILE gives their sizes)."
        )
    else:
        text = np.asarray(log.chunk_bytes)[keys.chunks]
        size, note = chunk_entry_bytes(text, metadata_bytes=setting.workload.metadata_bytes), ""
    alone = Reads(keys.keys, log.chunks.starts, log.times_s, size)
    behind = of_requests(alone, stage.searching)
    if not n_reads(behind)[setting.warm :].any():
        return _nothing_left("chunk")
    usd = np.full(len(behind.keys), float(setting.prices.chunk_read))
    plan = _worded(setting, plan_keyed(setting, Asked("chunk", alone, behind, usd), usd_before), usd_before)
    return replace(plan, notes=(*plan.notes, *((note,) if note else ())))


def _result_bytes(setting: Setting) -> int:
    log = setting.log
    k = results_per_query(setting.workload) if log.chunks is None else float(np.diff(log.chunks.starts).mean())
    text = setting.workload.text_bytes_per_chunk if log.chunk_bytes is None else float(np.mean(log.chunk_bytes))
    return result_entry_bytes(max(1, round(k)), text_bytes_per_hit=text, metadata_bytes=setting.workload.metadata_bytes)


def _worded(setting: Setting, planned: Planned, usd_before: Decimal) -> CachePlan:
    plan = planned.plan
    notes: tuple[str, ...] = ()
    if plan.name == "result" and setting.search is None:
        notes = ("No index was named (--run), so that searches are not billed and sparing them saves nothing here.",)
    return replace(plan, reason=reason_of(plan, usd_before), notes=notes)


def _nothing_left(name: CacheName) -> CachePlan:
    return CachePlan.off(name, NOTHING_LEFT)
