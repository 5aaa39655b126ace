"""What a check is asked for is measured, or is an error before anything is embedded: never left out in silence."""

import json
from dataclasses import replace

import pytest

import ragopt
from ragopt.corpus.records import ReadOptions
from ragopt.errors import IndexFormatError, InputError
from ragopt.serve.manifest import make_current
from ragopt.serve.manifest_reading import read_manifest
from tests.checked import copied, other_texts
from tests.served import swept

COLUMNS = {"_id": "key", "title": "heading", "text": "body"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders by factory of a corpus whose columns have names of their own, never changed."""
    top = tmp_path_factory.mktemp("asked")
    run = swept(top, ["Flat", "PQ16x4fs", "PQ16np", "PQ16x4fs,Refine(SQfp16)"], columns=COLUMNS,
                read=ReadOptions(*COLUMNS.values()))  # fmt: skip
    made = {}
    for result in run.trials:
        if result.trial.factory not in made:
            made[result.trial.factory] = top / f"index-{len(made)}"
            ragopt.build(run, out=made[result.trial.factory], trial=result.trial, cache_dir=top / "cache")
    return made


def documents(texts):
    return [ragopt.Document(f"x{number}", "", text) for number, text in enumerate(texts)]


class NeverAsked:
    """An embedder that must not be used."""

    name, dim, device, identity, tokenizer = "never", 256, "cpu", {}, None

    def embed_documents(self, texts):
        """Fail."""
        raise AssertionError(f"embedded {texts} before they were refused")

    embed_queries = embed_documents


@pytest.mark.parametrize(
    ("factory", "asked", "told"),
    [
        ("PQ16x4fs", {"queries": ["who?", "why?"]}, "keeps codes only.*--embed-again, or build it with --with-vectors"),
        ("PQ16x4fs", {"queries": ["who?"], "embed_again": True}, "holds 1 queries"),
        ("PQ16x4fs", {"embed_again": True}, "Give --queries too"),
        ("PQ16np", {"documents": documents(["a text"])}, "too few rows to hold some out"),
        ("Flat", {"documents": documents(["a text"])}, "the codes are the vectors themselves"),
        ("PQ16x4fs", {"documents": []}, "the new documents: there is none with a text"),
        ("PQ16x4fs", {"documents": [ragopt.Document("d3", "", "a text")]}, "all 1 are in the index already, by id: d3"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_embedded(folders, factory, asked, told):
    """No exact neighbours, no coding error, no new document: one error that says why and what would do."""
    with pytest.raises(InputError, match=told):
        ragopt.check(folders[factory], embedder=NeverAsked(), **asked)


def test_a_16_bit_rescoring_tier_stands_for_the_vectors(folders):
    """Its exact neighbours are those of the texts embedded again but for few, and the note names it."""
    folder = folders["PQ16x4fs,Refine(SQfp16)"]
    by_tier = ragopt.check(folder, queries=other_texts(120))
    by_texts = ragopt.check(folder, queries=other_texts(120), embed_again=True)
    assert by_tier.queries.exact_from.startswith("the 16-bit rescoring tier of the index, each component within 2^-11")
    assert any(by_tier.queries.exact_from in note for note in by_tier.notes)
    assert by_texts.queries.exact_from == "the texts of the table, embedded again"
    assert by_texts.queries.now.value == pytest.approx(by_tier.queries.now.value, abs=1e-3)


def test_one_document_alone_is_refused(folders):
    """One coding error has no interval: an error, not a note."""
    with pytest.raises(InputError, match=r"the new documents have 1 chunks.*Allowed: 2 or more"):
        ragopt.check(folders["PQ16x4fs"], documents=documents(["a text"]))


def test_a_given_document_without_text_is_refused(folders):
    """A document in Python that has no text is an error, as when it is added; in a file a sweep leaves it out."""
    with pytest.raises(InputError, match="document 'n' has neither title nor text"):
        ragopt.check(folders["PQ16x4fs"], documents=[ragopt.Document("n", "", "")])


def test_documents_are_read_by_the_columns_of_the_runs_corpus(folders, tmp_path):
    """A file written as the corpus was is read as the corpus was; one with other columns is told which."""
    lines = [{"key": f"n{number}", "heading": "", "body": text} for number, text in enumerate(other_texts(5))]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    checked = ragopt.check(folders["PQ16x4fs"], documents=tmp_path / "new.jsonl")
    assert (checked.documents.what, checked.documents.n) == ("documents of new.jsonl", 5)
    (tmp_path / "other.jsonl").write_text('{"_id": "n", "text": "a text"}\n')
    with pytest.raises(InputError, match="read by id_column 'key', title_column 'heading', text_column 'body'") as told:
        ragopt.check(folders["PQ16x4fs"], documents=tmp_path / "other.jsonl")
    assert "--" not in told.value.next_step


def test_documents_that_are_there_already_are_left_out_and_told(folders):
    """Of three documents two are in the index, by id: one is measured."""
    given = [*documents(["quagga zebra", "violin"]), ragopt.Document("d0", "", "a"), ragopt.Document("d7", "", "b")]
    checked = ragopt.check(folders["PQ16x4fs"], documents=given)
    assert checked.documents.n == 2
    assert "the new documents: 2 of 4 are left out, the index has their ids already (d0, d7)" in checked.notes


def test_columns_that_cannot_be_read_are_damage(folders, tmp_path):
    """A manifest whose columns are numbers is damaged."""
    folder = copied(folders["PQ16x4fs"], tmp_path)
    manifest = read_manifest(folder)
    for read in ({"id_column": 5}, {"colour": "red"}, None):
        about = {**manifest.about, "check": {**manifest.about["check"], "read": read}}
        make_current(folder, replace(manifest, about=about))
        (tmp_path / "new.jsonl").write_text('{"_id": "n", "text": "a text"}\n')
        with pytest.raises(IndexFormatError, match="columns of the corpus"):
            ragopt.check(folder, documents=tmp_path / "new.jsonl")
