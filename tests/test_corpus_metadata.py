"""Metadata: what a row becomes, what is refused, and the columns that many rows fill."""

import datetime as dt
import json
import uuid
from decimal import Decimal
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.corpus.metadata import column_value, columns_of_metadata, metadata_of, without_vectors
from ragopt.corpus.records import Document
from ragopt.errors import InputError

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
INT64 = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**60, 2**63 - 1, -(2**63), 0, 1])
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(TEXT, INT64, EDGES, FINITE, st.booleans())
ROWS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES), max_size=8)


def refused(row):
    with pytest.raises(InputError) as caught:
        metadata_of(row, "a.jsonl, line 3")
    assert "a.jsonl, line 3: " in str(caught.value)
    return str(caught.value)


def test_documents_share_no_metadata():
    """Two documents made without metadata have an empty mapping each, and a document can still be hashed."""
    one, two = Document("1", "", "x"), Document("2", "", "x")
    assert one.metadata == {}
    assert one.metadata is not two.metadata
    assert hash(Document("1", "", "x", {"a": 1})) == hash(one)
    assert Document("1", "", "x", {"a": 1}) != one


def test_values_that_a_filter_can_compare_stay_what_they_are():
    """Text, whole numbers up to 64 bits with sign, finite numbers, true, false; None is dropped, empty text is not."""
    row = {"s": "é", "empty": "", "low": -(2**63), "high": 2**63 - 1, "x": 0.5, "yes": True, "nothing": None}
    flat = metadata_of(row, "here")
    assert flat == {"s": "é", "empty": "", "low": -(2**63), "high": 2**63 - 1, "x": 0.5, "yes": True}
    assert [type(value) for value in flat.values()] == [str, str, int, int, float, bool]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.date(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC), "2024-02-29T12:30:00+00:00"),
        (dt.time(12, 30, 0, 5), "12:30:00.000005"),
        (dt.timedelta(minutes=1, milliseconds=500), 60.5),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([], "[]"),
        (["b", 1, None, True, "é"], '["b",1,null,true,"é"]'),
        ((1, 2), "[1,2]"),
        ([2**70], "[1180591620717411303424]"),
        ({"z": 1, "a": {"d": dt.date(2024, 2, 29), "m": Decimal("0.10")}}, '{"a":{"d":"2024-02-29","m":"0.10"},"z":1}'),
    ],
)
def test_other_values_have_one_form(value, text):
    """Dates as ISO 8601, durations in seconds, decimals with their digits, lists and objects as canonical JSON."""
    assert metadata_of({"k": value}, "here") == {"k": text}


def test_beirs_metadata_object_is_merged():
    """Its keys count like the row's own; an equal value in both is one value; an object deeper down is JSON text."""
    row = {"year": 2020, "lang": None, "metadata": {"url": "u", "year": 2020, "lang": "en", "metadata": {"a": 1}}}
    assert metadata_of(row, "here") == {"year": 2020, "url": "u", "lang": "en", "metadata": '{"a":1}'}
    assert metadata_of({"metadata": {}}, "here") == {}
    assert metadata_of({"metadata": None}, "here") == {}
    assert metadata_of({"metadata": "as text"}, "here") == {"metadata": "as text"}


@pytest.mark.parametrize(("outer", "inner"), [(2020, 2021), (1, True), (1, 1.0), ("1", 1)])
def test_a_key_with_two_values_is_refused(outer, inner):
    """Also when the two only differ in their kind: 1, 1.0 and true are different columns."""
    message = refused({"k": outer, "metadata": {"k": inner}})
    assert f"the key 'k' has two values: {outer!r} in the row and {inner!r} in its 'metadata' object" in message


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"x": float("nan")}, "'x' holds nan"),
        ({"x": float("inf")}, "'x' holds inf"),
        ({"x": [float("nan")]}, "'x' holds a list"),
        ({"metadata": {"x": -float("inf")}}, "'x' holds -inf"),
        (
            {"x": 2**63},
            "'x' holds 9223372036854775808. Allowed: text, finite numbers, whole numbers of 64 bits with sign",
        ),
        ({"x": -(2**63) - 1}, "'x' holds -9223372036854775809"),
        ({"x": 10**5000}, "'x' holds a whole number of 16,610 bits"),
        ({"x": "\ud83d"}, "column 'x' holds half of a surrogate pair at character 0"),
        ({"x": ["\ud83d"]}, "column 'x' holds half of a surrogate pair at character 2"),
        ({"x": b"bytes"}, "'x' holds a bytes"),
        ({"x": [b"bytes"]}, "'x' holds a list"),
        ({"x": {("a", 1): 1}}, "'x' holds a dict"),
        ({"x": Decimal("NaN")}, "'x' holds a Decimal"),
        ({"": 1}, "the metadata key '' cannot be used. Allowed: any text of 1 to 255 characters"),
        ({7: 1}, "the metadata key 7 cannot be used"),
        ({"k" * 256: 1}, "the metadata key of 256 characters cannot be used"),
        ({"\ud83d": 1}, "holds half of a surrogate pair"),
    ],
)
def test_what_no_column_can_hold_is_refused_with_its_place(row, said):
    """NaN, infinity, whole numbers beyond 64 bits, half characters, bytes and unusable keys."""
    assert said in refused(row)


def test_any_text_of_255_characters_is_a_key():
    """Spaces, dots, quotes and other scripts are allowed; what a store makes of them is the store's matter."""
    keys = ["k" * 255, " ", "a.b", 'it\'s "q"', "日本"]
    assert list(metadata_of(dict.fromkeys(keys, 1), "here")) == keys


def test_lists_nested_beyond_pythons_calls_are_refused_not_a_crash():
    """A value nested thousands deep is an input error."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert "'x' holds a list" in refused(without_vectors({"x": deep}))


def test_a_named_number_is_checked_at_once():
    """A subclass of int is compared with the bounds, not searched for among 2^64 numbers."""
    assert metadata_of({"x": IntEnum("Level", {"LOW": 1}).LOW}, "here") == {"x": 1}


def test_vectors_are_left_out():
    """Lists of numbers, nested or in BEIR's object; lists that hold anything else, or nothing, stay."""
    row = {"v": [0.5, 1], "many": [[0.5], [1]], "flags": [True], "none": [], "mixed": [1, "a"], "metadata": {"v": [1]}}
    assert without_vectors(row) == {"flags": [True], "none": [], "mixed": [1, "a"], "metadata": {}}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], "bool"),
        ([True, 1], "string"),
        ([1, 2**63 - 1], "int64"),
        ([1, 0.5], "float64"),
        ([2**53, 0.5], "float64"),
        ([2**60, 0.5], "float64"),
        ([2**53 + 1, 0.5], "string"),
        ([0.5, 1.0], "float64"),
        ([1, "1"], "string"),
        (["a"], "string"),
        ([0.5, False], "string"),
    ],
)
def test_a_column_has_the_narrowest_kind_that_loses_nothing(values, kind):
    """Whole numbers join others only where float64 holds each of them; every other mix is text."""
    assert columns_of_metadata({"k": value} for value in values) == {"k": kind}


def test_columns_are_sorted_and_may_have_gaps():
    """Every key of any document is a column; no documents, no columns."""
    assert list(columns_of_metadata([{"b": 1}, {}, {"a": "x"}]).items()) == [("a", "string"), ("b", "int64")]
    assert columns_of_metadata([]) == {}


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(rows, random):
    """Any order gives the same columns in the same order."""
    shuffled = random.sample(rows, len(rows))
    assert list(columns_of_metadata(shuffled).items()) == list(columns_of_metadata(rows).items())


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_every_value_fits_its_column_and_comes_back(values):
    """Conversion loses nothing: a number column gives an equal number, a text column the text or JSON of the value."""
    kind = columns_of_metadata({"k": value} for value in values)["k"]
    python = {"string": str, "int64": int, "float64": float, "bool": bool}[kind]
    for value in values:
        stored = column_value(value, kind)
        assert type(stored) is python
        back = json.loads(stored) if kind == "string" and not isinstance(value, str) else stored
        assert back == value
        assert column_value(stored, kind) == stored
        assert kind != "string" or type(back) is type(value)


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        ("as is", "string", "as is"),
        (True, "string", "true"),
        (False, "string", "false"),
        (7, "string", "7"),
        (0.1, "string", "0.1"),
        (1e16, "string", "1e+16"),
        (7, "float64", 7.0),
        (7, "int64", 7),
        (True, "bool", True),
    ],
)
def test_forms_of_values_in_their_columns(value, kind, stored):
    """Exact values, with their exact types."""
    found = column_value(value, kind)
    assert (type(found), found) == (type(stored), stored)


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ("7", "int64", "'7' does not fit the column 'k' of kind int64. Allowed: whole numbers of 64 bits with sign"),
        (7.0, "int64", "7.0 does not fit"),
        (True, "int64", "True does not fit"),
        (2**63, "int64", "9223372036854775808 does not fit"),
        (True, "float64", "True does not fit"),
        (2**53 + 1, "float64", "9007199254740993 does not fit"),
        (10**400, "float64", "a whole number of 1,329 bits does not fit"),
        (float("nan"), "float64", "nan does not fit"),
        (float("nan"), "string", "nan does not fit"),
        (1, "bool", "1 does not fit"),
        ("x" * 100, "bool", f"'{'x' * 76}... does not fit"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused(value, kind, said):
    """Documents added later meet columns that exist already; nothing is rounded to fit."""
    with pytest.raises(InputError) as caught:
        column_value(value, kind, column="k")
    assert said in str(caught.value)
