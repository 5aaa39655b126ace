"""Sizes of the caches in front of a served index, from a recommendation."""

from dataclasses import replace

from ragopt.cache.advice_json import summary_json
from ragopt.cache.records import Share
from ragopt.cache.run_time import settings_of
from ragopt.cache.settings import CacheSettings
from tests.cache_example import ADVICE


def test_recommended_caches_become_settings():
    """Query vectors, results and chunks keep their sizes; answers and prompts are not the index's business."""
    assert settings_of(summary_json(ADVICE)) == CacheSettings(
        640_000, 640_000, 2_560_000, embedding_policy="LRU", result_policy="LRU", chunk_policy="LRU"
    )


def test_what_is_off_has_no_size():
    """A cache that is off has capacity 0, and where all are off there are no settings."""
    plans = tuple(replace(plan, on=plan.name == "chunk") for plan in ADVICE.plans)
    assert settings_of(summary_json(replace(ADVICE, plans=plans))) == CacheSettings(
        chunk_bytes=2_560_000, chunk_policy="LRU"
    )
    answers = tuple(replace(plan, on=plan.name == "answer") for plan in ADVICE.plans)
    assert settings_of(summary_json(replace(ADVICE, plans=answers))) is None
    assert settings_of(None) is None


def test_vectors_that_results_leave_nothing_to_find_get_no_room():
    """Behind the results 0 % of the questions find their vector: `ragopt.open`, which asks results first, gets none."""

    def advised(share):
        plans = [replace(plan, behind_results=Share(share, 0.0, 1.0, 10)) if plan.name == "embedding" else plan
                 for plan in ADVICE.plans]  # fmt: skip
        return settings_of(summary_json(replace(ADVICE, plans=tuple(plans))))

    assert advised(0.0).embedding_bytes == 0
    assert advised(0.2).embedding_bytes == 640_000


def test_each_cache_keeps_the_policy_that_was_recommended_for_it():
    """A chunk cache that wants LFU has it, also where the other two want LRU."""
    mixed = tuple(replace(plan, policy="LFU" if plan.name == "chunk" else "LRU") for plan in ADVICE.plans)
    found = settings_of(summary_json(replace(ADVICE, plans=mixed)))
    assert (found.embedding_policy, found.result_policy, found.chunk_policy) == ("LRU", "LRU", "LFU")
