import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ragopt.embed.stored_rows import stored_rows, unit_rows
from ragopt.errors import InputError

FLOATS = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-100, 100, width=32)
)


def describe(row):
    return f"row {row} of there"


def test_unit_rows_by_hand():
    """(3, 4) has length 5; a zero row stays zero."""
    assert unit_rows(np.array([[3, 4], [0, 0]], np.float32)).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]


def test_extreme_lengths_are_normalised():
    """Squares that overflow or vanish in float32 do not matter."""
    rows = unit_rows(np.array([[3e30, 4e30], [3e-40, 4e-40]], np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.6, 0.8]], rtol=1e-4)


@given(FLOATS)
def test_normalising_twice_changes_no_bit(rows):
    """A stored vector that is stored again keeps its bytes, and the input is never touched."""
    before = rows.copy()
    once = unit_rows(rows)
    assert np.array_equal(rows, before)
    assert np.array_equal(unit_rows(once), once)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (1e300, "1e+300")])
def test_bad_values_are_named(metric, value, shown):
    """NaN, infinite and too large values are errors that name row, position and value."""
    block = np.ones((3, 2))
    block[1, 1] = value
    with pytest.raises(InputError, match=r"row 1 of there holds .* at position 1") as caught:
        stored_rows(block, metric, describe=describe)
    assert shown in str(caught.value)


def test_zero_rows_matter_to_cosine_only():
    """A zero vector has no direction, but it has an inner product and a distance."""
    block = np.array([[1, 0], [0, 0]], np.int8)
    with pytest.raises(InputError, match="row 1 of there is all zeros"):
        stored_rows(block, "cosine", describe=describe)
    assert stored_rows(block, "ip", describe=describe).tolist() == [[1, 0], [0, 0]]
    assert stored_rows(block, "l2", describe=describe).dtype == np.float32
