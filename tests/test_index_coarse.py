import threading

import faiss
import numpy as np
import pytest

from ragopt.index.build import SharedPca, add_blocks, train_index
from ragopt.index.coarse import SharedCoarse
from ragopt.index.factory import parse_factory

TEXTS = ["IVF8,Flat", "IVF8,SQ8", "IVF8,PQ4np", "IVF8,PQ8x4fs", "IVF8,RaBitQ", "IVF8,RaBitQfs2", "IVF8,RQ2x8",
         "PCAR8,IVF8,SQ4", "PCAR8,IVF8,PQ4np,Refine(SQ8)", "RR16,IVF8,SQtqmse2", "OPQ4_8,IVF8,SQ8"]  # fmt: skip


@pytest.fixture
def rows(rng):
    return rng.normal(size=(600, 16)).astype(np.float32)


def as_bytes(text, rows, *, metric="ip", seed=7, pca=None, coarse=None):
    """The file of a filled index."""
    index = train_index(parse_factory(text, 16), rows, metric=metric, seed=seed, pca=pca, coarse=coarse)
    add_blocks(index, [(0, rows)])
    return faiss.serialize_index(index).tobytes()


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_shared_centroids_give_the_index_trained_alone(metric, rows):
    """Every codec over shared centroids is, to the last byte of its file, the index that FAISS trains alone."""
    pca, coarse = SharedPca(rows), SharedCoarse(rows)
    for text in TEXTS:
        alone = as_bytes(text, rows, metric=metric, pca=pca)
        assert as_bytes(text, rows, metric=metric, pca=pca, coarse=coarse) == alone, text


def test_one_k_means_per_kind(rows, monkeypatch):
    """Centroids are trained once per transform, number of lists, metric and seed."""
    trained = []
    monkeypatch.setattr(
        "ragopt.index.coarse.train_index",
        lambda factory, sample, **given: trained.append(str(factory)) or train_index(factory, sample, **given),
    )
    coarse = SharedCoarse(rows)
    for text in ("IVF8,SQ8", "IVF8,PQ4np,Refine(SQ8)", "PCAR8,IVF8,SQ8", "IVF4,SQ8", "IVF8,RaBitQ", "SQ8"):
        as_bytes(text, rows, coarse=coarse)
    assert trained == ["IVF8,Flat", "PCAR8,IVF8,Flat", "IVF4,Flat"]
    as_bytes("IVF8,SQ8", rows, coarse=coarse, metric="l2")
    as_bytes("IVF8,SQ8", rows, coarse=coarse, seed=8)
    assert trained[3:] == ["IVF8,Flat", "IVF8,Flat"]


def test_threads_share_one_k_means(rows):
    """Two threads that ask at once get the same centroids."""
    coarse, found = SharedCoarse(rows), []
    threads = [
        threading.Thread(target=lambda: found.append(as_bytes("IVF8,SQ8", rows, coarse=coarse))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [as_bytes("IVF8,SQ8", rows)] * 4
