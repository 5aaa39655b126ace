"""Finalists measured for real: a scan that several share finds what each of them finds alone."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from ragopt.artifacts import ArtifactStore
from ragopt.embed import store as store_module
from ragopt.embed.ready import open_ready_vectors
from ragopt.errors import IndexFormatError
from ragopt.index.build import set_search
from ragopt.index.candidate_scores import scores_at
from ragopt.index.inner import refined_parts
from ragopt.index.saved import open_index
from ragopt.measure.latency import ENOUGH_TIMED
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.records import Space, Trial
from ragopt.sweep import confirm_stage, exact_search
from ragopt.sweep.built_finalist import build_finalist
from ragopt.sweep.confirm_stage import confirm
from ragopt.sweep.corpus_stage import QuerySplit
from ragopt.sweep.exact_search import measure_exact
from ragopt.sweep.groups import groups_of
from ragopt.sweep.model_stage import complete
from ragopt.sweep.settings import SearchPlan
from ragopt.sweep.shared_scan import can_share

N, DIM, K, N_SELECT, N_CONFIRM = 3000, 32, 10, 60, 150
PLAN = SearchPlan("cosine", K, K, 0)
FULL = Space("m", DIM, "none")


def silent(_done, _total):
    """Report to nobody."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A store and one model's data: 3,000 clustered vectors, 60 queries to select with and 150 others."""
    folder = tmp_path_factory.mktemp("confirm")
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, DIM)) * np.linspace(2, 0.3, DIM)
    drawn = (centres[rng.integers(0, 40, N + N_SELECT + N_CONFIRM)]
             + 0.5 * rng.normal(size=(N + N_SELECT + N_CONFIRM, DIM))).astype(np.float32)  # fmt: skip
    np.save(folder / "v.npy", drawn[:N])
    store = ArtifactStore(folder / "cache")
    vectors = open_ready_vectors(store, str(folder / "v.npy"), column=None, metric="cosine")
    asked = drawn[N:] / np.linalg.norm(drawn[N:], axis=1, keepdims=True)
    rows = np.arange(len(asked))
    split = QuerySplit(rows[:N_SELECT], rows[N_SELECT:], holdout=True, fit=rows[:0])
    data = complete(store, model="m", model_device="cpu", vectors=vectors, queries=asked, all_rows=rows,
                    split=split, k=K, n_candidates=500, metric="cosine", report=silent)  # fmt: skip
    return store, data


def searched_alone(store, data, trial):
    index = open_index(build_finalist(store, data, trial, PLAN)).index
    set_search(index, trial.search)
    return index.search(data.confirm_queries, K)


SHARING = [
    Trial(FULL, "RaBitQ,Refine(SQ8)", "k_factor_rf=2"),
    Trial(FULL, "RaBitQ,Refine(SQ8)", "k_factor_rf=10"),
    Trial(FULL, "RaBitQ,Refine(SQfp16)", "k_factor_rf=5"),
    Trial(FULL, "PCAR16,PQ8np,Refine(SQ8)", "k_factor_rf=3"),
    Trial(FULL, "PCAR16,PQ8np,Refine(SQfp16)", "k_factor_rf=20"),
]
ALONE = [
    Trial(FULL, "PQ16x4fs,Refine(SQ8)", "k_factor_rf=2"),
    Trial(FULL, "PQ16x4fs,Refine(SQ8)", "k_factor_rf=5"),
    Trial(FULL, "IVF16,RaBitQ,Refine(SQ8)", "nprobe=4,k_factor_rf=5"),
    Trial(FULL, "SQ8"),
]


def test_a_shared_scan_finds_what_each_trial_finds_alone(prepared):
    """Depths and tiers over the same codes return row for row what the index of each returns, and its distances."""
    store, data = prepared
    for one in confirm(store, data, SHARING + ALONE, PLAN, silent):
        distances, rows = searched_alone(store, data, one.trial)
        np.testing.assert_array_equal(one.found, rows, err_msg=str(one.trial))
        np.testing.assert_allclose(one.scores, distances, rtol=1e-6, err_msg=str(one.trial))
    shared = [group for group in groups_of(SHARING + ALONE) if can_share(group.base, group.trials)]
    assert [trial for group in shared for trial in group.trials] == SHARING


def test_measurements_come_back_in_the_order_asked_for(prepared):
    """However trials are grouped to be measured, the answer follows the question; a second one reads it back."""
    store, data = prepared
    asked = [SHARING[3], SHARING[0], Trial(FULL, "Flat"), SHARING[4], SHARING[1]]
    first = confirm(store, data, asked, PLAN, silent)
    assert [one.trial for one in first] == asked
    again = confirm(store, data, asked, PLAN, silent)
    assert [one.timing for one in again] == [one.timing for one in first]


def test_exact_search_is_measured_on_the_stored_vectors(prepared):
    """The baseline finds every exact neighbour, has the bytes of its formula, and builds no file."""
    store, data = prepared
    flat = Trial(FULL, "Flat")
    (one,) = confirm(store, data, [flat], PLAN, silent)
    assert recall_vs_exact(one.found, data.confirm_exact, k=K).min() == 1
    assert one.index_bytes.ram_bytes_per_vector == 4 * DIM
    assert one.index_bytes.file_bytes == len(b"IxFI") + 41 + 4 * DIM * N
    assert one.timing.latency.p50 > 0
    assert not any("Flat" in path.read_text() for path in (store.root / "built").rglob("manifest.json"))


def test_exact_search_over_blocks_finds_what_it_finds_over_mapped_vectors(prepared, monkeypatch):
    """A corpus that is not mapped is scanned block by block: the same rows, scores and bytes, and a time of its own."""
    _, data = prepared
    flat = Trial(FULL, "Flat")
    mapped = measure_exact(data, flat, PLAN)
    monkeypatch.setattr(store_module, "MOST_MAPPED_BYTES", 0)
    monkeypatch.setattr(exact_search, "BLOCK_BYTES", 700 * 4 * DIM)  # four whole blocks and one of 200 rows
    monkeypatch.setattr(store_module.Vectors, "mapped", None)
    blocks = measure_exact(data, flat, PLAN)
    np.testing.assert_array_equal(blocks.found, mapped.found)
    np.testing.assert_allclose(blocks.scores, mapped.scores, rtol=1e-6)
    assert blocks.index_bytes == mapped.index_bytes
    assert blocks.timing.latency.n_queries == ENOUGH_TIMED
    assert blocks.timing.latency.p50 > 0
    assert blocks.qps_all_cores > 0


def test_the_time_of_a_scan_in_blocks_is_that_of_all_blocks(prepared, monkeypatch):
    """By a clock that steps 1 ms of wall and 0.4 ms of CPU a look, five blocks take 5 ms and 2 ms for each query."""
    _, data = prepared
    monkeypatch.setattr(store_module, "MOST_MAPPED_BYTES", 0)
    monkeypatch.setattr(exact_search, "BLOCK_BYTES", 700 * 4 * DIM)
    clock = SimpleNamespace(
        perf_counter_ns=count(step=1_000_000).__next__,
        thread_time_ns=count(step=400_000).__next__,
        perf_counter=count(step=0.5).__next__,
    )
    monkeypatch.setattr(exact_search, "time", clock)
    timed = measure_exact(data, Trial(FULL, "Flat"), PLAN)
    assert (timed.timing.latency.p50, timed.timing.latency.p99) == (5, 5)
    assert timed.timing.cpu_ms_per_query == pytest.approx(2)
    assert timed.timing.qps == pytest.approx(200)
    assert timed.qps_all_cores == N_CONFIRM / (5 * 0.5)  # the batch: five blocks, half a second each


def test_a_shared_scan_that_is_not_the_index_is_refused(prepared, tmp_path, monkeypatch):
    """Were the shared scan to find other vectors than the index itself, no figure would come of it."""
    _, data = prepared
    honest = confirm_stage.SharedScan.results

    def other(self, *given, **more):
        distances, rows = honest(self, *given, **more)
        return distances, (rows + 1) % N

    monkeypatch.setattr(confirm_stage.SharedScan, "results", other)
    with pytest.raises(IndexFormatError, match="are not those that the index itself finds"):
        confirm(ArtifactStore(tmp_path), data, SHARING[:2], PLAN, silent)


def test_exact_search_that_finds_other_vectors_is_refused(prepared, tmp_path):
    """Were the neighbours that everything is compared with not those of the stored vectors, it would be said."""
    _, data = prepared
    wrong = replace(data.confirm_exact, ids=(data.confirm_exact.ids + 1) % N)
    with pytest.raises(IndexFormatError, match=r"exact search finds 0\.0"):
        confirm(ArtifactStore(tmp_path), replace(data, confirm_exact=wrong), [Trial(FULL, "Flat")], PLAN, silent)


def test_exact_codes_under_a_tier_are_built_beside_exact_search(prepared, tmp_path):
    """Flat is measured on the stored vectors and Flat,Refine(SQ8) is built, although their codes are the same."""
    _, data = prepared
    flat, tiered = Trial(FULL, "Flat"), Trial(FULL, "Flat,Refine(SQ8)", "k_factor_rf=2")
    first, second = confirm(ArtifactStore(tmp_path), data, [flat, tiered], PLAN, silent)
    assert first.cold is None
    assert recall_vs_exact(second.found, data.confirm_exact, k=K).mean() > 0.95


def test_cold_reads_come_after_all_timings_of_an_index(prepared, tmp_path, monkeypatch):
    """Dropping the tier from RAM would slow the timed searches of the next depth of the same index."""
    _, data = prepared
    steps = []
    for name in ("timed_searches", "tier_reads"):
        honest = getattr(confirm_stage, name)

        def step(*given, name=name, honest=honest, **more):
            steps.append(name)
            return honest(*given, **more)

        monkeypatch.setattr(confirm_stage, name, step)
    confirm(ArtifactStore(tmp_path), data, SHARING[:3], PLAN, silent)
    assert steps == ["timed_searches"] * 3 + ["tier_reads"] * 3


def test_scores_at_are_those_that_a_search_gives(prepared):
    """Any rows of a filled index, in any order and with gaps, score as in a search; no row scores minus infinity."""
    store, data = prepared
    saved = open_index(build_finalist(store, data, SHARING[0], PLAN))
    tier = refined_parts(saved.index)[1]
    distances, rows = tier.search(data.confirm_queries, 40)
    shuffle = np.random.default_rng(1).permutation(40)
    asked = rows[:, shuffle].copy()
    asked[3, 5] = asked[7, 0] = -1
    scores = scores_at(tier, data.confirm_queries, asked)
    expected = distances[:, shuffle].copy()
    expected[3, 5] = expected[7, 0] = -np.inf
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_trials_of_other_tiers_share_their_codes(prepared, tmp_path):
    """Two tiers over the same codes train and fill those once."""
    _, data = prepared
    store = ArtifactStore(tmp_path)
    confirm(store, data, SHARING[:3], PLAN, silent)
    assert len(list((tmp_path / "built-codes").rglob("recipe.json"))) == 1
    assert len(list((tmp_path / "built").rglob("recipe.json"))) == 2


def test_euclidean_distances_share_too(prepared, tmp_path):
    """With l2 the smaller distance is the better one, shared or alone, and scores are its negative."""
    _, data = prepared
    store, plan = ArtifactStore(tmp_path), replace(PLAN, metric="l2")
    trials = [Trial(FULL, "PQ8np,Refine(SQ8)", "k_factor_rf=2"), Trial(FULL, "PQ8np,Refine(SQ8)", "k_factor_rf=5")]
    for one in confirm(store, data, trials, plan, silent):
        index = open_index(build_finalist(store, data, one.trial, plan)).index
        set_search(index, one.trial.search)
        distances, rows = index.search(data.confirm_queries, K)
        np.testing.assert_array_equal(one.found, rows)
        np.testing.assert_allclose(one.scores, -distances, rtol=1e-5)
