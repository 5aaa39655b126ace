"""Which query each stored score is of: scores worked out again from the queries that `queries.parquet` names."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import ragopt
from ragopt.errors import ArtifactError
from ragopt.report.outputs import markdown_beside
from ragopt.sweep.run_folder import QUERIES_FILE, read_run, write_decision
from ragopt.sweep.run_queries import RunQuery, key_of_text, qrels_fingerprint, queries_parquet, read_queries_of
from ragopt.sweep.settings import ReadyVectors
from tests.cli import TINY
from tests.report_example import example_run
from tests.resealed import reseal

N, DIM, N_QUERIES, N_JUDGED, K = 450, 32, 640, 600, 10
GRID = """
[[grid]]
spaces = ["16:trunc", "4:trunc"]
factories = ["Flat"]
"""


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearest(vectors, queries, dim):
    """Rows of the ten nearest by cosine of the first `dim` dimensions."""
    return np.argsort(-(unit(queries[:, :dim]) @ unit(vectors[:, :dim]).T), axis=1)[:, :K]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A run over ready vectors with ids and judgements, and each query's score by dimension, worked out here."""
    folder = tmp_path_factory.mktemp("swept")
    rng = np.random.default_rng(5)
    scale = np.linspace(3, 0.4, DIM)
    vectors = (rng.standard_normal((N, DIM)) * scale).astype(np.float32)
    queries = (rng.standard_normal((N_QUERIES, DIM)) * scale).astype(np.float32)
    np.save(folder / "v.npy", vectors)
    np.save(folder / "q.npy", queries)
    (folder / "ids.txt").write_text("".join(f"query {row}\n" for row in range(N_QUERIES)))
    (folder / "grid.toml").write_text(GRID)
    exact = nearest(vectors, queries, DIM)
    relevant = exact[:, 2]
    lines = [f"query {row}\t{relevant[row]}\t1\n" for row in range(N_JUDGED)]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    run = ragopt.sweep(
        ready=ReadyVectors(str(folder / "v.npy"), str(folder / "q.npy"), query_ids=str(folder / "ids.txt")),
        qrels=str(folder / "qrels.tsv"), grid=str(folder / "grid.toml"), n_queries=400, confirm_queries=150,
        limits={"min_recall": 0.5}, cost_model="scan", out=folder / "run", cache_dir=folder / "cache",
    )  # fmt: skip
    scores = {}
    for dim in (16, 4):
        found = nearest(vectors, queries, dim)
        recall = [len(np.intersect1d(*pair)) / K for pair in zip(found, exact, strict=True)]
        places = [np.flatnonzero(row == wanted) for row, wanted in zip(found, relevant, strict=True)]
        mrr = [1 / (1 + place[0]) if len(place) else 0.0 for place in places]
        scores[dim] = {"recall_vs_exact@10": np.array(recall), "mrr@10": np.array(mrr)}
    return read_run(Path(run.folder)), scores


def expected(queries, stage, scores):
    """Scores worked out here, in the order that the file gives the queries of one stage."""
    ordered = sorted((one for one in queries if getattr(one, stage) is not None), key=lambda one: getattr(one, stage))
    return scores[[int(one.id.removeprefix("query ")) for one in ordered]]


@pytest.mark.parametrize("name", ["recall_vs_exact@10", "mrr@10"])
def test_stored_scores_are_those_of_the_named_queries(swept, name):
    """A built trial's scores are in confirmation order, its selection scores in racing order, query by query."""
    run, scores = swept
    queries = read_queries_of(run)
    [built] = [one for one in run.trials if one.trial.space.dim == 16]
    assert built.confirmed
    confirm, select = (expected(queries, stage, scores[16][name]) for stage in ("confirm", "select"))
    np.testing.assert_allclose(built.per_query[name], confirm, atol=1e-6)
    np.testing.assert_allclose(built.per_query[f"selection/{name}"], select, atol=1e-6)
    assert len(set(confirm.tolist())) > 2  # another order would show


@pytest.mark.parametrize("name", ["recall_vs_exact@10", "mrr@10"])
def test_a_dropped_trial_has_scores_of_the_first_of_the_racing_order(swept, name):
    """What left the race was scored on the first queries of it only, and those are the first of the file's order."""
    run, scores = swept
    [dropped] = [one for one in run.trials if one.trial.space.dim == 4]
    assert dropped.status == "dropped"
    stored = dropped.per_query[name]
    assert 0 < len(stored) < run.info["queries"]["n_select"]
    np.testing.assert_allclose(
        stored, expected(read_queries_of(run), "select", scores[4][name])[: len(stored)], atol=1e-6
    )


def test_places_agree_with_the_run(swept):
    """The racing order is that of `select_rows`, held-out queries have one place, and ready ones no text."""
    run, _ = swept
    queries = read_queries_of(run)
    select = [one.id for one in sorted(queries, key=lambda one: -1 if one.select is None else one.select)
              if one.select is not None]  # fmt: skip
    assert select == [f"query {row}" for row in run.info["queries"]["select_rows"]]
    assert all((one.select is None) != (one.confirm is None) for one in queries)
    assert all(one.judged for one in queries)
    one = queries[0]
    assert (one.text, one.key) == (None, hashlib.sha256(one.id.encode()).hexdigest()[:16])


def test_texts_and_keys_of_a_corpus(tmp_path):
    """With a corpus each query has its id, its text and the hash of all of it; without judgements none is judged."""
    long = "how " * 150 + "many?"
    texts = [long, *(f"What is meant by word {n}?" for n in range(29))]
    (tmp_path / "q.jsonl").write_text(
        "".join(json.dumps({"_id": f"q{n}", "text": text}) + "\n" for n, text in enumerate(texts))
    )
    (tmp_path / "grid.toml").write_text('[[grid]]\nfactories = ["SQ8"]\n')
    run = ragopt.sweep(TINY, queries=str(tmp_path / "q.jsonl"), grid=str(tmp_path / "grid.toml"), cost_model="scan",
                       limits={"min_recall": 0.3}, out=tmp_path / "run", cache_dir=tmp_path / "cache")  # fmt: skip
    queries = {one.id: one for one in read_queries_of(run)}
    assert queries.keys() == {f"q{n}" for n in range(30)}
    for n, text in enumerate(texts):
        one = queries[f"q{n}"]
        assert (one.text, one.key) == (text[:400], hashlib.sha256(text.encode()).hexdigest()[:16])
        assert (one.judgements, one.judged) == (None, False)
        assert one.select is not None
        assert one.confirm is not None  # 30 queries are too few to hold some out
    assert run.info["queries"]["qrels_fingerprint"] is None


def test_keys_tell_judgements_apart():
    """Another grade or another document is another key; the order of the documents is not."""
    first = qrels_fingerprint({"q": {"a": 1, "b": 2}})
    assert first == qrels_fingerprint({"q": {"b": 2, "a": 1}})
    assert len({first, qrels_fingerprint({"q": {"a": 1, "b": 1}}), qrels_fingerprint({"q": {"a": 1}}), None}) == 4


def written(tmp_path, queries):
    run = example_run()
    info = {**run.info, "queries": {**run.info["queries"], "n_select": 2, "n_confirm": 1}}
    run = replace(run, folder=str(tmp_path), info=info)
    write_decision(tmp_path, run, None if queries is None else queries_parquet(queries))
    return read_run(tmp_path)


QUERIES = (
    RunQuery(0, None, "one\x1b[31m", "text | `x` <b>", key_of_text("text | `x` <b>"), "ab"),
    RunQuery(1, 0, "two", None, key_of_text("two"), None),
)


def test_what_is_written_reads_back_equal(tmp_path):
    """Queries are the same after writing and reading, hostile text and empty places included."""
    assert read_queries_of(written(tmp_path, QUERIES)) == QUERIES


def test_a_run_without_the_file_has_no_queries(tmp_path):
    """An older folder says nothing of its queries; a file that another run left there is not taken for its own."""
    written(tmp_path, QUERIES)
    assert read_queries_of(written(tmp_path, None)) == ()


def test_a_file_that_the_run_does_not_name_is_told(tmp_path):
    """The queries of another run, copied into an older folder, are an ArtifactError: as it is read, and later."""
    written(tmp_path / "new", QUERIES)
    run = written(tmp_path / "old", None)
    (tmp_path / "old" / QUERIES_FILE).write_bytes((tmp_path / "new" / QUERIES_FILE).read_bytes())
    for read in (lambda: read_run(tmp_path / "old"), lambda: read_queries_of(run)):
        with pytest.raises(ArtifactError, match=r"has a queries\.parquet that run\.json does not name"):
            read()


def test_a_relative_folder_is_read_wherever_the_process_goes(tmp_path, monkeypatch):
    """A run that was read as `run` keeps its queries and picture after the working directory changed."""
    written(tmp_path / "run", QUERIES)
    (tmp_path / "run" / "frontier.png").write_bytes(b"")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    run = read_run(Path("run"))
    monkeypatch.chdir(tmp_path / "other")
    for one in (run, ragopt.Run.of(run)):
        assert (one.folder, one.path) == ("run", tmp_path / "run")
        assert read_queries_of(one) == QUERIES
        assert "![Quality against cost](../run/frontier.png)" in markdown_beside(one, Path.cwd(), {}, None)


def test_a_file_that_went_is_told(tmp_path):
    """Queries or run.json that a run was read with and that are gone are an ArtifactError, not a run without them."""
    run = written(tmp_path, QUERIES)
    for name in (QUERIES_FILE, "run.json"):
        (tmp_path / name).unlink()
        with pytest.raises(ArtifactError, match=f"{name} is missing"):
            read_queries_of(run)


def test_a_damaged_file_is_one_clear_error(tmp_path):
    """A flipped byte, another file and other queries than the run's are ArtifactErrors that name the file."""
    run = written(tmp_path, QUERIES)
    path = tmp_path / QUERIES_FILE
    good = path.read_bytes()
    for bad in (good[:60] + bytes([good[60] ^ 255]) + good[61:], b"", good[:-20], b"{}"):
        path.write_bytes(bad)
        with pytest.raises(ArtifactError, match=r"is damaged: queries\.parquet was changed, .* Sweep again"):
            read_queries_of(run)
        reseal(tmp_path)
        with pytest.raises(ArtifactError, match=r"queries\.parquet is damaged: \S.* Sweep again"):
            read_queries_of(run)
    path.write_bytes(good)
    pq.write_table(pq.read_table(path).drop(["key"]), path)
    reseal(tmp_path)
    with pytest.raises(ArtifactError, match="is damaged"):
        read_queries_of(run)
    path.write_bytes(queries_parquet(QUERIES[:1]))
    reseal(tmp_path)
    with pytest.raises(ArtifactError, match=r"has 1 select queries\. Allowed: places 0 to 1"):
        read_queries_of(run)
