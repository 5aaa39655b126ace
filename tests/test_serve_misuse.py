"""What a caller easily gets wrong is done as meant, or refused before anything is written."""

import shutil

import numpy as np
import pytest

import ragopt
from ragopt.errors import IndexBusy, InputError
from tests.served import swept


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, its artifacts and a folder with documents 1, 2, 12 and `long` (two chunks) added."""
    top = tmp_path_factory.mktemp("misuse")
    run = swept(top, ["Flat"], n=120)
    ragopt.build(run, out=top / "index", cache_dir=top / "cache")
    with ragopt.open(top / "index") as index:
        index.add([ragopt.Document(name, "", f"text {name} tornado", {}) for name in ("1", "2", "12")])
    return top


@pytest.fixture
def index(made, tmp_path):
    """An opened copy."""
    shutil.copytree(made / "index", tmp_path / "index")
    with ragopt.open(tmp_path / "index") as opened:
        yield opened


def test_a_text_is_one_id(index):
    """delete("12") deletes the document 12, not 1 and 2."""
    assert index.delete("12").n_deleted == 1
    assert {hit.id for hit in index.search("tornado", 200)} >= {"1", "2"}
    assert index.delete("nobody").missing == ("nobody",)


class Careless:
    """A model that forgets a text, or flattens its vectors."""

    def __init__(self, real, change):
        self._real, self._change = real, change
        self.name, self.dim, self.device, self.tokenizer = real.name, real.dim, real.device, real.tokenizer
        self.identity = real.identity

    def embed_documents(self, texts):
        """Vectors of another shape."""
        return self._change(self._real.embed_documents(texts))

    def embed_queries(self, texts):
        """Likewise."""
        return self._change(self._real.embed_queries(texts))


@pytest.mark.parametrize("change", [
    lambda rows: rows[:-1],
    lambda rows: np.concatenate([rows, rows]),
    lambda rows: rows[:, :-1],
    np.ravel,
], ids=["one too few", "twice as many", "narrower", "flat"])  # fmt: skip
def test_an_embedder_of_another_shape_is_refused(index, change):
    """Nothing is acknowledged, the folder opens as before, and questions are refused too."""
    careless = ragopt.Index(index.snapshot, embedder=Careless(index.embedder, change))
    with pytest.raises(InputError, match="The embedder gave an array of shape"):
        careless.add([ragopt.Document(name, "", f"new {name}", {}) for name in "ab"])
    with pytest.raises(InputError, match="The embedder gave an array of shape"):
        careless.search(["one", "two"])
    careless.close()
    assert ragopt.open(index.folder).version == index.version


@pytest.mark.parametrize("verify", ["ful", True, "", None])
def test_a_misspelt_verify_is_refused(made, verify):
    """Only quick and full are known: anything else would skip the checks in silence."""
    with pytest.raises(InputError, match="verify is"):
        ragopt.open(made / "index", verify=verify)


def test_an_update_takes_no_chunk_of_another_document(tmp_path):
    """A document named like a chunk of another is refused, and that one stays whole; its own chunk it may replace."""
    from ragopt.corpus.splitting import ChunkOptions  # noqa: PLC0415 - beside its use

    run = swept(tmp_path, ["Flat"], n=60, chunk=ChunkOptions(chunk_tokens=16, chunk_overlap=4))
    ragopt.build(run, out=tmp_path / "index", cache_dir=tmp_path / "cache")
    with ragopt.open(tmp_path / "index") as index:
        before = {hit.id for hit in index.search("bator", 400, where="document = 'd3'")}
        assert "d3#0" in before
        for split in (True, False):
            with pytest.raises(InputError, match="'d3#0' of the documents"):
                index.update([ragopt.Document("d3#0", "", "something else", {})], split=split)
        assert {hit.id for hit in index.search("bator", 400, where="document = 'd3'")} == before
        assert index.update([ragopt.Document("d3", "", "something else", {})], split=False).n_added == 1
        assert [hit.id for hit in index.search("something else", 400, where="document = 'd3'")] == ["d3"]


def build(made, out):
    return ragopt.build(made / "run", out=out, cache_dir=made / "cache")


def test_places_where_nothing_can_be_built_are_refused_before_the_work(made, tmp_path, monkeypatch):
    """Somebody else's manifest.json, and an index that is being written, are told at once; nothing is left behind."""
    monkeypatch.setattr("ragopt.serve.build.material_of_run", lambda *_: pytest.fail("work was done first"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{}")
    with pytest.raises(ragopt.RagoptError, match=r"manifest\.json|acknowledged\.json"):
        build(made, tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["manifest.json"]
    shutil.copytree(made / "index", tmp_path / "busy")
    with ragopt.open(tmp_path / "busy") as writer:
        writer.delete("1")
        with pytest.raises(IndexBusy):
            build(made, tmp_path / "busy")


def test_the_present_folder_a_link_and_a_replaced_index(made, tmp_path, monkeypatch):
    """`.` is refused, a link to an empty folder is built into; a replaced index is named in what is returned."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(InputError, match="the folder that you are in"):
        build(made, ".")
    assert str(build(made, "index").folder) == "index"
    assert ragopt.open("index").version == 1
    (tmp_path.parent / f"{tmp_path.name}-far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path.parent / f"{tmp_path.name}-far")
    assert build(made, tmp_path / "link").replaced_version is None
    again = build(made, tmp_path / "link")
    assert (again.version, again.replaced_version) == (2, 1)
    assert again.columns == ("draft", "section", "weight", "year")


def test_two_builds_of_one_new_folder(made, tmp_path, monkeypatch):
    """The slower one is refused in words; the faster one's index stands."""
    real = ragopt.serve.build.make_current

    def meanwhile(root, manifest):
        real(root, manifest)
        if root.name.endswith(".tmp") and not (tmp_path / "index").exists():
            shutil.copytree(made / "index", tmp_path / "index")

    monkeypatch.setattr("ragopt.serve.build.make_current", meanwhile)
    with pytest.raises(InputError, match="holds something else"):
        build(made, tmp_path / "index")
    assert ragopt.open(tmp_path / "index").version == 2


def test_the_manifest_names_no_place_of_this_machine(made):
    """A folder travels: neither the corpus's path nor the run's stands in it."""
    text = (made / "index" / "manifest.json").read_text()
    assert str(made) not in text
    assert ragopt.open(made / "index").manifest.about["run"]["corpus"]["source"] == "corpus"
