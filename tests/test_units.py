from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.units import GB, GIB, HOURS_PER_MONTH, MIB, format_bytes, to_cents


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1536, "1.5 kB"),
        (12_345_678, "12.3 MB"),
        (4.2e9, "4.2 GB"),
        (3e15, "3000.0 TB"),
        (-1536, "-1.5 kB"),
    ],
)
def test_format_bytes(size_bytes, expected):
    """Sizes are printed with decimal units and one digit."""
    assert format_bytes(size_bytes) == expected


@pytest.mark.parametrize(
    ("usd", "expected"),
    [("1.005", "1.01"), ("1.004999", "1.00"), ("-1.005", "-1.01"), ("0", "0.00"), ("268.8", "268.80")],
)
def test_to_cents_rounds_halves_away_from_zero(usd, expected):
    """Money has two digits; half a cent goes up, as on an invoice."""
    assert str(to_cents(Decimal(usd))) == expected


@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=6))
def test_to_cents_is_within_half_a_cent(usd):
    """Rounding moves an amount by at most half a cent, and rounding twice changes nothing more."""
    cents = to_cents(usd)
    assert abs(cents - usd) <= Decimal("0.005")
    assert to_cents(cents) == cents


def test_constants():
    """GB is decimal, GiB and MiB binary, and a month has 365 x 24 / 12 hours."""
    assert (GB, GIB, MIB, HOURS_PER_MONTH) == (1_000_000_000, 1_073_741_824, 1_048_576, 365 * 24 // 12)
