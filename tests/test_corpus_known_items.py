"""Known-item queries: one rule per corpus, stated, seeded, and removed from what is indexed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.corpus.documents import Document
from ragopt.corpus.known_items import known_item_queries
from ragopt.errors import InputError

REST = " ".join(f"word{number}" for number in range(25))


def titled(n_documents):
    return [Document(f"d{n}", f"The title number {n}", f"The title number {n}: {REST} {n}") for n in range(n_documents)]


def untitled(n_documents):
    return [Document(f"d{n}", "", f"This is sentence number {n}. {REST}") for n in range(n_documents)]


def test_distinct_titles_are_the_queries_and_leave_every_text():
    """The title goes from its field and from the text's start, sampled or not."""
    documents = titled(10)
    queries, index = known_item_queries(documents, n_queries=4, seed=0)
    assert queries.synthetic
    assert queries.source == "synthetic queries: 4 titles, removed from every indexed text"
    assert len(queries.texts) == 4
    for query_id, text in zip(queries.ids, queries.texts, strict=True):
        (document_id,) = queries.qrels[query_id]
        assert text == f"The title number {document_id[1:]}"
    assert [index(document) for document in documents] == [Document(f"d{n}", "", f"{REST} {n}") for n in range(10)]


def test_a_title_is_cut_only_as_a_whole_word():
    """`Cat care basics` is no part of `Cat care basicscience`."""
    documents = [*titled(3), Document("x", "Cat care basics", f"Cat care basicscience {REST}")]
    _, index = known_item_queries(documents, n_queries=4, seed=0)
    assert index(documents[-1]).text.startswith("Cat care basicscience")


def test_shared_titles_lead_to_first_sentences():
    """When most titles are shared, the rule for the whole corpus is the first sentence."""
    documents = [Document(f"d{n}", "One shared long title", f"This is sentence number {n}. {REST}") for n in range(6)]
    queries, index = known_item_queries(documents, n_queries=6, seed=0)
    assert queries.source == "synthetic queries: 6 first sentences, removed from the indexed text of their documents"
    assert sorted(queries.texts) == [f"This is sentence number {n}." for n in range(6)]
    assert index(documents[0]) == Document("d0", "One shared long title", REST)


def test_only_sampled_documents_lose_their_first_sentence():
    """The others are indexed as they are."""
    documents = untitled(10)
    queries, index = known_item_queries(documents, n_queries=3, seed=0)
    sampled = {next(iter(judged)) for judged in queries.qrels.values()}
    assert len(sampled) == 3
    for document in documents:
        assert index(document).text == (REST if document.id in sampled else document.text)


def test_a_sentence_that_two_documents_share_is_no_query():
    """It would not say which document is meant."""
    documents = [*untitled(3), Document("twin", "", f"This is  sentence NUMBER 1. {REST} other")]
    queries, _ = known_item_queries(documents, n_queries=9, seed=0)
    assert sorted(queries.texts) == ["This is sentence number 0.", "This is sentence number 2."]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (f"Dr. Smith wrote e.g. this one. {REST}", "Dr. Smith wrote e.g. this one."),
        (f"A heading of four words\n\n{REST}. And more.", "A heading of four words"),
        (f'He said "is this the end?" {REST}', 'He said "is this the end?"'),
        (f"Version 3.11 is out now. {REST}", "Version 3.11 is out now."),
        ("\u8fd9\u662f\u4e00\u4e2a\u53e5\u5b50\u3002" + "\u8bcd" * 30, "\u8fd9\u662f\u4e00\u4e2a\u53e5\u5b50\u3002"),
        (f"Too short. {REST}", None),
        ("This one has too little text left. Only these words.", None),
    ],
)
def test_where_a_first_sentence_ends(text, query):
    """Abbreviations and decimals do not end it, an empty line does; too short ones and too little rest do not count."""
    queries, _ = known_item_queries([*untitled(2), Document("x", "", text)], n_queries=9, seed=0)
    found = dict(zip(queries.ids, queries.texts, strict=True)).get("known-item:x")
    assert found == query


def test_the_sample_depends_on_the_seed_and_not_on_the_order():
    """The same seed gives the same queries from a shuffled corpus, another seed others."""
    documents = untitled(200)
    shuffled = random.Random(1).sample(documents, len(documents))
    first, second = (known_item_queries(iter(corpus), n_queries=20, seed=5)[0] for corpus in (documents, shuffled))
    assert first == second
    assert known_item_queries(documents, n_queries=20, seed=6)[0].ids != first.ids


@pytest.mark.parametrize("documents", [[], untitled(1), [Document("a", "", "short"), Document("b", "", "text")]])
def test_fewer_than_two_queries_are_refused(documents):
    """The way out is named."""
    with pytest.raises(InputError, match="Name queries with --queries"):
        known_item_queries(documents, n_queries=10, seed=0)


@given(st.lists(st.text(max_size=60), max_size=8), st.integers(2, 5), st.integers())
def test_no_query_is_left_in_its_document(heads, n_queries, seed):
    """Whatever the texts: queries are distinct, at most as many as asked for, and lead to documents that exist."""
    documents = [*untitled(3), *(Document(f"x{n}", "", f"{head} {REST}") for n, head in enumerate(heads))]
    queries, index = known_item_queries(documents, n_queries=n_queries, seed=seed)
    by_id = {document.id: document for document in documents}
    assert len(set(queries.texts)) == len(queries.texts) <= n_queries
    for query_id, text in zip(queries.ids, queries.texts, strict=True):
        (document_id,) = queries.qrels[query_id]
        assert not " ".join(index(by_id[document_id]).text.split()).startswith(text)
        assert " ".join(by_id[document_id].text.split()).startswith(text)
