import dataclasses
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from ragopt.bill.uncertain_inputs import CPU, DEVIATIONS, QUERIES, Inputs, Spread, price_name
from ragopt.bill.words_of_inputs import figure_text, words_of
from ragopt.bill.workload import SECONDS_PER_MONTH, Workload
from ragopt.errors import InputError
from tests.fake_target import BOOK, MILLION, footprint_of

INPUTS = Inputs(footprint_of((0.5, 1.0, 2.0)), Workload(MILLION), BOOK)


def test_the_ends_of_a_spread_are_its_95_percent_interval():
    """At -1.96, 0 and 1.96 standard deviations the factor is the low one, 1 and the high one, each side on its own."""
    spread = Spread("k", 0.8, 3.0, "")
    assert pytest.approx(norm.ppf(0.975)) == DEVIATIONS
    assert [spread.factor(z) for z in (-DEVIATIONS, 0, DEVIATIONS)] == pytest.approx([0.8, 1.0, 3.0])
    assert math.log(spread.factor(1.0)) == pytest.approx(math.log(3.0) / norm.ppf(0.975))


@pytest.mark.parametrize("factors", [(0.0, 1.0), (1.1, 1.2), (0.5, 0.9), (0.5, math.inf), (math.nan, 1.0)])
def test_a_spread_holds_its_own_figure(factors):
    """Factors that leave the figure outside, 0, infinity and NaN are refused with the input's name."""
    with pytest.raises(InputError, match="The spread of 'queries' is"):
        Spread("queries", *factors, "")


def test_each_input_moves_what_it_names():
    """Times 1.5: queries and peak together; whole numbers round down; CPU time loses its interval; one price group."""
    drawn = INPUTS.times({QUERIES: 1.5, CPU: 1.5, "query_tokens": 1.49, price_name("acme", "acme"): 1.5})
    expected = dataclasses.replace(
        INPUTS.workload, queries_per_month=1_500_000, peak_qps=Decimal("15.0"), query_tokens=29
    )
    assert drawn.workload == expected
    cpu = (drawn.footprint.cpu_ms_low, drawn.footprint.cpu_ms_per_query, drawn.footprint.cpu_ms_high)
    assert cpu == (1.5, 1.5, 1.5)
    assert {price.group: price.usd for price in drawn.book} == {"acme": Decimal("4.5"), "beta": Decimal(1)}
    assert INPUTS.times({}).workload is INPUTS.workload
    assert INPUTS.times({}).book is BOOK


@given(factor=st.floats(0.001, 1000), peak=st.decimals("0.001", 10**6, places=3), share=st.decimals(0, 1, places=6))
def test_the_average_never_exceeds_the_peak(factor, peak, share):
    """Whatever the factor, queries and peak stay a workload that is accepted, up to the bounds of both."""
    queries = min(int(peak * SECONDS_PER_MONTH * share), 10**12)
    workload = Workload(MILLION, peak_qps=peak, queries_per_month=queries)
    drawn = Inputs(INPUTS.footprint, workload, BOOK).times({QUERIES: factor}).workload
    assert drawn.queries_per_month / Decimal(SECONDS_PER_MONTH) <= drawn.peak_qps


def test_a_field_stays_within_its_bounds():
    """A share of 0.9 x 1.25 is 1, not 1.125; an unset field stays unset."""
    workload = Workload(MILLION, internet_egress_share=Decimal("0.9"))
    drawn = Inputs(INPUTS.footprint, workload, BOOK).times({"internet_egress_share": 1.25, "p99_limit_ms": 2.0})
    assert drawn.workload == dataclasses.replace(workload, internet_egress_share=Decimal(1))


@pytest.mark.parametrize("name", ["peak", "region", "reranker", "cpu"])
def test_an_unknown_input_is_named(name):
    """A name that is no numeric field is refused with those that are."""
    with pytest.raises(InputError, match=rf"'{name}' is no input.*Allowed: queries, cpu_ms_per_query, .*peak_qps"):
        INPUTS.times({name: 1.1})


def test_prices_that_are_not_in_the_book_are_named():
    """A spread of prices that the book does not have would do nothing: it is refused."""
    with pytest.raises(
        InputError, match=r"no prices for price of acme vms.*Allowed: price of acme acme, price of beta"
    ):
        INPUTS.times({price_name("acme", "vms"): 1.1})


def test_figures_in_words():
    """Labels carry the figure and its unit: 10 QPS x 2, 1 ms x 0.5, 256 tokens x 1.25, prices by their change."""
    assert figure_text(QUERIES, 2.0, INPUTS) == "20 QPS at the peak"
    assert figure_text(CPU, 0.5, INPUTS) == "0.5 ms"
    assert figure_text("tokens_per_chunk", 1.25, INPUTS) == "320 tokens"
    assert figure_text("k", 2.0, INPUTS) == "20"
    assert figure_text(price_name("acme", "acme"), 0.86, INPUTS) == "\N{MINUS SIGN}14 %"
    assert [words_of(name) for name in ("k", price_name("acme", "acme"), price_name("aws", "gpu_vms"))] == [
        "k", "prices of acme", "prices of aws gpu VMs"
    ]  # fmt: skip
