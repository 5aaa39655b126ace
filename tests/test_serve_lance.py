"""LanceDB's own index as a served folder: measured as it is served, filtered, changed, compacted, checked."""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import ragopt
from ragopt.cli.build import command
from ragopt.errors import IndexFormatError, InputError
from ragopt.measure.neighbours import Neighbours
from ragopt.serve.build import build_index
from ragopt.serve.canaries import exact_scores
from ragopt.serve.lance_build import LanceTarget, check_enough_queries
from ragopt.serve.lance_index import LANCE_TYPES, LanceIndex, LanceSearch, build_arguments
from ragopt.serve.lance_limits import exact_ndcg
from ragopt.serve.lance_search import TableSearch
from ragopt.serve.lance_tuning import MOST_TUNING, efforts, halves, least
from ragopt.serve.run_material import material_of_run, settings_of_run
from ragopt.serve.table import lance
from ragopt.sweep.progress import Silent
from ragopt.sweep.settings import ReadyVectors
from tests.served import documents, swept, write_queries
from tests.test_serve_search import predicate

N, N_QUERIES, MIN_RECALL = 800, 340, 0.9
GIVEN = documents(N)


def text_of(document):
    return f"{document['title']} {document['text']}"


@pytest.fixture(scope="module", autouse=True)
def few_timed():
    """Settings are timed with a few searches: which of them is fastest is no matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ragopt.serve.lance_tuning.N_TIMED", 5)
        patch.setattr("ragopt.serve.lance_build.N_TIMED", 20)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run over 800 documents with 240 judged confirmation queries."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "asked").mkdir()
    queries = write_queries(folder / "asked", N_QUERIES)
    asked = random.Random(1).choices(documents(400), k=N_QUERIES)
    lines = [f"q{number}\t{document['_id']}\t1\n" for number, document in enumerate(asked)]
    (folder / "judged.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return swept(folder, ["Flat"], n=N, queries=str(queries), qrels=str(folder / "judged.tsv"), confirm_queries=240)


def cache_of(run):
    return Path(run.folder).parent / "cache"


@pytest.fixture(scope="module")
def built(run, tmp_path_factory):
    """What a build of each kind of index said, made when first asked for."""
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = ragopt.build(run, out=tmp_path_factory.mktemp("built") / "index", target="lancedb",
                                      lance_index=kind, min_recall=MIN_RECALL, cache_dir=cache_of(run))  # fmt: skip
        return made[kind]

    return of


@pytest.fixture
def copied(built, tmp_path):
    """Opens a copy of a kind of index, to change it."""
    opened = []

    def of(kind):
        shutil.copytree(built(kind).folder, tmp_path / kind)
        opened.append(ragopt.open(tmp_path / kind))
        return opened[-1]

    yield of
    for index in opened:
        index.close()


def rows_of(index):
    """float64 (n_rows, dim) vectors of the table, by row."""
    table = index.as_lancedb().to_arrow()
    vectors = np.zeros((index.manifest.n_rows, index.manifest.full_dim))
    vectors[table["row"].to_numpy()] = np.stack(table["vector"].to_pylist())
    return vectors


def measuring_queries(run, index):
    material = material_of_run(run, index.manifest.parsed_trial, settings_of_run(run, cache_of(run)), Silent())
    rows = halves(240, index.manifest.seed)[1]
    return material, rows, material.data.confirm_queries[rows]


@pytest.mark.parametrize("kind", LANCE_TYPES)
def test_the_measured_recall_is_that_of_the_reopened_folder(run, built, kind):
    """Over the half that nothing was tuned on the opened folder shares with brute force what the build said."""
    said = built(kind)
    index = ragopt.open(said.folder)
    material, numbers, queries = measuring_queries(run, index)
    scores, rows = index.nearest(queries, 10)
    exact = queries.astype(np.float64) @ rows_of(index).T
    best = np.argsort(-exact, axis=1, kind="stable")[:, :10]
    shared = [len(set(some) & set(other)) / 10 for some, other in zip(rows.tolist(), best.tolist(), strict=True)]
    assert said.n_queries == len(shared) == 120
    assert said.recall == pytest.approx(np.mean(shared), abs=1e-6)
    assert said.low >= MIN_RECALL
    assert np.allclose(scores, np.take_along_axis(exact, rows, axis=1), atol=1e-5)
    found = index.nearest(queries, index.manifest.n_results)
    given = material.data.confirm_exact
    judged = material.judging(numbers).scores(found[1], found[0], Neighbours(given.ids[numbers], given.scores[numbers]))
    assert set(said.lance.quality) == {"recall_vs_exact@10", "ndcg@10", "mrr@10", "recall_vs_qrels@10"}
    for name in set(judged) - {"recall_vs_exact@10"}:
        assert said.lance.quality[name].value == pytest.approx(float(judged[name].mean()), abs=1e-6)
    assert index.manifest.about["quality"]["mrr@10"]["value"] == said.lance.quality["mrr@10"].value
    assert str(index.manifest.lance) == said.lance.index
    assert said.lance.index.startswith(f"{kind}(num_partitions={1 if 'HNSW' in kind else 3}")
    assert (index.manifest.engine, index.manifest.with_vectors, said.n_different) == ("lancedb", True, None)


@pytest.mark.parametrize("kind", LANCE_TYPES)
def test_a_filter_never_gives_too_few_nor_another_document(built, kind):
    """Every kind of index gives min(k, matching) chunks, all of them matching, best first and none twice."""
    index, draw = ragopt.open(built(kind).folder, verify="quick"), random.Random(2)
    by_id = {one["_id"]: one for one in GIVEN}
    for _ in range(10):
        sql, holds = predicate(draw)
        k = draw.choice([1, 5, 30])
        hits = index.search(str(GIVEN[draw.randrange(N)]["text"])[:60], k, where=sql)
        assert len(hits) == min(k, len({text_of(one) for one in GIVEN if holds(one)})), sql
        assert len({hit.id for hit in hits}) == len(hits)
        assert all(holds(by_id[name]) for hit in hits for name in (hit.document, *hit.also_in))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def all_partitions(index):
    """Let an index search all of its partitions, so that IVF_FLAT is exact."""
    manifest = index.manifest
    lance = replace(manifest.lance, search=LanceSearch(manifest.lance.build["num_partitions"]))
    index.serve(replace(index.snapshot, manifest=replace(manifest, lance=lance)))


def test_an_index_that_is_searched_whole_agrees_with_brute_force(copied):
    """With every partition searched IVF_FLAT gives the k best of what satisfies a filter, after changes too."""
    index, draw = copied("IVF_FLAT"), random.Random(3)
    gone = {f"d{number}" for number in range(0, N, 7)}
    index.delete(gone)
    given = [one for one in GIVEN if one["_id"] not in gone] + documents(39, seed=9)
    for number, one in enumerate(given[-39:]):
        one["_id"] = f"n{number}"
    index.add([ragopt.Document(one["_id"], one["title"], one["text"],
                               {"section": one["section"], "year": one["year"], **one["metadata"]})
               for one in given[-39:]])  # fmt: skip
    all_partitions(index)
    texts = [text_of(one) for one in given]
    vectors = index.embedder.embed_documents(texts).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    n_short = 0
    for number in range(60):
        sql, holds = predicate(draw) if number % 3 else (None, lambda _: True)
        k = draw.choice([1, 10, 60])
        question = " ".join(str(given[draw.randrange(len(given))]["text"]).split()[:8])
        query = index.embed_queries([question])[0].astype(np.float64)
        best = {text: float(vector @ query) for one, text, vector in zip(given, texts, vectors, strict=True)
                if holds(one)}  # fmt: skip
        hits = index.search(question, k, where=sql)
        assert np.allclose([hit.score for hit in hits], sorted(best.values(), reverse=True)[:k], atol=1e-5), (sql, k)
        n_short += len(hits) < k
    assert n_short


@pytest.mark.parametrize("kind", ["IVF_PQ", "IVF_RQ", "IVF_HNSW_SQ"])
def test_changes_are_honoured_at_once_after_reopening_and_after_compaction(copied, kind):
    """What is added, updated or deleted is found so by the next search, by a new reader, and in the next generation."""
    index = copied(kind)
    old_question = text_of(GIVEN[5])
    assert index.search(old_question, 1)[0].document == "d5"
    index.add([ragopt.Document("a1", "", "zebra stripes quagga", {"section": "animals"})])
    index.update([ragopt.Document("d7", "", "quantum chromodynamics")])
    assert index.delete(["d5", "d38", "nobody"]).missing == ("nobody",)

    def check(opened):
        hit = opened.search("zebra stripes quagga", 1)[0]
        assert (hit.id, hit.metadata) == ("a1", {"section": "animals"})
        assert opened.search("quantum chromodynamics", 1)[0].document == "d7"
        assert [one.text for one in opened.search("x", 3, where="id = 'd7'")] == ["quantum chromodynamics"]
        assert opened.search(old_question, 1, where="document = 'd5'") == []
        assert opened.search(old_question, 1)[0].document != "d5"
        shared = opened.search(text_of(GIVEN[38]), 1)[0]
        assert (shared.document, shared.also_in) == ("d39", ())
        assert opened.n_chunks == len({text_of(one) for one in GIVEN}) - 1 + 1

    check(index)
    check(ragopt.open(index.folder))
    reader = ragopt.open(index.folder)
    index.compact()
    assert (reader.version, index.version, index.manifest.generation) == (4, 5, 2)
    check(reader)
    assert reader.refresh() == 5
    for opened in (index, reader, ragopt.open(index.folder)):
        check(opened)
        assert [segment.n_rows for segment in opened.manifest.segments] == [opened.n_chunks]
    config = next(one for one in index.as_lancedb().list_indices() if one.columns == ["vector"])
    assert (config.num_indexed_rows, config.num_unindexed_rows) == (index.as_lancedb().count_rows(), 0)


@pytest.mark.parametrize("kind", ["IVF_PQ", "IVF_HNSW_SQ"])
def test_few_or_no_rows_left_are_compacted_and_searched(copied, kind):
    """Too few rows to train codes, then one, then none: compaction works and every search is right."""
    index = copied(kind)
    index.delete([f"d{number}" for number in range(100, N)])
    index.compact()
    assert index.search(text_of(GIVEN[5]), 1)[0].document == "d5"
    assert len(index.search("anything", 200)) == index.n_chunks == 98
    index.delete([f"d{number}" for number in range(1, 100)])
    index.compact()
    assert [hit.id for hit in index.search("anything", 5)] == ["d0"]
    index.delete(["d0"])
    assert index.search(["one", "two"], 5) == [[], []]
    index.compact()
    assert index.search("anything", 5) == []
    index.add([ragopt.Document("a1", "", "zebra stripes quagga")])
    assert [hit.id for hit in index.search("zebra", 5)] == ["a1"]


def test_questions_in_a_list_are_answered_like_single_ones(built):
    """A batch gives each question's own hits, and vectors of any length those of the question."""
    questions = [" ".join(str(one["text"]).split()[:6]) for one in GIVEN[:70]]
    index = ragopt.open(built("IVF_PQ").folder)
    together = index.search(questions, 3)
    assert [[hit.id for hit in hits] for hits in together] == [
        [hit.id for hit in index.search(question, 3)] for question in questions
    ]
    vector = index.embed_queries(questions[:1])
    assert [hit.id for hit in index.search(vector * 7, 3)[0]] == [hit.id for hit in together[0]]
    assert index.search([], 3) == []


@pytest.mark.parametrize("where", [None, "year >= 2000"])
def test_a_setting_searches_as_many_partitions_as_it_says(built, where):
    """One of three partitions holds some lines, two hold more, three all: a higher limit does not search further."""
    index = ragopt.open(built("IVF_FLAT").folder)
    query = index.embed_queries(["bator celin dimas"])[0]
    found = []
    for nprobes in (1, 2, 3):
        search = TableSearch(index.as_lancedb(), "cosine", LanceSearch(nprobes), where)
        found.append(search.query(query, N, exact=False).num_rows)
        assert (search.nearest(query[None], index.n_chunks)[1] >= 0).all()
    assert 0 < found[0] < found[1] < found[2] == N


def test_documents_of_equal_text_count_once(built):
    """A row with two lines fills one place, and as many others are found as were asked for."""
    index = ragopt.open(built("IVF_FLAT").folder)
    hits = index.search(text_of(GIVEN[38]), 20)
    assert (hits[0].document, hits[0].also_in) == ("d38", ("d39",))
    assert len(hits) == len({hit.text for hit in hits}) == 20
    assert hits[0].score == pytest.approx(1, abs=1e-6)


def test_the_manifest_covers_the_index_files(copied):
    """Every file is named; a changed byte of Lance's index is found by `full`, another length by `quick` too."""
    index = copied("IVF_PQ")
    manifest = json.loads((index.folder / "manifest.json").read_text())
    inside = {path.relative_to(index.folder).as_posix() for path in index.folder.rglob("*") if path.is_file()}
    assert inside - set(manifest["files"]) == {
        "manifest.json", "acknowledged.json", "writer.lock", "gen-000001/generation.lock",
        "gen-000001/chunks.lance/_versions/latest_version_hint.json",
    }  # fmt: skip
    files = sorted((index.folder / "gen-000001/chunks.lance/_indices").rglob("*.idx"))
    assert [path.name for path in files] == ["auxiliary.idx", "index.idx"]
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[:-40] + bytes([content[-40] ^ 1]) + content[-39:])
        with pytest.raises(IndexFormatError, match=f"{path.name} was changed"):
            ragopt.open(index.folder)
        path.write_bytes(content + b"x")
        with pytest.raises(IndexFormatError, match=f"{path.name} has "):
            ragopt.open(index.folder, verify="quick")
        path.unlink()
        with pytest.raises(IndexFormatError, match=f"{path.name} is missing"):
            ragopt.open(index.folder, verify="quick")
        path.write_bytes(content)
    assert ragopt.open(index.folder).version == 1


def test_a_limit_that_no_setting_reaches_is_an_error(run, tmp_path, monkeypatch):
    """It says which setting reached what, and the next step; nothing is written."""
    monkeypatch.setattr("ragopt.serve.lance_tuning.REFINE_FACTORS", (1,))
    with pytest.raises(InputError, match=r"No setting of IVF_PQ reaches the limit 0\.95 on recall_vs_exact@10: "
                       r"IVF_PQ\(num_partitions=3,num_sub_vectors=16,num_bits=8\) \| nprobes=3,refine_factor=1 has "
                       r"0\.\d{4} \(0\.\d{4} to 0\.\d{4}\) over 120 queries") as caught:  # fmt: skip
        build_index(run, out=tmp_path / "index", cache_dir=cache_of(run), progress=Silent(),
                    lance=LanceTarget("IVF_PQ", 0.95))  # fmt: skip
    assert "--min-recall 0." in caught.value.next_step
    assert "more queries" not in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_more_queries_are_advised_only_where_the_interval_is_too_wide(run, tmp_path, monkeypatch):
    """All of 120 queries answered fully: 1.0 reaches the limit that its lower bound of 0.969 misses."""
    monkeypatch.setattr("ragopt.serve.build.check_enough_queries", lambda *_: None)
    with pytest.raises(InputError, match=r"nprobes=3 has 1\.0000 \(0\.96") as caught:
        build_index(run, out=tmp_path / "index", cache_dir=cache_of(run), progress=Silent(),
                    lance=LanceTarget("IVF_FLAT", 0.999))  # fmt: skip
    assert caught.value.next_step.endswith(", or sweep with more queries")


def test_a_limit_that_half_of_the_queries_cannot_show_is_an_error(run, tmp_path):
    """Before anything is built: perfect results over 120 queries have a lower bound below 0.999."""
    with pytest.raises(InputError, match=r"even perfect results have a lower 95 % bound of 0\.9690"):
        ragopt.build(run, out=tmp_path / "index", target="lancedb", min_recall=0.999, cache_dir=cache_of(run))
    with pytest.raises(InputError, match=r"even perfect results have a lower 95 % bound of 0\.0000"):
        check_enough_queries(3, 0.5, 0)


def test_a_corpus_too_small_for_codes_is_an_error(tmp_path):
    """LanceDB trains 8-bit codes from 256 vectors on and else leaves the index empty in silence; IVF_FLAT works."""
    run = swept(tmp_path, ["Flat"], n=120)
    with pytest.raises(InputError, match="LanceDB left 120 of 120 vectors out of IVF_PQ: too few to train it"):
        ragopt.build(run, out=tmp_path / "index", target="lancedb", min_recall=0.5, cache_dir=tmp_path / "cache")
    built = ragopt.build(run, out=tmp_path / "index", target="lancedb", lance_index="IVF_FLAT", min_recall=0.5,
                         cache_dir=tmp_path / "cache")  # fmt: skip
    assert (built.recall, set(built.lance.quality)) == (1.0, {"recall_vs_exact@10"})


def test_what_lancedb_refuses_is_an_error(run, tmp_path, monkeypatch):
    """Its reason comes through with the way out; nothing is written."""
    monkeypatch.setattr("ragopt.serve.lance_index.RQ_BITS", 77)
    with pytest.raises(InputError, match=r"LanceDB cannot build IVF_RQ over these vectors: .*77"):
        ragopt.build(run, out=tmp_path / "index", target="lancedb", lance_index="IVF_RQ", min_recall=MIN_RECALL,
                     cache_dir=cache_of(run))  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def limited(run, **limits):
    """The same run, swept with further limits."""
    return replace(run, info={**run.info, "arguments": {**run.info["arguments"], **limits}})


def build_flat(run, out, **limits):
    return ragopt.build(limited(run, **limits), out=out, target="lancedb", lance_index="IVF_FLAT", min_recall=0.9,
                        cache_dir=cache_of(run))  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_p99_ms": 0.001}, r"nprobes=\d misses a limit of the run: its p99 latency is .*at most 0\.001 ms"),
        ({"min_ndcg_ratio": 1.0}, r"its ndcg@10 is 0\.\d{4}, exact search's 0\.\d{4}.*ratio from 1\.0"),
    ],
)
def test_the_other_limits_of_the_run_are_kept(run, tmp_path, limits, message):
    """An index that is too slow, or may rank worse than the run allows, is refused; nothing is written."""
    with pytest.raises(InputError, match=message):
        build_flat(run, tmp_path / "index", **limits)
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_is_not_applied_is_warned_of_and_not_in_the_manifest(run, tmp_path, monkeypatch):
    """What was measured is kept and named; a bill there is none of, nor nDCG where exact search was not confirmed."""
    built = build_flat(run, tmp_path / "index", max_usd="7.5", max_p99_ms=60_000.0, min_ndcg_ratio=0.5)
    assert built.lance.warnings == (
        "--max-usd 7.5 of the run was not applied: the run bills no index of LanceDB that was built here",
    )
    kept = ragopt.open(tmp_path / "index", verify="quick").manifest.about["limits"]
    assert kept == {"min_recall": 0.9, "min_ndcg_ratio": 0.5, "max_p99_ms": 60_000.0}
    monkeypatch.setattr("ragopt.serve.lance_limits.exact_ndcg", lambda *_: None)
    built = build_flat(run, tmp_path / "index", min_ndcg_ratio=0.5)
    told = "--min-ndcg-ratio 0.5 of the run was not applied: the run did not confirm exact search"
    assert [warning[: len(told)] for warning in built.lance.warnings] == [told]
    kept = ragopt.open(tmp_path / "index", verify="quick").manifest.about["limits"]
    assert kept == {"min_recall": 0.9, "min_ndcg_ratio": None, "max_p99_ms": None}


def test_the_command_prints_the_warnings(run, built, tmp_path, monkeypatch):
    """Each limit that was not applied stands in a line of its own."""
    said = built("IVF_FLAT")
    said = replace(said, lance=replace(said.lance, warnings=("--max-usd 7 was not applied",)))
    monkeypatch.setattr("ragopt.api.build", lambda *_, **__: said)
    shown = CliRunner().invoke(command, [str(run.folder), "--out", str(tmp_path / "index"), "--quiet"])
    assert "\nwarning: --max-usd 7 was not applied\n" in shown.output


def test_exact_search_of_the_run_is_judged_on_the_same_queries(run, built):
    """The scores taken from the run are those of brute force, judged on the measuring half alone."""
    index = ragopt.open(built("IVF_FLAT").folder)
    material, numbers, queries = measuring_queries(run, index)
    exact = queries.astype(np.float64) @ rows_of(index).T
    best = np.argsort(-exact, axis=1, kind="stable")[:, :10]
    scores = np.take_along_axis(exact, best, axis=1).astype(np.float32)
    given = material.data.confirm_exact
    judged = material.judging(numbers).scores(best, scores, Neighbours(given.ids[numbers], given.scores[numbers]))
    assert np.allclose(exact_ndcg(run, material, numbers), judged["ndcg@10"], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "lancedb", "min_recall": 1.5}, "1.5"),
        ({"min_recall": 0.9}, "a FAISS index is to be built"),
        ({"lance_index": "IVF_PQ"}, "a FAISS index is to be built"),
        ({"target": "lancedb", "lance_index": "IVF_HNSW"}, "LanceDB has no index 'IVF_HNSW'"),
        ({"target": "milvus"}, "There is no target 'milvus'"),
    ],
)
def test_what_cannot_be_built_is_refused(run, tmp_path, options, message):
    """The error says what was wrong; nothing is written."""
    with pytest.raises(InputError, match=message):
        ragopt.build(run, out=tmp_path / "index", cache_dir=cache_of(run), **options)
    assert list(tmp_path.iterdir()) == []


def test_the_command_shows_what_was_measured(run, tmp_path):
    """`ragopt build --target lancedb` prints index, recall with its interval, quality and latency, and replaces."""
    asked = [str(run.folder), "--out", str(tmp_path / "index"), "--target", "lancedb", "--lance-index",
             "IVF_RQ", "--min-recall", "0.9", "--cache-dir", str(cache_of(run)), "--quiet"]  # fmt: skip
    shown = subprocess.run(
        [sys.executable, "-m", "ragopt", "build", *asked], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    for part in ("LanceDB IVF_RQ(num_partitions=3,num_bits=1) | nprobes=", "over 120 queries: none of the 120 that",
                 "mrr@10 ", "p99 "):  # fmt: skip
        assert part in shown.stdout
    again = json.loads(CliRunner().invoke(command, [*asked, "--json"]).output)
    assert (again["version"], again["lance"]["n_tuning"]) == (2, 120)
    assert ragopt.open(tmp_path / "index").manifest.generation == 2


def test_no_query_is_in_both_halves():
    """Two halves of all queries, the same for the same seed; of many only 500 are tuned on."""
    first, second = halves(240, 0)
    assert sorted([*first, *second]) == list(range(240))
    assert len(first) == len(second) == 120
    assert np.array_equal(first, halves(240, 0)[0])
    assert not np.array_equal(first, halves(240, 1)[0])
    assert [len(half) for half in halves(2001, 0)] == [MOST_TUNING, 1001]


@pytest.mark.parametrize("place", [0, 1, 2, 4, None])
def test_the_least_effort_is_found(place):
    """Halving finds the first good setting of five, and none where the last is not good."""
    settings = [LanceSearch(nprobes) for nprobes in (1, 2, 4, 8, 9)]
    assert least(settings, lambda search: place is not None and search.nprobes >= settings[place].nprobes) == place


def test_efforts_of_a_graph_and_of_lists():
    """Whole vectors are not rescored; a graph's candidates hold what is rescored."""
    assert list(efforts("IVF_FLAT", 4, 10, 9000)) == [[LanceSearch(1), LanceSearch(2), LanceSearch(4)]]
    graph = list(efforts("IVF_HNSW_SQ", 1, 10, 9000))
    assert [search.ef for search in graph[1]] == [20, 40, 80, 160, 320, 640]
    assert [search.ef for search in graph[7]] == [1280, 2560, 5120, 10240]


@pytest.mark.parametrize(("n_vectors", "deepest"), [(100_000, 128), (641, 128), (640, 64), (12, 2), (3, 1)])
def test_no_rescoring_is_deeper_than_all_vectors(n_vectors, deepest):
    """For ten results up to 128 times as many are rescored, or up to the first factor that rescores every vector."""
    assert [ladder[0].refine_factor for ladder in efforts("IVF_PQ", 5, 10, n_vectors)][-1] == deepest


def test_build_arguments_by_hand():
    """Partitions by the root, never of fewer than 256 vectors; sub-vectors of 16 dimensions or what divides them."""
    assert build_arguments("IVF_FLAT", 1_000_000, 384) == {"num_partitions": 1000}
    assert build_arguments("IVF_RQ", 100, 384) == {"num_partitions": 1, "num_bits": 1}
    assert build_arguments("IVF_PQ", 100_000, 100)["num_sub_vectors"] == 25
    assert build_arguments("IVF_HNSW_SQ", 1_048_577, 384) == {"num_partitions": 2, "m": 20, "ef_construction": 300}


@pytest.mark.parametrize(
    "value",
    [
        {"index_type": "IVF_X", "build": {}, "search": {"nprobes": 1}},
        {"index_type": "IVF_PQ", "build": {"own": 1}, "search": {"nprobes": 1}},
        {"index_type": "IVF_PQ", "build": {}, "search": {"nprobes": -1}},
        {"index_type": "IVF_PQ", "build": {}, "search": {"nprobes": True}},
    ],
)
def test_a_manifest_with_another_index_is_refused(value):
    """Kinds, arguments and numbers that ragopt does not write are no index."""
    with pytest.raises(ValueError, match=r"is not one of|are no parameters"):
        LanceIndex.parsed(value)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_ready_vectors_of_every_metric_are_searched_by_it(tmp_path, rng, metric):
    """Scores of ready vectors are those of the metric, and recall that of brute force by it."""
    vectors = (rng.standard_normal((700, 16)) * rng.uniform(0.5, 2, (700, 1))).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    np.save(tmp_path / "q.npy", rng.standard_normal((160, 16)).astype(np.float32))
    (tmp_path / "ids.txt").write_text("".join(f"v{number}\n" for number in range(700)))
    (tmp_path / "grid.toml").write_text('about = "x"\n[[grid]]\nspaces = ["full"]\nfactories = ["Flat"]\n')
    names = (str(tmp_path / name) for name in ("v.npy", "q.npy", "ids.txt"))
    run = ragopt.sweep(ready=ReadyVectors(*names), grid=str(tmp_path / "grid.toml"), metric=metric, n_queries=60,
                       limits={"min_recall": 0.8}, confirm_queries=100, cost_model="scan", out=tmp_path / "run",
                       cache_dir=tmp_path / "c")  # fmt: skip
    said = ragopt.build(run, out=tmp_path / "index", target="lancedb", lance_index="IVF_SQ", cache_dir=tmp_path / "c")
    index = ragopt.open(tmp_path / "index")
    settings = settings_of_run(run, tmp_path / "c")
    queries = material_of_run(run, index.manifest.parsed_trial, settings, Silent()).data.confirm_queries
    queries = queries[halves(100, index.manifest.seed)[1]]
    scores, rows = index.nearest(queries, 10)
    exact = exact_scores(queries, rows_of(index).astype(np.float32), metric)
    assert np.allclose(scores, np.take_along_axis(exact, rows, axis=1), atol=1e-4)
    best = np.argsort(-exact, axis=1, kind="stable")[:, :10]
    shared = [len(set(some) & set(other)) / 10 for some, other in zip(rows.tolist(), best.tolist(), strict=True)]
    assert said.recall == pytest.approx(np.mean(shared), abs=1e-6)
    assert (said.n_queries, said.lance.min_recall) == (50, 0.8)
    assert index.search(queries[:1], 1)[0][0].id == f"v{rows[0, 0]}"


def test_what_a_killed_writer_left_in_the_table_is_undone(copied):
    """Lines appended and deleted behind the manifest's version are neither found nor missed, and the index stays."""
    index = copied("IVF_PQ")
    table = lance().connect(str(index.folder / "gen-000001")).open_table("chunks")
    table.add(table.to_arrow().slice(0, 3))
    table.delete("id = 'd5'")
    assert index.search(text_of(GIVEN[5]), 1)[0].document == "d5"
    index.add([ragopt.Document("a1", "", "zebra stripes quagga")])
    for opened in (index, ragopt.open(index.folder)):
        assert opened.search(text_of(GIVEN[5]), 1)[0].document == "d5"
        table = opened.as_lancedb()
        assert table.count_rows() == N + 1
        config = next(one for one in table.list_indices() if one.columns == ["vector"])
        assert (config.num_indexed_rows, config.num_unindexed_rows) == (N, 1)
