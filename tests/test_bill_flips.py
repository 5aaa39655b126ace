import math
from decimal import Decimal

import pytest
from scipy.stats import norm

from ragopt.bill.flips import Candidate, flips
from ragopt.bill.uncertain_inputs import Spread, price_name
from ragopt.bill.workload import Workload
from ragopt.errors import InputError
from tests.fake_target import BOOK, MILLION, FakeTarget, footprint_of, install

WORKLOAD = Workload(MILLION)
INDEX = footprint_of()
QUERIES = Spread("queries", 0.5, 2.0, "")


def fixed(units):
    return lambda workload, cpu_ms: {"beta": units}  # noqa: ARG005 - the signature of a target


def by_queries(units):
    return lambda workload, cpu_ms: {"beta": units * Decimal(workload.queries_per_month) / MILLION}  # noqa: ARG005


def by_cpu(units):
    return lambda workload, cpu_ms: {"beta": units * Decimal(str(cpu_ms))}  # noqa: ARG005


def found_of(monkeypatch, quantities, *, recommended, spreads=(QUERIES,), footprints=None, **options):
    install(monkeypatch, *(FakeTarget(name, one) for name, one in quantities.items()))
    candidates = {name: Candidate((footprints or {}).get(name, INDEX), name) for name in quantities}
    return flips(candidates, WORKLOAD, BOOK, recommended=recommended, spreads=spreads, **options)


def test_the_share_of_flips_is_exact(monkeypatch):
    """A flat rate of 100 USD against 120 USD x f, f log-normal with x 0.5 to x 2.

    It flips where 100 > 1.01 x 120 f, f < 0.825083, that is z < 1.96 log2(0.825083) = -0.54368, P = 0.2933; of strata
    with middles (i + 1/2) / 256 those are i < 256 P - 1/2 = 74.59: 75 draws, 181 stay.
    """
    found = found_of(monkeypatch, {"flat": fixed(100), "metered": by_queries(120)}, recommended="flat")
    p = norm.cdf(norm.ppf(0.975) * math.log2(100 / 1.01 / 120))
    assert found.n_samples - found.n_stays == math.floor(256 * p + 0.5) == 75
    assert (found.instead, found.n_instead, found.cause) == ("metered", 75, "peak load and queries is lower")
    assert found.share_stays == 181 / 256
    assert found.sentence == (
        "In 181 of 256 draws (71 %) flat stays within 1 % of the least bill; where it does not, metered is the "
        "cheapest, mostly because peak load and queries is lower."
    )


def test_bills_within_a_percent_are_ties(monkeypatch):
    """101.00 against 100.00 USD is no flip, 101.01 is one in every draw."""
    tied = found_of(monkeypatch, {"a": fixed(101), "b": fixed(100)}, recommended="a")
    assert (tied.n_stays, tied.instead, tied.n_instead, tied.cause) == (256, None, 0, "")
    assert tied.sentence == "In all of 256 draws a stays within 1 % of the least bill."
    beaten = found_of(monkeypatch, {"a": fixed(Decimal("101.01")), "b": fixed(100)}, recommended="a")
    assert (beaten.n_stays, beaten.n_instead) == (0, 256)
    assert beaten.sentence == "In none of 256 draws is a within 1 % of the least bill; b is the cheapest."


def test_candidates_see_the_same_draws(monkeypatch):
    """Two that cost the same at every input never flip, however wide the spreads; with own draws they would."""
    spreads = [Spread("queries", 0.01, 100.0, ""), Spread(price_name("beta", "beta"), 0.1, 10.0, "")]
    found = found_of(monkeypatch, {"a": by_queries(50), "b": by_queries(50)}, recommended="b", spreads=spreads)
    assert found.n_stays == 256


def test_cpu_time_is_drawn_for_each_index_alone(monkeypatch):
    """Two indexes of equal bills in CPU time, each x 0.5 to x 2: half of the draws flip.

    ln(f1 / f2) is normal with sigma sqrt(2) ln 2 / 1.96 = 0.5001; P(it is over ln 1.01) = P(z > 0.0199) = 0.4921. The
    standard error of 1,024 plain draws is 0.0156. At one target with one footprint the draw is shared: no flip.
    """
    target = {"a": by_cpu(100), "b": by_cpu(100)}
    own = {"a": footprint_of((0.5, 1.0, 2.0)), "b": footprint_of((0.5, 1.0, 2.00001))}
    found = found_of(monkeypatch, target, recommended="a", spreads=(), footprints=own, n_samples=1024)
    assert 1 - found.share_stays == pytest.approx(0.4921, abs=4 * 0.0156)
    same = dict.fromkeys(target, footprint_of((0.5, 1.0, 2.0)))
    assert found_of(monkeypatch, target, recommended="a", spreads=(), footprints=same).n_stays == 256


def test_a_spread_of_cpu_time_is_replaced_by_each_index_own(monkeypatch):
    """The default spreads of one footprint can be handed over as they are: their CPU time does not count here."""
    target = {"a": by_cpu(100), "b": fixed(200)}
    own = {"a": footprint_of((0.5, 1.0, 2.0)), "b": INDEX}
    plain = found_of(monkeypatch, target, recommended="a", spreads=(), footprints=own)
    handed = found_of(
        monkeypatch, target, recommended="a", spreads=[Spread("cpu_ms_per_query", 0.001, 1000.0, "")], footprints=own
    )
    assert plain == handed
    assert plain.cause == "CPU time per query of a is higher"


def test_a_shared_cpu_time_bears_the_name_of_the_recommended_one(monkeypatch):
    """Two targets of one index share its CPU time, named after the recommended one wherever it stands in the list."""
    target = {"first": by_cpu(110), "mine": by_cpu(100), "flat": fixed(200)}
    index = footprint_of((0.25, 1.0, 4.0))
    own = {"first": index, "mine": index, "flat": INDEX}
    found = found_of(monkeypatch, target, recommended="mine", spreads=(), footprints=own)
    assert found.cause == "CPU time per query of mine is higher"


def test_the_most_frequent_other_winner_is_named(monkeypatch):
    """Below z1 b is the cheapest, above z2 c is: c's half is wider, so c is named with how often it wins."""
    found = found_of(
        monkeypatch,
        {
            "a": fixed(100),
            "b": by_queries(150),
            "c": lambda workload, cpu_ms: {"beta": 100 * MILLION / Decimal(workload.queries_per_month)},  # noqa: ARG005
        },
        recommended="a",
    )
    n_flips = found.n_samples - found.n_stays
    n_c = math.floor(256 * norm.sf(norm.ppf(0.975) * math.log2(1.01)) + 0.5)
    n_b = math.floor(256 * norm.cdf(norm.ppf(0.975) * math.log2(100 / 1.01 / 150)) + 0.5)
    assert (found.instead, found.n_instead, n_flips) == ("c", n_c, n_c + n_b)
    assert f"c is the cheapest in {n_c} of these {n_flips}" in found.sentence


def test_no_cause_is_named_where_none_stands_out(monkeypatch):
    """Flips at both ends of one input: on average it is where it always is."""
    both_ends = lambda workload, cpu_ms: {"beta": 100 - 20 * abs(math.log2(workload.queries_per_month / MILLION))}  # noqa: E731, ARG005
    found = found_of(monkeypatch, {"a": fixed(90), "b": both_ends}, recommended="a")
    assert 0 < found.n_stays < 256
    assert found.cause == ""
    assert found.sentence.endswith("b is the cheapest; no single input explains it.")


def test_a_candidate_is_out_where_its_target_refuses(monkeypatch):
    """The recommended one refused above 15 QPS flips there; draws that every target refuses are not counted."""
    small = FakeTarget("small", fixed(10), refuses=lambda workload: workload.peak_qps > 15)
    large = FakeTarget("large", fixed(99))
    candidates = {"small": Candidate(INDEX, "small"), "large": Candidate(INDEX, "large")}
    install(monkeypatch, small, large)
    found = flips(candidates, WORKLOAD, BOOK, recommended="small", spreads=[QUERIES])
    assert (found.n_samples, found.n_stays, found.instead) == (256, 256 - 32, "large")
    alone = flips({"small": candidates["small"]}, WORKLOAD, BOOK, recommended="small", spreads=[QUERIES])
    assert (alone.n_samples, alone.n_stays) == (256 - 32, 256 - 32)


def test_a_recommendation_that_is_no_candidate_is_refused(monkeypatch):
    """The names that there are are listed; and a workload that no target takes has no answer."""
    with pytest.raises(InputError, match=r"'c' is no candidate\. Allowed: a, b"):
        found_of(monkeypatch, {"a": fixed(1), "b": fixed(1)}, recommended="c")
    install(monkeypatch, FakeTarget("a", fixed(1), refuses=lambda workload: True))  # noqa: ARG005
    with pytest.raises(InputError, match="No target takes the workload of any draw"):
        flips({"a": Candidate(INDEX, "a")}, WORKLOAD, BOOK, recommended="a", spreads=[QUERIES])
