"""BLAS while training: the setting is FAISS's own, and it is given back."""

import threading

import faiss
import numpy as np
import pytest

from ragopt.index.blas_training import THRESHOLD, blas_training
from ragopt.index.build import train_index
from ragopt.index.factory import parse_factory


def test_threshold_is_given_back_after_the_last_thread():
    """While any thread trains the threshold is low; after the last one, and after an error, it is what it was."""
    before = faiss.cvar.distance_compute_blas_threshold
    inside, leave = threading.Event(), threading.Event()

    def train():
        with blas_training():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=train)
    thread.start()
    inside.wait(10)
    with pytest.raises(ValueError, match="on purpose"), blas_training():
        raise ValueError("on purpose")
    assert faiss.cvar.distance_compute_blas_threshold == THRESHOLD
    leave.set()
    thread.join()
    assert faiss.cvar.distance_compute_blas_threshold == before


def test_codebooks_are_as_good_as_faiss_own(rng):
    """A quantizer trained with BLAS has FAISS's own error within 1 %: the same k-means, other rounding."""
    rows = rng.standard_normal((2000, 16)).astype(np.float32)
    ours = train_index(parse_factory("PQ4np", 16), rows, metric="ip", seed=1234)
    theirs = faiss.index_factory(16, "PQ4np", faiss.METRIC_INNER_PRODUCT)
    theirs.train(rows)
    errors = [np.square(index.sa_decode(index.sa_encode(rows)) - rows).mean() for index in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=0.01)
