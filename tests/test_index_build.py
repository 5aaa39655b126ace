import gc
import itertools
import subprocess
import sys

import faiss
import numpy as np
import pytest

from ragopt.errors import SpecError
from ragopt.index.build import SharedPca, add_blocks, faiss_metric, set_search, train_index, with_refine
from ragopt.index.factory import parse_factory

FAMILIES = ["Flat", "SQ8", "SQ4", "PQ4np", "PQ8x4fs", "RaBitQ", "RaBitQ4", "IVF4,SQ8", "IVF4,PQ8x4fs", "IVF4,RaBitQ",
            "PCAR8,PQ4np,Refine(SQ8)", "SQ4,Refine(PQ8np)", "RR16,SQ8", "OPQ4_8,PQ4x4fs,RFlat", "OPQ4,PQ4np",
            "SQtqmse1", "SQtqmse4", "PCAR8,SQtqmse2,Refine(SQ8)", "RaBitQfs", "RaBitQfs4", "IVF4,RaBitQfs2", "RQ3x8",
            "PCAR8,PRQ2x2x8,Refine(SQ8)", "IVF4,RQ2x8", "RQ4x4fs", "PRQ2x2x4fs"]  # fmt: skip
GRAPHS = ["HNSW8", "HNSW8,SQ8", "PCAR8,HNSW4_SQ4,Refine(SQ8)", "HNSW8,SQtqmse3"]


@pytest.fixture
def rows(rng):
    return rng.normal(size=(400, 16)).astype(np.float32)


def built(text, rows, *, metric="ip", seed=7, pca=None, cuts=()):
    index = train_index(parse_factory(text, rows.shape[1]), rows, metric=metric, seed=seed, pca=pca)
    edges = [0, *cuts, len(rows)]
    add_blocks(index, [(start, rows[start:stop]) for start, stop in itertools.pairwise(edges)])
    return index


def as_bytes(index):
    return faiss.serialize_index(index).tobytes()


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("text", ["Flat", "RR16,Flat", "IVF4,Flat", "SQ8,RFlat"])
def test_float32_equals_brute_force_on_integers(metric, text, rng):
    """With integer values float32 search gives the scores of int64 arithmetic, and its best rows."""
    corpus, queries = (rng.integers(-9, 10, (n, 12)).astype(np.float32) for n in (500, 25))
    text = text.replace("RR16", "RR12")
    index = built(text, corpus, metric=metric)
    set_search(index, {"IVF4,Flat": "nprobe=4", "SQ8,RFlat": "k_factor_rf=50"}.get(text, ""))
    scores, found = index.search(queries, 10)
    big, asked = corpus.astype(np.int64), queries.astype(np.int64)
    exact = asked @ big.T if metric == "ip" else ((asked[:, None] - big[None]) ** 2).sum(axis=2)
    best = np.sort(exact, axis=1)[:, ::-1][:, :10] if metric == "ip" else np.sort(exact, axis=1)[:, :10]
    if text == "RR12,Flat":
        # A random rotation is not integer: scores agree to rounding.
        np.testing.assert_allclose(scores, best, rtol=1e-5, atol=1e-3)
    else:
        np.testing.assert_array_equal(scores, best)
        np.testing.assert_array_equal(np.take_along_axis(exact, found, axis=1), best)
    assert all(len(set(ids)) == 10 for ids in found.tolist())


def test_metric_numbers():
    """Cosine is the inner product; only l2 is a distance."""
    assert [faiss_metric(metric) for metric in ("cosine", "ip", "l2")] == [
        faiss.METRIC_INNER_PRODUCT,
        faiss.METRIC_INNER_PRODUCT,
        faiss.METRIC_L2,
    ]
    assert train_index(parse_factory("Flat", 2), np.eye(2, dtype=np.float32), metric="l2", seed=0).metric_type == 1


@pytest.mark.parametrize("text", ["PCA5,SQ8", "PCAR8,PQ4x4fs", "PCAR16,Flat", "PCA4,IVF4,SQ4,Refine(SQ8)"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("n", [400, 16_500])
def test_shared_decomposition_gives_faiss_own_index(text, metric, n, rng):
    """A shared decomposition finds what FAISS's own finds, also above the 1,000 rows per dimension that FAISS draws."""
    rows = rng.normal(size=(n, 16)).astype(np.float32) * np.linspace(1, 5, 16, dtype=np.float32)
    shared = SharedPca(rows)
    first = built("PCA3,SQ8", rows, pca=shared)
    assert first.ntotal == n
    one, other = built(text, rows, metric=metric, pca=shared), built(text, rows, metric=metric)
    for mine, theirs in zip(one.search(rows[:20], 5), other.search(rows[:20], 5), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("text", FAMILIES + GRAPHS)
def test_same_seed_same_bytes(text, rows):
    """Two builds with one seed are equal to the last byte, and the caller's rows keep their values."""
    before = rows.copy()
    assert as_bytes(built(text, rows)) == as_bytes(built(text, rows))
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize(
    "text",
    ["PQ4np", "PQ8x4fs", "IVF4,SQ8", "SQ8,Refine(PQ4np)", "PCAR8,IVF4,PQ4x4fs", "RQ2x8", "PRQ2x1x8",
     "RQ4x4fs", "PCAR8,IVF4,PRQ2x1x8", "OPQ4_8,SQ8", "HNSW8,SQ8", "PCAR8,HNSW8,Refine(SQ8)"],
)  # fmt: skip
def test_the_seed_reaches_every_codebook(text, rows):
    """Another seed gives other codebooks, wherever in the factory the k-means sits."""
    assert as_bytes(built(text, rows, seed=1)) != as_bytes(built(text, rows, seed=2))


@pytest.mark.parametrize("text", [text for text in FAMILIES if not text.startswith("RR")])
def test_blocks_equal_one_piece(text, rows):
    """Vectors added block by block, empty and uneven ones among them, give the bytes of adding them at once."""
    assert as_bytes(built(text, rows, cuts=(1, 1, 34, 250))) == as_bytes(built(text, rows))


def test_blocks_of_rotated_vectors_equal_one_piece_to_rounding(rows):
    """BLAS rounds a rotation by the block's length, so a code between two steps may fall to either."""
    one, other = built("RR16,SQ8", rows, cuts=(1, 34, 250)), built("RR16,SQ8", rows)
    np.testing.assert_allclose(one.reconstruct_n(0, 400), other.reconstruct_n(0, 400), atol=0.1)


@pytest.mark.parametrize("text", [*FAMILIES, *GRAPHS])
def test_an_empty_block_adds_nothing(text, rows):
    """A block without rows is passed over: FAISS 1.15.1 divides by its length in RaBitQ's FastScan and ends."""
    index = train_index(parse_factory(text, 16), rows, metric="ip", seed=0)
    add_blocks(index, [(0, rows[:0])])
    assert index.ntotal == 0


def test_reports_vectors_added(rows):
    """The progress callback hears the running total and the final number."""
    index, seen = train_index(parse_factory("SQ8", 16), rows, metric="ip", seed=0), []
    add_blocks(index, [(0, rows[:150]), (150, rows[150:])], progress=lambda *done: seen.append(done), n=400)
    assert seen == [(150, 400), (400, 400)]


@pytest.mark.parametrize("text", ["PQ4np", "PQ2np", "PCAR8,PQ2np", "PQ4np,Refine(SQ8)"])
def test_equals_plain_faiss(text, rows):
    """The lines that ragopt prints for plain FAISS, same seed, find the same rows with the same scores."""
    plain = faiss.index_factory(16, text, faiss.METRIC_INNER_PRODUCT)
    inner = faiss.downcast_index(plain.base_index) if "Refine" in text else plain
    inner = faiss.downcast_index(inner.index) if "PCAR" in text else faiss.downcast_index(inner)
    inner.pq.cp.seed = 7
    inner.pq.cp.min_points_per_centroid = 1
    plain.train(rows)
    plain.add(rows)
    distances, found = built(text, rows).search(rows[:30], 5)
    plain_distances, plain_found = plain.search(rows[:30], 5)
    np.testing.assert_allclose(distances, plain_distances, rtol=1e-4, atol=1e-4)
    assert (found == plain_found).mean() > 0.99


@pytest.mark.parametrize(
    ("text", "n", "needed"),
    [("PQ4np", 255, 256), ("PQ4x4fs", 15, 16), ("IVF40,SQ8", 39, 40), ("PCAR8,SQ8", 15, 16), ("OPQ4,SQ8", 99, 256),
     ("SQ8", 0, 1)],
)  # fmt: skip
def test_too_few_training_rows(text, n, needed, rows):
    """A codebook that this corpus cannot train names both counts; one row more trains."""
    factory = parse_factory(text, 16)
    with pytest.raises(SpecError) as caught:
        train_index(factory, rows[:n], metric="ip", seed=0)
    assert str(caught.value) == (
        f"{text} needs {needed} vectors to train, this corpus gives {n}. Allowed: SQ8, SQ4, RaBitQ and Flat "
        "without a PCA, which train on any number. Leave it out of the grid, or sweep a larger corpus."
    )
    shared = SharedPca(rows[:needed])
    assert train_index(factory, rows[:needed], metric="ip", seed=0, pca=shared).is_trained


def test_sample_of_another_dimension(rows):
    """A sample that is not of the factory's space names both dimensions."""
    with pytest.raises(SpecError, match="sample has 16 dimensions, the factory SQ8 expects 8"):
        train_index(parse_factory("SQ8", 8), rows, metric="ip", seed=0)


def test_search_parameters_reach_their_part(rows):
    """Nprobe reaches the lists below the wrappers, k_factor_rf the rescoring."""
    index = built("PCA8,IVF4,SQ4,Refine(SQ8)", rows)
    set_search(index, "nprobe=3,k_factor_rf=7")
    lists = faiss.downcast_index(faiss.downcast_index(index.base_index).index)
    assert (lists.nprobe, index.k_factor) == (3, 7.0)


@pytest.mark.parametrize(
    "search",
    ["nprobe=0", "nprobe=-1", "nprobe=x", "nprobe=4x", "nprobe", "nprobe=", "k_factor_rf=0.5", "k_factor_rf=nan",
     "verbose=1", "efSearch=8", ",", "nprobe=4;k_factor_rf=2", "nprobe=4, k_factor_rf=2"],
)  # fmt: skip
def test_unusable_search_parameters(search, rows):
    """What FAISS would read as something else, or fail on when it searches, is refused and changes nothing."""
    index = built("IVF4,SQ8,Refine(SQ8)", rows)
    with pytest.raises(SpecError, match="Cannot set the search parameters") as caught:
        set_search(index, search)
    assert repr(search) in str(caught.value)
    assert faiss.downcast_index(index.base_index).nprobe == 1


@pytest.mark.parametrize("search", ["nprobe=4", "k_factor_rf=2", "nprobe=4,k_factor_rf=2"])
def test_search_parameters_of_another_family(search, rows):
    """An index without lists has no nprobe, one without a rescoring tier no k_factor_rf."""
    with pytest.raises(SpecError, match="nprobe=<lists> for IVF, k_factor_rf=<depth / k> for Refine"):
        set_search(built("SQ8", rows), search)


def test_the_candidates_of_a_graph_reach_it(rows):
    """EfSearch reaches the graph below the wrappers, and is FAISS's 16 again once a search does not name it."""
    index = built("PCA8,HNSW8,SQ8,Refine(SQ8)", rows)
    graph = faiss.downcast_index(faiss.downcast_index(index.base_index).index).hnsw
    seen = [graph.efSearch]
    for search in ("efSearch=99,k_factor_rf=2", "k_factor_rf=3", "efSearch=7", ""):
        set_search(index, search)
        seen.append(graph.efSearch)
    assert seen == [faiss.HNSW().efSearch, 99, 16, 7, 16]


def test_a_graph_of_enough_candidates_is_exact(rows):
    """A walk that keeps every vector as a candidate finds what a full scan of the same codes finds."""
    graph, scan = built("HNSW16,SQ8", rows), built("SQ8", rows)
    set_search(graph, "efSearch=400")
    for mine, theirs in zip(graph.search(rows[:30], 5), scan.search(rows[:30], 5), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_a_graph_grows_alike_on_any_number_of_threads(rows):
    """Links are those of one thread, and FAISS's own number of threads is what it was."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        many = as_bytes(built("HNSW8,SQ8", rows))
        assert faiss.omp_get_max_threads() == 2
        faiss.omp_set_num_threads(1)
        assert many == as_bytes(built("HNSW8,SQ8", rows))
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.parametrize(
    ("text", "metric", "other"),
    [("HNSW8,PQ4np", "cosine", "l2"), ("HNSW8,PQ4np", "ip", "l2"), ("RQ4x4fs", "l2", "cosine and ip"),
     ("IVF4,PRQ2x2x4fs", "l2", "cosine and ip")],
)  # fmt: skip
def test_an_index_that_faiss_has_for_another_metric(text, metric, other, rows):
    """FAISS would throw, or build for L2 without a word: the error names the metric that it has."""
    with pytest.raises(SpecError) as caught:
        built(text, rows, metric=metric)
    assert str(caught.value) == (
        f"FAISS has no {text} for {metric} vectors. Allowed: this factory with {other}. "
        "Leave it out of the grid, or write another codec."
    )
    assert built(text, rows, metric=other.split()[-1]).ntotal == 400


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("text", ["RQ3x8", "PRQ2x2x8"])
def test_sums_of_codebooks_score_what_they_decode_to(text, metric, rows):
    """An additive code scores as the vector that it decodes to, under both metrics, with the same bytes."""
    index = built(text, rows, metric=metric)
    decoded = index.reconstruct_n(0, 400).astype(np.float64)
    asked = rows[:20].astype(np.float64)
    exact = asked @ decoded.T if metric == "ip" else ((asked[:, None] - decoded[None]) ** 2).sum(axis=2)
    scores, found = index.search(rows[:20], 5)
    np.testing.assert_allclose(scores, np.take_along_axis(exact, found, axis=1), rtol=1e-3, atol=1e-3)
    best = np.sort(exact, axis=1)[:, ::-1][:, :5] if metric == "ip" else np.sort(exact, axis=1)[:, :5]
    np.testing.assert_allclose(scores, best, rtol=1e-3, atol=1e-3)


def test_joined_index_keeps_its_parts_alive(rows):
    """An IndexRefine still answers when nothing else holds its two parts."""
    joined = with_refine(built("SQ4", rows), built("Flat", rows))
    gc.collect()
    set_search(joined, "k_factor_rf=40")
    np.testing.assert_array_equal(joined.search(rows[:9], 5)[1], built("Flat", rows).search(rows[:9], 5)[1])


@pytest.mark.parametrize(
    "text",
    ["PQ4x4fs", "PCAR8,PQ4x4fs", "PQ4x4fs,Refine(SQ8)", "RR16,PQ4x4fs,RFlat", "RaBitQfs", "RaBitQfs4", "RQ4x4fs"],
)
def test_fastscan_collects_in_reservoirs(text, rows):
    """However a FastScan scan is wrapped, it never takes FAISS's heaps, which now and then lose whole query blocks."""
    index = inner = built(text, rows)
    while not isinstance(inner, faiss.IndexFastScan):
        inner = faiss.downcast_index(inner.base_index if isinstance(inner, faiss.IndexRefine) else inner.index)
    assert inner.implem == 13
    assert (index.search(np.repeat(rows[:50], 2, axis=0), 5)[1] >= 0).all()


QUIET = """
import numpy as np
from ragopt.index.build import train_index
from ragopt.index.factory import parse_factory
rows = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
for text in ("PQ4np", "PQ2np", "PQ8x4fs", "IVF16,SQ8", "IVF16,PQ8x4fs", "PCAR8,PQ4np,Refine(SQ8)", "SQ8,Refine(PQ4np)",
             "RQ2x8", "PRQ2x1x8", "RQ4x4fs", "OPQ4,PQ4np", "RaBitQfs", "HNSW8,SQ8"):
    train_index(parse_factory(text, 16), rows, metric="ip", seed=0)
"""


def test_training_is_quiet():
    """FAISS's warnings about few points per centroid do not reach the user's terminal."""
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_search_parameters_do_not_outlive_their_search(rows):
    """What a search string does not name is FAISS's default again, whatever was searched with before."""
    base = train_index(parse_factory("IVF4,SQ8,Refine(SQ8)", 16), rows, metric="ip", seed=0)
    set_search(base, "nprobe=3,k_factor_rf=5")
    set_search(base, "")
    inner = faiss.downcast_index(base.base_index)
    assert (inner.nprobe, base.k_factor) == (1, 1)
