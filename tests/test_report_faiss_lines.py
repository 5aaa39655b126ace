from __future__ import annotations

import contextlib

import faiss
import numpy as np
import pytest

from ragopt.embed.spaces import fit_joint_rotation, fit_rotation, project
from ragopt.index.build import use_reservoirs
from ragopt.index.seeding import release_training, seed_training
from ragopt.records import Space, Trial
from ragopt.report.faiss_lines import plain_faiss_lines

DIM = 32


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other on shared cores cost more than they bring here."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


def data() -> tuple[np.ndarray, np.ndarray]:
    """Anisotropic vectors with a mean far from zero, so that centring would change the answer."""
    rng = np.random.default_rng(5)
    scale = np.linspace(3, 0.2, DIM)
    vectors = (rng.standard_normal((1500, DIM)) * scale + 0.7).astype(np.float32)
    queries = (rng.standard_normal((40, DIM)) * scale + 0.7).astype(np.float32)
    return vectors, queries


def run_lines(text: str, metric: str = "cosine") -> dict[str, np.ndarray]:
    lines = plain_faiss_lines(Trial.parse(text), full_dim=DIM, metric=metric, n_train=1000)
    vectors, queries = data()
    names = {"vectors": vectors.copy(), "queries": queries.copy()}
    exec(compile(lines, "lines", "exec"), names)  # noqa: S102 - the promise is that they run
    assert np.array_equal(names["vectors"], vectors)
    return names


def test_joint_lines_run_with_the_queries_that_were_fitted_on() -> None:
    """Given `fit_queries`, the lines of a joint space find what exact search in that space finds."""
    lines = plain_faiss_lines(Trial.parse("m@16:joint | Flat"), full_dim=DIM, metric="cosine", n_train=1000)
    vectors, queries = data()
    names = {"vectors": vectors.copy(), "queries": queries[:20].copy(), "fit_queries": queries[20:].copy()}
    exec(compile(lines, "lines", "exec"), names)  # noqa: S102 - the promise is that they run
    sample = unit(vectors[np.sort(np.random.default_rng(0).choice(len(vectors), 1000, replace=False, shuffle=False))])
    space, rotation = Space("m", 16, "joint"), fit_joint_rotation(sample, unit(queries[20:]))
    moved, asked = (project(unit(x), space, rotation=rotation, metric="cosine") for x in (vectors, queries[:20]))
    expected = np.argsort(-(asked @ moved.T), axis=1, kind="stable")[:, :10]
    assert (names["ids"] == expected).mean() > 0.99


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_hand(vectors: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    distances = ((queries[:, None, :] - vectors[None, :, :]) ** 2).sum(axis=2)
    scores = -distances if metric == "l2" else queries @ vectors.T
    return np.argsort(-scores, axis=1, kind="stable")[:, :10]


def search_by_hand(factory: str, search: str = "") -> tuple[np.ndarray, np.ndarray]:
    vectors, queries = (unit(x) for x in data())
    index = faiss.index_factory(DIM, factory, faiss.METRIC_INNER_PRODUCT)
    held = seed_training(index, 0)
    index.train(vectors[np.sort(np.random.default_rng(0).choice(len(vectors), 1000, replace=False, shuffle=False))])
    release_training(index)
    del held
    index.add(vectors)
    use_reservoirs(index)
    faiss.ParameterSpace().set_index_parameters(index, search)
    return index.search(queries, 10)


def agreement(ids: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(ids, truth, strict=True)]))


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_flat_lines_are_exact_search(metric):
    """A Flat index from the lines finds what brute force finds, for every metric."""
    vectors, queries = data()
    if metric == "cosine":
        vectors, queries = unit(vectors), unit(queries)
    ids = run_lines("m@32:none | Flat", metric)["ids"]
    assert agreement(ids, by_hand(vectors, queries, metric)) == 1.0


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_truncation_lines(metric):
    """Truncated lines search the first dimensions, renormalised for cosine."""
    vectors, queries = (x[:, :8] for x in data())
    if metric == "cosine":
        vectors, queries = unit(vectors), unit(queries)
    ids = run_lines("m@8:trunc | Flat", metric)["ids"]
    assert agreement(ids, by_hand(vectors, queries, metric)) == 1.0


def test_pca_lines_give_the_signs_of_the_run():
    """Each axis points as the run's does, so that a codec with a random rotation is trained on the same numbers."""
    names = run_lines("m@8:pca | Flat")
    sample = unit(data()[0][names["picked"]])
    assert np.allclose(names["rotation"].T, fit_rotation(sample).matrix[:8], atol=1e-5)
    names = run_lines("m@16:pca | PCAR8,SQ8")
    assert np.allclose(names["rotation"].T, fit_rotation(sample).matrix[:16], atol=1e-5)


def test_the_lines_say_what_rounding_decides():
    """Only behind FAISS's own PCA with a random rotation may codes and ids be others than the run's."""
    said = {
        factory: plain_faiss_lines(Trial.parse(f"m@32:none | {factory}"), full_dim=32, metric="cosine", n_train=10)
        for factory in ("SQ8", "PCAR16,PQ8np", "PCA16,SQ8", "OPQ4_8,SQ8")
    }
    assert [factory for factory, lines in said.items() if "other ids are possible" in lines] == ["PCAR16,PQ8np"]
    for lines in said.values():
        assert "of chunks with the same text the first alone" in lines
        assert "Random starts are seeded as in the run" in lines


def test_full_dimension_pca_is_exact_search():
    """A rotation without centring loses nothing: at full dimension it finds what exact search finds."""
    vectors, queries = data()
    ids = run_lines("m@32:pca | Flat")["ids"]
    assert agreement(ids, by_hand(unit(vectors), unit(queries), "cosine")) >= 0.995


def test_pca_lines_against_a_rotation_by_hand():
    """PCA lines project on the leading axes of the second moments of the sample."""
    vectors, queries = data()
    picked = np.sort(np.random.default_rng(0).choice(len(vectors), 1000, replace=False, shuffle=False))
    _, _, axes = np.linalg.svd(unit(vectors[picked]).astype(np.float64), full_matrices=False)
    rotated = [unit(unit(x) @ axes[:8].T) for x in (vectors, queries)]
    ids = run_lines("m@8:pca | Flat")["ids"]
    assert agreement(ids, by_hand(*rotated, "cosine")) >= 0.995


def test_rescored_lines_set_the_search_parameters():
    """The lines build FAISS's own index with the factory and the rescoring depth."""
    names = run_lines("m@32:none | PCAR16,PQ8np,Refine(SQ8) | k_factor_rf=7")
    assert names["index"].k_factor == 7
    expected = search_by_hand("PCAR16,PQ8np,Refine(SQ8)", "k_factor_rf=7")
    assert np.array_equal(names["ids"], expected[1])


@pytest.mark.parametrize(
    "factory",
    [
        "SQ8",
        "PQ8x4fs",
        "RaBitQ",
        "IVF8,PQ8np",
        "RaBitQfs2",
        "RQ8x4fs",
        "PCAR16,PRQ2x2x8",
        "SQtqmse2",
        "OPQ4_8,SQ8",
        "OPQ4_8,PQ4np,Refine(PQ16np)",
        "PRQ2x2x4fs",
        "RQ2x8",
        "IVF8,PQ8x4fs,Refine(SQ8)",
    ],
)
def test_default_codecs_run(factory):
    """Codecs of the default grid answer as the same index built by hand on unit vectors does."""
    names = run_lines(f"m@32:none | {factory}")
    expected = search_by_hand(factory)
    assert np.array_equal(names["ids"], expected[1])
    assert np.array_equal(names["scores"], expected[0])


def test_lines_of_a_graph_set_its_candidates():
    """A graph is built by its factory alone and searched with the candidates of the trial."""
    names = run_lines("m@32:none | HNSW8,SQ8,Refine(Flat) | efSearch=77,k_factor_rf=2")
    assert faiss.downcast_index(names["index"].base_index).hnsw.efSearch == 77
    assert agreement(names["ids"], search_by_hand("Flat")[1]) >= 0.99


def test_hostile_names_cannot_leave_the_comment():
    """A model name with a line break stays inside its comment."""
    text = plain_faiss_lines(Trial.parse("m\nboom()@32:none | Flat"), full_dim=32, metric="ip", n_train=10)
    with contextlib.suppress(ModuleNotFoundError):
        compile(text, "lines", "exec")
    assert "\nboom()" not in text
    assert "faiss.METRIC_INNER_PRODUCT" in text
