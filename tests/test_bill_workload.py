"""Workloads refuse what no service can be, and say what they are."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.bill.workload import Workload
from ragopt.bill.workload_fields import FIELDS
from ragopt.errors import InputError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_vectors", 0),
        ("n_vectors", 10**12 + 1),
        ("n_vectors", 1.5),
        ("n_vectors", True),
        ("queries_per_month", -1),
        ("peak_qps", Decimal(0)),
        ("peak_qps", Decimal("NaN")),
        ("peak_qps", Decimal("Infinity")),
        ("peak_qps", 10.0),
        ("peak_qps", "10"),
        ("n_replicas", 0),
        ("n_replicas", 101),
        ("provider", ""),
        ("region", "US East"),
    ],
)
def test_a_value_out_of_bounds_names_its_option(field, value):
    """A bad value is an InputError that names the command-line option and repeats the value."""
    with pytest.raises(InputError) as caught:
        Workload(**{"n_vectors": 1000, field: value})
    shown = str(value) if isinstance(value, Decimal) else repr(value)
    assert f"{FIELDS[field].label} is {shown}." in str(caught.value)


def test_bounds_are_said_in_the_message():
    """The message is one sentence of what failed, one of what is allowed and one of what to do."""
    with pytest.raises(InputError) as caught:
        Workload(n_vectors=0)
    assert str(caught.value) == (
        "--vectors-at-scale is 0. Allowed: a whole number from 1 to 1,000,000,000,000 (vectors). "
        "Give --vectors-at-scale a value in that range."
    )


def test_an_average_above_the_peak_is_refused():
    """100 M queries in 730 h are 38.05 a second, which a peak of 10 contradicts."""
    with pytest.raises(InputError, match=r"is 38\.05 queries per second on average, more than --peak-qps 10"):
        Workload(n_vectors=1000, queries_per_month=100_000_000)
    assert Workload(n_vectors=1000, queries_per_month=100_000_000, peak_qps=Decimal("38.1")).peak_qps == Decimal("38.1")


def test_describe_says_each_value_and_whether_it_is_a_default():
    """Every field has its line, with its option, and defaults are called so."""
    assert Workload(n_vectors=2000, n_replicas=2).describe(n_corpus=2000) == [
        "vectors: 2,000 (default, change with --vectors-at-scale)",
        "queries: 1,000,000 a month (default, change with --queries-per-month)",
        "peak: 10 queries per second (default, change with --peak-qps)",
        "replicas: 2 (change with --replicas)",
        "provider: aws (default, change with --provider)",
        "region: us-east-1 (default, change with --region)",
    ]
    assert Workload(n_vectors=2000).describe()[0] == "vectors: 2,000 (change with --vectors-at-scale)"


@given(
    st.integers(FIELDS["n_vectors"].low, FIELDS["n_vectors"].high),
    st.integers(FIELDS["n_replicas"].low, FIELDS["n_replicas"].high),
)
def test_every_value_inside_the_bounds_is_taken(n_vectors, n_replicas):
    """Bounds are inclusive and nothing inside them is refused."""
    assert Workload(n_vectors=n_vectors, n_replicas=n_replicas).n_vectors == n_vectors
