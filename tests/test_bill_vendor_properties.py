"""What must hold at every vendor, whatever the workload; an oracle for graded rates."""

import dataclasses
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.price_book import PriceBook
from ragopt.bill.targets import TARGETS, bill_index
from ragopt.bill.vendor_quantities import between, graded
from ragopt.bill.vendor_records import Tier
from ragopt.bill.vendor_target import VendorTarget
from ragopt.bill.workload import Workload
from tests.vendor_bills import BOOK, supplied, vectors_of

CENT = Decimal("0.01")


def full_book():
    """The book with a price for everything that vendors do not publish."""
    book = BOOK
    for name, target in TARGETS.items():
        if isinstance(target, VendorTarget):
            items = {item.replace("-", "_"): ("0.7", 10**10) for item in target.rules.user_supplied}
            book = book.over(price for price in supplied(name, **items) if price.group == name)
    return book


FULL = full_book()
DOUBLED = PriceBook(dataclasses.replace(price, usd=2 * price.usd) for price in FULL)
VENDORS = [name for name, target in TARGETS.items() if isinstance(target, VendorTarget)]

WORKLOADS = st.fixed_dictionaries(
    {
        "n_vectors": st.integers(1, 4_000_000),
        "metadata_bytes": st.integers(0, 1000),
        "key_bytes": st.integers(0, 64),
        "filterable_share": st.integers(0, 10).map(lambda tenths: Decimal(tenths) / 10),
        "namespaces": st.sampled_from([1, 1, 7, 1000]),
        "queries_per_month": st.integers(0, 20_000_000),
        "k": st.integers(1, 100),
        "growth_vectors_per_month": st.integers(0, 200_000),
        "horizon_months": st.integers(1, 24),
        "reindexes_per_month": st.sampled_from([Decimal(0), Decimal("0.25"), Decimal(2)]),
        "write_path": st.sampled_from(["bulk", "upsert"]),
        "vectors_per_write": st.integers(1, 100),
        "n_replicas": st.integers(1, 3),
    }
)


def usd_of(bill):
    return bill.usd_before_minimum


@settings(max_examples=150, deadline=None)
@given(
    target=st.sampled_from(VENDORS), dim=st.integers(1, 1000), work=WORKLOADS,
    change=st.sampled_from(
        ["dim", "metadata_bytes", "key_bytes", "queries_per_month", "k", "n_vectors", "growth_vectors_per_month",
         "n_replicas", "reindexes_per_month"]
    ),
    more=st.integers(1, 500),
)  # fmt: skip
def test_more_of_anything_never_lowers_a_bill(target, dim, work, change, more):
    """More dimensions, bytes, queries, results, vectors, replicas or writes: the use of a month stays or grows.

    With the minimum filled up and the first load spread, the total may lose a cent of rounding per line, no more.
    """
    work = {**work, "namespaces": work["namespaces"] if change != "n_vectors" else 1}
    larger = dict(work)
    larger_dim = dim
    if change == "dim":
        larger_dim = dim + more
    elif change == "n_replicas":
        larger["n_replicas"] = 3
    else:
        larger[change] = work[change] + more
    less = bill_index(vectors_of(dim), Workload(**bounded(work)), FULL, target=target)
    greater = bill_index(vectors_of(larger_dim), Workload(**bounded(larger)), FULL, target=target)
    assert usd_of(greater) >= usd_of(less)
    assert greater.usd_per_month >= less.usd_per_month - 3 * CENT


def bounded(work):
    """Keep k and keys to what every vendor takes, and the peak above the average."""
    return {**work, "k": min(work["k"], 100), "key_bytes": min(work["key_bytes"], 64), "peak_qps": Decimal(1000)}


@settings(max_examples=100, deadline=None)
@given(target=st.sampled_from(VENDORS), dim=st.integers(1, 1500), work=WORKLOADS)
def test_lines_are_positive_and_add_up(target, dim, work):
    """No line is negative or nothing; quantity x price is the line to the cent; the lines are the total exactly."""
    bill = bill_index(vectors_of(dim), Workload(**bounded(work)), FULL, target=target)
    assert bill.usd_per_month == sum((line.usd for line in bill.lines), Decimal("0.00"))
    assert bill.usd_per_month == bill.low == bill.high >= bill.usd_before_minimum
    for line in bill.lines:
        assert line.usd > 0
        assert line.quantity > 0
        assert abs(line.quantity * line.usd_per_unit - line.usd) <= CENT / 2
        assert line.formula
        assert line.as_of
    assert len(bill.notes) == len(set(bill.notes))


@settings(max_examples=60, deadline=None)
@given(target=st.sampled_from(VENDORS), dim=st.integers(1, 1500), work=WORKLOADS)
def test_doubled_prices_double_every_line(target, dim, work):
    """Before rounding, doubled prices double each line exactly; the minimum's line follows to the cents of others."""
    once, twice = (
        bill_index(vectors_of(dim), Workload(**bounded(work)), book, target=target) for book in (FULL, DOUBLED)
    )
    exact = {line.item: line.quantity * line.usd_per_unit for line in once.lines if line.part != "minimum"}
    for line in twice.lines:
        if line.part != "minimum" and line.item in exact:
            assert line.quantity * line.usd_per_unit == 2 * exact[line.item]
    assert abs(twice.usd_per_month - 2 * once.usd_per_month) <= CENT * 2 * (len(twice.lines) + 1)


@settings(max_examples=60, deadline=None)
@given(target=st.sampled_from(VENDORS), dim=st.integers(1, 1500), work=WORKLOADS)
def test_a_coarser_scalar_never_costs_more(target, dim, work):
    """float32, float16, int8, binary: each costs at most what the finer one does."""
    bills = [
        bill_index(vectors_of(dim, scalar), Workload(**bounded(work)), FULL, target=target)
        for scalar in ("float32", "float16", "int8", "binary")
    ]
    assert all(usd_of(coarse) <= usd_of(fine) for fine, coarse in pairwise(bills))


@given(
    amount=st.integers(0, 300),
    steps=st.lists(st.tuples(st.integers(1, 90), st.integers(0, 10)), min_size=0, max_size=4),
    rest=st.integers(0, 10),
)
def test_graded_rates_agree_with_counting_unit_by_unit(amount, steps, rest):
    """The graded sum is that of asking each unit of the amount in which tier it lies."""
    ends, end = [], 0
    for width, _ in steps:
        end += width
        ends.append(end)
    tiers = (
        *(Tier(Decimal(end), Decimal(weight)) for end, (_, weight) in zip(ends, steps, strict=True)),
        Tier(None, Decimal(rest)),
    )

    def weight_of(unit):
        return next((weight for end, (_, weight) in zip(ends, steps, strict=True) if unit < end), rest)

    assert graded(Decimal(amount), tiers) == sum(weight_of(unit) for unit in range(amount))


@given(amounts=st.lists(st.integers(1, 10**15), min_size=2, max_size=2).map(sorted))
def test_a_table_meets_its_points_and_never_falls(amounts):
    """Between the points, and beyond them, the table rises; on a point it is the point."""
    points = tuple((Decimal(10) ** x, Decimal(y)) for x, y in ((3, 2), (6, 30), (9, 31)))
    assert [round(between(x, points), 20) for x, _ in points] == [y for _, y in points]
    assert between(Decimal(amounts[0]), points) <= between(Decimal(amounts[1]), points)
    # A thousandth of the way is a third of the logarithm's: 2 x 15^(1/3) is 4.932424.
    assert round(between(Decimal(10**4), points), 6) == Decimal("4.932424")
