import dataclasses
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import lognorm

from ragopt.bill.monte_carlo import bill_range, draws, percentile, with_range
from ragopt.bill.price_book import PriceBook
from ragopt.bill.targets import bill_index
from ragopt.bill.uncertain_inputs import Spread, price_name
from ragopt.bill.workload import Workload
from ragopt.errors import InputError
from tests.fake_target import BOOK, MILLION, FakeTarget, footprint_of, install, price_of

INDEX = footprint_of()
WORKLOAD = Workload(MILLION)
ACME = price_name("acme", "acme")


def linear(workload, cpu_ms):
    """1,000 units of acme: 3,000 USD."""
    del workload, cpu_ms
    return {"acme": 1000}


def queries_and_vectors(workload, cpu_ms):
    """One unit of acme per 10,000 queries, one of beta per 10,000 vectors and ms of CPU time."""
    return {"acme": Decimal(workload.queries_per_month) / 10_000,
            "beta": Decimal(workload.n_vectors) / 10_000 * Decimal(str(cpu_ms))}  # fmt: skip


def range_of(spreads, *, target="t", workload=WORKLOAD, book=BOOK, **options):
    return bill_range(INDEX, workload, book, target=target, spreads=spreads, **options)


def test_one_log_normal_price_has_the_quantiles_of_its_distribution(monkeypatch):
    """A bill of 3,000 USD, linear in one price with x 0.5 to x 2: its ends lie within one draw of the exact quantiles.

    By definition of the spread the 2.5 % and 97.5 % points are 1,500 and 6,000 USD; scipy says the same.
    """
    install(monkeypatch, FakeTarget("t", linear))
    exact = lognorm(s=math.log(2) / 1.959964, scale=3000)
    assert exact.ppf([0.025, 0.975]) == pytest.approx([1500, 6000], rel=1e-5)
    for n_samples in (40, 256, 1000):
        found = range_of([Spread(ACME, 0.5, 2.0, "")], n_samples=n_samples)
        for share, usd in ((0.025, found.low), (0.975, found.high)):
            below, above = exact.ppf([max(share - 1 / n_samples, 1e-3), min(share + 1 / n_samples, 1 - 1e-3)])
            assert below < float(usd) < above
    assert float(found.low) == pytest.approx(1500, rel=0.002)
    assert float(found.high) == pytest.approx(6000, rel=0.002)


def test_two_prices_have_the_quantiles_of_their_sum(monkeypatch):
    """3,000 and 1,000 USD with independent prices, against two million plain draws by numpy.

    Within five standard errors: that of a quantile of n draws is sqrt(p (1 - p) / n) / density; strata only make it
    smaller.
    """
    install(monkeypatch, FakeTarget("t", lambda workload, cpu_ms: {"acme": 1000, "beta": 1000}))  # noqa: ARG005
    spreads = [Spread(ACME, 0.5, 2.0, ""), Spread(price_name("beta", "beta"), 0.25, 4.0, "")]
    found = range_of(spreads, n_samples=2048)
    normal = np.random.default_rng(1).standard_normal((2_000_000, 2))
    sums = 3000 * 2 ** (normal[:, 0] / 1.959964) + 1000 * 4 ** (normal[:, 1] / 1.959964)
    for share, usd in ((0.025, found.low), (0.975, found.high)):
        width = 5 * math.sqrt(share * (1 - share) / 2048)
        below, above = np.quantile(sums, [max(share - width, 0), min(share + width, 1)])
        assert below < float(usd) < above


def test_the_same_seed_gives_the_same_range(monkeypatch):
    """Two calls agree to the cent; another seed pairs the inputs otherwise."""
    install(monkeypatch, FakeTarget("t", queries_and_vectors))
    spreads = [Spread("queries", 0.5, 2.0, ""), Spread("cpu_ms_per_query", 0.5, 3.0, ""), Spread(ACME, 0.7, 1.4, "")]
    one = range_of(spreads, seed=7)
    assert one == range_of(spreads, seed=7)
    assert (one.low, one.high) != (range_of(spreads, seed=8).low, range_of(spreads, seed=8).high)


def test_an_input_is_drawn_alike_whatever_else_is_drawn():
    """Common random numbers: an input's column is the same alone and among others, and different from theirs."""
    queries, growth = Spread("queries", 0.5, 2.0, ""), Spread("growth_vectors_per_month", 0.5, 2.0, "")
    alone = [one["queries"] for one in draws([queries], 256, 0)]
    among = [one["queries"] for one in draws([growth, queries], 256, 0)]
    other = [one["growth_vectors_per_month"] for one in draws([growth, queries], 256, 0)]
    assert alone == among
    assert sorted(alone) == sorted(other)
    # Independent columns: the correlation of 256 pairs has the standard error 1/16.
    assert abs(np.corrcoef(np.log(among), np.log(other))[0, 1]) < 4 / 16


def test_known_inputs_leave_the_bill_alone(monkeypatch):
    """Without spreads, or with spreads of x 1 to x 1, low and high are the bill."""
    install(monkeypatch, FakeTarget("t", queries_and_vectors))
    for spreads in ([], [Spread("queries", 1.0, 1.0, ""), Spread(ACME, 1.0, 1.0, "")]):
        found = range_of(spreads)
        assert found.low == found.high == found.usd_per_month == Decimal("400.00")


def test_the_range_holds_the_bill(monkeypatch):
    """A bill that is 300 USD only at 1,000,000 queries exactly, and 30 at every draw: the range reaches up to it."""
    install(
        monkeypatch,
        FakeTarget("t", lambda workload, cpu_ms: {"acme": 100 if workload.queries_per_month == MILLION else 10}),  # noqa: ARG005
    )
    found = range_of([Spread("queries", 0.5, 2.0, "")])
    assert (found.low, found.usd_per_month, found.high) == (Decimal(30), Decimal(300), Decimal(300))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    low=st.floats(0.1, 1), high=st.floats(1, 10), wider=st.floats(1, 5), step=st.integers(1, 400_000),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_a_wider_spread_never_narrows_the_range(monkeypatch, low, high, wider, step, seed):
    """A bill that grows with one input by steps: with the same draws, a wider spread holds the narrower range."""
    install(monkeypatch, FakeTarget("t", lambda workload, cpu_ms: {"acme": workload.queries_per_month // step}))  # noqa: ARG005
    narrow = range_of([Spread("queries", low, high, "")], n_samples=64, seed=seed)
    wide = range_of([Spread("queries", low / wider, high * wider, "")], n_samples=64, seed=seed)
    assert wide.low <= narrow.low <= narrow.usd_per_month <= narrow.high <= wide.high


def test_draws_that_the_target_refuses_are_counted(monkeypatch):
    """A target that takes 15 QPS at most refuses 10 QPS x f for f > 1.5.

    256 x P(z > 1.96 log2(1.5) = 1.1465) = 32.2 draws.
    """
    install(monkeypatch, FakeTarget("t", queries_and_vectors, refuses=lambda workload: workload.peak_qps > 15))
    found = range_of([Spread("queries", 0.5, 2.0, "")])
    assert found.n_refused == 32
    # No bill beyond 1.5 million queries: 150 units of acme, and 100 of beta.
    assert found.high <= Decimal(150 * 3 + 100)
    bill = bill_index(INDEX, WORKLOAD, BOOK, target="t")
    assert with_range(bill, found).notes[-1].endswith("32 draws have no bill: the target does not take their workload.")


def test_one_bill_per_draw(monkeypatch):
    """A draw is billed once: at its own CPU time, which has no interval."""
    target = FakeTarget("t", queries_and_vectors)
    install(monkeypatch, target)
    range_of([Spread("cpu_ms_per_query", 0.5, 2.0, "")], n_samples=100)
    assert len(target.calls) == 100 + 1


def test_a_bill_with_its_range(monkeypatch):
    """low, high and a note with draws, seed and spreads in words; all else stays; another bill's range is refused."""
    install(monkeypatch, FakeTarget("t", linear))
    bill = bill_index(INDEX, WORKLOAD, BOOK, target="t")
    found = range_of([Spread(ACME, 0.5, 2.0, "as of 2026-06-01")], seed=3)
    ranged = with_range(bill, found)
    assert ranged == dataclasses.replace(bill, low=found.low, high=found.high, notes=ranged.notes)
    (note,) = ranged.notes
    assert note == (
        "low and high: the middle 95 % of 256 draws (seed 3), widened to hold the bill. Drawn: prices of acme x 0.5 to "
        "x 2 (as of 2026-06-01). What is 0 in the workload stays 0."
    )
    with pytest.raises(InputError, match=r"range of 3000\.00 USD at t is not that of 1\.00 USD at t"):
        with_range(dataclasses.replace(bill, usd_per_month=Decimal("1.00")), found)


def test_a_faiss_bill_moves_with_its_machines():
    """1,000 vectors on one c7g.medium: 730 x 0.0363 = 26.499 USD of VM and 0.72 USD of volume.

    With VM prices x 0.8 to x 1.25 the ends are 21.199 + 0.72 = 21.92 and 33.124 + 0.72 = 33.84 USD.
    """
    spread = Spread(price_name("aws", "vms"), 0.8, 1.25, "")
    found = bill_range(INDEX, Workload(1000), PriceBook.packaged(), target="faiss-ram", spreads=[spread])
    assert found.usd_per_month == Decimal("27.22")
    assert abs(found.low - Decimal("21.92")) < Decimal("0.1")
    assert abs(found.high - Decimal("33.84")) < Decimal("0.1")


def test_draws_that_make_no_sense_are_refused():
    """Two spreads of one input, and fewer draws than reach beyond a 2.5 % point."""
    with pytest.raises(InputError, match="queries has two spreads"):
        draws([Spread("queries", 0.5, 2.0, "")] * 2, 256, 0)
    with pytest.raises(InputError, match="n_samples is 39"):
        draws([Spread("queries", 0.5, 2.0, "")], 39, 0)
    assert len(draws([Spread("queries", 0.5, 2.0, "")], 40, 0)) == 40


@given(st.lists(st.decimals(0, 10**6, places=2), min_size=1, max_size=80), st.decimals(0, 1, places=3))
def test_percentiles_are_hazens(values, share):
    """Numpy's quantile by Hazen's rule, to the cent."""
    expected = float(np.quantile([float(one) for one in values], float(share), method="hazen"))
    assert abs(float(percentile(sorted(values), share)) - expected) <= 0.00501


def test_prices_that_are_not_drawn_change_nothing(monkeypatch):
    """A book of other vendors' prices is left as it is: only the drawn groups are changed."""
    install(monkeypatch, FakeTarget("t", linear))
    others = [price_of(f"v{i}", "1") for i in range(300)]
    found = range_of([Spread(ACME, 0.5, 2.0, "")], book=PriceBook([*BOOK, *others]), n_samples=40)
    assert found == range_of([Spread(ACME, 0.5, 2.0, "")], n_samples=40)
