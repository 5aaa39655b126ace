"""Exact neighbours by FAISS's GPU code, with its CPU code in place of it."""

import faiss
import numpy as np
import pytest

from ragopt.errors import InputError
from ragopt.measure.faiss_gpu_scan import GpuScan
from ragopt.measure.neighbours import exact_neighbours
from tests.gpu_stand_in import NO_MEMORY, stand_in


@pytest.fixture
def gpus(monkeypatch):
    return stand_in(monkeypatch, n_gpus=2)


def search(corpus, queries, **given):
    blocks = [(first, corpus[first : first + 2500]) for first in range(0, len(corpus), 2500)]
    return exact_neighbours(blocks, queries, n=len(corpus), gather=lambda rows: corpus[rows], **given)


@pytest.mark.parametrize("n_candidates", [0, 2300])
@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_neighbours_are_those_of_the_cpu(metric, n_candidates, rng, gpus):
    """The same neighbours and candidates, also where more are kept of a block than a GPU can pick at once."""
    corpus, queries = (rng.normal(size=(rows, 16)).astype(np.float32) for rows in (6000, 20))
    asked = {"k": 10, "metric": metric, "n_candidates": n_candidates}
    there, here = search(corpus, queries, knn=GpuScan(1), **asked), search(corpus, queries, **asked)
    np.testing.assert_array_equal(there.ids, here.ids)
    np.testing.assert_array_equal(there.scores, here.scores)
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    assert {(device, metric) for device, _, _, metric in gpus.searched} == {(1, kind)}
    blocks = [(n_rows, k) for _, n_rows, k, _ in gpus.searched]
    # One row more than is kept tells ties. 2,500 rows of which 2,300 are kept: 2,048 and 452, all of them.
    assert blocks[:2] == ([(2500, 43)] * 2 if not n_candidates else [(2048, 2048), (452, 452)])


@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
@pytest.mark.usefixtures("gpus")
def test_merged_parts_are_the_best_by_the_lower_row(metric, rng):
    """Of 5,000 rows of small integers 3,000 come best first, of equal ones the lower rows."""
    corpus, queries = (rng.integers(-2, 3, (rows, 3)).astype(np.float32) for rows in (5000, 4))
    scores, rows = GpuScan(0)(queries, corpus, 3000, metric)
    exact = ((queries[:, None] - corpus) ** 2).sum(2) if metric == faiss.METRIC_L2 else -(queries @ corpus.T)
    order = np.argsort(exact, axis=1, kind="stable")[:, :3000]
    np.testing.assert_array_equal(rows, order)
    best = np.take_along_axis(exact, order, axis=1)
    np.testing.assert_array_equal(scores, best if metric == faiss.METRIC_L2 else -best)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.usefixtures("gpus")
def test_values_that_are_not_finite_are_refused(bad, rng):
    """A GPU may pass over rows that are no numbers without a word, so they are looked for first."""
    corpus, queries = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (100, 3))
    corpus[50, 2] = bad
    with pytest.raises(InputError, match="Some scores are not numbers"):
        search(corpus, queries, k=5, metric="ip", knn=GpuScan(0))
    queries[1, 1], corpus[50, 2] = bad, 0
    with pytest.raises(InputError, match="Some scores are not numbers"):
        search(corpus, queries, k=5, metric="ip", knn=GpuScan(0))


@pytest.mark.usefixtures("gpus")
def test_a_gpu_that_is_not_there_is_refused():
    """FAISS ends the process for such a number, so it is never asked."""
    with pytest.raises(InputError, match="FAISS has no GPU 2 on this machine"):
        GpuScan(2)


@pytest.mark.usefixtures("gpus")
def test_a_full_gpu_is_a_clear_error(rng, monkeypatch):
    """FAISS's words for a full device become ours."""

    def fails(*_given, **_more):
        raise RuntimeError(NO_MEMORY)

    monkeypatch.setattr(faiss, "knn_gpu", fails)
    corpus, queries = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (100, 3))
    with pytest.raises(InputError, match=r"GPU 0 has too little memory for 3 queries and a block of 3\.2 kB"):
        search(corpus, queries, k=5, metric="ip", knn=GpuScan(0))
