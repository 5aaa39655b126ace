import sys
import threading

import faiss
import numpy as np
import pytest

from ragopt.errors import MissingExtra
from ragopt.index.torch_kmeans import SPLIT, Kmeans, in_parts, kmeans, nearest
from ragopt.index.torch_loaded import load_torch
from ragopt.index.torch_order import fixed_order

torch = pytest.importorskip("torch")

BUDGET = 1 << 20


def clustered(parts, *, seed=0, **given):
    return kmeans(torch.tensor(parts), Kmeans(seed=seed, memory_bytes=BUDGET, **given)).numpy()


def squared_error(rows, centroids):
    return np.square(rows - centroids[np.square(rows[:, None] - centroids).sum(2).argmin(1)]).sum(1).mean()


def faiss_centroids(rows, k, rounds, *, spherical=False):
    found = faiss.Kmeans(rows.shape[1], k, niter=rounds, seed=3, spherical=spherical, min_points_per_centroid=1)
    found.train(rows)
    return found.centroids


def test_error_is_that_of_faiss(rng):
    """Over four parts of 4,000 rows the mean squared error of 32 centroids is within 1 % of FAISS's."""
    parts = (rng.normal(size=(4, 4000, 6)) * np.linspace(2, 0.5, 6)).astype(np.float32)
    ours = clustered(parts, n_centroids=32, n_iterations=25)
    mine = np.mean([squared_error(*pair) for pair in zip(parts, ours, strict=True)])
    theirs = np.mean([squared_error(part, faiss_centroids(part, 32, 25)) for part in parts])
    assert mine == pytest.approx(theirs, rel=0.01)


def test_spherical_centroids_have_unit_length_and_faiss_objective(rng):
    """For an inner product centroids are unit vectors, and rows meet theirs as closely as FAISS's, within 1 %."""
    rows = rng.normal(size=(4000, 8)).astype(np.float32)
    ours = clustered(rows[None], n_centroids=24, n_iterations=20, spherical=True)[0]
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, rtol=1e-5)
    theirs = faiss_centroids(rows, 24, 20, spherical=True)
    assert (rows @ ours.T).max(1).mean() == pytest.approx((rows @ theirs.T).max(1).mean(), rel=0.01)


def test_one_round_is_the_mean_of_each_cluster():
    """From the centroids 0 and 10, rows 0, 2, 9, 12 and 15 go to clusters with the means 1 and 12, part by part."""
    row = torch.tensor([0.0, 2, 9, 12, 15])[:, None]
    parts = torch.stack([row, row + 100])
    start = torch.tensor([[[0.0], [10]], [[100], [110]]])
    found = kmeans(parts, Kmeans(2, 1, 0, BUDGET), start=start)
    assert found.tolist() == [[[1], [12]], [[101], [112]]]


def test_an_empty_cluster_gets_half_of_another():
    """Where all rows are (4, 8), the two centroids move apart by 1/1024 of each component, in turns up and down."""
    parts = torch.tensor([4.0, 8]).expand(1, 5, 2)
    found = kmeans(parts, Kmeans(2, 1, 0, BUDGET), start=torch.tensor([[[4.0, 8], [99, 99]]]))
    low, high = 1 - SPLIT, 1 + SPLIT
    assert found.tolist() == [[[4 * low, 8 * high], [4 * high, 8 * low]]]


def test_no_cluster_stays_empty_among_doubled_rows(rng):
    """With each of 40 rows there ten times, 64 centroids are finite and all 40 rows have one at hand."""
    rows = np.repeat(rng.normal(size=(40, 4)).astype(np.float32), 10, axis=0)
    found = clustered(rows[None], n_centroids=64, n_iterations=20)[0]
    assert np.isfinite(found).all()
    assert squared_error(rows, found) < 1e-4


def test_as_many_rows_as_centroids_are_the_centroids(rng):
    """Sixteen rows for sixteen centroids come back themselves, in some order."""
    rows = rng.normal(size=(16, 3)).astype(np.float32)
    found = clustered(rows[None], n_centroids=16, n_iterations=9)[0]
    np.testing.assert_array_equal(found[np.lexsort(found.T)], rows[np.lexsort(rows.T)])


def test_a_seed_gives_the_same_centroids(rng):
    """The same seed gives the same bytes, another seed others."""
    parts = rng.normal(size=(3, 500, 4)).astype(np.float32)
    first, again, other = (clustered(parts, n_centroids=16, n_iterations=5, seed=seed) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_further_rows_are_left_out():
    """With two rows a centroid allowed, a round ends at means of four of the 1,000 rows."""
    rows = np.arange(1000, dtype=np.float32)[None, :, None] ** 2
    settings = Kmeans(2, 1, 0, BUDGET, most_rows_per_centroid=2)
    found = kmeans(torch.tensor(rows), settings, start=torch.tensor([[[0.0], [1e9]]])).numpy().ravel()
    # The far centroid wins no row, so it is split from the mean of the four.
    middle = found.mean()
    assert np.allclose(sorted(found), [middle * (1 - SPLIT), middle * (1 + SPLIT)], rtol=1e-5)
    assert not np.isclose(middle, rows.mean(), rtol=1e-3)


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("memory_bytes", [1, 5000, 1 << 24])
def test_nearest_equals_brute_force_in_blocks_of_any_size(rng, spherical, memory_bytes):
    """On integer rows the best centroid is that of a brute-force search by FAISS, however little memory is given."""
    rows, centroids = (rng.integers(-9, 10, (n, 7)).astype(np.float32) for n in (300, 40))
    found = nearest(
        torch.tensor(rows)[None], torch.tensor(centroids)[None], spherical=spherical, memory_bytes=memory_bytes
    )[0].numpy()
    metric = faiss.METRIC_INNER_PRODUCT if spherical else faiss.METRIC_L2
    best = faiss.knn(rows, centroids, 1, metric)[0][:, 0]
    scores = np.array([rows[i] @ centroids[j] if spherical else np.square(rows[i] - centroids[j]).sum()
                       for i, j in enumerate(found)])  # fmt: skip
    np.testing.assert_array_equal(scores, best)


def test_rows_are_cut_into_parts():
    """Row 0..5 in two parts is 0..2 and 3..5."""
    assert in_parts(torch.arange(12).reshape(2, 6), 2).tolist() == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]


def test_without_torch_the_extra_is_named(monkeypatch):
    """Where torch is not installed, the error says which extra brings it."""
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="Training on a device needs packages") as caught:
        load_torch("Training on a device")
    assert "ragopt[gpu]" in str(caught.value)


def test_torch_settings_come_back_from_several_threads():
    """Where one training begins before another ends, both add in order, and the setting is given back by the last."""
    inside, leave = threading.Event(), threading.Event()

    def first():
        with fixed_order(torch):
            inside.set()
            assert leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with fixed_order(torch):
        leave.set()
        thread.join(10)
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_torch_settings_come_back(rng):
    """Training leaves torch's choice of deterministic algorithms as it was."""
    assert not torch.are_deterministic_algorithms_enabled()
    clustered(rng.normal(size=(1, 50, 2)).astype(np.float32), n_centroids=4, n_iterations=2)
    assert not torch.are_deterministic_algorithms_enabled()
