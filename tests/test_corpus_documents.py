"""Reading documents from folders, JSONL and Parquet, and refusing what is broken."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.corpus.documents import Document, ReadOptions, fingerprint_source, read_documents
from ragopt.corpus.folder import list_folder
from ragopt.errors import InputError

USUAL = ReadOptions()
TINY = Path(__file__).parent.parent / "datasets" / "tiny"


def read(source, options=USUAL):
    return list(read_documents(str(source), options))


def refused(source, options=USUAL):
    with pytest.raises(InputError) as caught:
        read(source, options)
    return str(caught.value)


def test_a_beir_folder_gives_its_corpus_in_file_order():
    """The tiny corpus has its 40 documents, the first of them as written."""
    documents = read(TINY)
    assert len(documents) == 40
    assert (documents[0].id, documents[0].title) == ("sourdough", "Keeping a sourdough starter alive")
    assert documents[0].text.endswith("not that it is spoilt.")


def test_a_folder_is_read_recursively_in_sorted_order_without_hidden_files(tmp_path):
    """Ids are relative paths with forward slashes; hidden files and folders do not count."""
    for name in ("b.txt", "a/z.md", "a/.hidden.txt", ".git/c.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("# Top\n\nbody" if name.endswith("md") else "  plain\n", encoding="utf-8")
    assert read(tmp_path) == [Document("a/z.md", "Top", "body"), Document("b.txt", "", "plain")]


def test_symbolic_link_loops_end(tmp_path):
    """A link to a parent folder is not followed for ever, a link to a file is read, a dangling one is not."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a", encoding="utf-8")
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    (tmp_path / "in" / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    (tmp_path / "b.txt").symlink_to(tmp_path / "in" / "a.txt")
    assert [document.id for document in read(tmp_path)] == ["b.txt", "in/a.txt"]


def test_files_that_are_not_read_are_counted_by_suffix(tmp_path):
    """The listing tells how many files were ignored."""
    for name in ("a.txt", "b.docx", "c.docx", "README"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert list_folder(tmp_path).n_ignored == {"": 1, ".docx": 2}


def test_a_folder_with_nothing_readable_lists_what_it_holds(tmp_path):
    """The error names the suffixes found, so that the user sees what to convert."""
    for name in ("a.docx", "b.docx", "c.csv"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert "found: 2 .docx, 1 .csv" in refused(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    """No files at all is said in these words."""
    assert "found: no files" in refused(tmp_path)


def test_a_missing_source_names_the_embedded_corpus(tmp_path):
    """A wrong path is answered with what would work."""
    assert "ragopt sweep python-docs" in refused(tmp_path / "nowhere")
    assert "There is no file or folder ''" in refused("")


def test_an_unknown_suffix_is_refused(tmp_path):
    """A single file of another kind is not taken for text."""
    (tmp_path / "a.csv").write_text("x", encoding="utf-8")
    assert "unknown suffix '.csv'" in refused(tmp_path / "a.csv")


def test_a_file_that_is_not_utf8_is_refused_with_its_offset(tmp_path):
    """The error names the file and the first bad byte, counted from 0."""
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 au lait")
    message = refused(tmp_path)
    assert "latin.txt is not UTF-8: byte 0xe9 at offset 3" in message


def test_a_bad_byte_in_jsonl_is_counted_from_the_start_of_the_file(tmp_path):
    """The offset is the file's, not the line's."""
    path = tmp_path / "a.jsonl"
    first = b'{"_id": "1", "text": "x"}\n'
    path.write_bytes(first + b'{"_id": "2", "text": "\xff"}\n')
    assert f"byte 0xff at offset {len(first) + 22}" in refused(path)


def test_a_byte_order_mark_is_dropped(tmp_path):
    """Files written on Windows read like others."""
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfhello")
    (tmp_path / "b.jsonl").write_bytes(b'\xef\xbb\xbf{"_id": "1", "text": "x"}\r\n')
    assert read(tmp_path)[0].text == "hello"
    assert read(tmp_path / "b.jsonl") == [Document("1", "", "x")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"_id": "2", "text": "x"', "line 3: broken JSON at column"),
        ("[1, 2]", "line 3: a JSON list where an object belongs"),
        ('{"_id": "2", "body": "x"}', "line 3: there is no column 'text'. Allowed: the columns found: _id, body."),
        ('{"key": "2", "text": "x"}', "line 3: there is no column '_id'"),
        ('{"_id": "2", "text": 7}', "line 3: column 'text' holds int '7'"),
        ('{"_id": "", "text": "x"}', "line 3: '' in column '_id' is no document id"),
        ('{"_id": null, "text": "x"}', "line 3: None in column '_id' is no document id"),
        ('{"_id": "2", "text": "\\ud83d"}', "line 3: column 'text' holds half of a surrogate pair"),
        ('{"_id": "1", "text": "y"}', "Two documents have the id '1'"),
    ],
)
def test_a_broken_line_is_refused_with_its_number(tmp_path, line, said):
    """File and line number come with every kind of damage; blank lines count as lines."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"_id": "1", "text": "x"}\n\n' + line + "\n", encoding="utf-8")
    message = refused(path)
    assert said in message
    assert "a.jsonl, line " in message


def test_duplicate_ids_are_refused_with_both_places(tmp_path):
    """The error names the id and the two lines."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"_id": 1, "text": "x"}\n{"_id": 2, "text": "x"}\n{"id": "1", "text": "y"}\n', encoding="utf-8")
    message = refused(path)
    assert f"Two documents have the id '1': {path}, line 1 and line 3" in message


def test_columns_can_be_named(tmp_path):
    """The options choose other columns; a column that is not there is an error that names the option."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"key": 7, "head": "T", "body": "B", "text": "no"}\n', encoding="utf-8")
    assert read(path, ReadOptions("key", "head", "body")) == [Document("7", "T", "B", {"text": "no"})]
    assert "--title-column" in refused(path, ReadOptions("key", "nothing", "body"))


def test_null_title_and_text_are_empty(tmp_path):
    """JSON null says that there is none."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"_id": "1", "title": null, "text": null}\n', encoding="utf-8")
    assert read(path) == [Document("1", "", "")]


def test_parquet_gives_the_same_documents_as_jsonl(tmp_path):
    """One table in both forms reads alike, also split over two files in a folder and with whole numbers as ids."""
    rows = [{"id": number, "title": f"T{number}", "text": f"text {number}"} for number in range(5)]
    jsonl, folder = tmp_path / "a.jsonl", tmp_path / "parts"
    folder.mkdir()
    jsonl.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pylist(rows[:3]), folder / "0.parquet")
    pq.write_table(pa.Table.from_pylist(rows[3:]), folder / "1.parquet")
    assert read(tmp_path / "a.parquet") == read(jsonl) == read(folder)


def test_duplicate_ids_across_parquet_files_are_refused_with_both_places(tmp_path):
    """The error names both files and rows."""
    for name in ("0.parquet", "1.parquet"):
        pq.write_table(pa.table({"id": ["a"], "text": ["x"]}), tmp_path / name)
    assert "0.parquet, row 0 and " in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1 no table PAR1"])
def test_a_file_that_is_no_parquet_is_refused(tmp_path, content):
    """A damaged file is named."""
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    assert "a.parquet cannot be read as Parquet" in refused(path)


def test_parquet_without_the_column_lists_those_found(tmp_path):
    """The text column is not guessed."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["a"], "body": ["x"]}), path)
    assert "the columns found: id, body" in refused(path)


def test_the_fingerprint_follows_names_and_bytes_but_not_the_place(tmp_path):
    """A copy elsewhere has the same fingerprint; another byte, name or column option has not."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("hello", encoding="utf-8")
    one, two = (fingerprint_source(str(tmp_path / name), USUAL) for name in ("one", "two"))
    assert one == two
    assert fingerprint_source(str(tmp_path / "one"), ReadOptions(text_column="body")) != one
    (tmp_path / "one" / "notes.docx").write_text("ignored", encoding="utf-8")
    assert fingerprint_source(str(tmp_path / "one"), USUAL) == one
    (tmp_path / "one" / "a.txt").rename(tmp_path / "one" / "b.txt")
    assert fingerprint_source(str(tmp_path / "one"), USUAL) != one
    (tmp_path / "two" / "a.txt").write_text("hellO", encoding="utf-8")
    assert fingerprint_source(str(tmp_path / "two"), USUAL) != one


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), st.booleans())
def test_any_text_survives_jsonl(tmp_path_factory, pairs, ascii_only):
    """What json.dumps writes is what the reader gives back, whatever characters are in it."""
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    lines = [
        json.dumps({"_id": str(number), "title": title, "text": text}, ensure_ascii=ascii_only)
        for number, (title, text) in enumerate(pairs)
    ]
    path.write_bytes("\n".join(lines).encode())
    assert read(path) == [Document(str(number), *pair) for number, pair in enumerate(pairs)]


def test_a_run_folder_among_the_documents_is_not_read(tmp_path):
    """What an earlier sweep left in the corpus folder is no document: its report would change the next sweep."""
    (tmp_path / "a.txt").write_text("A document.")
    run = tmp_path / "ragopt-run"
    run.mkdir()
    for name in ("trials.parquet", "recommendation.json", "report.html"):
        (run / name).write_text("<p>not a document</p>")
    assert [document.id for document in read_documents(str(tmp_path), ReadOptions())] == ["a.txt"]
