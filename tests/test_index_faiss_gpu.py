"""Training with FAISS's GPU code, with its CPU code in place of it: what is lent, and that it is taken back."""

import faiss
import numpy as np
import pytest

from ragopt.devices import faiss_gpus
from ragopt.errors import InputError, SpecError
from ragopt.index.build import SharedPca, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.faiss_gpu import faiss_gpu_trains, train_with_faiss_gpu
from ragopt.index.inner import first_transform, inner_index, refined_parts
from tests.gpu_stand_in import NO_MEMORY, stand_in

DIM, N = 24, 800


@pytest.fixture(scope="module")
def rows():
    drawn = np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs, each an index of the CPU; what is asked of them is in `made` and `searched`."""
    return stand_in(monkeypatch, n_gpus=2)


def test_a_faiss_without_gpu_code_has_no_gpus():
    """faiss-cpu has none, whatever it answers when it is asked for a number."""
    if not hasattr(faiss, "StandardGpuResources"):
        assert faiss_gpus() == 0


@pytest.mark.parametrize(("options", "n_gpus", "found"), [("OPTIMIZE GPU", 2, 2), ("OPTIMIZE GPU", 0, 0),
                                                          ("OPTIMIZE", 2, 0)])  # fmt: skip
@pytest.mark.usefixtures("gpus")
def test_gpus_are_counted_by_a_faiss_that_can_use_them(options, n_gpus, found, monkeypatch):
    """GPU code and a GPU have to be there."""
    stand_in(monkeypatch, n_gpus=n_gpus)
    monkeypatch.setattr(faiss, "get_compile_options", lambda: options)
    assert faiss_gpus() == found


@pytest.mark.usefixtures("gpus")
def test_a_driver_that_fails_is_no_gpu(monkeypatch):
    """An error of CUDA while devices are counted is none that a user can meet."""

    def fails():
        raise RuntimeError("CUDA error 35 CUDA driver version is insufficient for CUDA runtime version")

    monkeypatch.setattr(faiss, "get_num_gpus", fails)
    assert faiss_gpus() == 0


LENT = {
    "PQ6np": [(4, "l2")],
    "PQ12x4fs": [(2, "l2")],
    "IVF12,PQ6np": [(24, "ip"), (4, "l2")],
    "IVF12,PQ12x4fs": [(24, "ip"), (2, "l2")],
    "IVF12,SQ8": [(24, "ip")],
    "PCAR12,IVF12,PQ6np": [(12, "ip"), (2, "l2")],
    "OPQ4_12,IVF12,PQ4np": [(3, "l2"), (12, "ip"), (3, "l2")],
    "PCAR12,PQ6np,Refine(PQ12np)": [(2, "l2"), (2, "l2")],
}


@pytest.mark.parametrize("text", LENT)
def test_every_k_means_is_lent_the_gpu_and_gives_it_back(text, rows, gpus):
    """Each k-means searches an index on the GPU that was asked for; what is trained is FAISS's own to the last byte."""
    factory = parse_factory(text, DIM)
    ours = train_with_faiss_gpu(factory, rows, metric="ip", number=1, seed=5)
    kinds = {"l2": faiss.METRIC_L2, "ip": faiss.METRIC_INNER_PRODUCT}
    assert [(one.dim, one.metric) for one in gpus.made] == [(dim, kinds[name]) for dim, name in LENT[text]]
    assert {one.number for one in gpus.made} == {1}
    assert len({id(one.resources) for one in gpus.made}) == 1
    theirs = train_index(factory, rows, metric="ip", seed=5)
    assert faiss.serialize_index(ours).tobytes() == faiss.serialize_index(theirs).tobytes()
    for part in refined_parts(ours):
        inner = None if part is None else inner_index(part)
        assert getattr(inner, "clustering_index", None) is None
        assert getattr(getattr(inner, "pq", None), "assign_index", None) is None
    rotation = first_transform(ours)
    assert getattr(rotation, "pq", None) is None


@pytest.mark.usefixtures("gpus")
def test_a_shared_pca_is_taken(rows):
    """A decomposition that is there is not made again."""
    factory = parse_factory("PCA12,PQ6np", DIM)
    ours = train_with_faiss_gpu(factory, rows, metric="l2", number=0, seed=5, pca=SharedPca(rows))
    theirs = train_index(factory, rows, metric="l2", seed=5, pca=SharedPca(rows))
    assert faiss.serialize_index(ours).tobytes() == faiss.serialize_index(theirs).tobytes()


@pytest.mark.parametrize("number", [-1, 2])
def test_a_gpu_that_is_not_there_is_refused(number, rows, gpus):
    """FAISS ends the process for such a number, so it is never asked."""
    with pytest.raises(InputError) as caught:
        train_with_faiss_gpu(parse_factory("PQ6np", DIM), rows, metric="l2", number=number, seed=0)
    assert caught.value.failed == f"FAISS has no GPU {number} on this machine"
    assert caught.value.allowed == "0, 1"
    assert not gpus.made


def test_without_a_gpu_the_error_says_so(rows, monkeypatch):
    """On a machine without a GPU the error names the installed FAISS, and the way out."""
    stand_in(monkeypatch, n_gpus=0)
    with pytest.raises(InputError, match=r"none: the installed FAISS sees no GPU.*--device cpu"):
        train_with_faiss_gpu(parse_factory("PQ6np", DIM), rows, metric="l2", number=0, seed=0)


@pytest.mark.usefixtures("gpus")
def test_a_full_gpu_is_a_clear_error(rows, monkeypatch):
    """FAISS's words for a full device become ours; other errors stay."""
    for words, kind, message in (
        (NO_MEMORY, InputError, "GPU 0 has too little memory for training on 800 vectors of 24 dimensions, 76.8 kB"),
        ("Error: 'x' failed: something else", RuntimeError, "something else"),
    ):

        def fails(*_given, words=words):
            raise RuntimeError(words)

        monkeypatch.setattr(faiss, "GpuIndexFlat", fails)
        with pytest.raises(kind, match=message):
            train_with_faiss_gpu(parse_factory("PQ6np", DIM), rows, metric="l2", number=0, seed=0)


@pytest.mark.usefixtures("gpus")
def test_too_few_rows_are_refused_as_on_the_cpu(rows):
    """256 codebook entries need 256 rows."""
    with pytest.raises(SpecError, match="needs 256 vectors to train, this corpus gives 255"):
        train_with_faiss_gpu(parse_factory("PQ6np", DIM), rows[:255], metric="l2", number=0, seed=0)


@pytest.mark.parametrize(("text", "trains"), [("PQ6np", True), ("IVF12,SQ8", True), ("IVF12,PQ12x4fs", True),
                                              ("OPQ6,PQ6np", True), ("SQ8", False), ("RaBitQ", False), ("Flat", False),
                                              ("HNSW32,PQ6np", False)])  # fmt: skip
def test_k_means_is_what_a_gpu_is_for(text, trains):
    """Lists and product quantizers are trained by k-means; SQ and RaBitQ are not, and a graph is built on the CPU."""
    assert faiss_gpu_trains(parse_factory(text, DIM)) is trains
