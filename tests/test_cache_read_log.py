"""Query logs from JSONL and Parquet: what is read, and each line that cannot be."""

import datetime as dt
import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache import column_file, row_batches
from ragopt.cache.coded_log import MISSING
from ragopt.cache.log_fields import LogFields
from ragopt.cache.read_log import read_log
from ragopt.errors import InputError

FIELDS = LogFields()


def jsonl(folder, *rows, name="log.jsonl"):
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def parquet(folder, **columns):
    path = folder / "log.parquet"
    pq.write_table(pa.table(columns), path)
    return path


FULL = (
    {"time": 1, "query": "a", "session": "s1", "tenant": "t", "history": [], "filter": {"x": 1}, "index_version": 3,
     "chunk_ids": ["c2", 7], "tokens_in": 10, "tokens_out": 1},
    {"time": 2.5, "query": "b", "session": "s1", "tenant": "t", "history": ["a"], "filter": {"x": 2},
     "index_version": "3", "chunk_ids": ["7"], "tokens_in": 20, "tokens_out": 2},
    {"time": 3, "query": "a", "session": None, "tenant": "", "history": ["a"], "filter": None, "chunk_ids": [],
     "tokens_in": 30, "tokens_out": 3},
)  # fmt: skip


def test_every_field_becomes_a_column_of_codes(tmp_path):
    """Codes count from 0 in order of first appearance; nothing is MISSING; 3 and "3" are one value."""
    log = read_log(jsonl(tmp_path, *FULL), FIELDS, keep_texts=True)
    assert log.times_s.tolist() == [1, 2.5, 3]
    assert log.queries.tolist() == [0, 1, 0]
    assert list(log.query_texts) == ["a", "b"]
    assert log.sessions.tolist() == [0, 0, MISSING]
    assert log.tenants.tolist() == [0, 0, MISSING]
    assert log.histories.tolist() == [MISSING, 0, 0]
    assert log.filters.tolist() == [0, 1, MISSING]
    assert log.versions.tolist() == [0, 0, MISSING]
    assert log.chunks.starts.tolist() == [0, 2, 3, 3]
    assert log.chunks.codes.tolist() == [0, 1, 1]
    assert list(log.chunks.names) == ["c2", "7"]
    assert log.tokens_in.tolist() == [10, 20, 30]
    assert log.tokens_out.tolist() == [1, 2, 3]
    assert log.queries.dtype == np.int32
    assert not log.queries.flags.writeable
    assert log.chunk_bytes is None
    assert log.n_corpus_chunks is None
    assert log.prompts is None


def test_a_log_of_queries_only_has_no_other_column(tmp_path):
    """Fields that no line has are None, and the lack of a time and of sessions is said."""
    log = read_log(jsonl(tmp_path, {"query": "a"}, "", "   ", {"query": "A"}, {"query": "a "}), FIELDS)
    assert log.queries.tolist() == [0, 1, 2]
    others = (log.times_s, log.sessions, log.tenants, log.versions, log.filters, log.histories, log.chunks)
    assert others == (None,) * 7
    assert (log.tokens_in, log.tokens_out, log.query_texts) == (None, None, None)
    assert log.warnings[0].startswith("The log has no time")
    assert "no sessions" in log.warnings[1]
    assert "3 requests over an unknown time" in log.insufficient
    assert log.refused == ""


@pytest.mark.parametrize("name", ["log.jsonl.gz", "LOG.NDJSON.GZ"])
def test_a_compressed_log_is_the_same_log(tmp_path, name):
    """.gz is unpacked on the way."""
    path = tmp_path / name
    path.write_bytes(gzip.compress("\ufeff".encode() + b'{"query": "a"}\n{"query": "b"}'))
    assert read_log(path, FIELDS).queries.tolist() == [0, 1]


def test_a_damaged_compressed_log_is_an_error(tmp_path):
    """A stream that ends too early is said, not taken for the end of the log."""
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"query": "a"}\n' * 99)[:-9])
    with pytest.raises(InputError, match="is damaged after line"):
        read_log(path, FIELDS)


GOOD = {"time": 5, "query": "q", "chunk_ids": ["c"], "tokens_in": 4, "tokens_out": 1, "session": "s"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": None}, "'query' is None: a request without a query"),
        ({"query": ""}, "'query' is '': a request without a query"),
        ({"query": " \t"}, "a request without a query"),
        ({"query": True}, "'query' is True. Allowed: a text or a whole number"),
        ({"query": ["a"]}, "'query' is \\['a'\\]"),
        ({"time": float("nan")}, "'time' is nan"),
        ({"time": float("inf")}, "'time' is inf"),
        ({"time": -1}, "'time' is -1"),
        ({"time": True}, "'time' is True"),
        ({"time": 10**400}, "'time' is 1000"),
        ({"time": "yesterday"}, "'time' is 'yesterday'"),
        ({"time": "20260131"}, "'time' is '20260131'"),
        ({"time": "1969-12-31T23:59:59Z"}, "'time' is '1969-12-31T23:59:59Z'"),
        ({"time": "2026-01-01T00:00:00Z"}, "in moments with a zone, that of .* line 1 in seconds"),
        ({"time": 1.7e12}, "in milliseconds, that of .* line 1 in seconds"),
        ({"time": None}, "line 3 has no 'time', but .*line 1 has"),
        ({"tokens_in": -1}, "'tokens_in' is -1. Allowed: a whole number from 0 to 10,000,000"),
        ({"tokens_in": 1.5}, "'tokens_in' is 1.5"),
        ({"tokens_in": float("nan")}, "'tokens_in' is nan"),
        ({"tokens_in": float("-inf")}, "'tokens_in' is -inf"),
        ({"tokens_in": True}, "'tokens_in' is True"),
        ({"tokens_in": "4"}, "'tokens_in' is '4'"),
        ({"tokens_out": 10**30}, "'tokens_out' is 1000"),
        ({"tokens_out": 10**7 + 1}, "'tokens_out' is 10000001"),
        ({"tokens_out": None}, "line 3 has no 'tokens_out', but .*line 1 has"),
        ({"chunk_ids": "c"}, "'chunk_ids' is 'c'. Allowed: a list of ids"),
        ({"chunk_ids": {"c": 1}}, "Allowed: a list of ids"),
        ({"chunk_ids": ["c", None]}, "each a text or a whole number"),
        ({"chunk_ids": ["c", ""]}, "each a text or a whole number"),
        ({"chunk_ids": [True]}, "each a text or a whole number"),
        ({"chunk_ids": [0.5]}, "each a text or a whole number"),
        ({"session": 0.5}, "'session' is 0.5. Allowed: a text or a whole number"),
        ({"session": ["s"]}, "'session' is \\['s'\\]"),
    ],
)
def test_a_bad_value_is_named_with_its_line(tmp_path, change, said):
    """The third line, after a blank one, is the bad one; the message names file, line, value and what is allowed."""
    path = jsonl(tmp_path, GOOD, "", GOOD | change, GOOD)
    with pytest.raises(InputError, match=f"log.jsonl, line 3.*{said.removeprefix('line 3')}"):
        read_log(path, FIELDS)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"query": "a"', "line 2: broken JSON at column"),
        ('["query"]', 'line 2: a JSON list where an object belongs. Allowed: .*"time"'),
        ('{"query": "a"} {"query": "b"}', "line 2: broken JSON at column 16: Extra data"),
        ('{"query": "a"},', "line 2: broken JSON at column 15: Extra data"),
        ("null", "line 2: a JSON NoneType"),
        ("[" * 100_000, "line 2: JSON nested too deeply"),
        ('{"query": ' + "1" * 5_000 + "}", "line 2: JSON that cannot be read"),
    ],
)
def test_a_line_that_is_no_object_is_named(tmp_path, line, said):
    """Broken JSON is an error with its line."""
    with pytest.raises(InputError, match=said):
        read_log(jsonl(tmp_path, {"query": "a"}, line), FIELDS)


def test_a_line_that_is_not_utf8_is_named(tmp_path):
    """Line 2 holds a byte of Latin-1."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"query": "a"}\n{"query": "\xe9"}\n')
    with pytest.raises(InputError, match="line 2 is not UTF-8: byte 0xe9 at its byte 12"):
        read_log(path, FIELDS)


def test_no_file_no_rows_and_an_unknown_suffix_are_errors(tmp_path):
    """Each says what would do."""
    with pytest.raises(InputError, match=r"There is no file .* Allowed: .jsonl"):
        read_log(tmp_path / "none.jsonl", FIELDS)
    with pytest.raises(InputError, match="holds no requests"):
        read_log(jsonl(tmp_path, "", ""), FIELDS)
    with pytest.raises(InputError, match=r"unknown suffix '.csv'"):
        read_log(jsonl(tmp_path, GOOD, name="log.csv"), FIELDS)
    broken = tmp_path / "x.parquet"
    broken.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_log(broken, FIELDS)


def test_a_log_without_the_query_field_says_what_it_has(tmp_path):
    """The fields found and the option are named."""
    with pytest.raises(InputError, match=r"line 1: there is no field 'query'.*'t', 'q'.*--query-field"):
        read_log(jsonl(tmp_path, {"t": 1, "q": "a"}), FIELDS)


def test_a_later_batch_without_any_query_is_an_error(tmp_path, monkeypatch):
    """Also where every line of it lacks the field."""
    monkeypatch.setattr(row_batches, "BATCH_BYTES", 1)
    with pytest.raises(InputError, match="line 2: there is no field 'query'"):
        read_log(jsonl(tmp_path, {"query": "a"}, {"time": 1}), FIELDS)


def test_white_space_around_a_line_is_no_error(tmp_path):
    """Blanks before and after an object, and the line ends of Windows."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'  {"query": "a"} \r\n{"query": "b"}\r\n\r\n{"query": "a"}')
    assert read_log(path, FIELDS).queries.tolist() == [0, 1, 0]
    path.write_bytes(b'{"query": "a"} \r\n{"query": "b"}\t\r\n')
    assert read_log(path, FIELDS).queries.tolist() == [0, 1]


def test_batches_make_no_difference(tmp_path, monkeypatch):
    """A line at a time gives the same log: lists, blocks and lines that were late included."""
    rows = [*FULL, FULL[0], FULL[1] | {"query": "z", "chunk_ids": ["c9", "c2"]}]
    fields = LogFields(prompt=("history", "chunk_ids", "query"))
    whole = read_log(jsonl(tmp_path, *rows), fields)
    monkeypatch.setattr(row_batches, "BATCH_BYTES", 1)
    single = read_log(jsonl(tmp_path, *rows), fields)
    assert single.warnings == whole.warnings
    for name in ("times_s", "queries", "sessions", "histories", "filters", "versions", "tokens_in"):
        assert getattr(single, name).tolist() == getattr(whole, name).tolist()
    assert single.chunks.codes.tolist() == whole.chunks.codes.tolist()
    assert single.chunks.starts.tolist() == whole.chunks.starts.tolist()
    assert single.prompts.tokens.tolist() == whole.prompts.tokens.tolist()
    assert single.prompts.starts.tolist() == whole.prompts.starts.tolist()
    assert single.prompts.shared_out == whole.prompts.shared_out


def test_a_named_field_that_no_line_has_is_an_error(tmp_path):
    """A default name may be absent; one that the user gave, or put into the prompt, may not."""
    path = jsonl(tmp_path, {"query": "a", "conv": None})
    fields = LogFields(session="conv")
    assert read_log(path, fields).sessions is None
    with pytest.raises(InputError, match=r"No line of .* has a field 'conv'.*'query', 'conv'.*Correct --session-field"):
        read_log(path, fields, named={"session"})
    with pytest.raises(InputError, match=r"a field 'system'.*--prompt \(system\)"):
        read_log(path, LogFields(prompt=("system",)))


def test_an_empty_field_name_leaves_the_field_out(tmp_path):
    """So a session that is no conversation can be ignored."""
    assert read_log(jsonl(tmp_path, *FULL), LogFields(session=""), named={"session"}).sessions is None


def test_unsorted_lines_are_sorted_stably_with_everything_in_them(tmp_path):
    """Lines of one time keep their order; the warning counts the two lines that were late."""
    rows = [
        {"time": time, "query": query, "chunk_ids": chunks, "session": query, "tokens_in": len(chunks), "p": chunks}
        for time, query, chunks in ((5, "a", ["x", "y"]), (3, "b", []), (5, "c", ["z"]), (4, "d", ["y", "x", "y"]))
    ]
    log = read_log(jsonl(tmp_path, *rows), LogFields(prompt=("p",)), keep_texts=True)
    assert log.times_s.tolist() == [3, 4, 5, 5]
    assert [log.query_texts[code] for code in log.queries] == ["b", "d", "a", "c"]
    assert log.sessions.tolist() == log.queries.tolist()
    assert log.tokens_in.tolist() == [0, 3, 2, 1]
    assert log.chunks.starts.tolist() == [0, 0, 3, 5, 6]
    assert [log.chunks.names[code] for code in log.chunks.codes] == ["y", "x", "y", "x", "y", "z"]
    assert log.prompts.starts.tolist() == log.chunks.starts.tolist()
    assert log.prompts.codes.tolist() == log.chunks.codes.tolist()
    assert "2 lines were not in order of time: the log was sorted" in log.warnings


@pytest.mark.parametrize(
    ("times", "seconds", "warning"),
    [
        ([1_700_000_000, 1_700_000_001.5], [1_700_000_000, 1_700_000_001.5], ""),
        ([1_700_000_000_000, 1_700_000_001_500], [1_700_000_000, 1_700_000_001.5], "milliseconds"),
        ([1_700_000_000_000_000, 1_700_000_001_500_000], [1_700_000_000, 1_700_000_001.5], "microseconds"),
        ([1_700_000_000_000_000_000, 1_700_000_001_500_000_000], [1_700_000_000, 1_700_000_001.5], "nanoseconds"),
        (["2023-11-14T22:13:20Z", "2023-11-14T23:13:21.5+01:00"], [1_700_000_000, 1_700_000_001.5], ""),
        (["2023-11-14 22:13:20", "2023-11-14T22:13:21.500"], [1_700_000_000, 1_700_000_001.5], "no zone"),
        (["1970-01-01", "1970-01-02"], [0, 86_400], "no zone"),
    ],
)
def test_times_are_seconds_whatever_they_were(tmp_path, times, seconds, warning):
    """The unit of numbers is told by their size and said; a text without a zone is UTC, and that is said."""
    log = read_log(jsonl(tmp_path, *({"query": "a", "time": time} for time in times)), FIELDS)
    assert log.times_s.tolist() == seconds
    assert [one for one in log.warnings if one.startswith("Times")] == [
        one for one in log.warnings if warning and warning in one
    ]


@pytest.mark.parametrize(
    ("kind", "warns"),
    [
        (pa.timestamp("s", "Europe/Berlin"), False),
        (pa.timestamp("ms", "UTC"), False),
        (pa.timestamp("us"), True),
        (pa.timestamp("ns", "+05:30"), False),
        (pa.date32(), True),
        (pa.date64(), True),
    ],
)
def test_parquet_timestamps_and_dates_are_seconds(tmp_path, kind, warns):
    """Any unit and zone; two days after 1970 began."""
    days = pa.array([0, 2 * 86_400], pa.timestamp("s")).cast(pa.timestamp("ms")).cast(pa.date32())
    moments = days if kind == pa.date32() else days.cast(pa.timestamp("s")).cast(pa.int64())
    if pa.types.is_timestamp(kind):
        scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        moments = pa.array([0, 2 * 86_400 * scale], kind)
    elif kind == pa.date64():
        moments = days.cast(kind)
    log = read_log(parquet(tmp_path, query=["a", "b"], time=moments), FIELDS)
    assert log.times_s.tolist() == [0, 2 * 86_400]
    assert any("no zone" in one for one in log.warnings) == warns


def test_nanoseconds_of_parquet_keep_the_digits_that_seconds_have(tmp_path):
    """Divided in float64 alone, this moment would be off by 2e-7 seconds."""
    log = read_log(
        parquet(tmp_path, query=["a"], time=pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))), FIELDS
    )
    assert log.times_s[0] == 1_700_000_000.123_456_789


def test_bad_values_of_parquet_are_named_with_their_row(tmp_path):
    """Rows count from 0."""
    with pytest.raises(InputError, match=r"log.parquet, row 1: 'query' is None"):
        read_log(parquet(tmp_path, query=["a", None]), FIELDS)
    with pytest.raises(InputError, match="row 1: 'time' is 1969-12-31T23:59:59Z"):
        read_log(parquet(tmp_path, query=["a", "b"], time=pa.array([0, -1], pa.timestamp("s", "UTC"))), FIELDS)
    with pytest.raises(InputError, match="row 1: 'tokens_in' is nan"):
        read_log(parquet(tmp_path, query=["a", "b"], tokens_in=[1.0, float("nan")]), FIELDS)
    with pytest.raises(InputError, match="row 0: 'time' is datetime"):
        read_log(parquet(tmp_path, query=["a"], time=[dt.time(1)]), FIELDS)
    table = pa.Table.from_arrays([pa.array(["a"])] * 2, names=["query", "query"])
    pq.write_table(table, tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="'query' is the name of two columns"):
        read_log(tmp_path / "twice.parquet", FIELDS)


def test_hashes_of_parquet_may_be_bytes_and_counts_floats(tmp_path):
    """A binary column is read as its hexadecimal text, 12.0 as 12."""
    log = read_log(parquet(tmp_path, query=[b"\x01\xff", b"\x01\xff"], tokens_in=[12.0, 0.0]), FIELDS, keep_texts=True)
    assert list(log.query_texts) == ["01ff"]
    assert log.tokens_in.tolist() == [12, 0]


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80).filter(str.strip)
ROW = st.fixed_dictionaries(
    {
        "time": st.floats(0, 1e9, allow_nan=False),
        "query": TEXT,
        "session": st.none() | TEXT,
        "tenant": st.none() | TEXT,
        "history": st.lists(TEXT, max_size=2),
        "filter": st.none() | TEXT,
        "index_version": st.none() | TEXT,
        "chunk_ids": st.lists(TEXT, max_size=4),
        "tokens_in": st.integers(0, 10**7),
        "tokens_out": st.integers(0, 10**7),
    }
)


def coded(values):
    """The codes of a plain dictionary, MISSING for None: what a log's column should hold."""
    seen = {}
    return [MISSING if value is None else seen.setdefault(value, len(seen)) for value in values]


def column(log, name):
    found = getattr(log, name)
    return [MISSING] * log.n_requests if found is None else found.tolist()


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=12))
def test_any_rows_read_back_the_same_from_jsonl_and_parquet(tmp_path_factory, rows):
    """Both give the codes of a plain dictionary over the rows in file order, then in order of time."""
    folder = tmp_path_factory.mktemp("log")
    pq.write_table(pa.Table.from_pylist(rows), folder / "log.parquet")
    order = sorted(range(len(rows)), key=lambda row: rows[row]["time"])
    for path in (jsonl(folder, *rows), folder / "log.parquet"):
        log = read_log(path, FIELDS, keep_texts=True)
        assert log.times_s.tolist() == [rows[row]["time"] for row in order]
        for name, field in (
            ("queries", "query"), ("sessions", "session"), ("tenants", "tenant"), ("filters", "filter"),
            ("versions", "index_version"),
        ):  # fmt: skip
            codes = coded([row[field] if (row[field] or "") != "" else None for row in rows])
            if field in ("session", "tenant"):
                codes = coded([row[field] if (row[field] or "").strip() else None for row in rows])
            assert column(log, name) == [codes[row] for row in order]
        histories = coded([tuple(row["history"]) or None for row in rows])
        assert column(log, "histories") == [histories[row] for row in order]
        assert [log.query_texts[code] for code in log.queries] == [rows[row]["query"] for row in order]
        reads = np.split(log.chunks.codes, log.chunks.starts[1:-1])
        names = [[log.chunks.names[code] for code in one] for one in reads]
        assert names == [rows[row]["chunk_ids"] for row in order]
        assert log.tokens_in.tolist() == [rows[row]["tokens_in"] for row in order]


def test_long_texts_are_told_apart_by_all_of_their_characters(tmp_path):
    """Two texts of 1,000 characters that differ in the last one are two queries; an equal third is the first again."""
    long = "x" * 1000
    log = read_log(jsonl(tmp_path, *({"query": one} for one in (long, long[:-1] + "y", long))), FIELDS)
    assert log.queries.tolist() == [0, 1, 0]


def test_a_query_over_half_of_all_requests_is_named(tmp_path):
    """A short one by its text, a long one by its first line; half of all is not over half."""
    rows = [{"query": "ping", "chunk_ids": ["home", "x"]}] * 3 + [{"query": "b", "chunk_ids": ["home"]}] * 2
    said = read_log(jsonl(tmp_path, *rows), FIELDS).warnings
    assert "The query 'ping' is 60.0% of all requests: a bot or a health check decides the hits" in said
    assert "The chunk 'home' is 62.5% of all reads: a bot or a default answer decides the hits" in said
    long = [{"query": "a"}, *[{"query": "p" * 65}] * 2]
    assert any("The query of line 2 is 66.7%" in one for one in read_log(jsonl(tmp_path, *long), FIELDS).warnings)
    half = [{"query": "a", "chunk_ids": ["c"]}, {"query": "b", "chunk_ids": ["d"]}]
    assert not any("a bot" in one for one in read_log(jsonl(tmp_path, *half), FIELDS).warnings)


def test_memory_does_not_grow_with_the_log(tmp_path, monkeypatch):
    """Ten times the lines of the same 100 keys take the same Python memory at their peak, within 10 %."""
    monkeypatch.setattr(row_batches, "BATCH_BYTES", 1 << 14)
    monkeypatch.setattr(column_file, "BLOCK_ROWS", 1 << 8)
    line = '{{"time": {0}, "query": "q{1}", "session": "s{1}", "chunk_ids": ["c{1}", "d{1}"], "tokens_in": 5}}\n'
    peaks = []
    for n in (10, 3_000, 30_000):  # the first loads what is loaded at first use
        path = tmp_path / f"{n}.jsonl"
        path.write_text("".join(line.format(row, row % 100) for row in range(n)))
        tracemalloc.start()
        try:
            log = read_log(path, FIELDS)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert log.n_requests == n
        assert log.chunks.n_distinct == 2 * min(n, 100)
    assert peaks[2] < 1.1 * peaks[1]


RAGPULSE = LogFields(
    time="t",
    query="q",
    chunks="passages",
    tokens_in="input_length",
    tokens_out="output_length",
    empty_history=([15200],),
    prompt=("sys_prompt", "passages", "history", "web_search", "q"),
)


@pytest.fixture(scope="module")
def ragpulse(shared) -> Path:
    folder = shared / "data" / "ragpulse"
    if not (folder / "log.jsonl").is_file():
        pytest.skip("RAGPulse is not there")
    return folder


def test_ragpulse_has_its_known_figures(ragpulse):
    """7,106 requests, 33,255 reads, 8,302 chunks, 814 repeated texts (11.5 %); blocks add up to each prompt."""
    log = read_log(
        ragpulse / "log.jsonl", RAGPULSE, chunks=ragpulse / "2_passages.jsonl", named={"time", "query", "session"}
    )
    assert (log.n_requests, len(log.chunks.codes), log.n_corpus_chunks) == (7106, 33_255, 8302)
    assert int((np.diff(log.chunks.starts) > 0).sum()) == 5641
    assert log.n_requests - len(np.unique(log.queries)) == 814
    assert int((log.histories == MISSING).sum()) == 3673
    assert np.add.reduceat(log.prompts.tokens.astype(int), log.prompts.starts[:-1]).tolist() == log.tokens_in.tolist()
    assert (log.insufficient, log.refused) == ("", "")
    assert log.warnings == (
        f"{ragpulse / '2_passages.jsonl'} gives tokens, not bytes: 4 bytes of text were taken for each",
    )


def test_a_mark_of_an_empty_history_is_found_and_the_log_not_refused(ragpulse):
    """Unless [15200] is named as empty, more than half of all sessions seem to begin with a history."""
    log = read_log(ragpulse / "log.jsonl", LogFields(time="t", query="q"))
    assert log.refused == ""
    assert [one for one in log.warnings if "The history [15200] comes in many requests" in one and "--empty" in one]
