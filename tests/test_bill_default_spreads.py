import datetime as dt
import math
from decimal import Decimal

import pytest

from ragopt.bill.default_spreads import cpu_spread, default_spreads, price_spread
from ragopt.bill.footprint import Footprint
from ragopt.bill.price_book import PriceBook
from ragopt.bill.prices_in_use import Dated
from ragopt.bill.targets import TARGETS
from ragopt.bill.workload import Workload
from ragopt.records import IndexBytes
from tests.fake_target import BOOK, MILLION, FakeTarget, footprint_of, install

TODAY = dt.date(2026, 11, 30)
INDEX = Footprint(IndexBytes(32.0, 0, 128.0, 160 * MILLION), MILLION, 0.5, 0.4, 0.75, dim=256)


def spreads_of(workload, *, given=(), targets=("acme",), footprint=INDEX):
    found = default_spreads(footprint, workload, BOOK, targets=targets, today=TODAY, given=frozenset(given))
    return {spread.name: (spread.low_factor, spread.high_factor) for spread in found}


@pytest.fixture(autouse=True)
def acme(monkeypatch, request):
    if "real_targets" not in request.fixturenames:
        install(monkeypatch, FakeTarget("acme", lambda workload, cpu_ms: {"acme": 1}))  # noqa: ARG005


@pytest.fixture
def real_targets():
    return TARGETS


def test_stated_figures_are_narrower_than_defaults():
    """A stated field is known within 1.25, a default within 2; what is 0 or not billed has no spread."""
    workload = Workload(MILLION, growth_vectors_per_month=1000)
    found = spreads_of(workload, given=["growth_vectors_per_month", "peak_qps"])
    assert found["growth_vectors_per_month"] == (0.8, 1.25)
    assert found["text_bytes_per_chunk"] == (0.5, 2.0)
    # The peak was stated, the month's queries were not, and one factor moves both.
    assert found["queries"] == (0.5, 2.0)
    assert set(found) == {
        "queries", "growth_vectors_per_month", "text_bytes_per_chunk", "cpu_ms_per_query", "price of acme acme"
    }  # fmt: skip
    (reason,) = (
        spread.reason
        for spread in default_spreads(
            INDEX, workload, BOOK, targets=["acme"], today=TODAY, given=frozenset({"peak_qps"})
        )
        if spread.name == "queries"
    )
    assert reason == "queries_per_month not stated"
    both = spreads_of(workload, given=["queries_per_month", "peak_qps"])
    assert both["queries"] == (0.8, 1.25)


def test_tokens_vary_where_they_are_paid():
    """A generator adds chunk, question, prompt and answer tokens; a reranker the first two."""
    tokens = {"tokens_per_chunk", "query_tokens"}
    answers = {"prompt_tokens", "answer_tokens"}
    assert not (tokens | answers) & set(spreads_of(Workload(MILLION)))
    assert (tokens | answers) & set(spreads_of(Workload(MILLION, reranker="acme:r"))) == tokens
    assert tokens | answers <= set(spreads_of(Workload(MILLION, generator="acme:g")))


def test_the_cpu_interval_becomes_factors():
    """0.5 ms, 95 % interval 0.4 to 0.75 ms: x 0.8 to x 1.5; from 0 on, the low end mirrors the high one."""
    assert (cpu_spread(INDEX).low_factor, cpu_spread(INDEX).high_factor) == (0.8, 1.5)
    from_zero = cpu_spread(footprint_of((0.0, 1.0, 4.0)))
    assert (from_zero.low_factor, from_zero.high_factor) == (0.25, 4.0)
    assert "cpu_ms_per_query" not in spreads_of(Workload(MILLION), footprint=footprint_of((0.0, 0.0, 0.0)))


def test_prices_spread_with_the_root_of_their_age():
    """Clouds: sigma 0.05 a year. After 4 years (1461 days) exp(1.96 x 0.05 x 2) = 1.2165.

    A vendor's logarithm is ten times that, a model's four times. A price of today is known, and has no spread.
    """
    long_ago = Dated(dt.date(2022, 11, 30))
    four_years = price_spread("aws", "vms", oldest=long_ago, today=TODAY)
    assert (four_years.low_factor, four_years.high_factor) == pytest.approx((1 / 1.21652, 1.21652), abs=1e-5)
    vendor = price_spread("acme", "acme", oldest=long_ago, today=TODAY)
    assert math.log(vendor.high_factor) == pytest.approx(10 * math.log(four_years.high_factor))
    tokens = price_spread("openai", "token_prices", oldest=long_ago, today=TODAY)
    assert math.log(tokens.high_factor) == pytest.approx(4 * math.log(four_years.high_factor))
    assert price_spread("aws", "vms", oldest=Dated(TODAY), today=TODAY).is_known
    assert price_spread("aws", "vms", oldest=Dated(TODAY + dt.timedelta(1)), today=TODAY).is_known
    # The price of acme is of 2026-06-01: 182 days.
    assert spreads_of(Workload(MILLION))["price of acme acme"][1] == pytest.approx(
        math.exp(1.959964 * 0.5 * math.sqrt(182 / 365.25))
    )


def test_an_undated_price_read_today_is_not_known():
    """It is taken to be 365 days old: exp(1.959964 x 0.2 x sqrt(365 / 365.25)) = 1.4797; read a day ago, 366."""
    spread = price_spread("cohere", "rerankers", oldest=Dated(TODAY, undated=True), today=TODAY)
    assert spread.high_factor == pytest.approx(1.4797, abs=1e-4)
    assert spread.reason == ("undated, read on 2026-11-30 and taken to be 365 days older: 365 days; sigma 0.2 a year")
    yesterday = Dated(TODAY - dt.timedelta(1), undated=True)
    assert ": 366 days;" in price_spread("cohere", "rerankers", oldest=yesterday, today=TODAY).reason


def test_a_stated_figure_may_have_been_measured():
    """Both are in `given`, so the reason claims neither alone."""
    found = default_spreads(INDEX, Workload(MILLION), BOOK, targets=["acme"], today=TODAY,
                            given=frozenset({"text_bytes_per_chunk"}))  # fmt: skip
    assert {one.reason for one in found if one.name == "text_bytes_per_chunk"} == {"stated or measured"}


def test_only_prices_in_use_vary(real_targets):
    """Both FAISS targets use VMs, volumes and object storage of their provider, and nothing else of the book."""
    book = PriceBook.packaged()
    workload = Workload(MILLION, peak_qps=Decimal(1000))
    found = default_spreads(INDEX, workload, book, targets=list(real_targets)[:2], today=dt.date(2027, 1, 1))
    assert {spread.name for spread in found if spread.name.startswith("price")} == {
        "price of aws vms", "price of aws block_storage", "price of aws object_storage"
    }  # fmt: skip
