import faiss
import numpy as np
import pytest

from ragopt.embed.spaces import fit_rotation
from ragopt.errors import InputError
from ragopt.index.torch_rotation import Opq, opq_rotation, principal_directions

torch = pytest.importorskip("torch")


@pytest.fixture
def rows(rng):
    """Rows with a mean and a few strong directions that no axis points along."""
    turned = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    return ((rng.normal(size=(2000, 12)) * np.linspace(3, 0.2, 12) + 1) @ turned).astype(np.float32)


@pytest.mark.parametrize("memory_bytes", [1000, 1 << 20])
def test_uncentred_directions_are_those_of_a_pca_space(rows, memory_bytes):
    """Without subtracting the mean the directions are those that a space `pca` is turned by, however cut in blocks."""
    found = principal_directions(torch.tensor(rows), centred=False, memory_bytes=memory_bytes)
    rotation = fit_rotation(rows)
    np.testing.assert_allclose(found.directions, rotation.matrix, atol=1e-4)
    np.testing.assert_allclose(found.variances / found.variances.sum(), rotation.explained, rtol=1e-4)
    assert not found.mean.any()


@pytest.mark.parametrize("memory_bytes", [1000, 1 << 20])
def test_centred_directions_are_those_of_faiss(rows, memory_bytes):
    """With the mean subtracted, mean, variances and directions are FAISS's, save for signs."""
    found = principal_directions(torch.tensor(rows), centred=True, memory_bytes=memory_bytes)
    theirs = faiss.PCAMatrix(12, 12)
    theirs.train(rows)
    matrix = faiss.vector_to_array(theirs.PCAMat).reshape(12, 12)
    signs = np.sign((matrix * found.directions).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.directions * signs, matrix, atol=1e-4)
    np.testing.assert_allclose(found.variances, faiss.vector_to_array(theirs.eigenvalues), rtol=1e-4)
    np.testing.assert_allclose(found.mean, faiss.vector_to_array(theirs.mean), atol=1e-5)


def error_after(rows, matrix, n_parts):
    """Squared length that is lost by turning, quantizing and turning back."""
    turned = np.ascontiguousarray(rows @ matrix.T)
    quantizer = faiss.ProductQuantizer(turned.shape[1], n_parts, 8)
    quantizer.cp.min_points_per_centroid = 1
    quantizer.train(turned)
    back = quantizer.decode(quantizer.compute_codes(turned)) @ matrix
    return float(np.square(rows - back).sum(axis=1).mean())


@pytest.mark.parametrize("dim_out", [12, 8])
def test_opq_is_as_good_as_that_of_faiss(rows, dim_out):
    """The rotation is orthonormal, and quantizing behind it loses within 2 % of what it does behind FAISS's."""
    rows = rows[:1000] - rows[:1000].mean(axis=0)
    found = opq_rotation(torch.tensor(rows), Opq(4, dim_out, 1, 1 << 24, n_iterations=10))
    np.testing.assert_allclose(found @ found.T, np.eye(dim_out), atol=1e-5)
    theirs = faiss.OPQMatrix(12, 4, dim_out)
    theirs.niter = 10
    quantizer = faiss.ProductQuantizer(dim_out, 4, 8)
    quantizer.cp.min_points_per_centroid = 1
    theirs.pq = quantizer
    theirs.train(rows)
    matrix = faiss.vector_to_array(theirs.A).reshape(dim_out, 12)
    theirs.pq = None
    assert error_after(rows, found, 4) == pytest.approx(error_after(rows, matrix, 4), rel=0.02)


def test_opq_repeats_by_seed(rows):
    """The same seed gives the same rotation, another seed another."""
    first, again, other = (
        opq_rotation(torch.tensor(rows[:400]), Opq(4, 12, seed, 1 << 24, n_iterations=2)) for seed in (1, 1, 2)
    )
    assert first.tobytes() == again.tobytes() != other.tobytes()


class Small(torch.Tensor):
    """Rows on a device that cannot hold a difference of more than a few of them."""

    most = 7

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """Fail as a full device does."""
        if func.__name__ in ("sub", "__sub__") and len(args[0]) > cls.most:
            raise torch.OutOfMemoryError("injected")
        return super().__torch_function__(func, types, args, kwargs)


def test_out_of_memory_halves_the_block(rng, monkeypatch):
    """A device that holds few rows at once finds the same directions; one that holds none says so."""
    rows = torch.tensor(rng.integers(-4, 5, (200, 6)).astype(np.float32))
    whole, halved = (principal_directions(one, centred=False) for one in (rows, rows.as_subclass(Small)))
    np.testing.assert_array_equal(halved.directions, whole.directions)
    np.testing.assert_array_equal(halved.variances, whole.variances)
    monkeypatch.setattr(Small, "most", 0)
    with pytest.raises(InputError, match="too little memory for a matrix of 6 x 6 and one row, 24 B"):
        principal_directions(rows.as_subclass(Small), centred=False)
