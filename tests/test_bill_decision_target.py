"""When to change target: straight lines by hand, every size tried as oracle, and the bill's own targets and chart."""

import math
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragopt.bill.decisions.crossovers import crossovers
from ragopt.bill.decisions.target import decide_target, durable, modelled_footprint
from ragopt.bill.footprint import Footprint
from ragopt.bill.price_book import PriceBook
from ragopt.bill.targets import TARGETS, bill_index
from ragopt.bill.workload import Workload
from ragopt.errors import InputError, PriceError
from ragopt.records import IndexBytes
from ragopt.report.crossover_chart import crossover_chart
from ragopt.report.pictures import svg_text

BOOK = PriceBook.packaged()
MILLION = 1_000_000
SELF_HOSTED = ("faiss-ram", "faiss-ram-nvme")


def lines(**terms):
    """Bills of a fixed part and a part per thousand, in USD."""
    return lambda size: {
        name: Decimal(fixed) + Decimal(per_thousand) * size / 1000 for name, (fixed, per_thousand) in terms.items()
    }


def moves(result):
    return [(change.source, change.to, change.at) for change in result.changes]


def test_three_straight_lines_by_hand():
    """A = 1 + n/1000, b = 11 + n/10,000, c = 101 + n/100,000 USD.

    a = b at 10 / 0.0009 = 11,111 for 12.11 USD; b = c at 90 / 0.00009 = 1,000,000 for 111 USD.
    """
    result = crossovers(lines(a=("1", "1"), b=("11", "0.1"), c=("101", "0.01")), 100, 100_000_000)
    assert [(source, to) for source, to, _ in moves(result)] == [("a", "b"), ("b", "c")]
    first, second = result.changes
    assert 11_111 <= first.at <= 11_111 * 1.01
    assert 1_000_000 <= second.at <= 1_000_000 * 1.01
    assert abs(first.usd_to - Decimal("12.11")) < Decimal("0.02")
    assert first.usd_source >= first.usd_to
    assert result.leaders == ("a", "b", "c")


def test_a_lead_between_two_points_of_the_grid_is_found():
    """B is cheapest from 1,000 to 1,050 only: a grid of one point per decade that ends at a and c still finds it."""

    def bill_at(size):
        return {"a": Decimal(size), "b": Decimal(1000), "c": Decimal(1050 if size >= 1050 else 5000) - size // 10**9}

    result = crossovers(lambda size: {**bill_at(size), "c": Decimal(999 if size > 1050 else 5000)}, 500, 2000,
                        points_per_decade=1)  # fmt: skip
    assert [(source, to) for source, to, _ in moves(result)] == [("a", "b"), ("b", "c")]


def test_a_target_that_is_not_sold_any_more_hands_over():
    """A is cheapest but sold up to 5,000 only; from there on b leads, and a has no bill to show."""
    cheap = lines(a=("1", "0"), b=("9", "0"))
    result = crossovers(lambda size: {n: u for n, u in cheap(size).items() if n == "b" or size <= 5000}, 100, 10**6)
    [change] = result.changes
    assert (change.source, change.to, change.usd_source, change.usd_to) == ("a", "b", None, Decimal(9))
    assert 5000 < change.at <= 5050


def test_steps_that_are_taken_back_are_in_the_table_but_not_in_the_answer():
    """A VM more at 1,000 makes b cheaper until 1,500, where a is again: two changes, none of them durable."""

    def bill_at(size):
        return {"a": Decimal(10 if size < 1000 else 20), "b": Decimal(15 if size < 1500 else 30)}

    result = crossovers(bill_at, 100, 10_000)
    assert [(source, to) for source, to, _ in moves(result)] == [("a", "b"), ("b", "a")]
    assert durable(result) == ()


TERMS = st.tuples(st.integers(0, 1000).map(Decimal), st.integers(0, 1000).map(Decimal))


@settings(max_examples=60, deadline=None)
@given(st.lists(TERMS, min_size=2, max_size=5))
@example([(Decimal(0), Decimal(715)), (Decimal(10), Decimal(0))])
def test_every_size_tried_agrees(terms):
    """At sizes far enough from a change the leader's bill is the least of all, tried one by one."""
    bill_at = lines(**{f"t{i}": (str(fixed), str(slope)) for i, (fixed, slope) in enumerate(terms)})
    result = crossovers(bill_at, 10, 1_000_000)
    for step in range(101):
        size = round(10 * 10 ** (step / 20))
        leader = result.points[0].leader
        for change in result.changes:
            if change.at <= size:
                leader = change.to
        usd = bill_at(size)
        near = any(size <= change.at <= max(size * 1.01, size + 1) for change in result.changes)  # sizes are whole
        assert near or usd[leader] == min(usd.values())


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 10), (10, 5)])
def test_a_range_that_holds_nothing_is_refused(low, high):
    """From 0, from a size to itself, and downwards."""
    with pytest.raises(InputError, match="The range is"):
        crossovers(lines(a=("1", "1")), low, high)


def test_codes_in_ram_hand_over_to_codes_on_a_volume():
    """32 B codes with 128 B for rescoring: all in RAM up to 84 M vectors, beyond them the 128 B lie on a volume.

    One r7g.large holds 14.818e9 B of index with its overhead of 1.10: 160 B x 1.1 = 176 B a vector, 84.2 M vectors; the
    next type costs twice as much. On the volume a vector takes 35.2 B of RAM. Before that both need the same VM, and
    reads from the volume are within the included.
    """
    sizes = IndexBytes(32.0, 0, 128.0, 160 * MILLION)
    footprint = Footprint(sizes, MILLION, 0.01, 0.01, 0.01, dim=128)
    book = PriceBook(price for price in BOOK if price.group != "vms" or price.item in ("r7g.large", "r7g.xlarge"))
    decision = decide_target(
        footprint, Workload(MILLION), book, low=10 * MILLION, high=300 * MILLION, targets=SELF_HOSTED
    )
    [change] = decision.result.changes
    assert (change.source, change.to) == SELF_HOSTED
    edge = (16 * 0.925 - 1) * 2**30 / 176
    assert edge < change.at <= edge * 1.01
    assert change.usd_to == bill_index(footprint, Workload(change.at), book, target="faiss-ram-nvme").usd_per_month
    assert decision.sentence == (
        "From 10 M to 300 M vectors the cheapest target is faiss-ram up to 85 M, faiss-ram-nvme beyond."
    )


def test_queries_take_the_peak_with_them():
    """At ten times the queries the bill is that of ten times the peak."""
    footprint, _ = modelled_footprint(256, Decimal(64), Decimal(1))
    workload = Workload(MILLION, queries_per_month=MILLION, peak_qps=Decimal(50))
    decision = decide_target(
        footprint, workload, BOOK, low=MILLION, high=100 * MILLION, by="queries", targets=["faiss-ram"]
    )
    last = decision.result.points[-1]
    asked = Workload(MILLION, queries_per_month=100 * MILLION, peak_qps=Decimal(5000))
    assert last.usd["faiss-ram"] == bill_index(footprint, asked, BOOK, target="faiss-ram").usd_per_month
    assert "The peak grows in proportion to the queries." in decision.notes
    assert decision.sentence == "From 1 M to 100 M queries a month the cheapest target is faiss-ram throughout."


def test_what_is_skipped_is_listed_with_its_reason():
    """Without a rescoring tier faiss-ram-nvme makes no sense, over the whole range, and the decision says so."""
    footprint, note = modelled_footprint(256, Decimal(64), None)
    decision = decide_target(footprint, Workload(MILLION), BOOK, low=MILLION, high=10 * MILLION, targets=SELF_HOSTED,
                             notes=(note,))  # fmt: skip
    [skipped] = decision.skipped
    assert (skipped.target, skipped.low, skipped.high) == ("faiss-ram-nvme", MILLION, 10 * MILLION)
    assert skipped.reason == "the index has no rescoring tier to keep out of RAM"
    assert decision.notes[1].startswith("CPU time is that of scanning every vector's 64 bytes, ")


def test_the_full_scan_is_the_table_s():
    """Flat, 1 M vectors of 1,000 bytes: 1e6 x (0.4768 + 0.0303 x 1,000) ns = 30.7768 ms."""
    footprint, _ = modelled_footprint(250, Decimal(1000), None)
    assert footprint.cpu_ms_per_query == pytest.approx(30.7768)
    assert (footprint.dim, footprint.index_bytes.file_bytes) == (250, 10**9)


@pytest.mark.parametrize(
    ("dim", "size", "cpu_ms", "message"),
    [
        (250, "0", None, r"--bytes is 0 .*Allowed: 0\.001 to 1,000,000"),
        (250, "1e7", None, r"--bytes is 1E\+7 .*Allowed: 0\.001 to 1,000,000"),
        (250, "NaN", None, "--bytes is NaN"),
        (384, "1536", "1e18", r"--cpu-ms is 1E\+18\. Allowed: above 0, at most 1,000,000,000"),
        (384, "1536", "0", r"--cpu-ms is 0\. Allowed: above 0"),
        (10**9, "1", None, r"--dim is 1000000000\. Allowed: a whole number from 1 to 65,536"),
        (0, "1", None, "--dim is 0"),
    ],
)
def test_an_index_that_cannot_be_is_refused(dim, size, cpu_ms, message):
    """Dimension, bytes and CPU time have the bounds of an index that `ragopt bill` is told of."""
    with pytest.raises(InputError, match=message):
        modelled_footprint(dim, Decimal(size), None if cpu_ms is None else Decimal(cpu_ms))


def test_the_ends_of_the_bounds_have_an_answer():
    """From the smallest index and fastest search to the largest and slowest, every target has a bill or a reason."""
    busy = Workload(n_vectors=MILLION, queries_per_month=10**12, peak_qps=Decimal(10**6))
    for dim, size, cpu_ms in ((65_536, "1e6", "1e9"), (1, "0.001", "1e-9")):
        footprint, note = modelled_footprint(dim, Decimal(size), Decimal(cpu_ms))
        assert note.startswith(f"CPU time is {Decimal(cpu_ms):f} ms")
        decision = decide_target(footprint, busy, BOOK, low=1, high=10**12)
        without = {skipped.target for skipped in decision.skipped}
        assert set(decision.result.points[-1].usd) | without == set(TARGETS)


def test_without_any_price_there_is_no_answer():
    """A region without prices: an error that names what is missing at each target."""
    footprint, _ = modelled_footprint(250, Decimal(1000), None)
    workload = Workload(MILLION, region="nowhere-1")
    with pytest.raises(PriceError, match=r"No target can be billed .*faiss-ram: No price"):
        decide_target(footprint, workload, BOOK, low=MILLION, high=10 * MILLION, targets=SELF_HOSTED)
    with pytest.raises(InputError, match="Unknown target 'fais-ram'"):
        decide_target(footprint, workload, BOOK, low=MILLION, high=10 * MILLION, targets=["fais-ram"])


def test_the_chart_names_every_line_and_every_change():
    """Each billed target's name, the change with its bill, and log axes are on the picture."""
    sizes = IndexBytes(32.0, 0, 128.0, 160 * MILLION)
    footprint = Footprint(sizes, MILLION, 0.01, 0.01, 0.01, dim=128)
    decision = decide_target(
        footprint, Workload(MILLION), BOOK, low=10 * MILLION, high=300 * MILLION, targets=SELF_HOSTED
    )
    picture = svg_text(crossover_chart(decision))
    billed = {name for point in decision.result.points for name in point.usd}
    assert billed == set(SELF_HOSTED) <= set(TARGETS)
    for change in durable(decision.result):
        assert f"from {change.source} to {change.to}" in picture
        assert f"USD {change.usd_to:,.2f}" in picture
    for text in (*billed, "vectors, log scale", "USD per month, log scale", "100 M"):
        assert text in picture
    assert math.isclose(float(decision.result.points[0].at), 10 * MILLION)
