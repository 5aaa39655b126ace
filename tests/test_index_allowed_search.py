"""Searching some rows of a built index: the same answers as its own ranking without the others."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import faiss
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragopt.errors import InputError
from ragopt.index import allowed_search as module
from ragopt.index.allowed_search import allowed_search
from ragopt.index.build import add_blocks, set_search, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.inner import inner_index
from ragopt.index.lowest_rows import with_lowest
from ragopt.index.saved import open_index, save_index
from ragopt.index.serialized import checked_bytes
from ragopt.index.template import template_of
from ragopt.records import Space, Trial

DIM, N_ROWS, K = 16, 400, 7
EXHAUSTIVE = ["Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "SQtqmse2", "PQ4np", "PQ8x4fs", "PQ1x4fs", "RaBitQ", "RaBitQfs",
              "RQ3x8", "PRQ2x2x8", "RQ4x4fs", "PRQ2x2x4fs", "PCAR8,SQ8", "PCAR8,PQ4x4fs", "OPQ4_8,PQ4np",
              "RR16,RaBitQ"]  # fmt: skip
PROBED = ["IVF4,SQ8", "IVF4,PQ8x4fs", "IVF4,RaBitQ", "IVF4,PQ4np", "IVF4,RaBitQfs", "IVF4,RQ2x8", "IVF4,RQ4x4fs"]
"""With every list probed, these rank all rows."""
REFINED = [f"{base},Refine({tier})" for base, tier in (
    ("SQ4", "SQ8"), ("PQ4np", "SQ8"), ("PQ8x4fs", "SQfp16"), ("RaBitQ", "SQ8"), ("PCAR8,PQ4x4fs", "SQ8"),
    ("SQ4", "PQ8np"), ("RaBitQfs4", "SQ8"), ("IVF4,RaBitQ", "SQ8"))]  # fmt: skip
CASES = [*((text, "") for text in EXHAUSTIVE), *((text, "nprobe=4") for text in PROBED),
         *((text, "k_factor_rf=400" + ",nprobe=4" * text.startswith("IVF")) for text in REFINED)]  # fmt: skip
"""What ranks all rows; a rescoring tier does where it rescores all."""
PARTIAL = [("IVF4,SQ8", "nprobe=1"), ("IVF4,PQ8x4fs", "nprobe=1"), ("IVF4,RQ2x8", "nprobe=1"),
           ("IVF4,RQ4x4fs", "nprobe=1"), ("IVF4,PQ8x4fs,Refine(SQ8)", "nprobe=2,k_factor_rf=3"),
           ("HNSW8", "efSearch=9"), ("PCAR8,HNSW4,SQ8", ""), ("RaBitQ4", ""), ("RaBitQfs4", ""),
           ("IVF4,RaBitQ4", "nprobe=2"), ("PQ8x4fs,Refine(SQ8)", "k_factor_rf=2"), ("SQ4,RFlat", "k_factor_rf=2"),
           ("PQ4np,Refine(SQ8)", ""),
           ("HNSW8,SQ4,Refine(SQ8)", "k_factor_rf=3")]  # fmt: skip
SPARSE = [("IVF4,SQ8", "nprobe=1"), ("IVF4,PQ8x4fs", "nprobe=1"), ("IVF4,RQ2x8", "nprobe=1"),
          ("IVF4,RQ4x4fs", "nprobe=1"), ("IVF4,RaBitQ4", "nprobe=2"), ("IVF4,RaBitQfs", "nprobe=1"),
          ("IVF4,PQ8x4fs,Refine(SQ8)", "nprobe=1"), ("PCAR8,IVF4,SQ8", "nprobe=1"), ("HNSW2", "efSearch=1"),
          ("HNSW2,SQ8,Refine(SQ8)", "efSearch=1"), ("PQ1x4fs", ""), ("RQ1x4fs", ""), ("IVF4,PQ1x4fs", "nprobe=4"),
          ("IVF4,RQ1x4fs", "nprobe=1"), ("IVF4,PQ1x4fs,Refine(SQ8)", "nprobe=4")]  # fmt: skip
"""Own searches that leave some query short of rows, of 400 results at the latest: other lists, a graph of two links,
and codes of one part, of whose sums one in 16 is zero."""
COUNTS = [0, 1, K - 1, K, K + 1, 60, N_ROWS // 2, N_ROWS - 1, N_ROWS]


class Case:
    """A built index and the same one opened memory-mapped, with its full ranking of some queries."""

    def __init__(self, text, search, metric, folder):
        rng = np.random.default_rng(3)
        self.search = search
        rows = rng.normal(size=(N_ROWS, DIM)).astype(np.float32)
        self.queries = rng.normal(size=(14, DIM)).astype(np.float32)
        factory = parse_factory(text, DIM)
        index = train_index(factory, rows, metric=metric, seed=0)
        add_blocks(index, [(0, rows)])
        folder.mkdir(exist_ok=True)
        save_index(folder, index, trial=Trial(Space("m", DIM, "none"), text, search), metric=metric,
                   index_bytes=checked_bytes(factory, index), rotation=None, seconds={})  # fmt: skip
        self.index = open_index(folder).index
        self.worst = np.inf if metric == "l2" else -np.inf
        self.sign = 1 if metric == "l2" else -1
        set_search(self.index, search)

    @cache  # noqa: B019 - lives as long as the tests of this file
    def ranking(self):
        """The index's own scores and rows of all that it ranks."""
        return self.index.search(self.queries, N_ROWS)

    def found(self, allowed, k=K):
        """Answer under a mask."""
        return allowed_search(self.index, self.queries, k, allowed, search=self.search)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """These indexes are so small that FAISS's threads mostly wait for one another."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Each case is built once."""
    folder = tmp_path_factory.mktemp("cases")
    return cache(lambda text, search, metric="ip": Case(text, search, metric, folder / f"{text} {search} {metric}"))


L2_TOO = [case for case in [*CASES, *PARTIAL] if "RQ" not in case[0]][::2]
"""FAISS has no FastScan of additive codes for l2; the others differ in a sign, so that every second will do."""


def both(cases):
    """Cases with their metrics."""
    return [(*case, metric) for case in cases for metric in ("ip", "l2") if metric == "ip" or case in L2_TOO]


def mask_of(n_allowed, seed=0):
    allowed = np.zeros(N_ROWS, dtype=bool)
    allowed[np.random.default_rng(seed).permutation(N_ROWS)[:n_allowed]] = True
    return allowed


def check_shape(case, found, allowed, k):
    """Only allowed rows, as many as there are, each once, best first, and nothing behind them."""
    scores, rows = found
    n_found = min(k, int(allowed.sum()))
    assert scores.dtype == np.float32
    assert rows.dtype == np.int64
    assert scores.shape == rows.shape == (len(case.queries), k)
    assert (rows[:, n_found:] == -1).all()
    assert (scores[:, n_found:] == case.worst).all()
    head = rows[:, :n_found]
    assert (head >= 0).all()
    assert allowed[head].all()
    assert all(len(set(row)) == n_found for row in head.tolist())
    assert (np.diff(case.sign * scores[:, :n_found], axis=1) >= 0).all()


def check_ranking(case, found, allowed, k):
    """The rows and scores are those of the index's own full ranking without the other rows."""
    all_scores, ranking = case.ranking()
    for query, (own, rows) in enumerate(zip(all_scores, ranking, strict=True)):
        kept = allowed[rows]
        expected = own[kept][:k]
        np.testing.assert_allclose(found[0][query, : len(expected)], expected, rtol=2e-5, atol=2e-5)
        score_of = dict(zip(rows.tolist(), own.tolist(), strict=True))
        mine = [score_of[row] for row in found[1][query, : len(expected)].tolist()]
        np.testing.assert_allclose(mine, expected, rtol=2e-5, atol=2e-5)  # the same rows, up to equal scores


@pytest.fixture(params=["few", "many", "deep"])
def limits(request, monkeypatch):
    """All ways: allowed codes copied; selected or asked for in excess, as in a large index; and copied after that."""
    if request.param != "few":
        monkeypatch.setattr(module, "FEW_ROWS", 0)
        monkeypatch.setattr(module, "MOST_RESULTS", 1000)
    if request.param == "deep":
        monkeypatch.setattr(module, "DEEPEST_FETCH", 20)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(("text", "search", "metric"), both(CASES))
def test_answers_are_the_full_ranking_without_the_other_rows(text, search, metric, built):
    """An index that ranks all rows gives the best allowed ones, whatever their number, opened memory-mapped."""
    case = built(text, search, metric)
    for n_allowed in COUNTS:
        allowed = mask_of(n_allowed)
        found = case.found(allowed)
        check_shape(case, found, allowed, K)
        check_ranking(case, found, allowed, K)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(("text", "search", "metric"), both(PARTIAL))
def test_no_query_lacks_rows(text, search, metric, built):
    """Lists, graphs and rescoring tiers return allowed rows only and never fewer than there are."""
    case = built(text, search, metric)
    for n_allowed in COUNTS[:-1]:
        allowed = mask_of(n_allowed)
        check_shape(case, case.found(allowed), allowed, K)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(("text", "search", "metric"), both(SPARSE))
def test_no_query_lacks_rows_where_all_are_allowed(text, search, metric, built):
    """What the own search of lists, of a graph or of FastScan sums leaves short is searched again, up to every row."""
    case = built(text, search, metric)
    lacks = False
    for k in (K, N_ROWS // 2, N_ROWS, N_ROWS + 3):
        own = case.index.search(case.queries, k)
        whole = (own[1][:, : min(k, N_ROWS)] >= 0).all(axis=1)
        lacks |= not whole.all()
        for allowed in (None, mask_of(N_ROWS)):
            found = case.found(allowed, k)
            check_shape(case, found, mask_of(N_ROWS), k)
            np.testing.assert_array_equal(found[1][whole], own[1][whole])
    assert lacks is not ((text, metric) == ("PQ1x4fs", "l2"))  # of squared distances no sum is left out


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(("text", "search", "metric"), both(SPARSE))
def test_no_query_lacks_rows_where_many_are_deleted(text, search, metric, built):
    """However many results are asked for of however few rows: all that are left, each once."""
    case = built(text, search, metric)
    for n_allowed in COUNTS[1:-1]:
        allowed = mask_of(n_allowed)
        for k in (n_allowed, n_allowed + 1):
            check_shape(case, case.found(allowed, k), allowed, k)


@pytest.mark.parametrize("text", ["IVF4,SQ8", "IVF4,PQ8x4fs", "IVF4,RaBitQ", "IVF4,RQ4x4fs", "IVF4,PQ8x4fs,Refine(SQ8)",
                                  "HNSW8,SQ8"])  # fmt: skip
@pytest.mark.parametrize("allowed", [None, np.ones(1, dtype=bool)])
def test_one_row_in_some_list_is_found_by_every_query(text, allowed, built):
    """A single row lies in one of four lists: also queries that probe another find it."""
    case = built(text, "nprobe=1" if "IVF" in text else "")
    index = template_of(case.index)
    add_blocks(index, [(0, case.queries[:1])])
    assert allowed_search(index, case.queries, 1, allowed, search=case.search)[1].tolist() == [[0]] * 14


@pytest.mark.parametrize(("text", "search"), [case for case in [*CASES[::4], *PARTIAL] if case not in SPARSE])
def test_all_rows_allowed_is_the_own_search(text, search, built):
    """With no mask, or one that forbids nothing, rows and scores are those of the index's search, bit for bit."""
    case = built(text, search)
    scores, rows = case.index.search(case.queries, K)
    assert (rows >= 0).all()
    for allowed in (None, np.ones(N_ROWS, dtype=bool)):
        mine = case.found(allowed)
        np.testing.assert_array_equal(mine[0], scores)
        np.testing.assert_array_equal(mine[1], rows)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(("text", "search"), [("PQ8x4fs", ""), ("SQ8", ""), *PARTIAL])
def test_a_search_leaves_the_index_as_it_was(text, search, built):
    """After searches under masks from several threads, the index's bytes and its own answers are what they were."""
    case = built(text, search)
    before, own = faiss.serialize_index(case.index), case.index.search(case.queries, K)
    masks = [mask_of(n_allowed, seed) for seed, n_allowed in enumerate((3, 60, 200, 399))]
    alone = [case.found(allowed) for allowed in masks]
    with ThreadPoolExecutor(4, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        together = list(pool.map(case.found, masks))
    for mine, theirs in zip(alone, together, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(before, faiss.serialize_index(case.index))
    np.testing.assert_array_equal(own, case.index.search(case.queries, K))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_mask_and_any_k(data, built):
    """Whatever is allowed and however many are asked for, the answer is the full ranking without the rest."""
    text, search, metric = data.draw(st.sampled_from(both([*CASES, *PARTIAL])))
    case = built(text, search, metric)
    share, k = data.draw(st.sampled_from([0.005, 0.1, 0.5, 0.99])), data.draw(st.integers(1, N_ROWS + 3))
    allowed = np.random.default_rng(data.draw(st.integers(0, 999))).random(N_ROWS) < share
    found = case.found(allowed, k)
    check_shape(case, found, allowed, k)
    if (text, search) in CASES:
        check_ranking(case, found, allowed, k)


@pytest.mark.parametrize(("text", "search"), [("PQ1x4fs", ""), ("RQ1x4fs", ""), ("IVF4,PQ1x4fs", "nprobe=4"),
                                              ("IVF4,RQ1x4fs", "nprobe=4")])  # fmt: skip
def test_a_row_that_fast_scan_leaves_out_is_found(text, search, built):
    """The lowest row of a query has the sum zero, which FAISS's reservoirs drop: it comes last, with its own score."""
    case = built(text, search)
    own = case.ranking()[1]
    query = int(np.flatnonzero(own[:, -1] < 0)[0])
    lowest = np.setdiff1d(np.arange(N_ROWS), own[query])[0]
    allowed = np.zeros(N_ROWS, dtype=bool)
    allowed[[lowest, own[query, 0]]] = True
    scores, rows = case.found(allowed, 2)
    assert rows[query].tolist() == [own[query, 0], lowest]
    decoded = built(text.removeprefix("IVF4,"), "").index.reconstruct(int(lowest))  # the same codes without lists
    assert scores[query, 1] == pytest.approx(decoded @ case.queries[query], abs=1e-5)


def test_a_row_that_was_left_out_never_scores_above_the_one_before_it(built):
    """FastScan's scores are rounded, the lowest sum is not: where it would be higher, the last score is repeated."""
    case = built("PQ1x4fs", "")
    scores, rows = np.array([[1, -1e9, 0]], np.float32), np.array([[5, 6, -1]])
    allowed = np.isin(np.arange(N_ROWS), [5, 6, 9])
    with_lowest(inner_index(case.index), case.queries[:1], (scores, rows), allowed)
    assert scores.tolist() == [[1, -1e9, -1e9]]
    assert rows.tolist() == [[5, 6, 9]]


@pytest.mark.parametrize(("text", "search"), [("SQ8", ""), ("PQ8x4fs", ""), ("IVF4,PQ8x4fs", "nprobe=1")])
def test_a_query_without_numbers_finds_nothing(text, search, built):
    """A query of NaN has no nearest rows: FAISS finds none, and the search ends."""
    case = built(text, search)
    queries = np.full((1, DIM), np.nan, dtype=np.float32)
    for allowed in (mask_of(60), None):
        assert allowed_search(case.index, queries, 3, allowed, search=search)[1].tolist() == [[-1, -1, -1]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"queries": np.zeros((2, DIM))}, r"Cannot search float64 queries of shape \(2, 16\)"),
        ({"queries": np.zeros((2, 3), np.float32)}, r"queries of shape \(2, 3\). Allowed: float32 \(n, 16\)"),
        ({"k": 0}, "Cannot find 0 results"),
        ({"allowed": np.ones(3, dtype=bool)}, r"shape \(3,\). Allowed: bool \(400,\)"),
        ({"allowed": np.arange(N_ROWS)}, "allowed rows of type int64"),
    ],
)
def test_what_cannot_be_searched_is_an_error(change, words, built):
    """Queries, masks and numbers of results that do not fit are refused before FAISS reads past their ends."""
    case = built("SQ8", "")
    given_ = {"queries": case.queries, "k": K, "allowed": None} | change
    with pytest.raises(InputError, match=words):
        allowed_search(case.index, given_["queries"], given_["k"], given_["allowed"], search="")
