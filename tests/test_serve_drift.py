"""The ratio of coding errors with its interval, and recall of new queries against brute force."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import ragopt
from ragopt.measure.neighbours import exact_neighbours
from ragopt.serve.drift import coding_drift, error_ratio, fresh_recall
from ragopt.serve.exact_vectors import exact_part, exact_vectors
from ragopt.serve.manifest import Coding, coding_of
from tests.served import swept

FACTORIES = ["Flat", "PQ16x4fs", "PQ16x4fs,Refine(Flat)", "PQ16x4fs,Refine(SQfp16)", "HNSW8,Flat", "IVF8,Flat"]
EXACT_PART = {"Flat": "codes", "PQ16x4fs": None, "PQ16x4fs,Refine(Flat)": "float32 tier", "HNSW8,Flat": "codes",
              "PQ16x4fs,Refine(SQfp16)": "16-bit tier", "IVF8,Flat": None}  # fmt: skip


def test_the_ratio_by_hand():
    """Means 0.3 and 0.2, relative variances of the means 0.01 and 0.0025, Welch's 15.1 degrees of freedom."""
    added, held_out = Coding(11, 0.3, 0.01 * 11 * 0.09), Coding(21, 0.2, 0.0025 * 21 * 0.04)
    freedom = 0.0125**2 / (0.01**2 / 10 + 0.0025**2 / 20)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(0.0125)
    found = error_ratio(added, held_out)
    assert found.value == pytest.approx(1.5)
    assert (found.low, found.high) == pytest.approx((1.5 * math.exp(-reach), 1.5 * math.exp(reach)))
    assert found.n == 11


@pytest.mark.parametrize(("n_added", "n_held_out", "most"), [(12, 200, 0.975), (100, 2048, 0.965)])
def test_the_interval_of_the_ratio_covers(n_added, n_held_out, most):
    """Over 4,000 draws of gamma errors with a true ratio of 1.3 the interval holds it in 94 to 97.5 %."""
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(4_000):
        added = coding_of(rng.gamma(9, 1.3 / 9, n_added))
        found = error_ratio(added, coding_of(rng.gamma(9, 1 / 9, n_held_out)))
        inside += found.low <= 1.3 <= found.high
    assert 0.94 <= inside / 4_000 <= most


def test_near_equal_rows_vary_as_held_out_ones_do():
    """Two rows without any spread: the relative variance of held-out rows, 0.25, halved, over that of their mean."""
    found = error_ratio(Coding(2, 0.4, 0.0), Coding(101, 0.2, 0.01))
    total = 0.25 / 2 + 0.25 / 101
    freedom = total**2 / (0.125**2 / 1 + (0.25 / 101) ** 2 / 100)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(total)
    assert (found.low, found.high) == pytest.approx((2 * math.exp(-reach), 2 * math.exp(reach)))


def test_equal_errors_have_a_ratio_without_width():
    """Errors that do not vary at all give the ratio itself."""
    found = error_ratio(Coding(5, 0.4, 0.0), Coding(5, 0.2, 0.0))
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("added", "held_out", "told"),
    [
        (Coding(5, 0.1, 0.1), None, "too few, or no codes"),
        (Coding(5, 0.1, 0.1), Coding(100, 0.0, 0.0), "the codes are the vectors themselves"),
        (Coding(1, 0.1, 0.0), Coding(100, 0.1, 0.1), "1 of them"),
    ],
)
def test_what_cannot_be_compared_is_told(added, held_out, told):
    """Nothing held out, exact codes, and a single row are words, not figures."""
    assert told in coding_drift("rows", added, held_out)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An opened folder of each factory, changed: rows added and deleted."""
    folder = tmp_path_factory.mktemp("swept")
    run = swept(folder, FACTORIES)
    opened = {}
    for result in run.trials:
        if result.confirmed and result.trial.factory not in opened:
            out = folder / f"index-{len(opened)}"
            ragopt.build(run, out=out, trial=result.trial, cache_dir=folder / "cache",
                         with_vectors=result.trial.factory == "IVF8,Flat")  # fmt: skip
            index = ragopt.open(out)
            index.add([ragopt.Document(f"a{number}", "", f"quagga zebra {number} stripes") for number in range(20)])
            index.delete([f"d{number}" for number in range(0, 400, 7)] + ["a3"])
            opened[result.trial.factory] = index
    return opened


def brute(index, embedder):
    """Vectors of the rows that are alive, from the texts of the table."""
    table = index.as_lancedb().to_arrow()
    text_of = {row: f"{title} {text}".strip() for row, title, text in zip(
        table["row"].to_pylist(), table["title"].to_pylist(), table["text"].to_pylist(), strict=True)}  # fmt: skip
    rows = np.array(sorted(text_of))
    vectors = embedder.embed_documents([text_of[row] for row in rows.tolist()])
    return rows, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("embed_again", [False, True])
def test_exact_vectors_are_those_of_the_texts(built, factory, embed_again):
    """From codes, tier, table, or texts embedded again: the vectors of what is alive, by row; codes alone have none."""
    index = built[factory]
    assert exact_part(index.manifest) == EXACT_PART[factory]
    found = exact_vectors(index.snapshot, index.embedder if embed_again else None)
    if factory == "PQ16x4fs" and not embed_again:
        assert found is None
        return
    rows, expected = brute(index, index.embedder)
    assert np.array_equal(found.rows, rows)
    share = 2**-11 if EXACT_PART[factory] == "16-bit tier" else 0
    assert np.allclose(np.concatenate([block for _, block in found.blocks()]), expected, atol=1e-6, rtol=share)
    some = np.array([5, 0, 300, 5])
    assert np.allclose(found.gather(some), expected[some], atol=1e-6, rtol=share)
    assert found.numbers_of(np.array([rows[4], -1])).tolist() == [4, -1]


@pytest.mark.parametrize(
    ("trial", "part"),
    [
        ("wordllama@256:none | PQ16x4fs,Refine(Flat) | k_factor_rf=4", "float32 tier"),
        ("wordllama@256:none | PQ16x4fs,Refine(SQfp16)", "16-bit tier"),
        ("wordllama@256:none | PCAR128,PQ16x4fs,Refine(SQfp16)", "16-bit tier"),
        ("wordllama@256:none | PQ16x4fs,Refine(SQbf16)", None),
        ("wordllama@256:none | PQ16x4fs,Refine(SQ8)", None),
        ("wordllama@128:pca | Flat", None),
        ("wordllama@128:trunc | PQ16x4fs,Refine(Flat)", None),
        ("wordllama@128:trunc | PQ16x4fs,Refine(SQfp16)", None),
        ("wordllama@256:none | PCA64,Flat", None),
        ("wordllama@256:none | IVF8,Flat", None),
        ("wordllama@256:none | SQ8", None),
    ],
)
def test_which_codes_are_the_vectors_themselves(built, trial, part):
    """Of the model's own space, numbered by row, to half precision: not a reduced space, a transform or lists."""
    assert exact_part(replace(built["Flat"].manifest, trial=trial)) == part


def test_recall_of_new_queries_is_that_of_brute_force(built):
    """The share of the ten exact neighbours, by argsort over all vectors, that the coded index returns."""
    index = built["PQ16x4fs"]
    texts = [f"zebra batorcelin {number} dimas" for number in range(30)]
    queries = index.embed_queries(texts)
    rows, vectors = brute(index, index.embedder)
    exact = rows[np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :10]]
    found = index.nearest(queries, 10)[1]
    expected = np.mean(
        [len(set(one) & set(other)) / 10 for one, other in zip(exact.tolist(), found.tolist(), strict=True)]
    )
    recall = fresh_recall(index.snapshot, queries, exact_vectors(index.snapshot, index.embedder))
    assert recall.now.value == pytest.approx(expected)
    assert recall.now.n == 30
    assert recall.exact_from == "the texts of the table, embedded again"


def test_an_exact_index_finds_all_of_new_queries(built):
    """Flat, walked exactly over what is alive, has recall_vs_exact of 1."""
    index = built["Flat"]
    queries = index.embed_queries([f"zebra {number}" for number in range(5)])
    assert fresh_recall(index.snapshot, queries, exact_vectors(index.snapshot, None)).now.value == 1.0


def test_the_oracle_agrees_with_the_streamed_pass(built):
    """exact_neighbours over the blocks of a folder is brute force over its texts."""
    index = built["IVF8,Flat"]
    exact = exact_vectors(index.snapshot, None)
    assert exact.source == "the vectors that the table keeps"
    queries = index.embed_queries(["zebra", "batorcelin"])
    found = exact_neighbours(exact.blocks(), queries, k=5, n=len(exact.rows), metric="cosine", gather=exact.gather)
    vectors = brute(index, index.embedder)[1]
    assert np.allclose(found.scores[:, 0], (queries @ vectors.T).max(axis=1), atol=1e-6)
