"""Adding, deleting and updating: what searches see, what stays exact, what is refused."""

import shutil

import numpy as np
import pytest

import ragopt
from ragopt.corpus.splitting import ChunkOptions
from ragopt.errors import IndexBusy, InputError
from ragopt.serve.canaries import DELETED, UNKNOWN, alive_neighbours, exact_scores, with_rows
from ragopt.serve.manifest import Coding, coding_of
from tests.served import documents, swept

FACTORIES = ["Flat", "PQ16x4fs,Refine(SQfp16)", "IVF8,SQ8", "HNSW8,SQ8"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folders of several kinds of index, by factory; tests copy what they change."""
    folder = tmp_path_factory.mktemp("swept")
    run = swept(folder, FACTORIES)
    made = {}
    for result in run.trials:
        if result.confirmed and result.trial.factory not in made:
            out = folder / f"index-{len(made)}"
            ragopt.build(run, out=out, trial=result.trial, cache_dir=folder / "cache")
            made[result.trial.factory] = out
    return made


@pytest.fixture(params=FACTORIES)
def index(request, built, tmp_path):
    """An opened copy of each kind of index."""
    shutil.copytree(built[request.param], tmp_path / "index")
    with ragopt.open(tmp_path / "index") as opened:
        yield opened


@pytest.fixture
def flat(built, tmp_path):
    """An opened copy of an exact index."""
    shutil.copytree(built["Flat"], tmp_path / "index")
    with ragopt.open(tmp_path / "index") as opened:
        yield opened


def new(name, text, **metadata):
    return ragopt.Document(name, "", text, metadata)


def ids(hits):
    return [hit.id for hit in hits]


def test_an_added_document_is_found_at_once_and_after_reopening(index):
    """Its own text finds it first, with its metadata, in this index and in one that is opened afterwards."""
    changed = index.add([new("a1", "zebra stripes quagga", section="animals"), new("a2", "quantum chromodynamics")])
    assert (changed.version, changed.n_added, changed.n_deleted) == (2, 2, 0)
    for opened in (index, ragopt.open(index.folder)):
        hit = opened.search("zebra stripes quagga", 1)[0]
        assert (hit.id, hit.document, hit.metadata) == ("a1", "a1", {"section": "animals"})
        assert ids(opened.search("quantum chromodynamics", 3, where="section IS NULL")) == ["a2"]
        assert opened.n_chunks == 392


def test_a_deleted_document_is_never_found_again(index):
    """Neither of its own text nor by a filter, here and after reopening; unknown ids are named."""
    given = documents(400)
    question = f"{given[5]['title']} {given[5]['text']}"
    assert ids(index.search(question, 1)) == ["d5"]
    changed = index.delete(["d5", "nobody", "d5"])
    assert (changed.n_deleted, changed.missing) == (1, ("nobody",))
    for opened in (index, ragopt.open(index.folder)):
        assert "d5" not in ids(opened.search(question, 389))
        assert len(opened.search(question, 400)) == 389
        assert opened.search(question, 1, where="id = 'd5'") == []


def test_text_that_two_documents_share_stays_while_one_of_them_does(index):
    """Deleting one of two documents of equal text leaves the other's; deleting both leaves none."""
    given = documents(400)
    question = f"{given[38]['title']} {given[38]['text']}"
    assert (index.search(question, 1)[0].document, index.search(question, 1)[0].also_in) == ("d38", ("d39",))
    index.delete(["d38"])
    assert (index.search(question, 1)[0].document, index.search(question, 1)[0].also_in) == ("d39", ())
    assert index.n_chunks == 390
    index.delete(["d39"])
    assert index.n_chunks == 389
    assert not {"d38", "d39"} & {hit.document for hit in index.search(question, 389)}


def test_an_update_replaces_and_adds_in_one_version(index):
    """The old text is gone, the new one found, an unknown id added; one version further."""
    changed = index.update([new("d7", "zebra stripes quagga"), new("b1", "quantum chromodynamics")])
    assert (changed.version, changed.n_added, changed.n_deleted) == (2, 2, 1)
    assert ids(index.search("zebra stripes quagga", 1)) == ["d7"]
    assert [hit.text for hit in index.search("x", 391, where="id = 'd7'")] == ["zebra stripes quagga"]
    assert ids(index.search("quantum chromodynamics", 1)) == ["b1"]


def test_all_may_be_deleted_and_added_again(index):
    """An empty index answers nothing; what is added then is found."""
    index.delete([f"d{number}" for number in range(400)])
    assert index.n_chunks == 0
    assert index.search("anything", 5) == []
    assert index.search(["one", "two"], 5) == [[], []]
    index.add([new("a1", "zebra stripes quagga")])
    assert ids(index.search("zebra", 5)) == ["a1"]


def test_many_small_changes_are_one_growing_segment(flat):
    """Twenty additions leave two segments, and only the files of the current version."""
    for number in range(20):
        flat.add([new(f"a{number}", f"zebra {number} stripes")])
    assert [segment.n_rows for segment in flat.manifest.segments] == [390, 20]
    assert sorted(path.name for path in (flat.folder / "gen-000001").glob("segment-*")) == ["segment-000021.faiss"]
    assert len(flat.search("zebra", 100, where="id LIKE 'a%'")) == 20


def test_rows_beyond_a_segment_begin_another(flat, monkeypatch):
    """With segments of eight rows, ten rows in two additions and one more make three segments, all searched."""
    monkeypatch.setattr("ragopt.serve.open_segment.MOST_ROWS", 8)
    for first, last in ((0, 5), (5, 10), (10, 11)):
        flat.add([new(f"a{number}", f"zebra {number} stripes") for number in range(first, last)])
    assert [segment.n_rows for segment in flat.manifest.segments] == [390, 10, 1]
    assert sorted(ids(flat.search("zebra", 100, where="id LIKE 'a%'"))) == sorted(f"a{number}" for number in range(11))


def test_a_snapshot_does_not_change_under_its_reader(flat):
    """What another process opened stays as it was until it refreshes."""
    reader = ragopt.open(flat.folder)
    before = reader.search("zebra stripes quagga", 3)
    flat.add([new("a1", "zebra stripes quagga")])
    flat.delete([before[0].document])
    assert reader.search("zebra stripes quagga", 3) == before
    assert (reader.version, reader.refresh()) == (1, 3)
    assert ids(reader.search("zebra stripes quagga", 1)) == ["a1"]


def test_the_second_writer_is_refused_until_the_first_closes(flat):
    """The error names the process; after close() the other may write, and sees what was written."""
    other = ragopt.open(flat.folder)
    flat.add([new("a1", "zebra stripes quagga")])
    with pytest.raises(IndexBusy, match="is being changed by another writer"):
        other.delete(["d1"])
    flat.close()
    other.delete(["a1"])
    assert other.version == 3
    other.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([new("d1", "text")], "are in the index already: d1"),
        ([new("x", "a"), new("x", "b")], "Two of the documents have the id 'x'"),
        ([new("x", " ")], "neither title nor text"),
        ([new("", "a")], "is no document id"),
        ([new("x", "half \ud83d")], "half of a surrogate pair"),
        ([new("x", "a", year=float("nan"))], "nan"),
        ([new("x", "a", year="not a number")], "year"),
    ],
)
def test_what_cannot_be_added_is_refused_and_nothing_changes(flat, given, message):
    """The whole call is refused: version and chunks are as before."""
    with pytest.raises(InputError, match=message):
        flat.add([new("fine", "a fine text"), *given])
    assert (flat.version, flat.n_chunks) == (1, 390)
    flat.add([new("after", "zebra")])
    assert (flat.version, flat.n_chunks) == (2, 391)


def test_keys_of_metadata_that_no_column_can_have_come_back_with_hits(flat):
    """A key called id, or with a space in it, is returned but is no column; a new plain key is one."""
    flat.add([new("a1", "zebra", **{"id": "own", "two words": 2, "fresh": True})])
    hit = flat.search("zebra", 1, where="fresh")[0]
    assert hit.metadata == {"id": "own", "two words": 2, "fresh": True}
    assert dict(flat.manifest.columns)["fresh"] == "bool"
    assert "two words" not in flat.manifest.columns
    with pytest.raises(InputError, match="fresh bool"):
        flat.search("zebra", 1, where="nosuch = 1")


def test_canaries_stay_exact_through_changes(flat, rng):
    """After additions and deletions the kept neighbours are those of brute force over what is there."""
    flat.add([new(f"a{number}", " ".join(map(str, rng.integers(0, 99, 12)))) for number in range(30)])
    flat.delete([f"d{number}" for number in range(0, 400, 3)] + ["a3", "a4"])
    table = flat.as_lancedb().to_arrow()
    dead = np.zeros(flat.manifest.n_rows, dtype=bool)
    dead[flat.snapshot.dead_rows] = True
    found, n_known = alive_neighbours(flat.snapshot.canary_neighbours[0], dead, 10)
    texts = [f"{title} {text}".strip() for title, text in zip(table["title"].to_pylist(), table["text"].to_pylist())]  # noqa: B905 - one table
    unit = flat.embedder.embed_documents(texts)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scores = exact_scores(flat.snapshot.canaries(), unit, "cosine")
    of_row = table["row"].to_numpy()
    assert n_known == len(found) == 100
    for query, neighbours in enumerate(found):
        order = list(dict.fromkeys(of_row[np.argsort(-scores[query], kind="stable")].tolist()))[:10]
        assert neighbours.tolist() == order


def test_merged_neighbours_by_hand():
    """Two canaries, two known rows each; three new rows: the best of all, ties by the lower row."""
    rows, scores = np.array([[4, 1], [0, UNKNOWN]]), np.array([[0.9, 0.5], [0.3, 0.0]])
    found, of_found = with_rows(rows, scores, np.array([7, 8]), np.array([[0.5, 0.95], [0.1, 0.4]]))
    assert found.tolist() == [[8, 4, 1, 7], [8, 0, 7, UNKNOWN]]
    assert of_found[0].tolist() == [0.95, 0.9, 0.5, 0.5]


def test_alive_neighbours_by_hand():
    """A deleted row gives its place to the next; where too few are left, the canary is not known."""
    rows = np.array([[3, 1, 0, 2], [2, DELETED, 1, UNKNOWN]])
    found, n_known = alive_neighbours(rows, np.array([False, True, False, False]), 2)
    assert found.tolist() == [[3, 0], [2, UNKNOWN]]
    assert n_known == 1


def test_coding_of_errors_by_hand():
    """Errors 0.1, 0.4 and 0.1: mean 0.2, variance 0.03 by n - 1; of one error and of none the variance is 0."""
    found = coding_of(np.array([0.1, 0.4, 0.1]))
    assert (found.n, found.mean, found.variance) == (3, pytest.approx(0.2), pytest.approx(0.03))
    assert coding_of(np.array([0.5])) == Coding(1, 0.5, 0.0)
    assert coding_of(np.empty(0)) == Coding(0, 0.0, 0.0)


def test_documents_are_cut_as_the_run_cut_them(tmp_path):
    """With chunks of sixteen tokens a long document becomes several, each deleted with it; or one, whole."""
    run = swept(tmp_path, ["Flat"], n=60, chunk=ChunkOptions(chunk_tokens=16, chunk_overlap=4))
    ragopt.build(run, out=tmp_path / "index", cache_dir=tmp_path / "cache", trial="wordllama@256:none | Flat")
    with ragopt.open(tmp_path / "index") as index:
        n = index.n_chunks
        long = " ".join(f"word{number}" for number in range(40))
        added = index.add([new("long", long)]).n_added
        assert added > 2
        assert {hit.id for hit in index.search("word1", n + added, where="document = 'long'")} == {
            f"long#{position}" for position in range(added)
        }
        assert index.add([new("whole", long)], split=False).n_added == 1
        assert ids(index.search(long, 1, where="document = 'whole'")) == ["whole"]
        assert index.delete(["long#1"]).n_deleted == 1
        assert index.delete(["long"]).n_deleted == added - 1
        assert index.n_chunks == n + 1


def test_a_chunk_never_has_the_id_of_another_line(tmp_path):
    """A document that would be cut into taken ids is refused by name; a replaced one may have its own again."""
    run = swept(tmp_path, ["Flat"], n=60, chunk=ChunkOptions(chunk_tokens=16, chunk_overlap=4))
    ragopt.build(run, out=tmp_path / "index", trial="wordllama@256:none | Flat", cache_dir=tmp_path / "cache")
    with ragopt.open(tmp_path / "index") as index:
        index.add([new("zz#0", "zebra stripes quagga"), new("yy", "kept whole")], split=False)
        before = index.version, index.n_chunks
        for change in (index.add, index.update):
            with pytest.raises(InputError, match="The chunk 'zz#0' of the documents would have an id that the index"):
                change([new("ww", "fine"), new("zz", "quantum chromodynamics")])
        assert (index.version, index.n_chunks) == before
        index.update([new("d7", "quantum chromodynamics"), new("d8", "lattice")])
        assert ids(index.search("lattice", 1)) == ["d8#0"]
        index.delete(["zz#0"])
        index.add([new("zz", "zebra stripes quagga")])
        assert [hit.id for hit in index.search("x", 5, where="id LIKE 'zz%'")] == ["zz#0"]
