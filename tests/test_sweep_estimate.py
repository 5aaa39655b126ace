"""Estimates equal built indexes: from real artifacts, with more vectors than candidates, after a change of grid."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from ragopt.artifacts import ArtifactStore
from ragopt.bill.price_book import PriceBook
from ragopt.choose import Limits
from ragopt.embed.ready import open_ready_vectors
from ragopt.embed.sample import training_sample
from ragopt.index.build import add_blocks, set_search, train_index
from ragopt.index.factory import parse_factory
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.records import Space, Trial
from ragopt.sweep.bench import Bench
from ragopt.sweep.corpus_stage import QuerySplit
from ragopt.sweep.descend import Descent, codecs_of, most_factor
from ragopt.sweep.estimate_stage import estimate
from ragopt.sweep.forecasting import forecast_of
from ragopt.sweep.joint_stage import check_joint
from ragopt.sweep.material import Material
from ragopt.sweep.model_stage import complete, find_exact
from ragopt.sweep.pricing import Pricing, workload_of
from ragopt.sweep.progress import Silent
from ragopt.sweep.query_sample import QuerySample, candidates_wanted, racing_order
from ragopt.sweep.selecting import Selection
from ragopt.sweep.settings import SELECT_TRAIN_ROWS, SearchPlan

N, DIM, N_SELECT, N_FIT, K = 6000, 32, 120, 500, 10
PLAN = SearchPlan("cosine", K, K, 0)
FULL = Space("m", DIM, "none")


def clustered(rng, n):
    centres = np.random.default_rng(1).normal(size=(60, DIM)) * np.linspace(2, 0.3, DIM)
    return (centres[rng.integers(0, 60, n)] + 0.5 * rng.normal(size=(n, DIM)) + 0.3).astype(np.float32)


def scattered(rng, n):
    return rng.normal(size=(n, DIM)).astype(np.float32)


def uneven(rng, n):
    """Four directions hold nearly all the length: codes that give every direction the same bits fail."""
    return (rng.normal(size=(n, DIM)) * np.array([3.0] * 4 + [0.05] * (DIM - 4))).astype(np.float32)


def prepare(folder, draw, *, n=N, n_select=N_SELECT):
    """A store, the data of one model with 500 candidates a query, the stored vectors as an array, and the split."""
    rng = np.random.default_rng(0)
    np.save(folder / "v.npy", draw(rng, n))
    store = ArtifactStore(folder / "cache")
    vectors = open_ready_vectors(store, str(folder / "v.npy"), column=None, metric="cosine")
    asked = draw(rng, n_select + N_FIT)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    rows = np.arange(len(asked))
    split = QuerySplit(rows[:n_select], rows[:n_select], holdout=False, fit=rows[n_select:])
    data = complete(store, model="m", model_device="cpu", vectors=vectors, queries=asked, all_rows=rows,
                    split=split, k=K, n_candidates=min(500, n), metric="cosine",
                    report=lambda _done, _total: None)  # fmt: skip
    return store, data, vectors.rows(np.arange(n)), split


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("clustered"), clustered)


def built_recall(data, corpus, trial):
    index = train_index(parse_factory(trial.factory, DIM), corpus, metric="cosine", seed=0)
    add_blocks(index, [(0, corpus)])
    set_search(index, trial.search)
    return recall_vs_exact(index.search(data.select_queries, K)[1], data.select_exact, k=K)


TRIALS = [
    Trial(FULL, "Flat"),
    Trial(FULL, "SQ8"),
    Trial(FULL, "PQ8np"),
    Trial(FULL, "PQ16x4fs"),
    Trial(FULL, "RaBitQ"),
    Trial(FULL, "RaBitQ4"),
    Trial(FULL, "PCAR16,PQ4np,Refine(SQ8)", "k_factor_rf=2"),
    Trial(FULL, "PCAR16,PQ4np,Refine(SQ8)", "k_factor_rf=10"),
    Trial(FULL, "PCAR16,PQ4np,Refine(SQfp16)", "k_factor_rf=10"),
    Trial(FULL, "IVF16,PQ8np", "nprobe=2"),
    Trial(FULL, "IVF16,PQ8np", "nprobe=8"),
    Trial(FULL, "IVF16,PQ16x4fs,Refine(SQ8)", "nprobe=4,k_factor_rf=5"),
    Trial(FULL, "HNSW8,SQ8", "efSearch=32"),
]


def test_estimates_equal_built_indexes(prepared):
    """From 500 of 6,000 vectors a query, every trial's mean recall is within half a point of the built index's.

    Trained on the same rows. FastScan rounds its tables for the lists that one search probes, hence not exactly.
    """
    store, data, corpus, _ = prepared
    sample = QuerySample.of(data, np.arange(N_SELECT))
    found = estimate(Bench(store, data, PLAN), TRIALS, sample, timed=False)
    gaps = {str(trial): float((found[trial].recall - built_recall(data, corpus, trial)).mean()) for trial in TRIALS}
    assert all(abs(gap) <= 0.005 for gap in gaps.values()), gaps
    assert found[TRIALS[0]].recall.min() == 1


def test_a_second_grid_scores_no_codec_again(prepared, tmp_path):
    """Other depths and tiers of codes that were scored before make no new shortlist and train no new codec."""
    store, data, _, _ = prepared
    sample, fresh = QuerySample.of(data, np.arange(N_SELECT)), ArtifactStore(tmp_path)
    first = [Trial(FULL, "PQ8np,Refine(SQ8)", "k_factor_rf=10")]
    estimate(Bench(fresh, data, PLAN), first, sample, timed=False)
    before = {path for kind in ("codec", "shortlist") for path in (tmp_path / kind).rglob("recipe.json")}
    more = [
        *first,
        Trial(FULL, "PQ8np,Refine(SQ8)", "k_factor_rf=3"),
        Trial(FULL, "PQ8np,Refine(SQ8)", "k_factor_rf=7"),
    ]
    estimate(Bench(fresh, data, PLAN), more, sample, timed=False)
    after = {path for kind in ("codec", "shortlist") for path in (tmp_path / kind).rglob("recipe.json")}
    assert before == after
    assert store.root != fresh.root


def test_too_few_candidates_say_that_they_are(tmp_path):
    """The estimate of codes of one byte moves when its candidates are halved, and is not taken as converged."""
    store, data, corpus, _ = prepare(tmp_path, scattered)
    trial = Trial(FULL, "IVF4,PQ1np", "nprobe=4")
    found = estimate(Bench(store, data, PLAN), [trial], QuerySample.of(data, np.arange(N_SELECT)), timed=False)[trial]
    assert found.moved > 0.001
    assert not found.converged
    assert found.recall.mean() >= built_recall(data, corpus, trial).mean() - 1e-6, "an upper bound"


def test_what_cannot_be_trained_is_told(prepared):
    """More lists than training rows is a reason in words, and the other trials go on."""
    store, data, _, _ = prepared
    trials = [Trial(FULL, "IVF8192,SQ8", "nprobe=4"), Trial(FULL, "SQ8")]
    found = estimate(Bench(store, data, PLAN), trials, QuerySample.of(data, np.arange(N_SELECT)), timed=False)
    assert "8192" in found[trials[0]]
    assert found[trials[1]].recall.mean() > 0.9


def test_candidates_grow_with_k_and_depth():
    """50 k or 5 x depth, whichever is more, and never more than there are vectors."""
    assert candidates_wanted(10, k=10, n_vectors=10**6) == 500
    assert candidates_wanted(1000, k=10, n_vectors=10**6) == 5000
    assert candidates_wanted(10, k=100, n_vectors=10**6) == 5000
    assert candidates_wanted(1000, k=10, n_vectors=777) == 777


def a_selection(prepared, *, min_recall=0.9, n_scale=None):
    store, data, _, split = prepared
    n = data.vectors.n
    pricing = Pricing(workload_of({}, n_scale or n), PriceBook.packaged(), "scan", n, K)
    query_ids, document_ids = [str(row) for row in split.rows], [str(row) for row in range(n)]
    material = Material((data,), query_ids, document_ids, {}, None, split, {}, {})
    return Selection(store, data, PLAN, pricing, Limits(min_recall=min_recall), material, Silent())


def test_the_search_below_a_grid_finds_the_smallest_size_and_depth(prepared):
    """Every size below the one that is found fails at the greatest depth, and one step less of depth fails too."""
    selection = a_selection(prepared, min_recall=0.85)
    grid = [Trial(FULL, "Flat"), Trial(FULL, "PQ16np,Refine(SQ8)", "k_factor_rf=20")]
    selection.run(grid, "m")
    descent = Descent(selection, target=0.85, max_rescored=80)
    tried = descent.run(grid)
    held = [trial for trial in tried if descent._meets(trial)]
    sizes = {trial: selection.costs(trial).ram_bytes_per_vector for trial in held}
    smallest = min(sizes.values())
    assert smallest < 16
    below = [trial for trial in tried if selection.costs(trial).ram_bytes_per_vector < smallest]
    assert below
    assert not any(descent._meets(trial) for trial in below)
    least = [trial for trial in held if sizes[trial] == smallest and trial.search != "k_factor_rf=8"]
    for trial in least:
        found = selection.settled[trial].estimate
        factor = int(trial.search.removeprefix("k_factor_rf="))
        deep = next(each for each in held if each.factory == trial.factory and each.search == "k_factor_rf=8")
        assert descent._low_at(selection.settled[deep].estimate, factor) >= 0.85
        assert found.recall.mean() <= selection.settled[deep].estimate.recall.mean() + 1e-6


def test_sizes_are_made_of_codecs_that_fit():
    """Every codec below a grid has the bytes that it is tried for, and splits its dimensions evenly."""
    for size in (1, 2, 3, 5, 8, 12, 24):
        for residual in (False, True):
            for codec in codecs_of(size, 384, residual=residual):
                factory = parse_factory(codec, 384)
                assert factory.codec.parts * factory.codec.bits == 8 * size


def test_small_corpora_are_not_scanned_from_the_disk():
    """No search below a grid rescored more than a twentieth of the corpus, or than it was allowed to."""
    assert most_factor(22_067, 10, 1000) == 100
    assert most_factor(4_000, 10, 1000) == 20
    assert most_factor(150, 10, 1000) == 0
    assert most_factor(10**6, 10, 250) == 25


def test_a_joint_rotation_is_kept_only_where_it_wins(prepared):
    """The check compares on the selection queries, is fitted on others, and keeps what its interval says."""
    checks = check_joint(a_selection(prepared))
    assert [check.dim for check in checks] == [24, 16, 8]
    assert {check.n_fit for check in checks} == {N_FIT}
    for check in checks:
        assert check.kept is (check.low > 0)
        assert check.low <= check.joint - check.pca <= check.high


def test_forecasts_come_with_the_scale_that_is_billed(prepared):
    """Nothing is forecast at the corpus's own size; at twice its size the upper end is at least what was measured."""
    store, data, _, _ = prepared
    trial = TRIALS[7]
    found = estimate(Bench(store, data, PLAN), [trial], QuerySample.of(data, np.arange(N_SELECT)), timed=False)[trial]
    assert forecast_of(found, k=K, n_results=K, n=N, n_scale=N) is None
    forecast = forecast_of(found, k=K, n_results=K, n=N, n_scale=2 * N)
    assert forecast.n_vectors == 2 * N
    assert forecast.low <= forecast.high
    assert forecast.high >= found.recall.mean()


def test_a_race_settles_every_trial(prepared):
    """Every trial of a race has a result: estimated on all queries, or dropped with its reason, or unsuitable."""
    selection = a_selection(prepared)
    trials = [*TRIALS, Trial(FULL, "IVF8192,SQ8", "nprobe=4")]
    selection.run(trials, "m")
    results = selection.results(trials)
    assert list(results) == trials
    assert results[trials[-1]].status == "unsuitable"
    for trial in TRIALS:
        assert results[trial].status in {"estimated", "dropped", "unsuitable"}
        assert (results[trial].reason == "") is (results[trial].status == "estimated")


def test_small_corpora_are_rescored_to_the_full_depth(tmp_path):
    """Where a depth is more than a fifth of the corpus the shortlist is kept as deep: estimated is as built."""
    store, data, corpus, _ = prepare(tmp_path, scattered, n=1000)
    trial = Trial(FULL, "PCAR8,PQ8np,Refine(SQfp16)", "k_factor_rf=40")
    deep = replace(data, candidates=find_exact(store, data.vectors, data.select_queries, k=K, metric="cosine",
                                               n_candidates=1000)[1])  # fmt: skip
    found = estimate(Bench(store, deep, PLAN), [trial], QuerySample.of(deep, np.arange(N_SELECT)), timed=False)[trial]
    assert abs(float((found.recall - built_recall(data, corpus, trial)).mean())) < 0.002


def test_convergence_ends_when_all_vectors_are_candidates(tmp_path):
    """Behind lists a weak code moves until every vector is a candidate; then there is nothing left to double."""
    prepared = prepare(tmp_path, scattered, n=1500)
    selection = a_selection(prepared, min_recall=0.01)
    trial = Trial(FULL, "IVF4,PQ1np", "nprobe=4")
    selection.run([trial], "m")
    rounds = 0
    while selection.converge([trial]):
        rounds += 1
        assert rounds < 5
    assert selection.settled[trial].estimate.converged


def test_a_verdict_outlives_the_later_rounds(tmp_path):
    """A codec that does not suit the corpus stays unsuitable when there are enough queries for a second round."""
    prepared = prepare(tmp_path, uneven, n=3000, n_select=600)
    selection = a_selection(prepared, min_recall=0.3)
    trials = [Trial(FULL, "SQtqmse1"), Trial(FULL, "PQ4np"), Trial(FULL, "SQ8")]
    selection.run(trials, "m")
    result = selection.results(trials)[trials[0]]
    assert (result.status, result.reason[:28]) == ("unsuitable", "not suited to this corpus: r")


def test_a_tier_that_cannot_be_trained_spares_its_neighbours(tmp_path):
    """Codes of which one trial has an untrainable rescoring tier are estimated for the others."""
    store, data, _, _ = prepare(tmp_path, scattered, n=200)
    trials = [Trial(FULL, "SQ4"), Trial(FULL, "SQ4,Refine(SQ8)", "k_factor_rf=2"), Trial(FULL, "SQ4,Refine(PQ8np)")]
    found = estimate(Bench(store, data, PLAN), trials, QuerySample.of(data, np.arange(N_SELECT)), timed=False)
    assert "256" in found[trials[2]]
    assert found[trials[0]].recall.mean() > 0.7
    assert found[trials[1]].recall.mean() > 0.9


def test_rounds_joined_are_the_estimate_of_all_queries(prepared):
    """Queries estimated in two parts give each of them the same recall as all at once, and the mean move of both."""
    store, data, _, _ = prepared
    bench = Bench(store, data, PLAN)
    trials = [trial for trial in TRIALS if "x4fs" not in trial.factory]  # FastScan searches all candidates of a round
    parts = [estimate(bench, trials, QuerySample.of(data, rows), timed=False)
             for rows in (np.arange(40), np.arange(40, N_SELECT))]  # fmt: skip
    whole = estimate(bench, trials, QuerySample.of(data, np.arange(N_SELECT)), timed=False)
    for trial in trials:
        joined = parts[0][trial].followed_by(parts[1][trial])
        np.testing.assert_array_equal(joined.recall, whole[trial].recall, err_msg=str(trial))
        np.testing.assert_array_equal(joined.found, whole[trial].found, err_msg=str(trial))
        if joined.moved is not None and whole[trial].moved is not None:
            assert joined.moved == pytest.approx(whole[trial].moved, abs=1e-6)
        if joined.shortlists:
            assert len(joined.shortlist()) == N_SELECT


def test_estimates_with_other_candidates_are_not_joined(prepared):
    """Places among 500 candidates say nothing among 600."""
    store, data, _, _ = prepared
    trial = TRIALS[2]
    one = estimate(Bench(store, data, PLAN), [trial], QuerySample.of(data, np.arange(40)), timed=False)[trial]
    with pytest.raises(ValueError, match="cannot join"):
        one.followed_by(replace(one, n_candidates=600))


def test_one_deep_trial_does_not_keep_others_from_converging(prepared, monkeypatch):
    """Where twice a deep trial's candidates are too many, a shallow one's are doubled all the same."""
    selection = a_selection(prepared, min_recall=0.01)
    shallow, deep = Trial(FULL, "IVF4,PQ1np", "nprobe=4"), Trial(FULL, "IVF4,PQ2np", "nprobe=4")
    selection.run([shallow, deep], "m")
    for trial, n_candidates in ((shallow, 500), (deep, 4000)):
        settled = selection.settled[trial]
        loose = replace(settled.estimate, n_candidates=n_candidates, moved=0.05)
        selection.settled[trial] = replace(settled, estimate=loose)
    monkeypatch.setattr(sys.modules[Selection.__module__], "MOST_SCORES", 1000 * N_SELECT)
    assert selection.converge([shallow, deep])
    assert selection.settled[shallow].estimate.n_candidates == 1000
    assert selection.settled[deep].estimate.n_candidates == 4000


def test_a_trial_that_fails_in_a_later_round_is_unsuitable(tmp_path):
    """A vector that a space leaves empty may be a candidate of the last queries only: the trial ends there."""
    n, n_select = 17_000, 300
    rng = np.random.default_rng(0)
    vectors, asked = clustered(rng, n), clustered(rng, n_select)
    np.save(tmp_path / "v.npy", vectors)
    store = ArtifactStore(tmp_path / "cache")
    stored = open_ready_vectors(store, str(tmp_path / "v.npy"), column=None, metric="cosine")
    sampled = {row.tobytes() for row in training_sample(stored, max_rows=SELECT_TRAIN_ROWS, seed=0)}
    every = stored.rows(np.arange(n))
    outside = next(number for number, row in enumerate(every) if row.tobytes() not in sampled)
    alone = np.zeros(DIM, np.float32)
    alone[-1] = 1
    vectors[outside] = alone
    asked[racing_order(n_select, seed=0)[-1]] = alone + 0.01
    np.save(tmp_path / "v2.npy", vectors)
    stored = open_ready_vectors(store, str(tmp_path / "v2.npy"), column=None, metric="cosine")
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    rows = np.arange(n_select)
    split = QuerySplit(rows, rows, holdout=False, fit=rows[:0])
    data = complete(store, model="m", model_device="cpu", vectors=stored, queries=asked, all_rows=rows,
                    split=split, k=K, n_candidates=500, metric="cosine", report=lambda _done, _total: None)  # fmt: skip
    selection = a_selection((store, data, None, split), min_recall=0.01)
    trial = Trial(Space("m", 16, "trunc"), "IVF4,SQ8", "nprobe=4")
    selection.run([trial], "m")
    assert outside in data.candidates
    assert "no component left" in selection.unsuitable[trial]
    assert selection.results([trial])[trial].status == "unsuitable"
