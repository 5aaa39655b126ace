import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.errors import InputError, MissingExtra
from ragopt.index.torch_blocks import on_device
from ragopt.measure.device_neighbours import device_neighbours
from ragopt.measure.device_scan import DeviceScan
from ragopt.measure.neighbours import MARGIN, exact_neighbours

torch = pytest.importorskip("torch")

PRECISIONS = ["fp32", "tf32", "bf16"]


def search(corpus, queries, *, k, cuts=(), by=device_neighbours, order=1, **given):
    edges = [0, *sorted(cuts), len(corpus)]
    blocks = [(start, corpus[start:stop]) for start, stop in itertools.pairwise(edges)][::order]
    if by is device_neighbours:
        given = {"device": "cpu", **given}
    return by(blocks, queries, k=k, n=len(corpus), gather=lambda rows: corpus[rows], **{"metric": "ip", **given})


def brute_force(corpus, queries, metric, n_best):
    """The best rows by a stable sort of scores, which are exact for small integers."""
    big, asked = corpus.astype(np.float64), queries.astype(np.float64)
    scores = asked @ big.T if metric != "l2" else -((asked[:, None] - big[None]) ** 2).sum(axis=2)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :n_best]
    return rows, np.take_along_axis(scores, rows, axis=1)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_equals_brute_force_on_integers(data):
    """With ties and duplicates ids and scores equal a stable sort, for any cut, order, memory, precision and number."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    n, n_queries, dim = data.draw(st.integers(1, 150)), data.draw(st.integers(1, 25)), data.draw(st.integers(1, 5))
    metric = data.draw(st.sampled_from(["ip", "l2", "cosine"]))
    corpus = rng.integers(-2, 3, (n, dim)).astype(np.float32)
    queries = rng.integers(-2, 3, (n_queries, dim)).astype(np.float32)
    k = data.draw(st.integers(1, min(n, 20)))
    n_candidates = data.draw(st.integers(0, n))
    found = search(
        corpus, queries, k=k, metric=metric, n_candidates=n_candidates,
        cuts=data.draw(st.lists(st.integers(0, n), max_size=6)), order=data.draw(st.sampled_from([1, -1])),
        memory_bytes=data.draw(st.sampled_from([1, 20_000, 1 << 24])),
        precision=data.draw(st.sampled_from(PRECISIONS)),
    )  # fmt: skip
    rows, scores = brute_force(corpus, queries, metric, min(n, max(k + MARGIN, n_candidates)))
    np.testing.assert_array_equal(found.ids, rows)
    np.testing.assert_array_equal(found.scores, scores)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_equals_the_cpu_path_on_real_numbers(metric, precision, rng):
    """On Gaussian vectors of uneven length the k + MARGIN neighbours and their scores are those of the CPU path."""
    corpus, queries = (rng.normal(size=(rows, 32)).astype(np.float32) for rows in (6000, 50))
    corpus *= rng.uniform(0.5, 1.5, (len(corpus), 1)).astype(np.float32)
    cuts = (1, 700, 2500, 2501)
    there = search(corpus, queries, k=10, metric=metric, cuts=cuts, precision=precision)
    here = search(corpus, queries, k=10, metric=metric, cuts=cuts, by=exact_neighbours)
    np.testing.assert_array_equal(there.ids, here.ids)
    np.testing.assert_array_equal(there.scores, here.scores)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_equals_the_cpu_path_on_squad(metric, shared):
    """On 22,067 sentence vectors and 300 queries ids equal the CPU path's; further candidates are the same rows."""
    stem = shared / "vectors" / "squad22k-minilm-384"
    corpus, queries = (np.load(f"{stem}.{part}.f16.npy").astype(np.float32) for part in ("corpus", "queries"))
    corpus /= np.linalg.norm(corpus, axis=1, keepdims=True)
    queries = queries[:300] / np.linalg.norm(queries[:300], axis=1, keepdims=True)
    asked = {"k": 10, "metric": metric, "cuts": range(4096, 22_067, 4096), "n_candidates": 100}
    there, here = (search(corpus, queries, by=by, **asked) for by in (device_neighbours, exact_neighbours))
    np.testing.assert_array_equal(there.ids[:, : 10 + MARGIN], here.ids[:, : 10 + MARGIN])
    np.testing.assert_array_equal(there.scores[:, : 10 + MARGIN], here.scores[:, : 10 + MARGIN])
    np.testing.assert_array_equal(np.sort(there.ids), np.sort(here.ids))
    np.testing.assert_allclose(there.scores, here.scores, atol=1e-6)


def test_rounding_moves_rows_at_the_cut_alone(monkeypatch):
    """Rows that tie in float32 at the cut may be others on another device; the first k and their scores never are."""
    n_tied = 50
    # Scores 1.0, 0.99 ... 0.91, then fifty of 0.5 + j / 2^31, which float32 rounds to 0.5: 32 of them are kept.
    best = np.stack([1 - np.arange(10) / 100, np.zeros(10)], axis=1)
    tied = np.stack([np.full(n_tied, 0.5), np.arange(n_tied) * 2.0**-31], axis=1)
    corpus, queries = np.vstack([best, tied]).astype(np.float32), np.ones((1, 2), np.float32)
    here = search(corpus, queries, k=10, by=exact_neighbours)
    real = DeviceScan._matrix

    def rounded_otherwise(self, asked, vectors):
        scores = real(self, asked, vectors)
        scores[:, ::2] += 2.0**-24  # half a step of float32 below 1, so that it moves the ties alone
        return scores

    monkeypatch.setattr(DeviceScan, "_matrix", rounded_otherwise)
    there = search(corpus, queries, k=10)
    np.testing.assert_array_equal(there.ids[:, :10], here.ids[:, :10])
    np.testing.assert_array_equal(there.ids[0, :10], np.arange(10))
    np.testing.assert_array_equal(there.scores[:, :10], here.scores[:, :10])
    # Of equal float32 scores the CPU keeps the first 32; with even rows a step ahead these are 25, and seven odd ones.
    np.testing.assert_array_equal(np.sort(here.ids[0, 10:]), np.arange(10, 42))
    np.testing.assert_array_equal(np.sort(there.ids[0, 10:]), sorted([*range(10, 60, 2), *range(11, 25, 2)]))


@pytest.mark.parametrize("fails_above", [1, 7, 100])
@pytest.mark.parametrize("where", ["_first_look", "_merged"])
def test_out_of_memory_halves_the_block(where, fails_above, monkeypatch, rng):
    """A device that holds few rows at once gives the same neighbours, and is not asked for as many rows again."""
    corpus, queries = (rng.integers(-5, 6, (rows, 8)).astype(np.float32) for rows in (900, 12))
    real, asked = getattr(DeviceScan, where), []

    def short_of_memory(self, *given):
        vectors = given[0] if where == "_first_look" else given[1]
        asked.append(len(vectors))
        if len(vectors) > fails_above:
            raise torch.OutOfMemoryError("injected")
        return real(self, *given)

    monkeypatch.setattr(DeviceScan, where, short_of_memory)
    found = search(corpus, queries, k=5, cuts=(450,))
    rows, scores = brute_force(corpus, queries, "ip", 5 + MARGIN)
    np.testing.assert_array_equal(found.ids, rows)
    np.testing.assert_array_equal(found.scores, scores)
    too_many = [n_rows for n_rows in asked if n_rows > fails_above]
    assert too_many == sorted(set(too_many), reverse=True)


def test_a_row_that_does_not_fit_is_an_error(monkeypatch, rng):
    """When even one row is too much, the error says for how many queries and candidates, and what to do."""

    def no_memory(*_):
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr(DeviceScan, "_merged", no_memory)
    corpus, queries = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (90, 12))
    with pytest.raises(InputError) as caught:
        search(corpus, queries, k=5)
    # 12 queries x 16 bytes a score, and three copies of 8 float32.
    assert caught.value.failed == (
        "The device cpu has too little memory for 12 queries with 37 candidates each and one row of the corpus, 288 B"
    )
    assert "--device cpu" in caught.value.next_step


def test_the_budget_bounds_a_block(rng):
    """A budget for ten rows gives blocks of ten rows, each marked with its first row."""
    queries = rng.normal(size=(4, 8)).astype(np.float32)
    per_row = 4 * 16 + 8 * 4 * 3
    scan = DeviceScan(queries, 5, l2=False, device="cpu", memory_bytes=10 * per_row, precision="fp32")
    assert scan.budget.rows == 10
    blocks = [(0, np.zeros((25, 8), np.float32)), (25, np.zeros((3, 8), np.float32))]
    pieces = on_device(blocks, device="cpu", budget=scan.budget)
    assert [(first, len(vectors)) for first, vectors in pieces] == [(0, 10), (10, 10), (20, 5), (25, 3)]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, 3e38])
@pytest.mark.parametrize("row", [0, 350])
def test_values_that_are_not_finite_are_refused(row, bad, precision, rng):
    """NaN, infinities and values whose products overflow are an error wherever they are, as on the CPU path."""
    corpus, queries = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (400, 12))
    corpus[row], queries[:] = bad, np.abs(queries) * 10
    with pytest.raises(InputError, match="Some scores are not numbers"):
        search(corpus, queries, k=5, cuts=(100, 200, 300), precision=precision)


def test_bad_input_is_refused_as_on_the_cpu_path(rng):
    """No queries, a k outside the corpus, another dimension and a wrong count give the errors of the CPU path."""
    corpus, queries = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (40, 3))
    for asked in (
        {"corpus": corpus, "queries": queries[:0], "k": 5},
        {"corpus": corpus, "queries": queries, "k": 41},
        {"corpus": corpus[:, :7], "queries": queries, "k": 5},
    ):
        messages = []
        for by in (device_neighbours, exact_neighbours):
            with pytest.raises(InputError) as caught:
                search(**asked, by=by)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
    with pytest.raises(InputError, match="The blocks hold 40 vectors"):
        device_neighbours(
            [(0, corpus)], queries, k=5, n=41, metric="ip", gather=lambda rows: corpus[rows], device="cpu"
        )


def test_progress_counts_rows(rng):
    """Progress is told after each block."""
    corpus, queries = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (40, 3))
    seen = []
    search(corpus, queries, k=5, cuts=(10, 10, 25), progress=lambda *told: seen.append(told))
    assert seen == [(10, 40), (25, 40), (40, 40)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_torch_settings_come_back(precision, rng):
    """A search leaves torch's choices for matrix products as they were."""

    def choices():
        return (
            torch.get_float32_matmul_precision(),
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
        )

    before = choices()
    corpus, queries = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (100, 3))
    search(corpus, queries, k=5, cuts=(60,), precision=precision)
    assert choices() == before


def test_without_torch_the_extra_is_named(monkeypatch, rng):
    """Where torch is not installed, the error says which extra brings it."""
    monkeypatch.setitem(sys.modules, "torch", None)
    corpus, queries = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (40, 3))
    with pytest.raises(MissingExtra, match="Searching on the device cpu needs"):
        search(corpus, queries, k=5)
