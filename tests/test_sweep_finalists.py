"""Which trials are built, worked out on results made by hand."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest

from ragopt.choose import Limits, decide
from ragopt.measure.neighbours import Neighbours
from ragopt.records import Quality
from ragopt.sweep.finalists import Confirmation, choose_finalists
from ragopt.sweep.query_sample import racing_order
from tests.helpers import RECALL, a_result, exact_flat

LIMITS = Limits(min_recall=0.95)


def chosen(*results, n=8, limits=LIMITS):
    by_trial = {result.trial: result for result in results}
    return [trial.factory for trial in choose_finalists(by_trial, limits, objective="ram", k=10, n=n)]


def near(name, ram, low, high):
    result = a_result(name, ram=ram)
    return replace(result, quality={RECALL: Quality((low + high) / 2, low, high, 1000)})


def test_the_preferred_come_first_and_a_cheaper_hope_last():
    """Fewest bytes first; a cheaper trial whose interval still holds the limit is built too, one that cannot is not."""
    results = (
        exact_flat(),
        a_result("SQ8", ram=8, low=0.96),
        a_result("SQ4", ram=4, low=0.955),
        near("PQ2np", 2, 0.945, 0.953),
        near("PQ1np", 1, 0.80, 0.949),
    )
    assert chosen(*results) == ["SQ4", "SQ8", "Flat", "PQ2np"]


def test_one_in_three_may_be_a_hope():
    """Of three finalists one may be a hope, the nearest to the limit; of two, none."""
    results = (
        exact_flat(), a_result("SQ8", ram=8, low=0.96), a_result("SQ4", ram=4, low=0.955),
        near("PQ2np", 2, 0.940, 0.951), near("PQ4np", 3, 0.946, 0.956),
    )  # fmt: skip
    assert chosen(*results, n=3) == ["SQ4", "SQ8", "PQ4np"]
    assert chosen(*results, n=2) == ["SQ4", "SQ8"]


def test_an_upper_bound_may_be_built_but_not_recommended():
    """An estimate that has not converged excludes nobody from being built, and nobody is recommended on it."""
    bound = replace(a_result("SQ4", ram=4, low=0.97), upper_bound=True)
    results = [exact_flat(), a_result("SQ8", ram=8, low=0.96), bound]
    assert chosen(*results)[0] == "SQ4"
    decision = decide(results, LIMITS, objective="ram", k=10)
    assert decision.fitting[0].endswith("SQ8")
    assert decision.misses[str(bound.trial)] == ("its recall is only an upper bound until it is built",)


def test_latency_is_asked_of_built_indexes_only():
    """An unbuilt trial has no latency: it may be built under --max-p99-ms, and is not recommended before."""
    unbuilt = replace(a_result("SQ4", ram=4, low=0.97), latency=None)
    limits = Limits(min_recall=0.95, max_p99_ms=2.0)
    assert chosen(exact_flat(), unbuilt, limits=limits)[0] == "SQ4"
    decision = decide([exact_flat(), unbuilt], limits, objective="ram", k=10)
    assert decision.misses[str(unbuilt.trial)] == ("p99 latency was not measured",)


def test_a_limit_on_money_holds_for_hopes_too():
    """A cheaper hope that costs too much is not built."""
    hope = replace(near("PQ2np", 2, 0.945, 0.953), bills=a_result("SQ8", "50.00").bills)
    limits = Limits(min_recall=0.95, max_usd=Decimal(20))
    assert chosen(exact_flat("5.00"), a_result("SQ8", "10.00", ram=8, low=0.96), hope, limits=limits) == ["SQ8", "Flat"]


def test_what_comes_back_into_a_race_is_compared_on_its_own_queries():
    """A trial that left after 12 queries has its gap taken over those, not over all that its index searched."""
    rng = np.random.default_rng(0)
    ids = rng.permutation(1000)[:300].reshape(30, 10)
    exact = Neighbours(ids, np.tile(-np.arange(10.0), (30, 1)))
    order = racing_order(30, seed=0)
    half = replace(a_result("SQ4"), per_query={RECALL: np.full(12, 0.75, np.float32)})
    found = ids[order].copy()
    found[:, 5:] = -1  # the built index finds half of the neighbours
    data = SimpleNamespace(select_exact=exact, select_queries=ids, vectors=SimpleNamespace(n=1000))
    confirmation = Confirmation(None, None, SimpleNamespace(seed=0, k=10), None, None, None)
    assert confirmation._gap(data, half, found) == pytest.approx(0.25)
