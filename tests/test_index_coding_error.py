"""The error of codes: by hand, by FAISS's own codec, and the same for every layout of the same codes."""

import faiss
import numpy as np
import pytest

from ragopt.index.build import train_index
from ragopt.index.coding_error import coding_errors
from ragopt.index.factory import parse_factory

DIM = 16
ROWS = np.random.default_rng(1).normal(size=(300, DIM)).astype(np.float32)
CODECS = ["SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", "SQtqmse1", "SQtqmse4", "PQ4np", "PQ8x4fs", "RaBitQ", "RaBitQ4",
          "RQ2x8", "RQ4x4fs", "PRQ2x2x8", "PRQ2x2x4fs", "PCAR8,SQ8", "OPQ4_8,PQ4x4fs", "RR16,RaBitQ"]  # fmt: skip
SAME = [("RaBitQfs", "RaBitQ"), ("RaBitQfs4", "RaBitQ"), ("IVF4,RaBitQfs", "IVF4,RaBitQ"),
        ("IVF4,RaBitQfs4", "IVF4,RaBitQ4"), ("IVF4,PQ8x4fs", "PQ8x4fs"), ("IVF4,RQ4x4fs", "RQ4x4fs"),
        ("IVF4,PRQ2x2x4fs", "PRQ2x2x4fs"), ("PCAR8,IVF4,PQ4x4fs", "PCAR8,PQ4x4fs"), ("HNSW8,SQ4", "SQ4"),
        ("IVF4,PQ8x4fs,Refine(SQ8)", "PQ8x4fs"), ("RaBitQfs,Refine(SQ8)", "RaBitQ")]  # fmt: skip
"""Factories whose codes are those of another: FastScan blocks, lists without residuals, a graph, a rescoring tier."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """These indexes are so small that FAISS's threads mostly wait for one another."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


def template(text, how="built"):
    index = train_index(parse_factory(text, DIM), ROWS, metric="ip", seed=0)
    return faiss.deserialize_index(faiss.serialize_index(index)) if how == "read" else index


def relative(rows, decoded):
    exact = rows.astype(np.float64)
    return ((exact - decoded) ** 2).sum(axis=1) / (exact**2).sum(axis=1)


@pytest.mark.parametrize("text", CODECS)
def test_errors_are_those_of_the_codec_alone(text):
    """FAISS's standalone codec encodes and decodes every row to the same error."""
    index = template(text)
    expected = relative(ROWS, index.sa_decode(index.sa_encode(ROWS)))
    np.testing.assert_allclose(coding_errors(index, ROWS), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("how", ["built", "read"])
@pytest.mark.parametrize(("text", "same"), SAME)
def test_errors_do_not_depend_on_the_layout_of_codes(text, same, how):
    """Codes in blocks, lists or below a graph, in an index that was read too, have the errors of plain ones."""
    index = template(text, how)
    np.testing.assert_allclose(coding_errors(index, ROWS), coding_errors(template(same), ROWS), rtol=1e-4, atol=1e-9)
    assert index.ntotal == 0


def test_errors_by_hand():
    """Exact codes have none; in sixteen bits 0.5 is exact and 1 + 2^-11 is 1, which errs by 2^-22."""
    assert coding_errors(template("Flat"), ROWS).tolist() == [0.0] * 300
    row = np.array([[0.5] * 15 + [1 + 2**-11]], np.float32)
    expected = 2.0**-22 / (15 * 0.25 + (1 + 2**-11) ** 2)
    assert coding_errors(template("SQfp16"), row).tolist() == pytest.approx([expected], rel=1e-12)
    assert coding_errors(template("SQ8"), ROWS[:0]).tolist() == []


def test_a_vector_of_zeros_has_no_relative_error():
    """Zero over zero is counted as 0, not as no number, and moves no other row's error."""
    rows = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    template = train_index(parse_factory("SQ4", 8), rows, metric="l2", seed=0)
    with_zeros = np.concatenate([np.zeros((1, 8), np.float32), rows])
    assert coding_errors(template, with_zeros).tolist() == [0.0, *coding_errors(template, rows).tolist()]
