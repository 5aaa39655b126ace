import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.embed.spaces import Rotation, default_dims, default_spaces, fit_joint_rotation, fit_rotation, project
from ragopt.embed.stored_rows import unit_rows
from ragopt.errors import InputError, SpecError
from ragopt.records import Space


def unit(n, dim, seed=0):
    return unit_rows(np.random.default_rng(seed).normal(1.0, 1.0, (n, dim)).astype(np.float32))


@pytest.mark.parametrize(
    ("full", "dims"),
    [
        (384, (288, 192, 128, 96)),
        (256, (192, 128, 96, 64)),
        (768, (576, 384, 256, 192)),
        (1536, (1152, 768, 512, 384)),
        (320, (256, 160, 96)),  # 240 is 7.5 steps and goes up; 106.7 and 80 meet at 96
        (100, (64, 32)),  # 75 is 2.3 steps, 50 is 1.6, 33 and 25 are 1
        (64, (48, 32, 24, 16)),
        (16, (8,)),
        (8, ()),
        (2, ()),
    ],
)
def test_default_dims(full, dims):
    """Three quarters, a half, a third and a quarter, rounded to 32 (to 8 for small models), descending."""
    assert default_dims(full) == dims


def test_default_spaces():
    """The full space comes first, then each dimension truncated and by PCA."""
    spaces = [str(space) for space in default_spaces("m", 64)]
    assert spaces[:3] == ["m@64:none", "m@48:trunc", "m@48:pca"]
    assert len(spaces) == 9


def test_rotation_by_hand():
    """Vectors along (3, 4) and its normal: directions, shares and signs follow from hand calculation."""
    rows = np.array([[3, 4], [6, 8], [-4, 3], [0, 0]], np.float32)
    rotation = fit_rotation(rows)
    # Squared lengths: 25 + 100 along (0.6, 0.8), 25 across it, whose larger component 0.8 becomes positive.
    np.testing.assert_allclose(rotation.matrix, [[0.6, 0.8], [0.8, -0.6]], atol=1e-7)
    np.testing.assert_allclose(rotation.explained, [125 / 150, 25 / 150], atol=1e-12)


def test_rotation_does_not_subtract_the_mean():
    """Vectors that are all alike have one strong direction: the mean itself."""
    rotation = fit_rotation(np.tile(np.array([[0.0, 1.0, 0.0]], np.float32), (5, 1)))
    np.testing.assert_allclose(rotation.matrix[0], [0, 1, 0], atol=1e-7)
    np.testing.assert_allclose(rotation.explained, [1, 0, 0], atol=1e-12)


def test_rotation_matches_singular_vectors():
    """The SVD of numpy over the same uncentred sample gives the same directions up to sign, and the same shares."""
    rows = unit(500, 12)
    rotation = fit_rotation(rows)
    _, singular, directions = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    assert np.allclose(np.abs(np.sum(rotation.matrix * directions, axis=1)), 1, atol=1e-6)
    np.testing.assert_allclose(rotation.explained, singular**2 / (singular**2).sum(), atol=1e-9)


def test_rotation_of_fewer_vectors_than_dimensions_is_whole():
    """Even three vectors give a full orthonormal rotation, the same each time."""
    rows = unit(3, 16)
    rotation = fit_rotation(rows)
    np.testing.assert_allclose(rotation.matrix @ rotation.matrix.T, np.eye(16), atol=1e-6)
    assert np.array_equal(rotation.matrix, fit_rotation(rows).matrix)


@pytest.mark.parametrize("rows", [np.zeros((0, 4)), np.zeros((3, 4)), np.full((2, 4), np.nan)])
def test_rotation_needs_something_to_rotate(rows):
    """An empty, zero or NaN sample is an error, not a rotation of noise."""
    with pytest.raises(InputError, match="Cannot fit a PCA"):
        fit_rotation(rows.astype(np.float32))


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_full_dimension_pca_search_equals_exact_search(metric):
    """A rotation keeps inner products and distances, so that nothing is lost at full dimension."""
    corpus, queries = unit(2000, 24), unit(50, 24, seed=1)
    if metric != "cosine":
        corpus, queries = corpus * 3, queries * 2
    rotation = fit_rotation(corpus[:300])
    space = Space("m", 24, "pca")
    turned = project(corpus, space, rotation=rotation, metric=metric)
    asked = project(queries, space, rotation=rotation, metric=metric)

    def nearest(vectors, questions):
        scores = questions.astype(np.float64) @ vectors.T.astype(np.float64)
        if metric == "l2":
            scores = 2 * scores - (vectors.astype(np.float64) ** 2).sum(axis=1)
        return np.argsort(-scores, axis=1)[:, :10], np.sort(scores)[:, -10:]

    (exact, exact_scores), (found, found_scores) = nearest(corpus, queries), nearest(turned, asked)
    np.testing.assert_allclose(found_scores, exact_scores, atol=1e-5)
    assert np.array_equal(found, exact)


def test_pca_keeps_what_truncation_loses():
    """At the same dimension the rotated vectors keep more squared length, as much as `explained` says."""
    rows = np.random.default_rng(3).normal(size=(400, 8)).astype(np.float32) @ np.diag([1, 1, 1, 1, 5, 5, 5, 5])
    rows = rows.astype(np.float32)
    rotation = fit_rotation(rows)
    kept = project(rows, Space("m", 4, "pca"), rotation=rotation, metric="ip")
    assert (kept**2).sum() / (rows**2).sum() == pytest.approx(rotation.explained[:4].sum(), abs=1e-5)
    assert (kept**2).sum() > 10 * (rows[:, :4] ** 2).sum()


def test_truncation_by_hand():
    """(2, 1, 2) becomes (2, 1)/sqrt(5) for cosine and stays (2, 1) for inner product."""
    block = np.array([[2, 1, 2]], np.float32) / np.float32(3)
    space = Space("m", 2, "trunc")
    cosine = project(block, space, rotation=None, metric="cosine")
    np.testing.assert_allclose(cosine, [[2 / 5**0.5, 1 / 5**0.5]], atol=1e-7)
    assert float((cosine @ np.array([1, 0], np.float32))[0]) == pytest.approx(2 / 5**0.5)
    np.testing.assert_allclose(project(block, space, rotation=None, metric="ip"), [[2 / 3, 1 / 3]], atol=1e-7)


def test_none_changes_nothing():
    """The full space hands the block through bit for bit."""
    block = unit(5, 4)
    assert np.array_equal(project(block, Space("m", 4, "none"), rotation=None, metric="cosine"), block)


@given(
    st.integers(1, 6),
    st.sampled_from(["none", "trunc", "pca"]),
    st.sampled_from(["cosine", "ip", "l2"]),
    st.integers(0, 50),
)
def test_project_never_changes_its_input_and_returns_what_it_says(dim, reduction, metric, seed):
    """Shape, dtype and (cosine) unit length hold, and the caller's arrays stay as they were."""
    full = dim if reduction == "none" else 6
    block = unit(7, full, seed)
    rotation = fit_rotation(block)
    before, matrix = block.copy(), rotation.matrix.copy()
    result = project(block, Space("m", dim, reduction), rotation=rotation, metric=metric)
    assert np.array_equal(block, before)
    assert np.array_equal(rotation.matrix, matrix)
    assert (result.shape, result.dtype) == ((7, dim), np.float32)
    if metric == "cosine":
        np.testing.assert_allclose((result.astype(np.float64) ** 2).sum(axis=1), 1, atol=3e-7)


def test_a_row_without_components_is_named():
    """A vector that lies outside the kept dimensions is an error that names its row in the corpus."""
    block = np.array([[1, 0], [0, 1]], np.float32)
    with pytest.raises(InputError, match=r"Vector 101 .* no component left in m@1:trunc"):
        project(block, Space("m", 1, "trunc"), rotation=None, metric="cosine", first_row=100)
    kept = project(block, Space("m", 1, "trunc"), rotation=None, metric="l2")
    assert kept.tolist() == [[1], [0]]


@pytest.mark.parametrize("space", [Space("m", 5, "trunc"), Space("m", 3, "none"), Space("m", 5, "pca")])
def test_a_space_that_does_not_fit_is_refused(space):
    """A space larger than the model, or `none` at another dimension, says which dimensions there are."""
    with pytest.raises(SpecError, match="does not fit vectors of 4 dimensions"):
        project(unit(2, 4), space, rotation=None, metric="cosine")


def test_pca_without_its_rotation_is_a_programming_error():
    """A missing rotation, or one of another model, is never replaced by something else."""
    wrong = Rotation(np.eye(3, dtype=np.float32), np.ones(3) / 3)
    for rotation in (None, wrong):
        with pytest.raises(ValueError, match="needs a rotation of 4"):
            project(unit(2, 4), Space("m", 2, "pca"), rotation=rotation, metric="cosine")


def test_joint_directions_by_hand():
    """Documents along x and y alike, queries along y only: y comes first, with the mean of both shares."""
    documents = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    queries = np.array([[0, 2, 0]], np.float32)
    rotation = fit_joint_rotation(documents, queries)
    np.testing.assert_allclose(rotation.matrix[:2], [[0, 1, 0], [1, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(rotation.explained, [0.75, 0.25, 0], atol=1e-12)


def test_joint_at_full_dimension_keeps_every_product():
    """The joint rotation is orthonormal: at full dimension search stays exact."""
    rows, queries = unit(200, 12), unit(30, 12, seed=1)
    rotation = fit_joint_rotation(rows, queries)
    space = Space("m", 12, "joint")
    moved = [project(part, space, rotation=rotation, metric="cosine") for part in (queries, rows)]
    np.testing.assert_allclose(moved[0] @ moved[1].T, queries @ rows.T, atol=2e-6)
