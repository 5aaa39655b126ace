import dataclasses
import datetime as dt
from decimal import Decimal

from ragopt.bill.footprint import Footprint
from ragopt.bill.lines import make_line, total
from ragopt.bill.monte_carlo import bill_range
from ragopt.bill.price_book import PriceBook
from ragopt.bill.prices_in_use import Dated, oldest_prices
from ragopt.bill.targets import TARGETS, bill_index
from ragopt.bill.uncertain_inputs import Spread, price_name
from ragopt.bill.workload import Workload
from ragopt.errors import PriceError
from ragopt.records import IndexBytes
from tests.fake_target import BOOK, MILLION, FakeTarget, footprint_of, install, price_of

INDEX = Footprint(IndexBytes(32.0, 0, 128.0, 160 * MILLION), MILLION, 0.5, 0.4, 0.75, dim=256)
WORKLOAD = Workload(100 * MILLION, peak_qps=Decimal(200))
TOKENS = dataclasses.replace(
    price_of("openai", "0.02", as_of="2026-03-01"), source="https://openai.example/pricing (genai-prices 0.2.3)"
)


def with_tokens(footprint, workload, book, *, target):
    """A bill with one more line, 5,000 units of a library price: 100 USD."""
    bill = bill_index(footprint, workload, book, target=target)
    lines = (*bill.lines, make_line("tokens", Decimal(5000), TOKENS, part="embedding", formula=""))
    return dataclasses.replace(bill, lines=lines, usd_per_month=total(lines))


def test_no_line_of_any_target_is_without_its_price():
    """Whatever way a target reads its prices, each line's date is no older than the oldest in use of some group."""
    book = PriceBook.packaged()
    known = {(price.usd, price.as_of, price.source): (price.provider, price.group) for price in book}
    for name, target in TARGETS.items():
        if target.why_not(INDEX, WORKLOAD):
            continue
        try:
            oldest = oldest_prices(INDEX, WORKLOAD, book, [name])
        except PriceError:
            assert target.missing_prices(book, WORKLOAD), name
            continue
        for line in bill_index(INDEX, WORKLOAD, book, target=name).lines:
            place = known[line.usd_per_unit, line.as_of, line.source]
            assert oldest[place].true_on <= Dated(dt.date.fromisoformat(line.as_of), line.undated).true_on, line


def test_the_oldest_price_of_a_group_counts(monkeypatch):
    """Two prices of beta, of 2026-06-01 and 2025-01-01: the second dates the group once it is asked for."""
    old = price_of("beta", "7", as_of="2025-01-01", item="other")
    book = PriceBook([*BOOK, old])

    def asks(workload, cpu_ms):
        del workload, cpu_ms
        return {"beta": 1}

    target = FakeTarget("t", asks)
    install(monkeypatch, target)
    assert oldest_prices(INDEX, WORKLOAD, book, ["t"]) == {("beta", "beta"): Dated(dt.date(2026, 6, 1))}
    charges = target.charges

    def charges_and_looks(footprint, workload, book, cpu_ms):
        book.price("beta", "global", "beta", "other")
        return charges(footprint, workload, book, cpu_ms)

    monkeypatch.setattr(target, "charges", charges_and_looks)
    assert oldest_prices(INDEX, WORKLOAD, book, ["t"]) == {("beta", "beta"): Dated(dt.date(2025, 1, 1))}


def test_a_price_that_only_a_line_shows_is_in_use(monkeypatch):
    """A target that goes through the book itself and asks for nothing by name is found by its lines."""
    target = FakeTarget("t", lambda workload, cpu_ms: {})  # noqa: ARG005 - the signature of a target
    install(monkeypatch, target)

    def through_the_book(footprint, workload, book, cpu_ms):
        del footprint, workload, cpu_ms
        acme = next(price for price in book if price.group == "acme")
        lines = (make_line("x", Decimal(1), acme, part="queries", formula=""),)
        return dataclasses.replace(charges, lines=lines)

    charges = target.charges(INDEX, WORKLOAD, BOOK, 1.0)
    monkeypatch.setattr(target, "charges", through_the_book)
    assert oldest_prices(INDEX, WORKLOAD, BOOK, ["t"]) == {("acme", "acme"): Dated(dt.date(2026, 6, 1))}


def test_an_undated_price_is_a_year_older_than_the_day_of_reading_it(monkeypatch):
    """Read on 2026-05-02 it is taken to be of 2025-05-02, before one of 2025-05-03 and after one of 2025-05-01."""
    undated = dataclasses.replace(price_of("beta", "7", as_of="2026-05-02"), undated=True)
    target = FakeTarget("t", lambda workload, cpu_ms: {"beta": 1})  # noqa: ARG005 - the signature of a target
    install(monkeypatch, target)
    charges = target.charges

    def charges_and_looks(footprint, workload, book, cpu_ms):
        book.price("beta", "global", "beta", "other")
        return charges(footprint, workload, book, cpu_ms)

    monkeypatch.setattr(target, "charges", charges_and_looks)
    for other, oldest in (("2025-05-03", Dated(dt.date(2026, 5, 2), undated=True)),
                          ("2025-05-01", Dated(dt.date(2025, 5, 1)))):  # fmt: skip
        book = PriceBook([undated, price_of("beta", "7", as_of=other, item="other")])
        assert oldest_prices(INDEX, WORKLOAD, book, ["t"]) == {("beta", "beta"): oldest}


def test_library_prices_are_in_no_book_and_vary_all_the_same(monkeypatch):
    """40 USD of acme and beta and 100 USD of library tokens: dated by their line, and x 0.5 to x 2 makes 90 to 240 USD.

    The ends are the 2.5 % and 97.5 % points of one log-normal factor, exact but for the line between two draws.
    """
    install(monkeypatch, FakeTarget("t", lambda workload, cpu_ms: {"acme": 10, "beta": 10}))  # noqa: ARG005
    oldest = oldest_prices(footprint_of(), WORKLOAD, BOOK, ["t"], with_tokens)
    assert oldest["genai-prices", "token_prices"] == Dated(dt.date(2026, 3, 1))
    found = bill_range(
        footprint_of(), WORKLOAD, BOOK, target="t", billing=with_tokens,
        spreads=[Spread(price_name("genai-prices", "token_prices"), 0.5, 2.0, "")],
    )  # fmt: skip
    assert found.usd_per_month == Decimal(140)
    assert abs(found.low - 90) < Decimal("0.2")
    assert abs(found.high - 240) < Decimal("0.8")


def test_a_price_of_the_book_that_names_the_library_is_the_books(monkeypatch):
    """A book may quote the library as its source: such a line moves with its group, not with the library's prices."""
    quoted = dataclasses.replace(price_of("acme", "3"), source="genai-prices 0.2.3, read by hand")
    book = PriceBook([quoted])
    install(monkeypatch, FakeTarget("t", lambda workload, cpu_ms: {"acme": 10}))  # noqa: ARG005
    assert list(oldest_prices(footprint_of(), WORKLOAD, book, ["t"])) == [("acme", "acme")]
    spreads = [Spread(price_name("genai-prices", "token_prices"), 0.5, 2.0, "")]
    found = bill_range(footprint_of(), WORKLOAD, book, target="t", spreads=spreads)
    assert found.low == found.high == Decimal(30)
