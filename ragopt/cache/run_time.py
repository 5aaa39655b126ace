"""From a recommendation to the caches that stand in front of a served index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragopt.cache.settings import CacheSettings

RUN_TIME = {"embedding": "embedding_bytes", "result": "result_bytes", "chunk": "chunk_bytes"}
"""Caches of an advice that `ragopt.open` has, by their capacity in `CacheSettings`. Answers and prompts lie before and
behind the search: they are the service's own."""


LEAST_HITS = 0.01
"""A cache that hits under one in a hundred of its reads is not worth a line of configuration (an assumption)."""


def settings_of(summary: Mapping[str, Any] | None) -> CacheSettings | None:
    """Sizes and policies of the recommended run-time caches; None where none of them is recommended.

    Args:
        summary: `cache` of ``recommendation.json``; None where no log was replayed.
    """
    found = {one["name"]: one for one in (summary or {}).get("caches", ()) if one["name"] in RUN_TIME}
    behind = found.get("embedding", {}).get("hit_share_behind_results")
    if "result" in found and behind is not None and behind["value"] < LEAST_HITS:
        del found["embedding"]  # `ragopt.open` looks for results first
    if not found:
        return None
    fields: dict[str, Any] = {RUN_TIME[name]: int(one["size_bytes"]) for name, one in found.items()}
    return CacheSettings(**fields, **{f"{name}_policy": one["policy"] for name, one in found.items()})
