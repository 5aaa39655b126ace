"""On demand or spot at the ends of what is taken: jobs that never finish, and every bound met by an answer."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.decisions.checkpoints import Job
from tests.test_bill_decision_spot import decide


def test_a_job_that_never_finishes_on_spot_is_said_to():
    """100 hours, checkpoints and starts of an hour, an interruption a minute.

    A start alone takes (e^60 - 1) / 60 = 1.9e24 expected hours, beyond the bound of 10^9: no cost of spot is given, and
    on demand is the answer, 101 hours for 101 USD.
    """
    job = Job(Decimal(100), Decimal(3600), Decimal(3600))
    decision = decide(job=job, discount="0.9", interruptions_per_hour="60")
    assert decision.choice == "on demand"
    assert (decision.spot.hours, decision.rework_share, decision.break_even_discount) == (None, None, None)
    [case] = decision.cases
    assert (case.usd, case.saving_usd, case.line) == (None, None, None)
    assert 0 < case.break_even_interruptions_per_hour < 60
    assert decision.sentence == (
        "100 hours of work on c9.large in aws us-east-1 never finish on spot with 60 interruptions an hour (over "
        "1,000,000,000 expected hours), against USD 101.00 on demand in 101.00 hours."
    )


def test_a_long_job_has_its_break_even():
    """50,000 hours, checkpoints of 30 s, starts of 180 s, at 90 %: the search meets rates at which it never finishes.

    At the break-even the expected hours are 1 / 0.1 = 10 times the hours on demand, 50,000.05.
    """
    job = Job(Decimal(50_000), Decimal(30), Decimal(180))
    decision = decide(job=job, discount="0.9")
    rate = decision.cases[0].break_even_interruptions_per_hour
    assert float(job.expect(rate).hours) == pytest.approx(10 * 50_000.05, rel=1e-3)


ENDS = [
    st.sampled_from([Decimal("0.001"), Decimal(1), Decimal(10**6)]),
    st.sampled_from([Decimal("0.001"), Decimal(30), Decimal(10**7)]),
    st.sampled_from([Decimal(0), Decimal(180), Decimal(10**7)]),
    st.sampled_from(["0", "1e-9", "0.001", "1", "60", "3600"]),
    st.sampled_from(["-10", "0", "1e-20", "0.6", "0.99999999999999999999"]),
]


@settings(max_examples=100, deadline=None)
@given(*ENDS)
def test_every_figure_within_its_bounds_has_an_answer(work_hours, checkpoint, restart, rate, discount):
    """At the ends of all bounds, in any mix: an answer with no fewer hours than on demand, or that it never ends."""
    job = Job(work_hours, checkpoint, restart)
    decision = decide(job=job, discount=discount, interruptions_per_hour=rate)
    if decision.spot.hours is None:
        assert decision.choice == "on demand"
        assert "never finish" in decision.sentence
    else:
        least = job.undisturbed_hours * (1 - Decimal("1e-5"))
        assert least <= decision.spot.hours <= 10**9
