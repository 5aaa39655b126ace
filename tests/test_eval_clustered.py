import importlib.util

import numpy as np
import pytest

from tests.helpers import ROOT

N, DIM, N_QUERIES = 20_000, 16, 50  # two blocks, the second one short


@pytest.fixture(scope="module")
def clustered():
    """The script, which lies outside the package."""
    spec = importlib.util.spec_from_file_location("clustered_vectors", ROOT / "eval" / "clustered_vectors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written(clustered, tmp_path_factory):
    """One corpus and its queries, as written."""
    folder = tmp_path_factory.mktemp("clustered")
    path = clustered.write_clustered(folder, N, dim=DIM, seed=7, n_queries=N_QUERIES)
    return np.load(path), np.load(folder / "queries.npy"), folder


def test_rows_have_unit_length(written):
    """Corpus and queries are float32 of the asked shape, and every row has length 1."""
    corpus, queries, _ = written
    assert (corpus.shape, queries.shape) == ((N, DIM), (N_QUERIES, DIM))
    for rows in (corpus, queries):
        assert rows.dtype == np.float32
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(clustered, written, tmp_path):
    """All three files repeat byte for byte; another seed gives other rows."""
    folder = written[2]
    clustered.write_clustered(tmp_path / "again", N, dim=DIM, seed=7, n_queries=N_QUERIES)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["clustered.json", "queries.npy", "vectors.npy"]
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    other = np.load(clustered.write_clustered(tmp_path / "other", N, dim=DIM, seed=8, n_queries=N_QUERIES))
    assert not (other == written[0]).all(axis=1).any()


def test_queries_are_no_corpus_rows_but_lie_among_them(written):
    """No query is a stored row, and each has a far nearer neighbour than random directions would give it."""
    corpus, queries, _ = written
    nearest = (queries @ corpus.T).max(axis=1)
    assert nearest.max() < 1 - 1e-5
    rng = np.random.default_rng(0)
    random = rng.standard_normal((N, DIM)).astype(np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    assert np.median(nearest) > np.median((queries @ random.T).max(axis=1)) + 0.03


def test_no_row_is_written_twice(written):
    """Every block has a generator of its own."""
    assert len(np.unique(written[0], axis=0)) == N
