"""An opened index finds what the run found, and filters let through what they say."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

import ragopt
from ragopt.corpus.splitting import ChunkOptions
from ragopt.errors import IndexFormatError, InputError
from ragopt.serve.build import build_index
from ragopt.serve.run_material import material_of_run, settings_of_run
from ragopt.sweep.measured import read_measured
from ragopt.sweep.progress import Silent
from tests.served import SECTIONS, documents, swept

FACTORIES = ["Flat", "PQ16x4fs,Refine(SQfp16)", "IVF8,SQ8", "HNSW8,SQ8", "RaBitQ", "OPQ8_64,PQ8np"]
N_PREDICATES = 200


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run whose confirmed trials scan, rescore, list, walk and rotate."""
    return swept(tmp_path_factory.mktemp("swept"), FACTORIES, n=400)


@pytest.fixture(scope="module")
def served(run, tmp_path_factory):
    """Every trial of that run as an opened folder, by factory."""
    opened = {}
    for result in run.trials:
        if result.confirmed:
            folder = tmp_path_factory.mktemp("built") / "index"
            built = ragopt.build(run, out=folder, trial=result.trial, cache_dir=cache_of(run))
            assert built.n_different == 0
            opened.setdefault(result.trial.factory, ragopt.open(folder))
    return opened


def cache_of(run):
    return Path(run.folder).parent / "cache"


def measured_by(cache, trial):
    """What the run's confirmation of a trial stored: rows and scores of every confirmation query."""
    folders = (path.parent for path in (cache / "confirmation").rglob("recipe.json"))
    return next(one for folder in folders for one in read_measured(folder) if one.trial == trial)


def check_equal(run, cache, trial, index):
    """The opened index gives the run's own rows, in the run's order, for every confirmation query."""
    expected = measured_by(cache, trial)
    queries = material_of_run(run, trial, settings_of_run(run, cache), Silent()).data.confirm_queries
    scores, rows = index.nearest(queries, expected.found.shape[1])
    assert np.array_equal(rows, expected.found)
    assert np.array_equal(scores, expected.scores)


def test_an_opened_index_gives_the_rows_of_its_confirmed_trial(run, served):
    """Same rows, same order, same scores as the confirmation stored, for every kind of index."""
    checked = 0
    for result in run.trials:
        if result.confirmed and result.trial.factory != "Flat":
            check_equal(run, cache_of(run), result.trial, served[result.trial.factory])
            checked += 1
    assert checked == len(FACTORIES) - 1


def predicate(draw):
    """A random condition as SQL and as a Python function of a document."""
    year, weight, section = draw.randint(1998, 2026), draw.randint(0, 50), draw.choice((*SECTIONS, "o'hara"))
    number = draw.randint(0, 399)
    simple = [
        (f"year >= {year}", lambda one: one["year"] >= year),
        (f"year = {year}", lambda one: one["year"] == year),
        (f"section = {chr(39)}{section.replace(chr(39), chr(39) * 2)}{chr(39)}", lambda one: one["section"] == section),
        ("draft", lambda one: one["metadata"]["draft"]),
        (f"weight < {weight}", lambda one: one["metadata"]["weight"] < weight),
        (f"id = 'd{number}'", lambda one: one["_id"] == f"d{number}"),
        (f"document IN ('d{number}', 'nobody')", lambda one: one["_id"] == f"d{number}"),
        ("title LIKE 'Page 1%'", lambda one: one["title"].startswith("Page 1")),
    ]  # fmt: skip
    (left, of_left), (right, of_right) = draw.choice(simple), draw.choice(simple)
    return draw.choice([
        (left, of_left),
        (f"{left} AND {right}", lambda one: of_left(one) and of_right(one)),
        (f"{left} OR {right}", lambda one: of_left(one) or of_right(one)),
        (f"NOT ({left})", lambda one: not of_left(one)),
    ])  # fmt: skip


def test_filters_agree_with_brute_force(served):
    """On 200 random predicates an exact index gives the k best of the documents that satisfy them, none fewer."""
    index, draw = served["Flat"], random.Random(0)
    given = documents(400)
    texts = [f"{one['title']} {one['text']}" for one in given]
    vectors = index.embedder.embed_documents(texts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    n_short = 0
    for number in range(N_PREDICATES):
        sql, holds = predicate(draw)
        k = draw.choice([1, 3, 10, 60])
        question = " ".join(str(given[draw.randrange(400)]["text"]).split()[:8])
        query = index.embed_queries([question])[0].astype(np.float64)
        best: dict[str, float] = {}
        for document, text, vector in zip(given, texts, vectors.astype(np.float64), strict=True):
            if holds(document):
                best[text] = float(vector @ query)
        expected = sorted(best.values(), reverse=True)[:k]
        hits = index.search(question, k, where=sql)
        by_id = {one["_id"]: one for one in given}
        assert all(holds(by_id[name]) for hit in hits for name in (hit.document, *hit.also_in)), sql
        assert np.allclose([hit.score for hit in hits], expected, atol=1e-5), (number, sql, k)
        n_short += len(hits) < k
    assert 0 < n_short < N_PREDICATES


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_filter_never_gives_too_few_nor_another_document(served, factory):
    """Every kind of index gives min(k, matching) chunks, all of them matching, best first and none twice."""
    index, draw = served[factory], random.Random(1)
    given = documents(400)
    by_id = {one["_id"]: one for one in given}
    for _ in range(40):
        sql, holds = predicate(draw)
        k = draw.choice([1, 5, 30])
        hits = index.search(str(given[draw.randrange(400)]["text"])[:60], k, where=sql)
        matching = {f"{one['title']} {one['text']}" for one in given if holds(one)}
        assert len(hits) == min(k, len(matching)), sql
        assert len({hit.id for hit in hits}) == len(hits)
        assert all(holds(by_id[name]) for hit in hits for name in (hit.document, *hit.also_in))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_hits_carry_text_title_metadata_and_documents_of_equal_text(served):
    """A document's own text finds it, with all that it was given; a second document of that text is named."""
    given = documents(400)
    hit = served["Flat"].search(f"{given[38]['title']} {given[38]['text']}", 1)[0]
    assert (hit.id, hit.document, hit.title, hit.text) == ("d38", "d38", "Page 38", given[38]["text"])
    assert hit.metadata == {"section": "storage", "year": 2013, "draft": False, "weight": 4.75}
    assert hit.also_in == ("d39",)
    assert hit.score == pytest.approx(1, abs=1e-6)
    other = served["Flat"].search(given[38]["text"], 1, where="section = 'legal' AND year = 2014")[0]
    assert (other.document, other.id, other.also_in) == ("d39", "d39=d38", ())


def test_questions_in_a_list_are_answered_like_single_ones(served):
    """A batch gives each question's own hits."""
    questions = [" ".join(str(one["text"]).split()[:6]) for one in documents(400)[:20]]
    for index in served.values():
        together = index.search(questions, 3)
        for question, hits in zip(questions, together, strict=True):
            assert [hit.id for hit in hits] == [hit.id for hit in index.search(question, 3)]
        assert index.search([], 3) == []


def test_vectors_are_searched_as_questions_are(served):
    """The model's vector of a question, at any length, finds what the question finds."""
    index = served["Flat"]
    vector = index.embed_queries(["bator celin dimas"])
    ids = [hit.id for hit in index.search("bator celin dimas", 5)]
    assert [hit.id for hit in index.search(vector, 5)[0]] == ids
    assert [hit.id for hit in index.search(vector * 7, 5)[0]] == ids


@pytest.mark.parametrize(
    ("queries", "k", "where", "message"),
    [
        ("x", 0, None, "k is 0"),
        ("x", 2.5, None, "k is 2.5"),
        ("x", 1, "nosuch = 2", "The filter 'nosuch = 2' cannot be used"),
        ("x", 1, "year", "does not return a boolean"),
        ("x", 1, "", "The filter '' "),
        (np.zeros((1, 256), np.float32), 1, None, "all zeros"),
        (np.full((1, 256), np.nan, np.float32), 1, None, "holds nan"),
        (np.zeros((1, 3), np.float32), 1, None, r"the shape \(1, 3\)"),
        ([1, 2], 1, None, "something else than text"),
        ("\ud800", 1, None, r"question '\\ud800' holds half of a surrogate pair at character 0"),
        (["fine", "ab\ud83d"], 1, None, "holds half of a surrogate pair at character 2"),
    ],
)
def test_what_cannot_be_searched_is_refused(served, queries, k, where, message):
    """The error says what was wrong."""
    with pytest.raises(InputError, match=message):
        served["Flat"].search(queries, k, where)


def test_another_model_is_refused(served):
    """A model with other weights cannot be used to search vectors that it did not make."""

    class Other:
        name, dim, device, tokenizer = "wordllama", 256, "cpu", None
        identity = {"model": "wordllama", "weights_sha256": "0"}  # noqa: RUF012 - as embedders have it

    with pytest.raises(IndexFormatError, match="is not the one that this index was built with"):
        ragopt.open(served["Flat"].folder, embedder=Other())


def test_opening_a_folder_that_is_no_index_says_so(tmp_path):
    """An empty folder, a missing one, a run."""
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(IndexFormatError, match="is no served index"):
            ragopt.open(folder)


def test_ready_vectors_are_served_without_texts(tmp_path, rng):
    """An index of ready vectors is searched with vectors; hits carry the ids; text is refused with the way out."""
    vectors = rng.standard_normal((300, 16)).astype(np.float32)
    queries = rng.standard_normal((120, 16)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    np.save(tmp_path / "q.npy", queries)
    (tmp_path / "ids.txt").write_text("".join(f"v{number}\n" for number in range(300)))
    from ragopt.sweep.settings import ReadyVectors  # noqa: PLC0415 - beside its use

    (tmp_path / "grid.toml").write_text('about = "x"\n[[grid]]\nspaces = ["full"]\nfactories = ["Flat", "SQ8"]\n')
    ready = ReadyVectors(str(tmp_path / "v.npy"), str(tmp_path / "q.npy"), str(tmp_path / "ids.txt"))
    run = ragopt.sweep(
        ready=ready,
        grid=str(tmp_path / "grid.toml"),
        limits={"min_recall": 0.5},
        n_queries=60,
        confirm_queries=60,
        cost_model="scan",
        out=tmp_path / "run",
        cache_dir=tmp_path / "c",
    )
    ragopt.build(
        run, out=tmp_path / "index", trial="vectors@16:none | Flat", cache_dir=tmp_path / "c", with_vectors=True
    )
    index = ragopt.open(tmp_path / "index")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    best = np.argsort(-(queries[:5] @ unit.T), axis=1, kind="stable")[:, :3]
    assert [[hit.id for hit in hits] for hits in index.search(queries[:5], 3)] == [
        [f"v{row}" for row in rows] for rows in best
    ]
    kept = np.stack(index.as_lancedb().to_arrow().sort_by("row")["vector"].to_pylist())
    assert np.allclose(kept, unit, atol=1e-6)
    with pytest.raises(InputError, match="built from ready vectors: it cannot embed text"):
        index.search("a question")


@pytest.mark.parametrize("name", ["squad22k-minilm", "scifact"])
@pytest.mark.slow
def test_public_data_is_served_as_it_was_confirmed(name, shared, tmp_path):
    """On real vectors and on a real corpus the opened index gives the confirmed trial's rows in its order."""
    settings = {
        "out": tmp_path / "run",
        "cache_dir": tmp_path / "cache",
        "cost_model": "scan",
        "grid": "indexes/recipes/small-codes.toml",
        "finalists": 3,
        "n_queries": 300,
        "confirm_queries": 300,
    }
    if name == "scifact":
        run = ragopt.sweep(shared / "data" / "scifact", chunk=ChunkOptions(chunk_tokens=None), **settings)
    else:
        from ragopt.sweep.settings import ReadyVectors  # noqa: PLC0415 - beside its use

        files = [str(shared / "vectors" / f"squad22k-minilm-384.{part}.f16.npy") for part in ("corpus", "queries")]
        run = ragopt.sweep(ready=ReadyVectors(*files), **settings)
    trial = run.recommendation.trial
    built = build_index(run, out=tmp_path / "index", cache_dir=tmp_path / "cache", progress=Silent())
    assert built.n_different == 0
    check_equal(run, tmp_path / "cache", trial, ragopt.open(tmp_path / "index"))


def test_the_manifest_names_what_was_built(served, run):
    """Trial, model, workload, quality of the run and a checksum of every file, and nothing of this machine's paths."""
    index = served["IVF8,SQ8"]
    manifest = json.loads((index.folder / "manifest.json").read_text())
    assert manifest["trial"].endswith("| IVF8,SQ8")
    assert manifest["model"]["model"] == "wordllama"
    assert manifest["about"]["workload"]["n_vectors"] == 390
    confirmed = next(one for one in run.trials if str(one.trial) == manifest["trial"])
    assert manifest["about"]["quality"]["recall_vs_exact@10"]["value"] == confirmed.quality["recall_vs_exact@10"].value
    inside = {path.relative_to(index.folder).as_posix() for path in index.folder.rglob("*") if path.is_file()}
    assert inside - set(manifest["files"]) == {
        "manifest.json", "acknowledged.json", "writer.lock", "gen-000001/generation.lock",
        "gen-000001/chunks.lance/_versions/latest_version_hint.json",
    }  # fmt: skip
