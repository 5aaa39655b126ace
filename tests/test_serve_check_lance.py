"""`ragopt check` of a folder with LanceDB's own index: searched as it is served, and no bill made up for it."""

from pathlib import Path

import numpy as np
import pytest

import ragopt
from ragopt.errors import InputError
from ragopt.measure.neighbours import Neighbours, recall_vs_exact
from tests.served import swept, write_queries

MIN_RECALL = 0.85


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with IVF_SQ over 300 documents."""
    top = tmp_path_factory.mktemp("lance")
    (top / "asked").mkdir()
    run = swept(top, ["Flat"], n=300, queries=str(write_queries(top / "asked", 300)), confirm_queries=200)
    ragopt.build(run, out=top / "index", target="lancedb", lance_index="IVF_SQ", min_recall=MIN_RECALL,
                 cache_dir=Path(run.folder).parent / "cache")  # fmt: skip
    return top / "index"


def test_canaries_are_searched_in_the_table(folder):
    """The recall that the build kept is that of the index's own answers; a check finds it again, and says keep."""
    index = ragopt.open(folder)
    rows = index.nearest(index.snapshot.canaries(), index.manifest.n_results)[1]
    by_hand = recall_vs_exact(rows, Neighbours(*index.snapshot.canary_neighbours), k=index.manifest.k)
    assert index.manifest.canary_recall.value == pytest.approx(by_hand.mean())
    checked = ragopt.check(folder)
    assert checked.word == "keep"
    assert checked.canaries.now.value == pytest.approx(by_hand.mean())
    assert checked.recall_floor == MIN_RECALL


def test_new_queries_have_their_exact_neighbours_in_the_table(folder):
    """The table keeps every full vector: recall of new queries needs no --embed-again."""
    questions = [f"bator celin dimas {word}" for word in ("fover", "gunik", "hasol", "kidan", "lopel", "mutor")]
    found = ragopt.check(folder, queries=questions).queries
    index = ragopt.open(folder)
    vectors = index.embed_queries(questions)
    everything = index.as_lancedb().to_arrow().sort_by("row")
    # Lines of one text share a row: a row counts once.
    numbers, firsts = np.unique(everything["row"].to_numpy(), return_index=True)
    known = np.stack(everything["vector"].to_numpy())[firsts]
    exact = numbers[np.argsort(-(vectors @ known.T), axis=1, kind="stable")[:, :10]]
    rows = index.nearest(vectors, 10)[1]
    by_hand = np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(rows, exact, strict=True)])
    assert found.now.value == pytest.approx(by_hand)


def test_what_cannot_be_known_is_said(folder):
    """No codes, so no coding error; no bill, because the run billed FAISS."""
    assert "the run did not bill this trial" in " ".join(ragopt.check(folder).notes)
    with pytest.raises(InputError, match=r"keeps no codes that could be decoded.*--queries"):
        ragopt.check(folder, documents=[ragopt.Document("new", "", "a text", {})])
