"""Rows read from a file are those of the array, however far they lie from each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.embed import row_file
from ragopt.embed.row_file import read_rows
from ragopt.errors import ArtifactError

DIM = 3
ARRAY = np.arange(400 * DIM, dtype=np.float32).reshape(400, DIM)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "v.f32"
    ARRAY.tofile(path)
    with path.open("rb", buffering=0) as handle:
        yield handle, path


@given(rows=st.lists(st.integers(0, 399), unique=True).map(sorted), gap=st.integers(0, 200), span=st.integers(1, 1000))
def test_rows_are_those_of_the_array(file, rows, gap, span):
    """Whether rows between are dropped or skipped, and wherever a span ends, each row is its own."""
    handle, path = file
    asked = np.array(rows, np.int64)
    before = row_file.GAP_BYTES, row_file.SPAN_BYTES
    row_file.GAP_BYTES, row_file.SPAN_BYTES = gap, span
    try:
        found = read_rows(handle.fileno(), DIM, asked, path)
    finally:
        row_file.GAP_BYTES, row_file.SPAN_BYTES = before
    np.testing.assert_array_equal(found, ARRAY[asked])


def test_spans_are_read_with_one_call_each(file, monkeypatch):
    """Rows 0 and 2 come with row 1 between them, row 100 by itself: two calls of 3 rows and of 1."""
    handle, path = file
    sizes = []
    read = row_file.read_exactly
    monkeypatch.setattr(row_file, "GAP_BYTES", 4 * DIM * 4)
    monkeypatch.setattr(
        row_file,
        "read_exactly",
        lambda fd, into, offset, where: (sizes.append(len(into)), read(fd, into, offset, where)),
    )
    read_rows(handle.fileno(), DIM, np.array([0, 2, 100]), path)
    assert sizes == [3, 1]


def test_a_file_that_ends_too_early_is_named(file):
    """A row behind the end is an error with the file's name, not zeros."""
    handle, path = file
    with pytest.raises(ArtifactError, match=r"v\.f32 end too early"):
        read_rows(handle.fileno(), DIM, np.array([0, 400]), path)
