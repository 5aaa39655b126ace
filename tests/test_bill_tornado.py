from decimal import Decimal

import pytest

from ragopt.bill.tornado import tornado
from ragopt.bill.uncertain_inputs import Spread, price_name
from ragopt.bill.workload import Workload
from ragopt.errors import InputError
from tests.fake_target import BOOK, MILLION, FakeTarget, footprint_of, install

INDEX = footprint_of((0.5, 1.0, 4.0))
WORKLOAD = Workload(MILLION, queries_per_month=10 * MILLION, metadata_bytes=100)
SPREADS = (
    Spread("queries", 0.5, 2.0, ""),
    Spread("metadata_bytes", 0.5, 2.0, ""),
    Spread("cpu_ms_per_query", 0.5, 4.0, ""),
    Spread(price_name("acme", "acme"), 0.8, 1.25, ""),
    Spread(price_name("beta", "beta"), 0.9, 1.2, ""),
    Spread("query_tokens", 0.5, 2.0, ""),
)


def quantities(workload, cpu_ms):
    """Acme (3 USD): 1 per million queries and 1 per ms of CPU; beta (1 USD): 1 per 10 bytes of metadata."""
    return {
        "acme": Decimal(workload.queries_per_month) / MILLION + Decimal(str(cpu_ms)),
        "beta": Decimal(workload.metadata_bytes) / 10,
    }


@pytest.fixture(autouse=True)
def linear(monkeypatch):
    refuses = lambda workload: workload.metadata_bytes > 300  # noqa: E731 - one line, one use
    install(monkeypatch, FakeTarget("t", quantities, refuses=refuses))


def swings_of(spreads=SPREADS, n=5):
    return [
        (swing.name, swing.usd_at_low, swing.usd_at_high, swing.width)
        for swing in tornado(INDEX, WORKLOAD, BOOK, target="t", spreads=spreads, n=n)
    ]


def test_each_input_alone_by_hand():
    """The bill: 3 x (10 + 1) + 10 = 43 USD.

    queries   x 0.5, x 2:    3 x (5 + 1) + 10 = 28,    3 x (20 + 1) + 10 = 73,  45 apart
    acme      x 0.8, x 1.25: 33 x 0.8 + 10 = 36.4,     33 x 1.25 + 10 = 51.25,  14.85
    metadata  x 0.5, x 2:    33 + 5 = 38,              33 + 20 = 53,            15
    CPU       x 0.5, x 4:    3 x 10.5 + 10 = 41.5,     3 x 14 + 10 = 52,        10.5
    beta      x 0.9, x 1.2:  33 + 9 = 42,              33 + 12 = 45,            3
    query_tokens is in no line and is left out.
    """
    assert swings_of() == [
        ("queries", Decimal(28), Decimal(73), Decimal(45)),
        ("metadata_bytes", Decimal(38), Decimal(53), Decimal(15)),
        ("price of acme acme", Decimal("36.40"), Decimal("51.25"), Decimal("14.85")),
        ("cpu_ms_per_query", Decimal("41.50"), Decimal(52), Decimal("10.50")),
        ("price of beta beta", Decimal(42), Decimal(45), Decimal(3)),
    ]


def test_the_widest_are_kept():
    """N = 2 keeps the first two; none moves a bill whose inputs are known; n = 0 is refused."""
    assert [name for name, *_ in swings_of(n=2)] == ["queries", "metadata_bytes"]
    assert swings_of([Spread("queries", 1.0, 1.0, "")]) == []
    with pytest.raises(InputError, match="n is 0"):
        swings_of(n=0)


def test_ends_carry_their_figures():
    """The words name input, figure and unit at both ends."""
    first = tornado(INDEX, WORKLOAD, BOOK, target="t", spreads=SPREADS)[0]
    assert (first.words, first.at_low, first.at_high) == (
        "peak load and queries", "5 QPS at the peak", "20 QPS at the peak"
    )  # fmt: skip
    assert first.usd_per_month == Decimal(43)


def test_an_end_that_the_target_refuses_has_no_bill():
    """100 bytes x 4 is past the target's 300: no bill there; the width is that of the other end, 43 - 35.50 = 7.50."""
    assert swings_of([Spread("metadata_bytes", 0.25, 4.0, "")]) == [
        ("metadata_bytes", Decimal("35.50"), None, Decimal("7.50"))
    ]
