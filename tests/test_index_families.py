"""Every family that came after the golden indexes: saved, opened memory-mapped and searched."""

import faiss
import numpy as np
import pytest

from ragopt.index.build import add_blocks, set_search, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.saved import open_index, save_index
from ragopt.index.serialized import checked_bytes
from ragopt.records import Space, Trial

DIM = 16
CASES = [
    ("RQ3x8", ""), ("PCAR8,PRQ2x2x8,Refine(SQ8)", "k_factor_rf=4"), ("IVF4,RQ2x8", "nprobe=2"), ("RQ4x4fs", ""),
    ("IVF4,PRQ2x2x4fs", "nprobe=3"), ("RaBitQfs", ""), ("RaBitQfs4,Refine(SQ8)", "k_factor_rf=3"),
    ("IVF4,RaBitQfs2", "nprobe=4"), ("HNSW8", "efSearch=30"), ("HNSW8_SQ4", ""),
    ("PCAR8,HNSW8,SQ8,Refine(Flat)", "efSearch=9,k_factor_rf=2"), ("HNSW4,SQtqmse2", "efSearch=50"),
    ("SQtqmse1", ""), ("PCAR8,SQtqmse3,Refine(SQfp16)", "k_factor_rf=2"), ("OPQ4_8,PQ4x4fs", ""),
]  # fmt: skip


def filled(text, rows):
    """A factory and its index of all rows."""
    factory = parse_factory(text, DIM)
    index = train_index(factory, rows, metric="ip", seed=0)
    add_blocks(index, [(0, rows[:150]), (150, rows[150:])])
    return factory, index


@pytest.mark.parametrize(("text", "search"), CASES)
def test_an_opened_index_answers_as_the_saved_one(text, search, rng, tmp_path):
    """An index read back from its file finds the same rows with the same scores, and its bytes are the formula's."""
    rows = rng.normal(size=(400, DIM)).astype(np.float32)
    factory, index = filled(text, rows)
    trial, sizes = Trial(Space("m", DIM, "none"), text, search), checked_bytes(factory, index)
    save_index(tmp_path, index, trial=trial, metric="ip", index_bytes=sizes, rotation=None, seconds={})
    opened = open_index(tmp_path, verify="full")
    assert opened.index_bytes == sizes
    for one in (index, opened.index):
        set_search(one, search)
    for mine, theirs in zip(index.search(rows[:40], 7), opened.index.search(rows[:40], 7), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("text", ["RQ3x8", "PRQ2x2x8", "RaBitQ2", "SQtqmse2", "SQ4", "PQ4np", "Flat"])
def test_a_single_stored_vector_scores_as_in_a_search(text, rng):
    """Where `scores_single` holds, FAISS's distance computer gives the score that a full scan gives."""
    rows = rng.normal(size=(400, DIM)).astype(np.float32)
    factory, index = filled(text, rows)
    assert factory.codec.scores_single
    scores, found = index.search(rows[:1], 5)
    computer = faiss.downcast_index(index).get_distance_computer()
    computer.set_query(faiss.swig_ptr(rows[:1]))
    np.testing.assert_allclose([computer(int(row)) for row in found[0]], scores[0], rtol=1e-4)
