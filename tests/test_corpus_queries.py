"""Queries and judgements from BEIR folders and from files."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ragopt.corpus.documents import ReadOptions, read_documents
from ragopt.corpus.qrels import read_qrels
from ragopt.corpus.queries import Queries, check_qrels, read_queries
from ragopt.errors import InputError

TINY = Path(__file__).parent.parent / "datasets" / "tiny"
HEADER = "query-id\tcorpus-id\tscore\n"


def beir(folder, **qrels):
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}\n', encoding="utf-8")
    lines = [f'{{"_id": "q{number}", "text": "query {number}"}}\n' for number in (1, 2, 3)]
    (folder / "queries.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "qrels").mkdir()
    for split, query in qrels.items():
        (folder / "qrels" / f"{split}.tsv").write_text(f"{HEADER}{query}\td1\t1\n", encoding="utf-8")
    return str(folder)


def test_the_tiny_corpus_brings_judged_queries():
    """15 queries, 19 judgements, all of documents that exist."""
    queries = read_queries(None, None, corpus_source=str(TINY))
    assert len(queries.ids) == 15
    assert sum(map(len, queries.qrels.values())) == 19
    assert queries.qrels["q06"] == {"bicycle-chain": 2, "tyre-pressure": 1}
    assert queries.source == "queries.jsonl judged in qrels/test.tsv"
    assert not queries.synthetic
    check_qrels(queries, {document.id for document in read_documents(str(TINY), ReadOptions())})


@pytest.mark.parametrize(
    ("splits", "kept"),
    [
        ({"train": "q1", "dev": "q2", "test": "q3"}, "q3"),
        ({"train": "q1", "dev": "q2"}, "q2"),
        ({"train": "q1"}, "q1"),
    ],
)
def test_a_beir_folder_gives_the_queries_judged_in_its_best_split(tmp_path, splits, kept):
    """Test goes before dev before train, and only judged queries are kept."""
    queries = read_queries(None, None, corpus_source=beir(tmp_path, **splits))
    assert queries.ids == (kept,)
    assert queries.texts == (f"query {kept[1]}",)
    assert queries.qrels == {kept: {"d1": 1}}


def test_a_beir_folder_without_judgements_gives_all_queries(tmp_path):
    """No qrels is said with None."""
    queries = read_queries(None, None, corpus_source=beir(tmp_path))
    assert queries.ids == ("q1", "q2", "q3")
    assert queries.qrels is None


def test_named_qrels_replace_the_folders_own(tmp_path):
    """--qrels alone judges the corpus's queries."""
    mine = tmp_path / "mine.txt"
    mine.write_text("q2 0 d1 3\n", encoding="utf-8")
    queries = read_queries(None, str(mine), corpus_source=beir(tmp_path, test="q3"))
    assert (queries.ids, queries.qrels) == (("q2",), {"q2": {"d1": 3}})


def test_a_corpus_without_queries_gives_none(tmp_path):
    """The caller then makes known-item queries."""
    assert read_queries(None, None, corpus_source=str(tmp_path)) is None
    assert read_queries(None, None, corpus_source="python-docs") is None


def test_qrels_without_queries_are_refused(tmp_path):
    """Judgements alone cannot be used."""
    with pytest.raises(InputError, match="--queries"):
        read_queries(None, "some.tsv", corpus_source=str(tmp_path))


def test_queries_are_read_from_three_forms(tmp_path):
    """Text lines are numbered as in the file; JSONL and Parquet carry ids."""
    text, jsonl, parquet = (tmp_path / f"q.{suffix}" for suffix in ("txt", "jsonl", "parquet"))
    text.write_text("first\n\n second \n", encoding="utf-8")
    jsonl.write_text('{"_id": "a", "text": "first"}\n{"id": 3, "text": "second"}\n', encoding="utf-8")
    pq.write_table(pa.table({"id": [1, 3], "text": ["first", "second"], "extra": [0, 0]}), parquet)
    found = [read_queries(str(path), None, corpus_source="x") for path in (text, jsonl, parquet)]
    assert [queries.ids for queries in found] == [("1", "3"), ("a", "3"), ("1", "3")]
    assert all(queries.texts == ("first", "second") for queries in found)
    assert [queries.source for queries in found] == ["q.txt", "q.jsonl", "q.parquet"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.jsonl", '{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n', "line 2: the query id 'a' comes twice"),
        ("q.jsonl", '{"_id": "a", "text": " "}\n', "line 1: the id 'a' with the text ' ' is no query"),
        ("q.jsonl", '{"_id": "a", "question": "x"}\n', "queries need the columns _id"),
        ("q.txt", "\n \n", "holds no queries"),
        ("q.csv", "x", "unknown suffix '.csv'"),
    ],
)
def test_malformed_queries_are_refused(tmp_path, name, content, said):
    """Each names the file and what is wrong."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_queries(str(tmp_path / name), None, corpus_source="x")


def test_missing_files_are_refused(tmp_path):
    """The option to correct is named."""
    with pytest.raises(InputError, match="--queries"):
        read_queries(str(tmp_path / "q.jsonl"), None, corpus_source="x")


def test_qrels_in_three_forms_read_alike(tmp_path):
    """BEIR with and without header, and TREC with four columns; ids may hold spaces between tabs."""
    path = tmp_path / "q.tsv"
    for content in (HEADER + "q 1\td1\t2\nq 1\td2\t0\n", "q 1\td1\t2\nq 1\td2\t0\n", "q 1\t0\td1\t2\nq 1\t0\td2\t0\n"):
        path.write_text(content, encoding="utf-8")
        assert read_qrels(path) == {"q 1": {"d1": 2, "d2": 0}}
    path.write_text("q1 0 d1 2\nq1  Q0 d2\t-1\n".replace("\t", " "), encoding="utf-8")
    assert read_qrels(path) == {"q1": {"d1": 2, "d2": -1}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER + "q1\td1\tyes\n", "line 2: .* is no judgement"),
        (HEADER + "q1\td1\n", "line 2: .* is no judgement"),
        (HEADER + "q1\td1\t1\nq1\td1\t2\n", "line 3: .* have the score 2, and 1 on an earlier line"),
        (HEADER, "holds no judgements"),
    ],
)
def test_malformed_qrels_are_refused(tmp_path, content, said):
    """File, line and reason."""
    path = tmp_path / "q.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_qrels(path)


def test_unknown_ids_are_named_and_counted():
    """Up to three are shown, for documents and for queries."""
    qrels = {"q1": {f"d{number}": 1 for number in range(6)}, "q2": {"d0": 1}}
    queries = Queries(("q1",), ("x",), qrels, synthetic=False, source="")
    with pytest.raises(InputError, match="judge 5 documents that are not in the corpus: 'd1', 'd2', 'd3' and 2 more"):
        check_qrels(queries, ["d0"])
    with pytest.raises(InputError, match="judge 1 queries that are not in the queries file: 'q2'"):
        check_qrels(queries, {f"d{number}" for number in range(6)})
    check_qrels(Queries(("q1",), ("x",), None, synthetic=False, source=""), [])


@pytest.mark.parametrize(("name", "n_queries", "n_judgements"), [("scifact", 300, 339), ("squad", 10_570, 10_570)])
def test_the_public_sets_have_their_published_counts(name, n_queries, n_judgements):
    """BEIR's SciFact has 300 test queries with 339 judgements; SQuAD dev has 10,570 questions."""
    shared = os.environ.get("RAGOPT_SHARED")
    if not shared:
        pytest.skip("RAGOPT_SHARED is not set")
    source = str(Path(shared) / "data" / name)
    queries = read_queries(None, None, corpus_source=source)
    assert len(queries.ids) == n_queries
    assert sum(map(len, queries.qrels.values())) == n_judgements
    check_qrels(queries, {document.id for document in read_documents(source, ReadOptions())})
