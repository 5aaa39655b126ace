"""The records of the cache advice and their JSON."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from ragopt.cache.advice_json import advice_json, advice_of, summary_json
from ragopt.errors import ArtifactError
from tests.cache_example import ADVICE, CHUNK


def test_json_of_an_advice_reads_back_as_the_same_advice():
    """What cache advice is written as JSON, through text, is read back equal."""
    assert advice_of(json.loads(json.dumps(advice_json(ADVICE), allow_nan=False))) == ADVICE


def test_an_advice_of_another_schema_or_with_a_missing_part_is_refused_by_name():
    """A changed advice is an ArtifactError, not a KeyError."""
    with pytest.raises(ArtifactError, match="schema 2"):
        advice_of({**advice_json(ADVICE), "schema": 2})
    broken = advice_json(ADVICE)
    del broken["memory"]["vm"]
    with pytest.raises(ArtifactError, match="cannot be read"):
        advice_of(broken)


def test_the_ranking_is_by_money_less_memory_and_what_is_off_comes_last():
    """Prefix 51.30, answer 17.19, chunk 0.03, embedding and result 0.01 in service order, semantic off."""
    assert [plan.name for plan in ADVICE.ranked] == ["prefix", "answer", "chunk", "embedding", "result", "semantic"]
    assert ADVICE.saved_usd_per_month == Decimal("68.54")
    assert ADVICE.usd_after == Decimal("334.56")


def test_the_summary_holds_what_is_on_and_why_the_rest_is_not():
    """recommendation.json names each recommended cache with its size, and gives the reason of one that is off."""
    summary = summary_json(ADVICE)
    assert summary["saving_usd_per_month"] == "68.54"
    assert [one["name"] for one in summary["caches"]] == ["answer", "embedding", "result", "chunk", "prefix"]
    assert summary["caches"][3]["size_bytes"] == CHUNK.size_bytes
    assert summary["caches"][0]["saving_usd_per_month"] == {"value": "17.20", "low": "14.10", "high": "20.90"}
    assert summary["off"] == [{"name": "semantic", "reason": ADVICE.plan("semantic").reason, "guess": ""}]


def test_a_guess_goes_with_its_figures():
    """The summary of recommendation.json and the one-line form call a guessed saving one."""
    guessed = tuple(replace(plan, guess="lengths") if plan.name == "prefix" else plan for plan in ADVICE.plans)
    advice = replace(ADVICE, plans=guessed)
    assert summary_json(advice)["caches"][-1]["guess"] == "lengths"
    assert "prefix (a guess)" in repr(advice)


def test_a_plan_that_is_not_there_is_a_lookup_error():
    """Asking for a cache that was not looked at raises, it does not give an empty plan."""
    with pytest.raises(LookupError, match="prefix"):
        replace(ADVICE, plans=()).plan("prefix")
