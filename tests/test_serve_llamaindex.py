"""LlamaIndex's retriever around an index."""

import asyncio
import threading

import numpy as np
import pytest
from llama_index.core.schema import MetadataMode, NodeRelationship, QueryBundle

import ragopt
from ragopt.errors import InputError
from ragopt.serve.llamaindex import TOP_K, RagoptRetriever
from tests.small_index import COMPASS, DIM, build_small, emptied


class Compass:
    """An embedder of ragopt with vectors by hand; a question waits until it may be answered."""

    name, dim, device, tokenizer = "compass", DIM, "cpu", None
    identity = {"model": "compass"}  # noqa: RUF012 - an embedder's identity never changes

    def __init__(self):
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def embed_documents(self, texts):
        """Look them up."""
        return np.array([COMPASS[text] for text in texts], np.float32)

    def embed_queries(self, texts):
        """Look them up when it is told to."""
        self.asked.set()
        assert self.go_on.wait(20)
        return self.embed_documents(texts)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Four documents, one with metadata, in an exact index."""
    folder = emptied(build_small(tmp_path_factory.mktemp("llamaindex"), "Flat"))
    with ragopt.open(folder, embedder=Compass()) as opened:
        metadata = {"year": 2024, "_langchain": '{"tags": ["a", null]}'}
        others = [ragopt.Document(name, "", text) for name, text in
                  (("ne", "nearly east"), ("n", "north"), ("w", "west"))]  # fmt: skip
        opened.add([ragopt.Document("e", "", "east", metadata), *others], split=False)
        yield opened


def ids(nodes):
    return [node.node_id for node in nodes]


def test_nodes_are_the_hits_of_the_index(index):
    """Ids, texts, scores, sources and metadata are those of a search, lists as LangChain's adapter keeps them too."""
    nodes = RagoptRetriever(index, similarity_top_k=4).retrieve("east")
    assert [(node.node_id, node.text, round(node.score, 6)) for node in nodes] == [
        ("e", "east", 1.0), ("ne", "nearly east", 0.995037), ("n", "north", 0.0), ("w", "west", -1.0)]  # fmt: skip
    assert [node.score for node in nodes] == [hit.score for hit in index.search("east", 4)]
    assert nodes[0].metadata == {"year": 2024, "tags": ["a", None]}
    assert nodes[0].node.relationships[NodeRelationship.SOURCE].node_id == "e"
    assert nodes[0].node.get_content(MetadataMode.NONE) == "east"


def test_the_number_of_nodes_is_llamaindexs_own_unless_named(index):
    """Two by default; as many as there are where more are asked for; none or half a node is refused."""
    assert ids(RagoptRetriever(index).retrieve("east")) == ["e", "ne"]
    assert TOP_K == 2
    assert len(RagoptRetriever(index, similarity_top_k=9).retrieve("east")) == 4
    with pytest.raises(InputError, match="k is 0"):
        RagoptRetriever(index, similarity_top_k=0).retrieve("east")


def test_where_filters(index):
    """A SQL condition leaves nodes out; a wrong one is refused with the columns that there are."""
    assert ids(
        RagoptRetriever(index, similarity_top_k=4, where="id <> 'e' AND text LIKE '%east'").retrieve("east")
    ) == ["ne"]
    with pytest.raises(InputError, match="a SQL condition over row int64, id string"):
        RagoptRetriever(index, where="nosuch = 1").retrieve("east")


def test_a_bundle_may_bring_its_vector_or_several_texts(index):
    """A vector is searched as it is; of two texts the mean of their vectors: north-east of east and north."""
    retriever = RagoptRetriever(index, similarity_top_k=1)
    assert ids(retriever.retrieve(QueryBundle("east", embedding=[-1.0, 0, 0, 0, 0, 0]))) == ["w"]
    found = RagoptRetriever(index, similarity_top_k=3).retrieve(
        QueryBundle("x", custom_embedding_strs=["east", "north"])
    )
    assert {node.node_id: round(node.score, 6) for node in found} == {"e": 0.707107, "n": 0.707107, "ne": 0.773957}
    with pytest.raises(InputError):
        retriever.retrieve(QueryBundle("east", embedding=[1.0, 0.0]))


def test_the_event_loop_goes_on_while_a_question_is_searched(index):
    """A question whose model waits for the event loop itself is answered: the search runs in a thread."""
    model = index.embedder
    model.asked.clear()
    model.go_on.clear()

    async def asked():
        search = asyncio.create_task(RagoptRetriever(index).aretrieve("east"))
        while not model.asked.is_set():
            await asyncio.sleep(0)
        model.go_on.set()
        return ids(await search)

    assert asyncio.run(asked()) == ["e", "ne"]
