"""The numbers that the page's script decides from are those that `ragopt recommend` weighs."""

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from ragopt.choose import exact_of, ndcg_ratio_margin
from ragopt.errors import ArtifactError
from ragopt.report.frontier_view import script_json
from ragopt.report.what_if import RATIOS, cents, ndcg_shortfalls, what_if
from tests.report_example import HOSTILE, example_run, hostile_run, two_model_run


def with_ndcg(run, rng):
    """The run with nDCG@10 of 60 queries for every trial, built ones with those of both stages."""

    def of(one):
        names = ("ndcg@10", "selection/ndcg@10") if one.confirmed else ("ndcg@10",)
        scores = {name: rng.choice([0.0, 0.5, 0.63, 1.0], 60).astype(np.float32) for name in names}
        return replace(one, per_query=scores if one.quality else {})

    trials = tuple(map(of, run.trials))
    # Exact search has to have scores of both stages: built trials are compared on the confirmation queries.
    return replace(run, trials=tuple(
        replace(one, confirmed=True, per_query={**one.per_query, "selection/ndcg@10": one.per_query["ndcg@10"]})
        if one.trial.factory == "Flat" and one.trial.space.reduction == "none" else one for one in trials
    ))  # fmt: skip


@pytest.mark.parametrize("build", [example_run, two_model_run])
def test_shortfalls_are_what_the_margin_lacks(build, rng):
    """For every trial and ratio the shortfall is the negative margin of the decision, 0 where the limit is met."""
    run = with_ndcg(build(), rng)
    exact = exact_of(run.trials)
    found = ndcg_shortfalls(run.trials, RATIOS)
    for result, short in zip(run.trials, found, strict=True):
        if not result.per_query:
            assert short == [0.0] * len(RATIOS)
            continue
        wanted = [max(0.0, -ndcg_ratio_margin(result, exact, ratio=ratio)) for ratio in RATIOS]
        assert short == pytest.approx(wanted, abs=1e-15)
        assert [one == 0 for one in short] == [one == 0 for one in wanted]


def test_a_run_without_judgements_offers_no_ratio():
    """Where nothing is judged there is no such limit to pick, and no trial carries figures for it."""
    found = what_if(example_run())
    assert found["ratios"] == []
    assert not any("ndcg_short" in trial for trial in found["trials"])


def test_a_ratio_of_the_run_is_among_those_that_are_offered(rng):
    """A run that was asked for 0.973 offers 0.973 beside the usual ones."""
    run = with_ndcg(example_run(), rng)
    run = replace(run, info={**run.info, "arguments": run.info["arguments"] | {"min_ndcg_ratio": 0.973}})
    found = what_if(run)
    assert found["ratios"] == sorted([*RATIOS, 0.973])
    assert all(len(trial["ndcg_short"]) == len(found["ratios"]) for trial in found["trials"])


def test_what_decides_is_exact():
    """Quality, bytes and money are the record's own numbers, money in cents; names are places in a list."""
    run = example_run()
    found = what_if(run)
    for trial, result in zip(found["trials"], run.trials, strict=True):
        assert found["space"][trial["space"]] == str(result.trial.space)
        if result.status == "unsuitable":
            assert "value" not in trial
            continue
        quality = result.quality["recall_vs_exact@10"]
        assert (trial["value"], trial["low"]) == (quality.value, quality.low)
        assert trial["usd_cents"] == 100 * min(bill.usd_per_month for bill in result.bills.values())
        assert trial["ram_bytes"] == result.index_bytes.ram_bytes_per_vector
    assert sorted(trial["place"] for trial in found["trials"]) == list(range(len(run.trials)))
    chosen = found["trials"][found["recommended"]]
    assert f"{found['space'][chosen['space']]} | {chosen['name']}" == str(run.recommendation.trial)


def test_money_is_in_whole_cents():
    """A part of a cent in a bill is an error, never rounded away."""
    assert cents(Decimal("0.29")) == 29
    with pytest.raises(ArtifactError, match=r"A bill of the run is USD 0.295. Allowed: whole cents"):
        cents(Decimal("0.295"))


def test_script_json_cannot_end_its_element():
    """JSON for the page has no character that HTML knows, and reads back equal."""
    value = {"a": HOSTILE, "b": "</script><!--", "c": ["&amp;", "\u2028"]}
    text = script_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value
    assert json.loads(script_json(what_if(hostile_run()))) == what_if(hostile_run())
