"""On demand or spot: Young and Daly by hand and by their own figures, and simulated interruptions as oracle."""

import dataclasses
import math
import random
import statistics
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.decisions.checkpoints import (
    Job,
    break_even_rate,
    daly_interval,
    expect,
    first_order_overhead,
    hourly_rate,
    hours_in_parts,
    young_interval,
)
from ragopt.bill.decisions.spot import decide_spot
from ragopt.bill.decisions.spot_bands import band_of
from ragopt.bill.price_book import Price, PriceBook
from ragopt.errors import InputError, PriceError

AWS = ("aws", "us-east-1")
JOB = Job(work_hours=Decimal(8), checkpoint_seconds=Decimal(360), restart_seconds=Decimal(1800))


def price_of(group, usd, place=AWS, item="c9.large", **attributes):
    sizes = {name: Decimal(value) for name, value in attributes.items()}
    return Price(*place, group, item, "hour", Decimal(usd), "2026-07-20", "https://example.org/prices", sizes)


def decide(*prices, job=JOB, place=AWS, vm="c9.large", **given):
    given = {name: Decimal(value) for name, value in given.items()}
    return decide_spot(job, vm, *place, PriceBook([price_of("vms", "1", place), *prices]), **given)


def simulated_hours(n_parts, work, checkpoint, restart, rate, seed, n_jobs=20_000):
    """Mean and standard error over jobs that are played through, one event after the other."""
    draws = random.Random(seed)
    totals = []
    for _ in range(n_jobs):
        clock, part = 0.0, 0
        running = False
        while part < n_parts:
            need = work / n_parts + (checkpoint if part < n_parts - 1 else 0.0) if running else restart
            interruption = draws.expovariate(rate)
            if interruption < need:
                clock += interruption
                running = False
            else:
                clock += need
                part += running
                running = True
        totals.append(clock)
    return statistics.fmean(totals), statistics.stdev(totals) / math.sqrt(n_jobs)


def test_a_hand_calculation():
    """8 hours of work, checkpoints of 0.1 h, starts of 0.5 h, an interruption every 20 h; 1 USD an hour, discount 60 %.

    Young: sqrt(2 x 0.1 x 20) = 2 h, so 4 parts with 3 checkpoints. Exactly, with r = 0.05:
      first start  (e^0.025 - 1) / 0.05                               = 0.506302
      parts        e^0.025 x (3 (e^0.105 - 1) + (e^0.1 - 1)) / 0.05
                   = 1.025315 x (3 x 0.110711 + 0.105171) / 0.05      = 8.967462       together 9.473765 h
    On demand 8.5 h = 8.50 USD; spot 9.473765 x 0.4 = 3.79 USD, 4.71 less. Rework 9.473765 / 8.5 - 1 = 11.46 %.
    Break-even discount 1 - 8.5 / 9.473765 = 10.28 %. Young's first order: 0.1/2 + 2/40 + 0.5/20 = 0.125, which gives
    0.5 + 8 x 1.125 = 9.5 h.
    """
    decision = decide(discount="0.6", interruptions_per_hour="0.05")
    assert (decision.spot.n_parts, decision.spot.part_hours, decision.spot.young_hours) == (4, 2, 2)
    assert decision.spot.hours == Decimal("9.47376")
    assert decision.spot.overhead_first_order == Decimal("0.125")
    assert (decision.on_demand_hours, decision.on_demand_usd) == (Decimal("8.5"), Decimal("8.50"))
    [case] = decision.cases
    assert (case.label, case.discount, case.usd, case.saving_usd) == (
        "given", Decimal("0.6"), Decimal("3.79"), Decimal("4.71")
    )  # fmt: skip
    assert round(decision.rework_share, 4) == Decimal("0.1146")
    assert round(decision.break_even_discount, 4) == Decimal("0.1028")
    assert decision.choice == "spot"
    assert decision.sentence == (
        "8 hours of work on c9.large in aws us-east-1 cost USD 3.79 on spot, in 9.47 expected hours with 11.5 % of "
        "rework, against USD 8.50 on demand: spot saves 55 %, until more than "
        f"{case.break_even_interruptions_per_hour:.2g} interruptions an hour or a discount below 10.3 %."
    )
    assert (case.line.usd, case.line.quantity, case.line.usd_per_unit) == (
        Decimal("3.79"), Decimal("9.473765"), Decimal("0.4")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n_parts", "work", "checkpoint", "restart", "rate"),
    [(4, 8.0, 0.1, 0.5, 0.05), (1, 3.0, 0.2, 0.1, 0.4), (12, 6.0, 0.05, 0.3, 1.0), (3, 24.0, 0.5, 2.0, 0.02)],
)
def test_simulated_interruptions_agree(n_parts, work, checkpoint, restart, rate):
    """20,000 jobs played through give the expected hours within four standard errors."""
    exact = hours_in_parts(n_parts, *(Decimal(str(value)) for value in (work, checkpoint, restart, rate)))
    mean, error = simulated_hours(n_parts, work, checkpoint, restart, rate, seed=17)
    assert abs(float(exact) - mean) < 4 * error


@pytest.mark.parametrize(("hours_between", "minutes"), [("24", "117"), ("6", "57"), ("0.25", "9.1")])
def test_daly_s_interval_gives_daly_s_own_figures(hours_between, minutes):
    """Captions of figures 3 to 5 of Daly 2006: checkpoints of 5 min, M of 24 h, 6 h and 15 min: 117, 57 and 9.1 min."""
    interval = 60 * daly_interval(Decimal(5) / 60, Decimal(hours_between))
    assert abs(interval - Decimal(minutes)) < (Decimal("0.5") if Decimal(minutes) > 10 else Decimal("0.05"))
    assert daly_interval(Decimal(3), Decimal(1)) == 1


def test_daly_s_complete_function_is_ours_with_one_checkpoint_more():
    """M e^(R/M) (e^((t + C)/M) - 1) W/t, computed apart, is ours plus the last checkpoint, minus the first start."""
    m, r, c, w, n = 20.0, 0.5, 0.1, 8.0, 4
    daly = m * math.exp(r / m) * (math.exp((w / n + c) / m) - 1) * n
    ours = float(hours_in_parts(n, Decimal(8), Decimal("0.1"), Decimal("0.5"), Decimal("0.05")))
    first_start = m * (math.exp(r / m) - 1)
    last_checkpoint = m * math.exp(r / m) * (math.exp((w / n + c) / m) - math.exp(w / n / m))
    assert ours == pytest.approx(daly + first_start - last_checkpoint, rel=1e-12)
    assert first_order_overhead(Decimal(2), Decimal("0.1"), Decimal("0.5"), Decimal("0.05")) == Decimal("0.125")


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 100), st.floats(0.001, 1), st.floats(0, 2), st.floats(1e-4, 2))
def test_the_interval_is_near_the_best_of_all_counts(work, checkpoint, restart, rate):
    """No count of parts, tried one by one, saves more than 2 % against the interval that was taken."""
    figures = [Decimal(str(round(value, 6))) for value in (work, checkpoint, restart, rate)]
    taken = expect(*figures)
    tried = range(1, max(4, 2 * taken.n_parts + 2))
    best = min(hours_in_parts(n, *figures) for n in (tried if len(tried) < 200 else tried[:: len(tried) // 200]))
    assert taken.hours <= best * Decimal("1.02")
    assert taken.hours >= figures[0] + figures[2]


def test_a_monthly_bucket_becomes_an_hourly_rate():
    """5 % of the VMs in 730 hours: -ln 0.95 / 730 = 0.0000702648; after 730 hours e^(-730 r) = 95 % are left."""
    rate = hourly_rate(Decimal("0.05"))
    assert float(rate) == pytest.approx(0.0000702648, rel=1e-5)
    assert float((-730 * rate).exp()) == pytest.approx(0.95, rel=1e-12)


def test_the_book_gives_discount_and_bucket():
    """A spot price of 0.30 USD is a discount of 70 %; of the bucket 5 to 10 % the upper end is taken."""
    spot = price_of("spot", "0.30", interruption_percent_low=5, interruption_percent_high=10)
    decision = decide(spot)
    assert [(case.label, case.discount) for case in decision.cases] == [("price", Decimal("0.7"))]
    assert float(decision.interruptions_per_hour) == pytest.approx(-math.log(0.9) / 730, rel=1e-5)
    assert decision.interruptions_from == "10 % of the VMs interrupted in a month, the upper end of their bucket"
    assert decision.cases[0].line.source == spot.source


@pytest.mark.parametrize("high", [{}, {"interruption_percent_high": 100}])
def test_the_open_bucket_is_an_assumption_that_is_said(high):
    """Over 20 % a month has no upper end: 50 % is taken, and said to be an assumption."""
    decision = decide(price_of("spot", "0.30", interruption_percent_low=20, **high))
    assert decision.interruptions_from == "50 % of the VMs interrupted in a month: an assumption, over 20 % is known"
    assert float(decision.interruptions_per_hour) == pytest.approx(math.log(2) / 730, rel=1e-5)


def test_an_unknown_discount_is_a_band_and_said_to_be_one():
    """Without a spot price: p10, median and p90 of us-east-1's 894 types.

    At 50 % a month r = ln 2 / 730 = 0.00094952 and Young's interval is 14.5 h: one part, (e^(8.5 r) - 1) / r = 8.534 h.
    Costs 8.534 x (1 - 0.53, 0.66, 0.76) = 4.01, 2.90, 2.05 USD; spot wins even at the least discount of them.
    """
    decision = decide()
    assert [(case.label, case.discount) for case in decision.cases] == [
        ("p10", Decimal("0.53")), ("median", Decimal("0.66")), ("p90", Decimal("0.76"))
    ]  # fmt: skip
    assert [case.usd for case in decision.cases] == [Decimal("4.01"), Decimal("2.90"), Decimal("2.05")]
    assert "USD 2.05 to 4.01 (discount 53 to 76 %)" in decision.sentence
    assert "spot saves 53 % at least" in decision.sentence
    assert any("894 pairs of type and region in us-east-1 (2025-06-28)" in note for note in decision.notes)
    assert band_of("aws", "eu-west-1").n == 14_962
    assert band_of("azure", "eastus") is None


def test_a_band_around_the_break_even_leaves_it_open():
    """With an interruption every 50 minutes the job takes over twice as long: p10 of the discounts loses, p90 wins."""
    decision = decide(interruptions_per_hour="1.2")
    assert decision.choice == "depends"
    assert decision.cases[0].saving_usd < 0 < decision.cases[-1].saving_usd
    assert "spot is cheaper with a discount above" in decision.sentence


def test_a_negative_discount_is_kept_and_loses():
    """A spot price of 1.62 USD is a discount of -62 %: on demand, at any rate of interruptions."""
    decision = decide(price_of("spot", "1.62", interruption_percent_low=0, interruption_percent_high=5))
    [case] = decision.cases
    assert case.discount == Decimal("-0.62")
    assert case.break_even_interruptions_per_hour is None
    assert case.saving_usd == Decimal("-5.27")  # 8.5 x 0.62 is 5.27; 0.05 % more hours are under a cent
    assert decision.choice == "on demand"
    assert "spot loses USD 5.27 here" in decision.sentence


@settings(max_examples=60, deadline=None)
@given(
    st.decimals("0.01", "0.95", places=2), st.decimals("0.5", 50, places=1), st.integers(1, 600), st.integers(0, 3600)
)
def test_the_break_even_rate_breaks_even(discount, work_hours, checkpoint_seconds, restart_seconds):
    """At the break-even rate both cost the same within 0.1 %; at twice that rate on demand is cheaper, at half spot."""
    job = Job(work_hours, Decimal(checkpoint_seconds), Decimal(restart_seconds))
    rate = break_even_rate(job, discount)

    def ratio(interruptions):
        return job.expect(interruptions).hours * (1 - discount) / job.undisturbed_hours

    assert abs(ratio(rate) - 1) < Decimal("0.001")
    assert ratio(rate / 2) < 1 < ratio(rate * 2)


def test_no_interruptions_cost_nothing_more():
    """At a rate of 0 spot takes as long as on demand, without a checkpoint."""
    decision = decide(discount="0.5", interruptions_per_hour="0")
    assert (decision.spot.hours, decision.spot.n_parts, decision.spot.young_hours) == (Decimal("8.5"), 1, None)
    assert (decision.cases[0].usd, decision.rework_share, decision.break_even_discount) == (Decimal("4.25"), 0, 0)


def test_gpu_types_are_found_in_their_own_group():
    """An on-demand price in gpu_vms serves as well as one in vms."""
    book = PriceBook([price_of("gpu_vms", "4", item="g9.xlarge")])
    decision = decide_spot(JOB, "g9.xlarge", *AWS, book, discount=Decimal("0.5"))
    assert decision.on_demand_usd == Decimal("34.00")


def test_what_is_missing_is_named():
    """An unknown type and a provider without band are errors that name the file or the option."""
    with pytest.raises(PriceError, match=r"No price for c8\.huge at aws us-east-1 in ragopt/bill/prices/vms\.toml"):
        decide(vm="c8.huge")
    with pytest.raises(PriceError, match=r"no range of discounts is known for azure\. .*--discount"):
        decide(place=("azure", "eastus"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"work_hours": Decimal(0)}, r"--hours is 0\. Allowed: 0\.001 to 1,000,000 hours"),
        ({"work_hours": Decimal(1_000_001)}, r"--hours is 1000001\. Allowed: 0\.001 to 1,000,000 hours"),
        ({"work_hours": Decimal("NaN")}, "--hours is NaN"),
        ({"checkpoint_seconds": Decimal(0)}, r"--checkpoint-seconds is 0\. Allowed: 0\.001 to 10,000,000 seconds"),
        ({"checkpoint_seconds": Decimal("1e9")}, r"--checkpoint-seconds is 1E\+9\. Allowed: 0\.001 to 10,000,000"),
        ({"restart_seconds": Decimal(-1)}, r"--restart-seconds is -1\. Allowed: 0 to 10,000,000 seconds"),
        ({"restart_seconds": Decimal("1e19")}, r"--restart-seconds is 1E\+19\. Allowed: 0 to 10,000,000 seconds"),
    ],
)
def test_an_impossible_job_is_refused(change, message):
    """Hours, checkpoint and start are checked."""
    with pytest.raises(InputError, match=message):
        dataclasses.replace(JOB, **change)


@pytest.mark.parametrize(
    ("given_value", "message"),
    [
        ({"discount": "1"}, r"--discount is 1\. Allowed: -10 to below 1, negative where spot costs more"),
        ({"discount": "60"}, "Write 60 % as 0.6"),
        ({"discount": "-1e19"}, r"--discount is -1E\+19\. Allowed: -10 to below 1"),
        ({"discount": "NaN"}, "--discount is NaN"),
        ({"interruptions_per_hour": "-1"}, r"--interruptions-per-hour is -1\. Allowed: 0, or 1E-9 to 3600"),
        ({"interruptions_per_hour": "3601"}, r"--interruptions-per-hour is 3601\. Allowed: 0, or 1E-9 to 3600"),
        # e^(1e-30 x hours) is 1 in 28 digits: the job would take no time at all.
        ({"interruptions_per_hour": "1e-30"}, r"--interruptions-per-hour is 1E-30\. Allowed: 0, or 1E-9 to 3600"),
    ],
)
def test_an_impossible_figure_is_refused(given_value, message):
    """A discount of 60 is a slip for 0.6; rates are not negative."""
    with pytest.raises(InputError, match=message):
        decide(**given_value)


def test_young_s_formula():
    """Checkpoints of 5 minutes, an interruption a day: sqrt(2 x 5 x 1440) = 120 minutes."""
    assert young_interval(Decimal(5), Decimal(1440)) == 120
