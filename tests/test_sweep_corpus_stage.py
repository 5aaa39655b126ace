import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.artifacts import ArtifactStore
from ragopt.corpus.splitting import ChunkOptions
from ragopt.errors import InputError
from ragopt.sweep.corpus_stage import load_corpus, split_queries, texts_fingerprint, usable_rows
from ragopt.sweep.settings import SweepSettings
from tests.helpers import ROOT

TINY = str(ROOT / "datasets" / "tiny")
WHOLE = ChunkOptions(chunk_tokens=None)


def plan(**values):
    return SweepSettings(**{"corpus": TINY, "chunk": WHOLE, **values})


def load(settings_, tmp_path):
    reports = []
    corpus = load_corpus(
        settings_,
        ArtifactStore(tmp_path / "store"),
        tokenizer=None,
        tokenizer_name="",
        progress=lambda done, total: reports.append((done, total)),
    )
    return corpus, reports


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(2, 4000),
    n_select=st.integers(2, 1500),
    n_confirm=st.integers(0, 3000),
    seed=st.integers(0, 2**31 - 1),
)
def test_split_is_seeded_sorted_and_disjoint(n, n_select, n_confirm, seed):
    """The same seed draws the same rows; no query is in both halves; no half holds a query twice or an unknown one."""
    told = plan(n_queries=n_select, confirm_queries=n_confirm, seed=seed)
    split, again = split_queries(np.arange(n), told), split_queries(np.arange(n), told)
    np.testing.assert_array_equal(split.select, again.select)
    np.testing.assert_array_equal(split.confirm, again.confirm)
    assert split.select.dtype == split.confirm.dtype == np.int64
    for rows in (split.select, split.confirm):
        assert (np.diff(rows) > 0).all()
        assert rows[0] >= 0
        assert rows[-1] < n
    assert len(split.select) == min(n, n_select)
    left = min(max(n - n_select, 0), n_confirm)
    assert split.holdout == (left >= 100)
    if split.holdout:
        assert len(split.confirm) == left
        assert not set(split.select.tolist()) & set(split.confirm.tolist())
    else:
        np.testing.assert_array_equal(split.confirm, split.select)


def test_other_seeds_draw_other_queries():
    """Which queries select depends on the seed."""
    first, second = (split_queries(np.arange(1000), plan(n_queries=100, seed=seed)).select for seed in (0, 1))
    assert (first != second).any()


@pytest.mark.parametrize(("n", "holdout"), [(199, False), (200, True)])
def test_confirmation_needs_a_hundred_other_queries(n, holdout):
    """99 queries left over are no confirmation, 100 are."""
    assert split_queries(np.arange(n), plan(n_queries=100)).holdout is holdout


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_queries_is_an_error(n):
    """One query has no interval."""
    with pytest.raises(InputError, match=f"There are {n} queries: an interval needs two.*--queries"):
        split_queries(np.arange(n), plan())


def test_tiny_corpus_with_its_own_queries(tmp_path):
    """The hand-made corpus has 40 documents, 15 queries and their judgements."""
    corpus, reports = load(plan(), tmp_path)
    assert corpus.chunks.summary.n_documents == 40
    assert corpus.chunks.n_chunks == 40
    assert len(corpus.queries.ids) == 15
    assert corpus.queries.synthetic is False
    assert corpus.queries.qrels is not None
    assert corpus.queries.qrels["q01"] == {"sourdough": 2}
    assert reports


def test_second_call_reads_the_store(tmp_path):
    """The same corpus is cut once: the second call reports no work and gives the same chunks and queries."""
    first, _ = load(plan(), tmp_path)
    second, reports = load(plan(), tmp_path)
    assert reports == []
    assert (second.fingerprint, second.chunks_key, second.queries) == (
        first.fingerprint, first.chunks_key, first.queries,
    )  # fmt: skip
    assert second.chunks.embed_texts(0, 40) == first.chunks.embed_texts(0, 40)


def without_queries(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    tail = " ".join(f"word{number}" for number in range(40))
    for number in range(12):
        text = f"The storage of item{number} needs some care every week. It is number{number} of all. {tail}\n"
        (folder / f"doc{number}.txt").write_text(text, encoding="utf-8")
    return str(folder)


def test_a_corpus_without_queries_gets_known_items(tmp_path):
    """Queries are made from the documents, labelled synthetic, judged by their document, and cut from its text."""
    corpus, _ = load(plan(corpus=without_queries(tmp_path)), tmp_path)
    queries = corpus.queries
    assert queries.synthetic is True
    assert len(queries.ids) == 12
    assert queries.qrels is not None
    texts = dict(zip(corpus.chunks.document_ids(), corpus.chunks.embed_texts(0, corpus.chunks.n_chunks), strict=True))
    for query_id, text in zip(queries.ids, queries.texts, strict=True):
        (document,) = queries.qrels[query_id]
        assert "needs some care" in text
        assert text not in texts[document]
        assert "It is number" in texts[document]


def test_known_items_are_read_from_the_store(tmp_path):
    """A second call gives the same synthetic queries without making them again; another seed makes its own."""
    told = plan(corpus=without_queries(tmp_path), n_queries=3, confirm_queries=2)
    first, _ = load(told, tmp_path)
    second, reports = load(told, tmp_path)
    assert reports == []
    assert second.queries == first.queries
    assert len(first.queries.ids) == 5
    other, _ = load(plan(corpus=told.corpus, n_queries=3, confirm_queries=2, seed=9), tmp_path)
    assert other.chunks_key != first.chunks_key


def test_a_changed_corpus_is_read_again(tmp_path):
    """A document that changes changes the corpus's fingerprint and the key of its chunks."""
    folder = without_queries(tmp_path)
    first, _ = load(plan(corpus=folder), tmp_path)
    (tmp_path / "corpus" / "doc0.txt").write_text("Another text that is long enough to be read again.\n")
    second, reports = load(plan(corpus=folder), tmp_path)
    assert second.fingerprint != first.fingerprint
    assert second.chunks_key != first.chunks_key
    assert reports


def test_judgements_of_unknown_documents_are_refused(tmp_path):
    """Judgements must name documents of this corpus, also when its chunks come from the store."""
    load(plan(), tmp_path)
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\nq01\tnowhere\t1\n", encoding="utf-8")
    with pytest.raises(InputError, match="judge 1 documents that are not in the corpus: 'nowhere'"):
        load(plan(qrels=str(qrels)), tmp_path)


def test_texts_fingerprint_tells_lists_apart():
    """Texts that join to the same string, in other pieces or another order, have other fingerprints."""
    lists = [["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""]]
    assert len({texts_fingerprint(texts) for texts in lists}) == len(lists)
    # printf '\x01\0\0\0\0\0\0\0a' | sha256sum
    assert texts_fingerprint(["a"]) == "ae6121c88ba555f64c3d812123eb799d128015541f850c5e9bf1d54c08ad8481"


def test_only_judged_queries_are_measured_on():
    """Where there are judgements, queries without one are left out, so that every figure is of the same queries."""
    qrels = {"b": {"d1": 1}, "c": {}, "d": {"d2": 2}}
    assert usable_rows(["a", "b", "c", "d"], qrels).tolist() == [1, 3]
    assert usable_rows(["a", "b"], None).tolist() == [0, 1]


def test_fewer_than_two_judged_queries_are_refused():
    """One judged query gives no interval: the error says how many are judged."""
    with pytest.raises(InputError, match="judge 1 of the 2 queries"):
        usable_rows(["a", "b"], {"a": {"d1": 1}})


def test_queries_are_left_to_fit_on_only_where_something_is_fitted(tmp_path):
    """Up to 1,000 other queries are kept to fit on, none when under 500 are left or the recipe fits nothing."""
    assert len(split_queries(np.arange(4100), plan()).fit) == 1000
    assert len(split_queries(np.arange(3600), plan()).fit) == 600
    assert len(split_queries(np.arange(3400), plan()).fit) == 0
    split = split_queries(np.arange(4100), plan())
    assert not set(split.fit.tolist()) & {*split.select.tolist(), *split.confirm.tolist()}
    recipe = tmp_path / "grid.toml"
    recipe.write_text('[[grid]]\nfactories = ["SQ8"]\n')
    assert len(split_queries(np.arange(4100), plan(grid=str(recipe))).fit) == 0
    recipe.write_text('[[grid]]\nspaces = ["16:joint"]\nfactories = ["SQ8"]\n')
    assert len(split_queries(np.arange(4100), plan(grid=str(recipe))).fit) == 1000
