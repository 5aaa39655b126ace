"""LangChain's vector store around an index: LangChain's own standard tests, and what they leave open."""

import asyncio
import json
import threading
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.indexing import InMemoryRecordManager
from langchain_core.indexing import index as index_documents
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests

import ragopt
from ragopt.errors import EmbeddingServiceError, InputError
from ragopt.serve.adapter_metadata import packed, unpacked
from ragopt.serve.by_id import hits_with_vectors
from ragopt.serve.langchain import LangChainEmbedder, RagoptVectorStore
from tests.helpers import run_python
from tests.small_index import COMPASS, DIM, build_small, copied, emptied

MODEL = DeterministicFakeEmbedding(size=DIM)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Folder of an index without rows, built from ready vectors."""
    return emptied(build_small(tmp_path_factory.mktemp("langchain"), "Flat"))


@pytest.fixture
def store(empty, tmp_path):
    """A store of its own for a test, empty."""
    with ragopt.open(copied(empty, tmp_path / "index"), embedder=LangChainEmbedder(MODEL)) as index:
        yield RagoptVectorStore(index)


@pytest.mark.anyio
class TestStandard(VectorStoreIntegrationTests):
    """All of LangChain's standard tests of a vector store, none of them skipped, overridden or expected to fail."""

    @pytest.fixture
    def anyio_backend(self):
        """LangChain is tested under asyncio."""
        return "asyncio"

    @pytest.fixture
    def vectorstore(self, empty, tmp_path):
        """An empty store with LangChain's own test model."""
        embedder = LangChainEmbedder(self.get_embeddings())
        with ragopt.open(copied(empty, tmp_path / "index"), embedder=embedder) as index:
            yield RagoptVectorStore(index)


class Fixed(Embeddings):
    """Vectors by hand."""

    def embed_documents(self, texts):
        """Look them up."""
        return [COMPASS[text] for text in texts]

    def embed_query(self, text):
        """Look it up."""
        return COMPASS.get(text, [0.0] * DIM)


@pytest.fixture
def compass(empty, tmp_path):
    """A store whose cosines are known."""
    with ragopt.open(copied(empty, tmp_path / "index"), embedder=LangChainEmbedder(Fixed())) as index:
        store = RagoptVectorStore(index)
        store.add_texts(["east", "nearly east", "north", "west"], ids=["e", "ne", "n", "w"])
        yield store


def ids_of(documents):
    return [document.id for document in documents]


def test_scores_are_cosines_and_relevance_is_their_place_between_the_bounds(compass):
    """Cosines 1, 0, -1 are relevances 1, 1/2, 0; a threshold of 0.4 leaves the west out, and no warning is given."""
    scored = compass.similarity_search_with_score("east", k=4)
    assert [(document.id, round(score, 6)) for document, score in scored] == [
        ("e", 1.0), ("ne", 0.995037), ("n", 0.0), ("w", -1.0)]  # fmt: skip
    relevant = compass.similarity_search_with_relevance_scores("east", k=4)
    assert [round(score, 6) for _, score in relevant] == [1.0, 0.997519, 0.5, 0.0]
    retriever = compass.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"k": 4, "score_threshold": 0.4}
    )
    assert ids_of(retriever.invoke("east")) == ["e", "ne", "n"]


def test_mmr_chooses_what_langchain_chooses(compass):
    """Diverse choices are those of LangChain's exact in-memory store, from the text and from its vector."""
    exact = InMemoryVectorStore(Fixed())
    exact.add_texts(["east", "nearly east", "north", "west"], ids=["e", "ne", "n", "w"])
    for lambda_mult in (0.0, 0.3, 0.5, 1.0):
        for k in (1, 2, 3, 4, 9):
            wanted = ids_of(exact.max_marginal_relevance_search("north-east", k=k, fetch_k=4, lambda_mult=lambda_mult))
            found = compass.max_marginal_relevance_search("north-east", k=k, fetch_k=4, lambda_mult=lambda_mult)
            assert ids_of(found) == wanted
            by_vector = compass.max_marginal_relevance_search_by_vector(
                COMPASS["north-east"], k=k, fetch_k=4, lambda_mult=lambda_mult
            )
            assert ids_of(by_vector) == wanted
    assert compass.max_marginal_relevance_search("east", k=1, filter="id = 'w'")[0].id == "w"
    assert compass.max_marginal_relevance_search("east", filter="id = 'nobody'") == []


def test_mmr_reads_vectors_where_the_index_keeps_them(tmp_path):
    """An index built with its vectors embeds nothing for a diverse choice; one without vectors and texts says so."""
    with ragopt.open(build_small(tmp_path / "with", "SQ8", with_vectors=True)) as index:
        rows = np.load(tmp_path / "with" / "vectors.npy")
        store = RagoptVectorStore(index)
        assert store.embeddings is None
        found = store.max_marginal_relevance_search_by_vector(rows[7].tolist(), k=3, fetch_k=64, lambda_mult=0.2)
        assert len(set(ids_of(found))) == 3
        assert found[0].id == "7"
        assert ids_of(store.similarity_search_by_vector(rows[9].tolist(), k=1)) == ["9"]
        with pytest.raises(InputError, match="cannot embed text"):
            store.similarity_search("a question")


def test_a_chunk_deleted_during_a_diverse_choice_is_not_chosen(tmp_path):
    """Between the search and the reading of its vectors a hit may go: the choice is made among the others."""
    with ragopt.open(build_small(tmp_path, "Flat", with_vectors=True)) as index:
        hits = index.search(np.load(tmp_path / "vectors.npy")[7:8], k=3)[0]
        before = hits_with_vectors(index, hits)[1]
        index.delete([hits[1].id])
        left, vectors = hits_with_vectors(index, hits)
        assert left == [hits[0], hits[2]]
        np.testing.assert_array_equal(vectors, before[[0, 2]])
        index.delete([hits[0].id, hits[2].id])
        assert hits_with_vectors(index, hits)[1].shape == (0, DIM)


def test_mmr_without_vectors_and_texts_names_the_option(tmp_path):
    """An index of ready vectors without their copy has nothing to compare candidates by."""
    store = RagoptVectorStore(ragopt.open(build_small(tmp_path, "SQ8"), embedder=LangChainEmbedder(MODEL)))
    with pytest.raises(InputError, match="--with-vectors"):
        store.max_marginal_relevance_search("a question")


def test_relevance_needs_bounds(tmp_path):
    """Inner products have no bounds: no relevance is invented for them."""
    with ragopt.open(build_small(tmp_path, "Flat", metric="ip"), embedder=LangChainEmbedder(MODEL)) as index:
        store = RagoptVectorStore(index)
        assert len(store.similarity_search_with_score("a question", k=3)) == 3
        with pytest.raises(InputError, match="The metric of this index is ip"):
            store.similarity_search_with_relevance_scores("a question")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text(max_size=300) | st.sampled_from(
    ["id", "text", "title", "document", "row", "metadata", "vector", "_langchain"]
)


def types_of(value):
    if isinstance(value, dict):
        return {key: types_of(inner) for key, inner in value.items()}
    return [types_of(inner) for inner in value] if isinstance(value, list) else type(value)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_metadata_comes_back_as_it_was(metadata):
    """Whatever JSON can hold comes back equal down to its types, through the form in which the index keeps it."""
    kept = packed(metadata, "here")
    assert all(type(value) in {str, int, float, bool} for value in kept.values())
    json.dumps(kept, ensure_ascii=False).encode()  # as the table keeps it
    found = unpacked(kept)
    assert found == metadata
    assert types_of(found) == types_of(metadata)


@pytest.mark.parametrize("value", ["mine", "[1]", "{", 7])
def test_a_corpus_may_use_our_key(value):
    """What stands under the key of packed metadata, and was not packed, comes back as it is."""
    assert unpacked({"_langchain": value, "year": 2020}) == {"_langchain": value, "year": 2020}


def test_metadata_comes_back_through_the_index(store):
    """Keys of the table's own columns, None, lists and nested objects come back from search and by id."""
    metadata = {
        "id": 7, "text": "t", "title": "T", "document": "d", "row": 1, "metadata": {"a": 1}, "vector": [1.0, 2.0],
        "none": None, "tags": ["a", ["b", None]], "deep": {"x": {"y": True}}, "float": 1.0, "int": 1, "huge": 2**70,
        "_langchain": "mine", "empty": {}, "": "no key", "half": "\ud83d", "a" * 300: "long key",
    }  # fmt: skip
    store.add_documents([Document(id="a", page_content="foo", metadata=metadata)])
    for document in (*store.get_by_ids(["a"]), *store.similarity_search("foo", k=1)):
        assert document.metadata == metadata
        assert types_of(document.metadata) == types_of(metadata)


@pytest.mark.parametrize(
    "value", [(1, 2), {1: "a"}, {"a": (1,)}, float("nan"), float("inf"), [float("nan")], {1, 2}, b"x", np.float64(0.5)]
)
def test_metadata_that_json_would_change_is_refused(store, value):
    """A tuple, a key that is no text, NaN or a set is refused by name, and nothing is added."""
    with pytest.raises(InputError, match="document 'a': the metadata key 'odd' holds"):
        store.add_texts(["fine", "foo"], [{}, {"odd": value}], ids=["b", "a"])
    assert store.index.n_chunks == 0


def test_ids(store):
    """Missing ids are random UUIDs, given ones are kept and come once; reading keeps the order asked for."""
    ids = store.add_texts(["one", "two", "three"], ids=["a", None, "c"])
    assert (ids[0], ids[2]) == ("a", "c")
    assert uuid.UUID(ids[1]).version == 4
    assert ids_of(store.get_by_ids(["c", "nobody", "a", "c"])) == ["c", "a", "c"]
    with pytest.raises(InputError, match="id 'd'"):
        store.add_texts(["four", "five"], ids=["d", "d"])
    with pytest.raises(InputError, match="'' is no document id"):
        store.add_texts(["four"], ids=[""])
    with pytest.raises(InputError, match="7 is no id"):
        store.get_by_ids([7])
    assert store.add_texts([]) == []
    assert store.index.n_chunks == 3


def test_numbers_that_differ_are_refused(store):
    """As many metadatas and ids as texts, else an error that is LangChain's ValueError too."""
    with pytest.raises(ValueError, match="1 texts and 2 metadatas"):
        store.add_texts(["one"], [{}, {}])
    with pytest.raises(ValueError, match="2 texts and 1 ids"):
        store.add_texts(["one", "two"], ids=["a"])
    with pytest.raises(ValueError, match="2 texts and 0 ids"):
        store.add_texts(["one", "two"], ids=[])
    with pytest.raises(ValueError, match="1 texts and 0 metadatas"):
        store.add_texts(["one"], [])
    assert store.add_texts([], [], ids=[]) == []
    assert store.index.n_chunks == 0


def test_one_version_per_call(store):
    """Overwriting and adding many documents is one change, so no reader sees half of it."""
    before = store.index.version
    store.add_texts(["one", "two"], ids=["a", "b"])
    store.add_texts(["1", "2", "3"], ids=["a", "b", "c"])
    assert store.index.version == before + 2
    assert [document.page_content for document in store.get_by_ids(["a", "b", "c"])] == ["1", "2", "3"]


def test_the_same_text_twice_is_two_documents(store):
    """Two documents with one text are both found, each with its own metadata."""
    store.add_texts(["same", "same"], [{"n": 1}, {"n": 2}], ids=["a", "b"])
    found = store.similarity_search("same", k=5)
    assert sorted((document.id, document.metadata["n"]) for document in found) == [("a", 1), ("b", 2)]


def test_delete_without_ids_deletes_all(store):
    """LangChain's contract: None deletes everything; the empty store goes on to work, also after it is opened again."""
    store.add_texts(["one", "two"])
    assert store.delete() is True
    assert store.similarity_search("one") == []
    assert store.similarity_search("one", filter="id = 'a'") == []
    store.add_texts(["three"], ids=["c"])
    store.index.close()
    again = RagoptVectorStore(ragopt.open(store.index.folder, embedder=LangChainEmbedder(MODEL)))
    assert ids_of(again.similarity_search("three")) == ["c"]


def test_filter_is_sql_text(store):
    """A condition as text filters; a mapping, LangChain's other habit, is refused with the form to write."""
    store.add_texts(["one", "two"], ids=["a", "it's"])
    assert ids_of(store.similarity_search("one", k=5, filter="id = 'it''s'")) == ["it's"]
    assert ids_of(store.as_retriever(search_kwargs={"k": 1, "filter": "id <> 'a'"}).invoke("one")) == ["it's"]
    with pytest.raises(InputError, match="The filter is a dict"):
        store.similarity_search("one", filter={"id": "a"})
    with pytest.raises(InputError, match="does not know the argument 'where'"):
        store.similarity_search("one", where="id = 'a'")


def test_from_texts_names_the_way():
    """An index is never made from texts alone: the error says how one is."""
    with pytest.raises(InputError, match="ragopt sweep CORPUS --out RUN, then ragopt build RUN --out DIR"):
        RagoptVectorStore.from_texts(["one"], MODEL)
    with pytest.raises(InputError, match="cannot be made from 1 texts"):
        RagoptVectorStore.from_documents([Document("one")], MODEL)


def test_langchains_indexing_keeps_the_store_in_step(store):
    """LangChain's incremental indexing adds, skips what is there, and deletes what its source lost."""
    records = InMemoryRecordManager("ragopt")
    records.create_schema()

    def run(texts):
        documents = [Document(text, metadata={"source": text}) for text in texts]
        return index_documents(
            documents, records, store, cleanup="full", source_id_key="source", key_encoder="sha256", batch_size=2
        )

    assert run(["one", "two", "three"])["num_added"] == 3
    assert run(["one", "two", "three"])["num_skipped"] == 3
    assert run(["one", "four"]) == {"num_added": 1, "num_updated": 0, "num_skipped": 1, "num_deleted": 2}
    assert sorted(one.page_content for one in store.similarity_search("one", k=9)) == ["four", "one"]


class Waiting(Fixed):
    """Embeds a question only when it is told to."""

    def __init__(self):
        self.asked, self.go_on = threading.Event(), threading.Event()

    def embed_query(self, text):
        """Wait; a blocked event loop could never say go on."""
        if text == "east":
            self.asked.set()
            assert self.go_on.wait(20)
        return super().embed_query(text)


def test_the_event_loop_goes_on_while_a_question_is_searched(empty, tmp_path):
    """A question whose model waits for the event loop itself is answered: the search runs in a thread."""

    async def asked(store, model):
        store.add_texts(["north"], ids=["n"])
        search = asyncio.create_task(store.as_retriever(search_kwargs={"k": 1}).ainvoke("east"))
        while not model.asked.is_set():
            await asyncio.sleep(0)
        model.go_on.set()
        return ids_of(await search)

    model = Waiting()
    embedder = LangChainEmbedder(model, dim=DIM)
    with ragopt.open(copied(empty, tmp_path / "index"), embedder=embedder) as index:
        assert asyncio.run(asked(RagoptVectorStore(index), model)) == ["n"]


def test_an_embedder_names_its_model():
    """The identity holds the model's name, its class and its dimension; no name may break a printed trial."""
    embedder = LangChainEmbedder(MODEL, name="fake")
    assert (embedder.name, embedder.dim) == ("fake", DIM)
    assert embedder.identity["class"].endswith("DeterministicFakeEmbedding")
    assert LangChainEmbedder(MODEL).name == "DeterministicFakeEmbedding"
    assert embedder.embed_documents([]).shape == (0, DIM)
    np.testing.assert_array_equal(
        embedder.embed_documents(["a", "b"]), np.asarray(MODEL.embed_documents(["a", "b"]), np.float32)
    )
    with pytest.raises(InputError, match=r"holds a \|"):
        LangChainEmbedder(MODEL, name="a|b")


class Broken(Fixed):
    """Answers with one vector too few."""

    def embed_documents(self, texts):
        """Forget the last."""
        return super().embed_documents(texts)[:-1]


def test_a_model_that_forgets_a_text_is_refused(empty, tmp_path):
    """One vector per text, or nothing is added."""
    with ragopt.open(copied(empty, tmp_path / "index"), embedder=LangChainEmbedder(Broken())) as index:
        with pytest.raises(EmbeddingServiceError, match="answered 2 texts with 1 vectors"):
            RagoptVectorStore(index).add_texts(["east", "north"])
        assert index.n_chunks == 0


def test_a_model_of_another_dimension_is_refused(empty):
    """The index opens with no model but one of its dimension."""
    with pytest.raises(ragopt.RagoptError, match="6 dimensions"):
        ragopt.open(empty, embedder=LangChainEmbedder(DeterministicFakeEmbedding(size=7)))


def test_embeddings_property(store):
    """The store hands back the very model that it was given."""
    assert store.embeddings is MODEL


def test_ragopt_alone_imports_no_langchain():
    """Importing ragopt and opening nothing loads neither LangChain nor LlamaIndex nor FastAPI."""
    answer = run_python("""
        import sys, ragopt
        ragopt.open, ragopt.Index, ragopt.build
        print(sorted({"langchain_core", "llama_index", "fastapi", "langsmith"} & set(sys.modules)))
    """)
    assert answer.stdout.strip() == "[]", answer.stderr


@pytest.mark.parametrize(
    ("module", "absent", "extra"),
    [("langchain", "langchain_core", "langchain"), ("langchain_embeddings", "langchain_core", "langchain"),
     ("llamaindex", "llama_index", "llamaindex")],
)  # fmt: skip
def test_a_missing_extra_is_named(module, absent, extra):
    """Without its packages an adapter says which pip line brings them."""
    answer = run_python(f"""
        import sys
        sys.modules[{absent!r}] = None
        import importlib
        try:
            importlib.import_module("ragopt.serve.{module}")
        except ImportError as error:
            print(type(error).__name__, error)
    """)
    assert answer.stdout.startswith("MissingExtra")
    assert f"pip install 'ragopt[{extra}]'" in answer.stdout
