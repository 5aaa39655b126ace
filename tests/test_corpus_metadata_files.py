"""Metadata of JSONL and Parquet files: what is read, what is not even read, and what a sweep never sees."""

import datetime as dt
import hashlib
import json
import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ragopt.artifacts import ArtifactStore
from ragopt.corpus.documents import Document, ReadOptions, fingerprint_source, read_documents
from ragopt.corpus.known_items import known_item_queries
from ragopt.corpus.splitting import ChunkOptions
from ragopt.errors import InputError
from ragopt.sweep.corpus_stage import load_corpus
from ragopt.sweep.settings import SweepSettings

USUAL = ReadOptions()


def read(source, options=USUAL, **keywords):
    return list(read_documents(str(source), options, **keywords))


def refused(source):
    with pytest.raises(InputError) as caught:
        read(source)
    return str(caught.value)


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def parquet(path, **columns):
    pq.write_table(pa.table({"id": ["a"], "text": ["x"], **columns}), path)
    return path


def ruin(path, name):
    """Overwrite a column's pages, so that whoever reads it fails."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    (column,) = [one for one in columns if one.path_in_schema == name]
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)


def test_a_line_of_beir_gives_its_metadata(tmp_path):
    """The form of BEIR's TREC-COVID: url and pubmed_id in an object, next to what the line says itself."""
    row = {
        "_id": "ug7v899j",
        "title": "T",
        "text": "x",
        "metadata": {"url": "https://e.org/1", "pubmed_id": "11472636"},
    }
    assert read(jsonl(tmp_path / "corpus.jsonl", row, {"_id": "2", "text": "y", "metadata": {}})) == [
        Document("ug7v899j", "T", "x", {"url": "https://e.org/1", "pubmed_id": "11472636"}),
        Document("2", "", "y"),
    ]
    assert read(tmp_path)[0].metadata == {"url": "https://e.org/1", "pubmed_id": "11472636"}


def test_columns_that_are_not_chosen_are_metadata(tmp_path):
    """With other columns named as id, title and text, the usual ones are metadata like any other; vectors are not."""
    path = jsonl(tmp_path / "a.jsonl", {"key": 7, "body": "B", "id": 1, "text": "other", "embedding": [0.25, 1.0]})
    assert read(path, ReadOptions("key", None, "body")) == [Document("7", "", "B", {"id": 1, "text": "other"})]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"x": NaN', "a.jsonl, line 2: the metadata key 'x' holds nan"),
        ('"x": 1e999', "a.jsonl, line 2: the metadata key 'x' holds inf"),
        ('"x": 18446744073709551616', "a.jsonl, line 2: the metadata key 'x' holds 18446744073709551616"),
        ('"x": 1, "metadata": {"x": 2}', "a.jsonl, line 2: the key 'x' has two values"),
        ('"x": ' + "9" * 5000, "a.jsonl, line 2: JSON that cannot be read: Exceeds the limit (4300 digits)"),
    ],
)
def test_broken_metadata_is_refused_with_its_line(tmp_path, line, said):
    """File and line number come with everything that no column can hold."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"_id": "1", "text": "x"}\n{"_id": "2", "text": "x", ' + line + "}\n", encoding="utf-8")
    assert said in refused(path)


def test_parquet_with_dates_and_a_vector(tmp_path):
    """Every type that Parquet has for a value becomes one that a filter can compare; nulls are dropped."""
    zone = pa.timestamp("us", "UTC")
    noon = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    path = parquet(
        tmp_path / "a.parquet",
        day=pa.array([dt.date(2024, 2, 29)]),
        at=pa.array([noon], zone),
        price=pa.array([Decimal("1.50")]),
        year=pa.array([2024], pa.uint16()),
        score=pa.array([0.5], pa.float32()),
        open=[True],
        section=pa.array(["billing"]).dictionary_encode(),
        tags=[["b", "a"]],
        counts=pa.array([[("n", 1)]], pa.map_(pa.string(), pa.int64())),
        key=pa.array([uuid.UUID(int=1).bytes], pa.uuid()),
        gap=pa.nulls(1, pa.string()),
        metadata=[{"url": "u", "gap": None}],
        embedding=pa.FixedSizeListArray.from_arrays(pa.array(np.ones(4, np.float32)), 4),
    )
    assert read(path)[0].metadata == {
        "day": "2024-02-29",
        "at": "2024-02-29T12:00:00+00:00",
        "price": "1.50",
        "year": 2024,
        "score": 0.5,
        "open": True,
        "section": "billing",
        "tags": '["b","a"]',
        "counts": '{"n":1}',
        "key": "00000000-0000-0000-0000-000000000001",
        "url": "u",
    }


@pytest.mark.parametrize(
    ("ns", "zone", "text"),
    [
        (1_577_836_800_000_000_000, None, "2020-01-01T00:00:00"),
        (1_577_836_800_500_000_000, None, "2020-01-01T00:00:00.500000"),
        (1_577_836_800_000_000_001, None, "2020-01-01T00:00:00.000000001"),
        (1_577_836_800_000_001_002, "Europe/Berlin", "2020-01-01T01:00:00.000001002+01:00"),
        (-1, None, "1969-12-31T23:59:59.999999999"),
    ],
)
def test_nanoseconds_are_kept(tmp_path, ns, zone, text):
    """A timestamp in nanoseconds reads alike with and without pandas, and loses no digit."""
    path = parquet(tmp_path / "a.parquet", at=pa.array([ns], pa.timestamp("ns", zone)))
    assert read(path)[0].metadata == {"at": text}


def test_a_gap_among_nanoseconds_is_dropped(tmp_path):
    """A missing timestamp is missing metadata."""
    assert read(parquet(tmp_path / "a.parquet", at=pa.nulls(1, pa.timestamp("ns")))) == [Document("a", "", "x")]


HEAVY = {
    "a list of floats": pa.array([[0.5]], pa.list_(pa.float32())),
    "a list of bytes": pa.array([[5]], pa.large_list(pa.int8())),
    "a vector of halves": pa.array([[0.5]], pa.list_(pa.float16(), 1)),
    "several vectors": pa.array([[[0.5], [1.0]]]),
    "binary": pa.array([b"x"]),
    "binary of one size": pa.array([b"x"], pa.binary(1)),
    "large binary": pa.array([b"x"], pa.large_binary()),
    "a dictionary of binary": pa.array([b"x"]).dictionary_encode(),
    "a list of structs with bytes": pa.array([[{"b": b"x"}]]),
    "a map to vectors": pa.array([[("k", [0.5])]], pa.map_(pa.string(), pa.list_(pa.float32()))),
    "a tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((1, 2, 2), np.float32)),
}


@pytest.mark.parametrize("what", HEAVY)
def test_vectors_and_bytes_in_parquet_are_not_read(tmp_path, what):
    """Their pages may be ruined: the documents are read all the same, without that column."""
    path = parquet(tmp_path / "a.parquet", v=HEAVY[what], year=[2024])
    group = pq.ParquetFile(path).metadata.row_group(0)
    paths = [group.column(number).path_in_schema for number in range(group.num_columns)]
    for name in paths[2:-1]:
        ruin(path, name)
    assert read(path) == [Document("a", "", "x", {"year": 2024})]


def test_the_light_parts_of_a_struct_are_read(tmp_path):
    """A struct with a name and bytes, as data sets of images have it, gives the name; one of bytes alone nothing."""
    path = parquet(
        tmp_path / "a.parquet",
        image=[{"bytes": b"x", "path": "1.png"}],
        raw=[{"bytes": b"x"}],
        metadata=[{"url": "u", "dense": [0.5]}],
    )
    ruin(path, "image.bytes")
    ruin(path, "raw.bytes")
    ruin(path, "metadata.dense.list.element")
    assert read(path) == [Document("a", "", "x", {"image": '{"path":"1.png"}', "url": "u"})]


def test_both_forms_of_a_table_have_the_same_metadata(tmp_path):
    """JSONL and Parquet of the same rows give equal documents, without the vectors."""
    rows = [
        {"id": str(n), "text": "x", "n": n, "tags": ["a"], "v": [0.5, n / 4], "metadata": {"u": f"{n}"}} for n in (1, 2)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == read(jsonl(tmp_path / "a.jsonl", *rows))
    assert read(tmp_path / "a.parquet")[1].metadata == {"n": 2, "tags": '["a"]', "u": "2"}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": pa.array([float("nan")])}, "a.parquet, row 0: the metadata key 'x' holds nan"),
        ({"x": pa.array([2**63], pa.uint64())}, "a.parquet, row 0: the metadata key 'x' holds 9223372036854775808"),
        ({"x": [1], "metadata": [{"x": 2}]}, "a.parquet, row 0: the key 'x' has two values"),
        ({"x": pa.array([10**9], pa.date32())}, "a.parquet, rows 0 to 0: a value cannot be read: days=1000000000"),
        ({"x": pa.array([1], pa.time64("ns"))}, "a.parquet, rows 0 to 0: a value cannot be read: Nanosecond"),
        (
            {"x": pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64()))},
            "a.parquet, rows 0 to 0: a value cannot be read",
        ),
    ],
)
def test_broken_metadata_in_parquet_is_refused_with_its_row(tmp_path, columns, said):
    """The file and the row are named; where Arrow refuses a value, the rows of its batch."""
    assert said in refused(parquet(tmp_path / "a.parquet", **columns))


def test_two_columns_of_one_name_are_refused(tmp_path):
    """Neither of the two is picked in silence; a sweep, which reads neither, goes on."""
    arrays = [pa.array([value]) for value in ("a", "x", "one", "two")]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays(arrays, names=["id", "text", "k", "k"]), path)
    assert "a.parquet: 'k' is the name of two columns" in refused(path)
    assert read(path, with_metadata=False) == [Document("a", "", "x")]


def test_without_metadata_the_other_columns_are_not_read(tmp_path):
    """A sweep reads id, title and text alone: a ruined or unusable other column does not stop it."""
    path = parquet(tmp_path / "a.parquet", url=["u"])
    ruin(path, "url")
    assert "a.parquet is damaged after row 0" in refused(path)
    assert read(path, with_metadata=False) == [Document("a", "", "x")]
    lines = jsonl(tmp_path / "a.jsonl", {"_id": "1", "text": "x", "n": float("nan"), "": 2**70})
    assert read(lines, with_metadata=False) == [Document("1", "", "x")]


def test_a_sweep_reads_and_stores_no_metadata(tmp_path):
    """A corpus that metadata cannot be read from is cut into the same chunks, byte for byte, as one without any."""
    files = []
    for name, extra in (("plain", {}), ("rich", {"n": float("nan"), "metadata": {"n": 1}})):
        (tmp_path / name).mkdir()
        rows = [{"_id": str(n), "title": "", "text": f"Document {n} says {n}.", **extra} for n in range(4)]
        jsonl(tmp_path / name / "corpus.jsonl", *rows)
        jsonl(tmp_path / name / "queries.jsonl", {"_id": "q1", "text": "one"}, {"_id": "q2", "text": "two"})
        files.append(stored_chunks(tmp_path / name, tmp_path / f"cache-{name}"))
    assert files[0] == files[1]


def stored_chunks(corpus, cache):
    settings = SweepSettings(corpus=str(corpus), chunk=ChunkOptions(chunk_tokens=None))
    load_corpus(settings, ArtifactStore(cache), tokenizer=None, tokenizer_name="", progress=lambda *_: None)
    return {path.name: path.read_bytes() for path in cache.rglob("*.parquet")}


def test_the_fingerprint_of_python_docs_is_of_id_title_and_text(monkeypatch):
    """What was stored before documents had metadata is still found: its digest is that of the three fields."""
    documents = (Document("json.loads", "", "Reads JSON."), Document("é", "T", "x", {"n": 1}))
    monkeypatch.setattr("ragopt.corpus.documents.read_python_docs", lambda: documents)
    written = '[1,[null,null,null]]["json.loads","","Reads JSON."]["é","T","x"]'
    assert fingerprint_source("python-docs", USUAL) == hashlib.sha256(written.encode()).hexdigest()


def test_known_item_queries_leave_metadata_with_its_document():
    """The form that is indexed has lost a title or a sentence, not its metadata."""
    words = " ".join(f"w{n}" for n in range(60))
    documents = [Document(str(n), f"The title of {n}", f"{words} {n}.", {"n": n}) for n in range(4)]
    _, indexed = known_item_queries(documents, n_queries=2, seed=0)
    assert indexed(documents[1]) == Document("1", "", f"{words} 1.", {"n": 1})
