"""Compaction of an opened index: the same hits afterwards, snapshots of readers, generations that go, checksums."""

import random
import shutil
import threading

import numpy as np
import pytest

import ragopt
from ragopt.serve import writer
from ragopt.serve.canaries import UNKNOWN, alive_neighbours
from tests.served import documents, swept, write_queries

GRID = """
about = "Trials that rank every row, so that a change of nothing but the segments changes no hit."

[[grid]]
spaces = ["full"]
factories = ["Flat", "PQ16x4fs", "RaBitQ", "OPQ8_64,PQ8np"]

[[grid]]
spaces = ["full"]
factories = ["IVF8,SQ8"]
search = ["nprobe=8"]

[[grid]]
spaces = ["64:pca"]
factories = ["SQ8"]

[[grid]]
spaces = ["full"]
factories = ["PQ16x4fs,Refine(SQfp16)"]
search = ["k_factor_rf=100"]

[[grid]]
spaces = ["full"]
factories = ["HNSW8,SQ8"]
search = ["efSearch=600"]

[[grid]]
spaces = ["full"]
factories = ["IVF8,PQ16x4fs,Refine(SQ8)"]
search = ["nprobe=8,k_factor_rf=100"]
"""
FACTORIES = ["Flat", "PQ16x4fs", "RaBitQ", "OPQ8_64,PQ8np", "SQ8", "IVF8,SQ8", "PQ16x4fs,Refine(SQfp16)", "HNSW8,SQ8",
             "IVF8,PQ16x4fs,Refine(SQ8)"]  # fmt: skip
FEWER = ["PQ16x4fs", "HNSW8,SQ8", "IVF8,PQ16x4fs,Refine(SQ8)"]
FILTER = "section = 'billing' AND year >= 2005"


@pytest.fixture(scope="module", autouse=True)
def unflushed():
    """No machine stops here: waiting for the disk three thousand times would take half of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def embedder(built):
    """The model, opened once."""
    return ragopt.open(built["Flat"]).embedder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folders of several kinds of index, by factory; tests copy what they change."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "own.toml").write_text(GRID)
    run = swept(folder, FACTORIES, grid=str(folder / "own.toml"))
    made = {}
    for result in run.trials:
        if result.confirmed:
            made[result.trial.factory] = folder / f"index-{len(made)}"
            ragopt.build(run, out=made[result.trial.factory], trial=result.trial, cache_dir=folder / "cache")
    assert set(made) == set(FACTORIES)
    return made


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """Twelve questions."""
    lines = write_queries(tmp_path_factory.mktemp("questions"), 12, seed=5).read_text().splitlines()
    return [line.split('"text": "')[1].rstrip('"}') for line in lines]


@pytest.fixture(params=FACTORIES)
def index(request, built, embedder, tmp_path):
    """An opened copy of each kind of index."""
    shutil.copytree(built[request.param], tmp_path / "index")
    with ragopt.open(tmp_path / "index", embedder=embedder) as opened:
        yield opened


@pytest.fixture
def flat(built, embedder, tmp_path):
    """An opened copy of an exact index."""
    shutil.copytree(built["Flat"], tmp_path / "index")
    with ragopt.open(tmp_path / "index", embedder=embedder) as opened:
        yield opened


def fresh(first, last):
    """Documents of other seeded words, with metadata, under ids of their own."""
    return [
        ragopt.Document(f"n{number}", "", str(given["text"]), {"section": given["section"], "year": given["year"]})
        for number, given in enumerate(documents(last, seed=9))
    ][first:last]


def changed_at_random(index, monkeypatch, seed):
    """Add, update and delete in random order, with segments of eight rows; some texts are shared by documents."""
    monkeypatch.setattr("ragopt.serve.open_segment.MOST_ROWS", 8)
    draw = random.Random(seed)
    names = [f"d{number}" for number in range(400)]
    for step in range(3):
        new = fresh(8 * step, 8 * step + 8)
        index.add([*new, ragopt.Document(f"twin{step}", "", new[0].text)])
        names += [document.id for document in new]
        texts = fresh(100 + 3 * step, 103 + 3 * step)
        index.update(
            [ragopt.Document(name, "", one.text) for name, one in zip(draw.sample(names, 3), texts, strict=True)]
        )
        gone = draw.sample(names, 30)
        index.delete(gone)
        names = [name for name in names if name not in gone]


def answers(index, questions):
    """What users see: hits of a few results, of all, and under a filter."""
    return [
        *index.search(questions, 10),
        *index.search(questions[:2], index.n_chunks + 5),
        *index.search(questions, 10, where=FILTER),
    ]


def check_same(found, expected):
    """The same chunks with the same scores, texts, metadata and further documents, in the same order of scores.

    FAISS orders equal scores by where they lie: within them any order will do, and at the last score any choice.
    """
    for mine, theirs in zip(found, expected, strict=True):
        assert [hit.score for hit in mine] == [hit.score for hit in theirs]
        last = theirs[-1].score if len(theirs) == 10 else -np.inf
        kept = [
            sorted((hit for hit in hits if hit.score != last), key=lambda hit: (-hit.score, hit.id))
            for hits in (mine, theirs)
        ]
        assert kept[0] == kept[1]


def known_neighbours(index):
    """Chunk ids of each canary's kept neighbours that are alive."""
    table = index.as_lancedb().to_arrow()
    first = dict(zip(reversed(table["row"].to_pylist()), reversed(table["id"].to_pylist()), strict=True))
    dead = np.zeros(index.manifest.n_rows, dtype=bool)
    dead[index.snapshot.dead_rows] = True
    rows, n_known = alive_neighbours(index.snapshot.canary_neighbours[0], dead, 10)
    return [[first[row] for row in some if row != UNKNOWN] for some in rows.tolist()], n_known


def generations(index):
    return sorted(path.name for path in index.folder.glob("gen-*"))


def test_compaction_changes_no_hit(index, questions, monkeypatch):
    """After random changes one segment gives the hits of several, also reopened with every file's checksum compared."""
    changed_at_random(index, monkeypatch, 0)
    before, neighbours = answers(index, questions), known_neighbours(index)
    n_chunks, version = index.n_chunks, index.version
    assert len(index.manifest.segments) > 3
    assert len(index.snapshot.dead_rows) > 80
    changed = index.compact()
    assert changed.version == index.version == version + 1
    assert [segment.n_rows for segment in index.manifest.segments] == [n_chunks]
    assert (index.n_chunks, len(index.snapshot.dead_rows), generations(index)) == (n_chunks, 0, ["gen-000002"])
    with ragopt.open(index.folder, verify="full", embedder=index.embedder) as reopened:
        for opened in (index, reopened):
            check_same(answers(opened, questions), before)
            assert known_neighbours(opened) == neighbours


@pytest.mark.parametrize("index", FEWER, indirect=True)
def test_changes_go_on_after_compaction(index, questions, monkeypatch):
    """Added, updated, deleted and compacted once more, an index that was compacted gives what the other one gives."""
    changed_at_random(index, monkeypatch, 2)
    shutil.copytree(index.folder, index.folder.parent / "other")
    index.compact()
    with ragopt.open(index.folder.parent / "other", embedder=index.embedder) as other:
        for opened in (index, other):
            opened.add(fresh(200, 212))
            opened.update([ragopt.Document("n205", "", "zebra stripes quagga")])
            opened.delete(["d1", "d77", "n210"])
        expected = answers(other, questions)
    check_same(answers(index, questions), expected)
    index.compact()
    assert generations(index) == ["gen-000003"]
    check_same(answers(index, questions), expected)


@pytest.mark.parametrize("index", FEWER, indirect=True)
def test_an_empty_index_is_compacted(index):
    """With every document deleted nothing is left; what is added then is found."""
    index.delete([f"d{number}" for number in range(400)])
    index.compact()
    assert (index.n_chunks, [segment.n_rows for segment in index.manifest.segments]) == (0, [0])
    assert index.search("anything", 5, where=FILTER) == index.search("anything", 5) == []
    index.add([ragopt.Document("a1", "", "zebra stripes quagga")])
    index.compact()
    with ragopt.open(index.folder, verify="full", embedder=index.embedder) as reopened:
        assert [hit.id for hit in reopened.search("zebra", 5)] == ["a1"]


def test_an_index_without_changes_is_compacted(flat, questions):
    """Nothing to take out is no error: another version with the same hits."""
    before = answers(flat, questions)
    assert flat.compact().version == 2
    check_same(answers(flat, questions), before)


@pytest.mark.parametrize("index", ["PQ16x4fs", "IVF8,SQ8"], indirect=True)
def test_a_reader_keeps_its_snapshot(index, questions, monkeypatch):
    """What was opened before gives the answers of its version during and after a compaction, until it refreshes."""
    changed_at_random(index, monkeypatch, 3)
    reader = ragopt.open(index.folder, embedder=index.embedder)
    expected, stop, found = answers(reader, questions), threading.Event(), []

    def ask():
        while not stop.is_set():
            found.append(answers(reader, questions))

    thread = threading.Thread(target=ask)
    thread.start()
    index.delete(["d2", "d3"])
    after = answers(index, questions)
    index.compact()
    asked = len(found)
    while len(found) < asked + 2 and thread.is_alive():
        thread.join(0.01)
    stop.set()
    thread.join()
    assert len(found) >= 2
    for one in found:
        check_same(one, expected)
    assert reader.version == index.version - 2
    assert reader.refresh() == index.version
    check_same(answers(reader, questions), after)


def test_a_generation_goes_when_nobody_reads_it(flat):
    """The writer removes an old generation at once, or, where one is read, at its next compaction or opening."""
    first, second = (ragopt.open(flat.folder, embedder=flat.embedder) for _ in range(2))
    flat.compact()
    assert generations(flat) == ["gen-000001", "gen-000002"]
    first.refresh()
    flat.compact()
    assert generations(flat) == ["gen-000001", "gen-000002", "gen-000003"]  # second reads 1, first reads 2
    assert second.search("x", 400) == first.search("x", 400)
    second.refresh()
    flat.compact()
    assert generations(flat) == ["gen-000002", "gen-000003", "gen-000004"]  # nobody reads 1 any more, second reads 3
    first.refresh()
    second.refresh()
    flat.close()
    with ragopt.open(flat.folder, embedder=flat.embedder) as next_writer:
        assert generations(flat) == ["gen-000002", "gen-000003", "gen-000004"]
        next_writer.delete(["d1"])
        assert generations(flat) == ["gen-000004"]


def test_a_compaction_that_fails_changes_nothing(flat, questions, monkeypatch):
    """Where its manifest is not written, the old generation is served, changed and compacted again."""
    flat.delete(["d5", "d6"])
    before = answers(flat, questions)

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "commit", full)
        with pytest.raises(OSError, match="No space left"):
            flat.compact()
    assert generations(flat) == ["gen-000001", "gen-000002"]
    for opened in (flat, ragopt.open(flat.folder, verify="full", embedder=flat.embedder)):
        check_same(answers(opened, questions), before)
    flat.close()
    with ragopt.open(flat.folder, embedder=flat.embedder) as next_writer:
        next_writer.delete(["d7"])
        assert generations(flat) == ["gen-000001"]
        expected = answers(next_writer, questions)
        next_writer.compact()
        check_same(answers(next_writer, questions), expected)
