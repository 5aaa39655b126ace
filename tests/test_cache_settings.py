"""Sizes of the run-time caches: what they may be, and that JSON keeps them."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ragopt
from ragopt.cache.settings import MOST_BYTES, CacheSettings
from ragopt.errors import InputError

SIZES = st.integers(0, MOST_BYTES)
POLICY = st.sampled_from(["LRU", "LFU"])


@given(SIZES, SIZES, SIZES, POLICY, st.none() | st.floats(1e-9, 1e12), st.tuples(*[st.none() | POLICY] * 3))
def test_json_keeps_every_setting(embedding, result, chunk, policy, ttl_s, own):
    """What as_json gives comes back equal through text."""
    settings = CacheSettings(embedding, result, chunk, policy, ttl_s, *own)
    assert CacheSettings.from_json(json.loads(json.dumps(settings.as_json()))) == settings
    assert settings.is_off == (embedding == result == chunk == 0)


def test_settings_of_before_there_were_policies_of_one_cache_are_read():
    """A folder built earlier keeps five fields: its caches have the policy that they share."""
    kept = {"embedding_bytes": 1, "result_bytes": 2, "chunk_bytes": 3, "policy": "LFU", "ttl_s": None}
    assert CacheSettings.from_json(kept) == CacheSettings(1, 2, 3, "LFU")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("embedding_bytes", -1), ("result_bytes", True), ("chunk_bytes", 1.5), ("chunk_bytes", "1"),
        ("result_bytes", MOST_BYTES + 1), ("policy", "lru"), ("policy", "SIEVE"), ("policy", None),
        ("embedding_policy", "lfu"), ("result_policy", ""), ("chunk_policy", 0), ("chunk_policy", "Belady"),
        ("ttl_s", math.nan), ("ttl_s", math.inf), ("ttl_s", 0), ("ttl_s", -1.0), ("ttl_s", True), ("ttl_s", "1"),
    ],
)  # fmt: skip
def test_what_no_cache_can_be_is_refused(field, value):
    """The error names the field with its value, what is allowed, and the field to correct."""
    with pytest.raises(InputError) as caught:
        CacheSettings(**{field: value})
    assert caught.value.failed == f"{field} is {value!r}"
    assert caught.value.allowed
    assert caught.value.next_step == f"Correct {field}"


@pytest.mark.parametrize(
    "content",
    [None, [], {}, "LRU", {**CacheSettings().as_json(), "more": 1}, {"embedding_bytes": 0, "result_bytes": 0}],
)
def test_json_of_another_shape_is_refused(content):
    """A field too many, one too few, or no table at all."""
    with pytest.raises(InputError, match="exactly embedding_bytes, result_bytes, chunk_bytes, policy, ttl_s"):
        CacheSettings.from_json(content)


def test_settings_are_public_and_all_off_by_default():
    """`ragopt.CacheSettings()` is the record, and switches nothing on."""
    assert ragopt.CacheSettings is CacheSettings
    assert CacheSettings().is_off
