"""Cutting, deduplicating, writing and reading back chunks."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from ragopt.corpus import chunks as chunks_module
from ragopt.corpus.chunks import ChunkOptions, Chunks, ChunkSummary, write_chunks
from ragopt.corpus.documents import Document, ReadOptions, read_documents
from ragopt.errors import ArtifactError, InputError

WHOLE = ChunkOptions(chunk_tokens=None)


@pytest.fixture(name="tokenizer")
def word_tokenizer():
    """One token per word or punctuation mark; truncates at 4 tokens, as models' tokenizers do."""
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=50)
    return tokenizer


def test_whole_documents_keep_their_ids(tmp_path):
    """Without cutting, the chunk id is the document id and title and text are joined by one space."""
    documents = [Document("a", "T", "x y"), Document("b", "", "z"), Document("c", "only title", "")]
    summary = write_chunks(documents, tmp_path, options=WHOLE, tokenizer=None)
    assert summary == ChunkSummary(n_documents=3, n_chunks=3, n_duplicates=0, n_empty=0, text_bytes=5 + 1 + 10)
    chunks = Chunks(tmp_path)
    assert chunks.summary == summary
    assert chunks.chunk_ids() == chunks.document_ids() == ["a", "b", "c"]
    assert chunks.embed_texts(0, 3) == ["T x y", "z", "only title"]
    assert chunks.texts([2, 0]) == ["only title", "T x y"]


def test_documents_are_cut_on_sentences_with_overlap(tmp_path, tokenizer):
    """Nine tokens hold two sentences of four; four tokens of overlap repeat the last one; truncation is undone."""
    text = "One two three. Four five six. Seven eight nine. Ten eleven twelve."
    options = ChunkOptions(chunk_tokens=9, chunk_overlap=4)
    write_chunks([Document("a", "T", text)], tmp_path, options=options, tokenizer=tokenizer)
    chunks = Chunks(tmp_path)
    assert chunks.chunk_ids() == ["a#0", "a#1", "a#2"]
    assert chunks.embed_texts(0, 3) == [
        "T One two three. Four five six.",
        "T Four five six. Seven eight nine.",
        "T Seven eight nine. Ten eleven twelve.",
    ]
    assert tokenizer.truncation is not None


def test_exact_duplicates_are_kept_once_and_traced(tmp_path):
    """The kept row leads to every further document; the same text under another title is another chunk."""
    documents = [
        Document("a", "", "same"),
        Document("b", "", "other"),
        Document("c", "", "same"),
        Document("d", "T", "same"),
        Document("e", "", "same"),
    ]
    summary = write_chunks(documents, tmp_path, options=WHOLE, tokenizer=None)
    assert (summary.n_chunks, summary.n_duplicates) == (3, 2)
    chunks = Chunks(tmp_path)
    assert chunks.document_ids() == ["a", "b", "d"]
    assert chunks.duplicates() == {0: ["c", "e"]}
    assert chunks.all_document_ids() == {"a", "b", "c", "d", "e"}


def test_a_document_that_repeats_itself_is_no_further_document(tmp_path, tokenizer):
    """A duplicate within one document is counted, but leads to no other id."""
    options = ChunkOptions(chunk_tokens=4, chunk_overlap=0)
    text = "One two three.\n\nOne two three."
    summary = write_chunks([Document("a", "", text)], tmp_path, options=options, tokenizer=tokenizer)
    assert (summary.n_chunks, summary.n_duplicates) == (1, 1)
    assert Chunks(tmp_path).duplicates() == {}


def test_empty_documents_are_counted_and_known(tmp_path, tokenizer):
    """They are not indexed, yet judgements may name them."""
    documents = [Document("a", "", " \n"), Document("b", "", "text"), Document("c", " ", "")]
    for options, used in ((WHOLE, None), (ChunkOptions(), tokenizer)):
        summary = write_chunks(documents, tmp_path, options=options, tokenizer=used)
        assert (summary.n_documents, summary.n_chunks, summary.n_empty) == (3, 1, 2)
        assert Chunks(tmp_path).all_document_ids() == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("documents", "said"),
    [([], "it has no documents"), ([Document("a", "", "")], "none of its 1 documents has a text")],
)
def test_an_empty_corpus_is_refused(tmp_path, documents, said):
    """Nothing to index is an error, and leaves no summary that looks like a result."""
    with pytest.raises(InputError, match=said):
        write_chunks(documents, tmp_path, options=WHOLE, tokenizer=None)
    assert not (tmp_path / "summary.json").exists()


@pytest.mark.parametrize(("tokens", "overlap"), [(0, 0), (-1, 0), (8, 8), (8, 9), (8, -1)])
def test_sizes_that_cannot_be_cut_to_are_refused(tokens, overlap):
    """The error names the option."""
    with pytest.raises(InputError, match="--chunk-"):
        ChunkOptions(chunk_tokens=tokens, chunk_overlap=overlap)


def test_cutting_needs_a_tokenizer(tmp_path):
    """A model without one leads to --no-chunk."""
    with pytest.raises(InputError, match="--no-chunk"):
        write_chunks([Document("a", "", "x")], tmp_path, options=ChunkOptions(), tokenizer=None)


def test_rows_are_read_across_row_groups(tmp_path, monkeypatch):
    """Slices over the ends of row groups equal the slice of the whole."""
    monkeypatch.setattr(chunks_module, "GROUP_ROWS", 7)
    expected = [f"text {number}" for number in range(40)]
    documents = (Document(str(number), "", text) for number, text in enumerate(expected))
    write_chunks(documents, tmp_path, options=WHOLE, tokenizer=None)
    chunks = Chunks(tmp_path)
    assert pq.ParquetFile(tmp_path / "chunks.parquet").metadata.num_row_groups == 6
    for start, stop in ((0, 40), (0, 0), (6, 8), (7, 14), (13, 29), (40, 40)):
        assert chunks.embed_texts(start, stop) == expected[start:stop]
    with pytest.raises(IndexError, match="rows 3 to 41 of 40"):
        chunks.embed_texts(3, 41)


def test_damaged_chunks_are_refused(tmp_path):
    """A folder without its parts, or with parts that disagree, is not opened."""
    with pytest.raises(ArtifactError, match="are damaged"):
        Chunks(tmp_path)
    write_chunks([Document("a", "", "x")], tmp_path, options=WHOLE, tokenizer=None)
    (tmp_path / "chunks.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="are damaged"):
        Chunks(tmp_path)


def test_progress_counts_documents(tmp_path):
    """Each batch reports the documents done; the total is not known."""
    seen = []
    documents = (Document(str(number), "", f"x {number}") for number in range(600))
    report = lambda done, total: seen.append((done, total))  # noqa: E731 - a recorder
    write_chunks(documents, tmp_path, options=WHOLE, tokenizer=None, progress=report)
    assert seen == [(256, 0), (512, 0), (600, 0)]


@settings(max_examples=30, deadline=None)
@given(text=st.text(st.sampled_from("ab. \n\u00e9\u4e2d"), min_size=1, max_size=300), size=st.integers(1, 9))
def test_no_words_are_lost_and_no_chunk_is_too_long(tmp_path_factory, text, size):
    """Without overlap the chunks hold every character but white space, in order, within the limit."""
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = Whitespace()
    folder = tmp_path_factory.mktemp("chunks")
    options = ChunkOptions(chunk_tokens=size, chunk_overlap=0)
    # The marker makes the text unlike white space only; positions make duplicates visible.
    write_chunks([Document("a", "", "Z" + text)], folder, options=options, tokenizer=tokenizer)
    table = pq.read_table(folder / "chunks.parquet")
    lost = pq.read_table(folder / "duplicates.parquet")["row"].to_pylist()
    pieces = table["text"].to_pylist()
    assert all(len(tokenizer.encode(piece, add_special_tokens=False).ids) <= size for piece in pieces)
    characters = sorted("".join("".join(pieces + [pieces[row] for row in lost]).split()))
    assert characters == sorted("".join(("Z" + text).split()))


def test_squad_100k_streams_as_counted(tmp_path):
    """A hundred thousand passages are written whole, none of them a duplicate."""
    shared = os.environ.get("RAGOPT_SHARED")
    if not shared:
        pytest.skip("RAGOPT_SHARED is not set")
    documents = read_documents(str(Path(shared) / "data" / "squad-100k"), ReadOptions())
    summary = write_chunks(documents, tmp_path, options=WHOLE, tokenizer=None)
    assert summary == ChunkSummary(100_000, 100_000, 0, 0, 55_417_159)
