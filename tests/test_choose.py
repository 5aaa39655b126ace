import math
import random
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.choose import (
    SELECTION,
    TIE,
    Limits,
    cheapest_bill,
    decide,
    exact_of,
    is_exact,
    ndcg_ratio_margin,
    order,
    scores_for,
)
from ragopt.errors import InputError
from ragopt.records import Quality, Trial
from tests.helpers import FLAT, NDCG, RECALL, a_bill, a_result, exact_flat, unsuitable

NO_LIMITS = Limits(min_recall=None)


def names(results):
    return [result.trial.factory for result in results]


def test_least_bill_comes_first():
    """Under `usd`, bills further apart than 1 % are ordered by the bill alone, whatever the bytes are."""
    results = [a_result("SQ8", "12.00", ram=4), a_result("SQ4", "10.00", ram=64), a_result("PQ4np", "11.00", ram=8)]
    assert names(order(results, objective="usd", k=10)) == ["SQ4", "PQ4np", "SQ8"]


def test_ties_go_to_ram_bytes_then_disk_then_quality_then_name():
    """Under `usd`, bills within 1 % are ties: fewer RAM bytes, fewer disk bytes, better quality, first name."""
    results = [
        a_result("SQ8", "100.00", ram=32),
        a_result("SQ6", "100.90", ram=16, disk=64),
        a_result("RaBitQ4", "100.50", ram=16, disk=32, value=0.97),
        a_result("RaBitQ2", "100.60", ram=16, disk=32, value=0.98),
        a_result("PQ4np", "100.70", ram=16, disk=32, value=0.97),
        a_result("SQ4", "102.00", ram=1),
    ]
    expected = ["RaBitQ2", "PQ4np", "RaBitQ4", "SQ6", "SQ8", "SQ4"]
    assert names(order(results, objective="usd", k=10)) == expected


def test_one_percent_exactly_is_a_tie_and_a_cent_more_is_none():
    """A bill of 101.00 ties with 100.00; 101.01 does not."""
    cheap, tie = a_result("SQ8", "100.00", ram=32), a_result("SQ4", "101.00", ram=16)
    more = a_result("PQ4np", "101.01", ram=1)
    assert names(order([cheap, tie, more], objective="usd", k=10)) == ["SQ4", "SQ8", "PQ4np"]
    assert Decimal("1.01") == TIE


def test_ties_are_not_chained():
    """A bill within 1 % of a tie, but not of the least bill, is no tie: 1 % steps do not add up."""
    results = [a_result("SQ8", "100.00", ram=32), a_result("SQ4", "100.90", ram=16), a_result("PQ4np", "101.80", ram=1)]
    assert names(order(results, objective="usd", k=10)) == ["SQ4", "SQ8", "PQ4np"]


def test_free_bills_tie_only_with_free_bills():
    """One per cent of nothing is nothing."""
    results = [a_result("SQ8", "0.00", ram=32), a_result("SQ4", "0.00", ram=16), a_result("PQ4np", "0.01", ram=1)]
    assert names(order(results, objective="usd", k=10)) == ["SQ4", "SQ8", "PQ4np"]


def test_ram_objective_orders_by_ram_bytes_then_bill_then_disk():
    """Under `ram`, fewest RAM code bytes come first, then the least bill to the cent, then fewer disk bytes."""
    results = [
        a_result("SQ8", "1.00", ram=32),
        a_result("SQ4", "9.01", ram=16, disk=8),
        a_result("PQ4np", "9.00", ram=16, disk=64),
        a_result("PQ2np", "99.00", ram=8),
        a_result("PQ8np", "9.00", ram=16, disk=32),
    ]
    assert names(order(results, objective="ram", k=10)) == ["PQ2np", "PQ8np", "PQ4np", "SQ4", "SQ8"]


def test_unbilled_trials_come_last():
    """A trial without a bill is not cheap."""
    results = [a_result("SQ8", None, ram=1), a_result("SQ4", "9.00")]
    assert names(order(results, objective="usd", k=10)) == ["SQ4", "SQ8"]


def test_cheapest_bill_prefers_the_first_name_on_equal_money():
    """Equal bills go to the target whose name sorts first; no bills give None."""
    result = replace(a_result("SQ8"), bills={name: a_bill("5.00", name) for name in ("b", "a")})
    assert cheapest_bill(result).target == "a"
    assert cheapest_bill(a_result("SQ8", None)) is None


def test_recall_limit_applies_to_the_lower_bound():
    """A trial whose value is above the limit and whose lower bound is below does not fit; an equal bound does."""
    results = [a_result("SQ8", low=0.9499, value=0.999), a_result("SQ4", low=0.95)]
    decision = decide(results, Limits(), objective="usd", k=10)
    assert decision.fitting == ("tiny@8:none | SQ4",)
    assert decision.misses["tiny@8:none | SQ8"] == ("recall_vs_exact@10 is at least 0.9499, not 0.95",)
    assert decision.misses["tiny@8:none | SQ4"] == ()
    assert decision.closest is None


def test_latency_limit_alone():
    """p99 above the limit, or never measured, misses --max-p99-ms; equal to it meets it."""
    results = [a_result("SQ8", p99=2.0), a_result("SQ4", p99=2.0001), a_result("PQ4np", p99=None)]
    decision = decide(results, Limits(None, None, 2.0), objective="usd", k=10)
    assert decision.fitting == ("tiny@8:none | SQ8",)
    assert decision.misses["tiny@8:none | SQ4"] == ("p99 latency is 2.000 ms, not at most 2.0",)
    assert decision.misses["tiny@8:none | PQ4np"] == ("p99 latency was not measured",)


def test_bill_limit_alone():
    """A bill a cent above --max-usd, or no bill, misses it; equal to it meets it."""
    results = [a_result("SQ8", "10.00"), a_result("SQ4", "10.01"), a_result("PQ4np", None)]
    decision = decide(results, Limits(None, None, None, Decimal(10)), objective="usd", k=10)
    assert decision.fitting == ("tiny@8:none | SQ8",)
    assert decision.misses["tiny@8:none | SQ4"] == ("it costs 10.01 USD a month, not at most 10",)
    assert decision.misses["tiny@8:none | PQ4np"] == ("it was not billed",)


def test_all_limits_together_name_every_miss():
    """A trial that misses four limits is told all four, in the order of the options."""
    scores = np.full(300, 0.8)
    flat = exact_flat("10.00", ndcg=scores)
    bad = a_result("SQ4", "30.00", low=0.5, p99=9.0, ndcg=scores * 0.5, confirmed=True)
    decision = decide([flat, bad], Limits(0.9, 0.95, 2.0, Decimal(20)), objective="usd", k=10)
    assert decision.fitting == (FLAT,)
    assert decision.misses[str(bad.trial)] == (
        "recall_vs_exact@10 is at least 0.5000, not 0.9",
        "ndcg@10 over exact search's may be below 0.95",
        "p99 latency is 9.000 ms, not at most 2.0",
        "it costs 30.00 USD a month, not at most 20",
    )


def test_without_limits_everything_measured_fits():
    """No limit is missed when there is none, save by what could not be measured."""
    decision = decide([a_result("SQ8", low=0.1), unsuitable("PQ4np")], NO_LIMITS, objective="usd", k=10)
    assert decision.fitting == ("tiny@8:none | SQ8",)
    assert decision.misses["tiny@8:none | PQ4np"] == ("too few training rows",)


def test_ties_are_decided_among_fitting_trials_only():
    """A cheap trial that does not fit must not decide which fitting trials tie."""
    # Counted from the misfit's 99.50, 100.40 would be a tie and 100.60 not, and the larger one would be chosen.
    misfit = a_result("PQ2np", "99.50", low=0.5)
    large, small = a_result("SQ8", "100.40", ram=32), a_result("SQ4", "100.60", ram=16)
    assert decide([large, small], Limits(), objective="usd", k=10).fitting[0] == str(small.trial)
    assert decide([misfit, large, small], Limits(), objective="usd", k=10).fitting[0] == str(small.trial)


def test_closest_falls_short_by_least():
    """When nothing fits, missing two limits by little is closer than missing one by far: shortfalls add up."""
    one, two = a_result("SQ8", low=0.2, p99=1.0), a_result("SQ4", low=0.94, p99=2.1)
    assert decide([one, two], Limits(0.95, None, 2.0), objective="usd", k=10).closest == str(two.trial)


def test_closest_to_a_recall_limit_has_the_best_lower_bound():
    """When only recall is missed, the closest is the one with the highest lower bound, not the cheapest."""
    results = [a_result("SQ8", "1.00", low=0.8), a_result("SQ4", "9.00", low=0.9), a_result("PQ4np", "5.00", low=0.85)]
    assert decide(results, Limits(), objective="usd", k=10).closest == "tiny@8:none | SQ4"


def test_closest_to_a_bill_limit_is_the_cheapest():
    """When only --max-usd is missed, the closest is the cheapest trial and not the one with the best quality."""
    results = [exact_flat("310.00"), a_result("SQ4", "41.20"), a_result("SQ8", "90.00", low=0.99)]
    limits = Limits(max_usd=Decimal(1))
    assert decide(results, limits, objective="usd", k=10).closest == "tiny@8:none | SQ4"


def test_closest_to_a_latency_limit_is_the_fastest():
    """When only --max-p99-ms is missed, the closest is the fastest trial; one that was not measured is furthest."""
    results = [a_result("SQ8", p99=4.0), a_result("SQ4", "99.00", p99=3.0), a_result("PQ4np", "1.00", p99=None)]
    assert decide(results, Limits(None, None, 2.0), objective="usd", k=10).closest == "tiny@8:none | SQ4"


def test_unsuitable_trials_are_never_chosen_nor_closest():
    """What could not be measured is neither recommended nor named as the closest."""
    decision = decide([unsuitable("PQ4np"), unsuitable("SQ4")], NO_LIMITS, objective="usd", k=10)
    assert (decision.fitting, decision.closest) == ((), None)
    decision = decide([unsuitable("PQ4np"), a_result("SQ4", low=0.1)], Limits(), objective="ram", k=10)
    assert (decision.fitting, decision.closest) == ((), "tiny@8:none | SQ4")


def test_exact_search_meets_every_recall_limit():
    """Flat at full dimension meets --min-recall 1: it is what recall_vs_exact is measured against."""
    assert decide([exact_flat(), a_result("SQ8", low=0.999)], Limits(1.0), objective="usd", k=10).fitting == (FLAT,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(FLAT, True), ("tiny@4:pca | Flat", False), ("tiny@8:trunc | Flat", False), ("tiny@8:none | SQ8", False)],
)
def test_is_exact(text, expected):
    """Only Flat on the model's own vectors is exact search."""
    assert is_exact(Trial.parse(text)) is expected


def test_exact_of_is_the_best_models_flat():
    """Quality ratios are measured against the Flat trial with the best nDCG@10 of all models."""
    worse, better = exact_flat(ndcg=np.full(50, 0.4)), exact_flat(ndcg=np.full(50, 0.6), model="big")
    assert exact_of([worse, a_result("SQ8", ndcg=np.ones(50)), better]) is better
    assert exact_of([a_result("SQ8")]) is None


def test_ndcg_ratio_by_hand():
    """Where every query loses the same share, the ratio holds below that share and fails above it."""
    exact = np.tile([1.0, 0.5], 5000)
    flat = exact_flat(ndcg=exact)
    ours = a_result("SQ8", ndcg=exact * 0.95, confirmed=True)
    # mean(ours - 0.90 exact) = 0.05 x 0.75; every query gains.
    assert 0 < ndcg_ratio_margin(ours, flat, ratio=0.90) < 0.0375
    # mean(ours - 0.97 exact) = -0.02 x 0.75; every query loses.
    assert ndcg_ratio_margin(ours, flat, ratio=0.97) < -0.015


def test_ndcg_ratio_agrees_with_the_plain_ratio_on_many_queries():
    """On 40,000 queries the largest ratio that holds lies within 0.01 below the ratio of the means."""
    rng = np.random.default_rng(5)
    exact = rng.choice([0.0, 0.3, 0.63, 1.0], 40_000, p=[0.2, 0.2, 0.2, 0.4])
    found = np.where(rng.random(40_000) < 0.9, exact, exact * rng.random(40_000))
    flat, ours = exact_flat(ndcg=exact), a_result("SQ8", ndcg=found, confirmed=True)
    plain = found.mean() / exact.mean()
    holding = [ratio for ratio in np.arange(0.5, 1, 0.0005) if ndcg_ratio_margin(ours, flat, ratio=ratio) >= 0]
    assert plain - 0.01 < max(holding) < plain


def test_exact_search_meets_every_ndcg_ratio():
    """The ratio of exact search to itself is 1, however few queries there are."""
    flat = exact_flat(ndcg=np.array([0.0, 1.0, 0.5]))
    assert decide([flat], Limits(None, 1.0), objective="usd", k=10).fitting == (FLAT,)


def test_ndcg_ratio_compares_unconfirmed_trials_on_selection_queries():
    """A trial from selection is paired with exact search's selection scores, never with its confirmation scores."""
    selection, confirmation = np.full(200, 0.5), np.full(300, 0.9)
    flat = exact_flat(ndcg=confirmation)
    flat = replace(flat, per_query={NDCG: confirmation, SELECTION + NDCG: selection})
    ours = a_result("SQ8", ndcg=selection)
    assert ndcg_ratio_margin(ours, flat, ratio=0.5) > 0
    assert scores_for(flat, NDCG, confirmed=True) is confirmation
    assert scores_for(flat, NDCG, confirmed=False) is selection
    assert scores_for(ours, NDCG, confirmed=True) is None


def test_ndcg_limit_without_judgements_is_an_error():
    """--min-ndcg-ratio on a run without judged queries says so instead of passing or failing every trial."""
    with pytest.raises(InputError, match=r"needs judged queries.*--qrels"):
        decide([exact_flat(), a_result("SQ8")], Limits(None, 0.9), objective="usd", k=10)


def test_ndcg_limit_without_exact_search_is_an_error():
    """--min-ndcg-ratio on a grid without Flat says which entry is missing."""
    with pytest.raises(InputError, match=r"needs exact search.*Flat"):
        decide([a_result("SQ8")], Limits(None, 0.9), objective="usd", k=10)


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"min_recall": 0.0}, "--min-recall"),
        ({"min_recall": 1.01}, "--min-recall"),
        ({"min_recall": math.nan}, "--min-recall"),
        ({"min_ndcg_ratio": -0.5}, "--min-ndcg-ratio"),
        ({"max_p99_ms": 0.0}, "--max-p99-ms"),
        ({"max_p99_ms": math.inf}, "--max-p99-ms"),
        ({"max_usd": Decimal(0)}, "--max-usd"),
        ({"max_usd": Decimal("NaN")}, "--max-usd"),
    ],
)
def test_limits_out_of_range_are_refused(values, option):
    """A limit that every trial or none can meet is an error that names its option."""
    with pytest.raises(InputError, match=f"{option}.*out of range.*above 0"):
        Limits(**values)


def test_limits_print_as_options():
    """The printed form of limits is what one types; without any it says so."""
    assert Limits(0.95, 0.9, 2.5, Decimal("10.50")).printed() == (
        "--min-recall 0.95 --min-ndcg-ratio 0.9 --max-p99-ms 2.5 --max-usd 10.50"
    )
    assert NO_LIMITS.printed() == "no limit"


CODES = ("SQ8", "SQ6", "SQ4", "RaBitQ4", "RaBitQ2", "RaBitQ", "PQ4np", "PQ2np")


@st.composite
def trials(draw):
    """Up to eight trials whose figures come from few values, so that ties of every kind occur."""
    return [
        a_result(
            code,
            draw(st.sampled_from(["10.00", "10.05", "10.10", "10.11", "20.00"])),
            ram=draw(st.sampled_from([8.0, 16.0])),
            disk=draw(st.sampled_from([0.0, 64.0])),
            low=draw(st.sampled_from([0.90, 0.94, 0.96])),
            p99=draw(st.sampled_from([1.0, 2.0, None])),
        )
        for code in draw(st.lists(st.sampled_from(CODES), min_size=1, unique=True))
    ]


SOME_LIMITS = st.builds(
    Limits,
    st.sampled_from([None, 0.5, 0.92, 0.95, 0.99]),
    st.none(),
    st.sampled_from([None, 0.5, 1.5, 3.0]),
    st.sampled_from([None, Decimal(10), Decimal("10.05"), Decimal(15)]),
)


def tighter(a, b):
    """The limits that meet both."""

    def pick(which, *values):
        return which((value for value in values if value is not None), default=None)

    return Limits(
        pick(max, a.min_recall, b.min_recall),
        None,
        pick(min, a.max_p99_ms, b.max_p99_ms),
        pick(min, a.max_usd, b.max_usd),
    )


@settings(max_examples=200, deadline=None)
@given(results=trials(), limits=SOME_LIMITS, more=SOME_LIMITS)
def test_tighter_limits_never_lower_the_bill(results, limits, more):
    """A tighter limit never lowers the least bill, nor the recommended one by more than the 1 % of a tie."""
    bills = {str(result.trial): cheapest_bill(result).usd_per_month for result in results}
    loose = decide(results, limits, objective="usd", k=10).fitting
    tight = decide(results, tighter(limits, more), objective="usd", k=10).fitting
    assert set(tight) <= set(loose)
    if tight:
        assert min(bills[name] for name in tight) >= min(bills[name] for name in loose)
        assert bills[tight[0]] * TIE >= bills[loose[0]]


@settings(max_examples=200, deadline=None)
@given(results=trials(), limits=SOME_LIMITS, objective=st.sampled_from(["usd", "ram"]), seed=st.integers(0, 99))
def test_order_of_the_trials_does_not_matter(results, limits, objective, seed):
    """Permuting the trials changes neither the decision nor its order nor the closest trial."""
    shuffled = random.Random(seed).sample(results, len(results))
    assert decide(shuffled, limits, objective=objective, k=10) == decide(results, limits, objective=objective, k=10)


@settings(max_examples=100, deadline=None)
@given(results=trials(), limits=SOME_LIMITS)
def test_recommended_ram_is_the_least_of_the_fitting(results, limits):
    """Under `ram` no fitting trial holds fewer code bytes than the recommended one."""
    fitting = decide(results, limits, objective="ram", k=10).fitting
    ram = {str(result.trial): result.index_bytes.ram_bytes_per_vector for result in results}
    assert all(ram[fitting[0]] <= ram[name] for name in fitting)


def test_other_k_is_not_measured():
    """A limit on recall_vs_exact@5 is not met by recall_vs_exact@10."""
    decision = decide([a_result("SQ8")], Limits(), objective="usd", k=5)
    assert decision.misses == {"tiny@8:none | SQ8": ("not measured",)}
    assert Quality(0.97, 0.96, 0.98, 1000) == a_result("SQ8").quality[RECALL]
