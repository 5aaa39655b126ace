"""Keys of each cache: which requests may share an entry."""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache import column_file
from ragopt.cache.coded_log import MISSING, CodedLog, Lists
from ragopt.cache.key_streams import answer_keys, chunk_keys, combined, embedding_keys, first_turns, result_keys
from ragopt.errors import InputError


def codes(*values):
    return np.array(values, dtype=np.int32)


LOG = CodedLog(
    "log",
    None,
    queries=codes(0, 0, 0, 1, 0),
    tenants=codes(0, 1, 0, 0, 0),
    versions=codes(0, 0, 0, 0, 1),
    filters=codes(MISSING, MISSING, MISSING, MISSING, MISSING),
    histories=codes(MISSING, MISSING, 3, MISSING, MISSING),
    chunks=Lists(np.array([0, 2, 3, 3, 3, 5]), codes(0, 1, 1, 1, 0), ["a", "b"]),
)


def test_keys_hold_what_an_entry_depends_on():
    """By hand: another tenant or version has its own result; another history its own answer, but the same result."""
    assert embedding_keys(LOG).tolist() == [0, 0, 0, 1, 0]
    assert result_keys(LOG).tolist() == [0, 1, 0, 2, 3]
    assert answer_keys(LOG).tolist() == [0, 1, 2, 3, 4]
    assert answer_keys(CodedLog("log", None, queries=codes(2, 0, 2))).tolist() == [0, 1, 0]


def test_a_chunk_of_another_index_version_is_another_item():
    """Chunks a and b of version 0, then b and a of version 1; each key knows its chunk."""
    found = chunk_keys(LOG)
    assert found.keys.tolist() == [0, 1, 1, 2, 3]
    assert found.chunks.tolist() == [0, 1, 1, 0]
    plain = chunk_keys(CodedLog("log", None, queries=LOG.queries, chunks=LOG.chunks))
    assert (plain.keys.tolist(), plain.chunks.tolist()) == ([0, 1, 1, 1, 0], [0, 1])
    with pytest.raises(InputError, match=r"does not say which chunks .*--chunks-field"):
        chunk_keys(CodedLog("log", None, queries=LOG.queries))


def test_first_turns_are_told_by_history_else_by_session_else_all():
    """A request without a session is its own conversation."""
    assert first_turns(LOG).mask.tolist() == [True, True, False, True, True]
    assert first_turns(LOG).note == ""
    by_session = first_turns(CodedLog("log", None, codes(0, 0, 0, 0), sessions=codes(1, 1, MISSING, MISSING)))
    assert by_session.mask.tolist() == [True, False, True, True]
    assert "first request of a session" in by_session.note
    neither = first_turns(CodedLog("log", None, codes(0, 0)))
    assert neither.mask.tolist() == [True, True]
    assert "every request counts" in neither.note


CODE = st.integers(MISSING, 2**31 - 1) | st.integers(MISSING, 2)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(CODE, CODE, CODE), max_size=40))
def test_combined_codes_are_those_of_a_dictionary_of_tuples(rows):
    """Equal tuples have equal codes, from 0 in order of first appearance, in blocks of any size."""
    seen = {}
    expected = [seen.setdefault(row, len(seen)) for row in rows]
    columns = np.array(rows, dtype=np.int32).reshape(-1, 3).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column_file, "BLOCK_ROWS", 7)
        assert combined(*columns).tolist() == expected
        first = {}
        assert combined(columns[0]).tolist() == [first.setdefault(row[0], len(first)) for row in rows]


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.lists(st.integers(0, 4), max_size=3), st.integers(MISSING, 2)), max_size=20))
def test_every_chunk_key_leads_back_to_its_chunk(rows):
    """In blocks of any size, the chunk of each read's key is the chunk that was read."""
    reads = [chunk for chunks, _ in rows for chunk in chunks]
    starts = np.array(list(accumulate((len(chunks) for chunks, _ in rows), initial=0)))
    versions = codes(*(version for _, version in rows))
    log = CodedLog(
        "log", None, np.zeros(len(rows), np.int32), versions=versions, chunks=Lists(starts, codes(*reads), ["x"] * 5)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column_file, "BLOCK_ROWS", 3)
        found = chunk_keys(log)
    assert found.chunks[found.keys].tolist() == reads
    pairs = {(chunk, version) for chunks, version in rows for chunk in chunks}
    assert len(found.chunks) == len(pairs)
