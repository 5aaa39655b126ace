import sys

import faiss
import numpy as np
import pytest

from ragopt.errors import InputError, MissingExtra, SpecError
from ragopt.index import torch_kmeans
from ragopt.index.build import add_blocks, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.inner import first_transform, inner_index
from ragopt.index.template import template_of
from ragopt.index.torch_encoding import add_with_torch
from ragopt.index.torch_training import fill_with_torch, torch_trains, train_with_torch
from ragopt.measure.device_neighbours import device_neighbours

torch = pytest.importorskip("torch")
TorchDispatchMode = pytest.importorskip("torch.utils._python_dispatch").TorchDispatchMode

DIM, N, BUDGET = 24, 2500, 1 << 22

TEXTS = ("PQ6np", "PQ7x4fs", "PQ12x4fs", "IVF12,PQ6np", "IVF12,PQ12x4fs", "PCA12,PQ6np", "PCAR12,IVF12,PQ12x4fs",
         "RR24,PQ12x4fs", "PQ6np,Refine(SQ8)", "IVF12,PQ12x4fs,RFlat", "PCAR12,PQ6np,Refine(PQ12np)")  # fmt: skip
OPQ_TEXTS = ("OPQ6,PQ6np", "OPQ4_12,IVF12,PQ12x4fs,Refine(SQ8)")


def corpus_of(dim=DIM, n=N, seed=0):
    """Rows around 80 centres, and 300 queries around the same."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(80, dim))
    drawn = centres[rng.integers(80, size=n + 300)] + 0.6 * rng.normal(size=(n + 300, dim))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn[:n].astype(np.float32), drawn[n:].astype(np.float32)


def torch_trained(text, rows, metric="ip", seed=0):
    return train_with_torch(
        parse_factory(text, rows.shape[1]), rows, metric=metric, device="cpu", seed=seed, memory_bytes=BUDGET
    )


def dim_of(text):
    return 28 if "PQ7" in text else DIM


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("text", [*TEXTS, *OPQ_TEXTS])
def test_every_index_opens_in_plain_faiss(text, metric, tmp_path, monkeypatch):
    """What torch trained and filled is written and read by FAISS, as long as FAISS's file, with the same results."""
    if text in OPQ_TEXTS:  # fifty rounds by FAISS and by torch take seconds, and say no more than two
        monkeypatch.setattr("ragopt.index.torch_training.empty_index", short_opq)
        monkeypatch.setattr("ragopt.index.build.empty_index", short_opq)
    rows, queries = corpus_of(dim_of(text), 800)
    ours, theirs = torch_trained(text, rows, metric), train_index(
        parse_factory(text, rows.shape[1]), rows, metric=metric, seed=0
    )  # fmt: skip
    add_with_torch(ours, [(0, rows[:333]), (333, rows[333:])], device="cpu", memory_bytes=BUDGET)
    add_blocks(theirs, [(0, rows)])
    faiss.write_index(ours, str(tmp_path / "ours.faiss"))
    again = faiss.read_index(str(tmp_path / "ours.faiss"))
    assert again.ntotal == len(rows)
    assert again.is_trained
    assert type(faiss.downcast_index(again)) is type(faiss.downcast_index(theirs))
    if not inner_index(ours).__class__.__name__.startswith("IndexIVF"):  # lists are rounded up to blocks
        assert len(faiss.serialize_index(again)) == len(faiss.serialize_index(theirs))
    for found, read in zip(ours.search(queries, 5), again.search(queries, 5), strict=True):
        np.testing.assert_array_equal(found, read)


def short_opq(factory, metric):
    made = faiss.index_factory(factory.dim, str(factory), faiss.METRIC_L2 if metric == "l2" else 0)
    transform = first_transform(made)
    transform.niter, transform.niter_pq_0, transform.niter_pq = 2, 2, 1
    return made


def recall(index, rows, queries, metric):
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    exact = faiss.knn(queries, rows, 10, kind)[1]
    if isinstance(inner_index(index), faiss.IndexIVF):
        inner_index(index).nprobe = 4
    found = index.search(queries, 10)[1]
    return np.mean([len(np.intersect1d(*pair)) for pair in zip(found, exact, strict=True)]) * 10


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("text", ["PQ6np", "PQ12x4fs", "IVF12,PQ6np", "PCAR12,IVF12,PQ12x4fs", "PQ6np,Refine(SQ8)"])
def test_recall_is_that_of_faiss(text, metric):
    """Over eight seeds recall is within half a point of FAISS's, and three standard errors of so small a sample."""
    rows, queries = corpus_of()
    differences = []
    for seed in range(8):
        ours = torch_trained(text, rows, metric, seed)
        theirs = train_index(parse_factory(text, DIM), rows, metric=metric, seed=seed)
        add_with_torch(ours, [(0, rows)], device="cpu", memory_bytes=BUDGET)
        add_blocks(theirs, [(0, rows)])
        differences.append(recall(ours, rows, queries, metric) - recall(theirs, rows, queries, metric))
    assert abs(np.mean(differences)) <= 0.5 + 3 * np.std(differences, ddof=1) / np.sqrt(8)


def test_a_seed_gives_the_same_index():
    """The same seed gives the same file, another seed another."""
    rows, _ = corpus_of(n=600)
    first, again, other = (
        faiss.serialize_index(torch_trained("IVF12,PQ6np", rows, seed=seed)).tobytes() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_trained_parts_stay():
    """A transform that is trained and centroids that are there are taken as they are."""
    rows, _ = corpus_of(n=600)
    theirs = train_index(parse_factory("PCA12,IVF12,PQ6np", DIM), rows, metric="ip", seed=3)
    ours = template_of(theirs)
    faiss.copy_array_to_vector(np.zeros(256 * 12, np.float32), inner_index(ours).pq.centroids)
    fill_with_torch(ours, rows, device="cpu", seed=4, memory_bytes=BUDGET)
    matrices = [faiss.vector_to_array(first_transform(index).A) for index in (ours, theirs)]
    centroids = [inner_index(index).quantizer.reconstruct_n(0, 12) for index in (ours, theirs)]
    np.testing.assert_array_equal(*matrices)
    np.testing.assert_array_equal(*centroids)
    assert faiss.vector_to_array(inner_index(ours).pq.centroids).any()


@pytest.mark.parametrize("text", [*TEXTS, *OPQ_TEXTS])
def test_product_quantizers_are_taken(text):
    """Torch trains PQ codes, flat or in lists, behind any transform and before any rescoring tier."""
    assert torch_trains(parse_factory(text, dim_of(text)))


@pytest.mark.parametrize("text", ["Flat", "SQ8", "RaBitQ", "RaBitQfs2", "IVF12,SQ8", "HNSW32,PQ6np", "RQ4x8",
                                  "PRQ2x2x4fs", "PCA12,SQ8,Refine(PQ12np)"])  # fmt: skip
def test_other_codecs_stay_with_faiss(text):
    """Codes that need hardly any training, graphs and additive codes are refused."""
    factory = parse_factory(text, DIM)
    assert not torch_trains(factory)
    with pytest.raises(ValueError, match="torch does not train"):
        train_with_torch(
            factory, np.zeros((300, DIM), np.float32), metric="l2", device="cpu", seed=0, memory_bytes=BUDGET
        )


def test_too_few_rows_are_refused_as_by_faiss():
    """256 codebook entries need 256 rows."""
    with pytest.raises(SpecError, match="needs 256 vectors to train, this corpus gives 255"):
        torch_trained("PQ6np", np.zeros((255, DIM), np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_not_finite_is_refused(bad):
    """FAISS refuses NaN and infinity; torch would train on them without a word."""
    rows, _ = corpus_of(n=300)
    rows[7, 3] = bad
    with pytest.raises(InputError, match="sample of 300 vectors holds values that are not finite"):
        torch_trained("IVF12,PQ6np", rows)


def test_out_of_memory_halves_the_scores(monkeypatch):
    """A device that holds few scores at once trains the same index, and is asked for too much once a k-means."""
    rows, _ = corpus_of(n=600)
    rows = np.round(rows * 8)  # products of small integers are exact in blocks of any size
    whole = faiss.serialize_index(torch_trained("IVF12,PQ6np", rows)).tobytes()
    real, refused = torch_kmeans.nearest, []

    def nearest(parts, centroids, *, spherical, memory_bytes):
        if memory_bytes > 100_000:
            refused.append(memory_bytes)
            raise torch.OutOfMemoryError("injected")
        return real(parts, centroids, spherical=spherical, memory_bytes=memory_bytes)

    monkeypatch.setattr(torch_kmeans, "nearest", nearest)
    halved = train_with_torch(parse_factory("IVF12,PQ6np", DIM), rows, metric="ip", device="cpu", seed=0)
    assert faiss.serialize_index(halved).tobytes() == whole
    # 256 MiB is too much for the lists' k-means, the residuals and the codebooks' k-means. 600 rows are there, so that
    # 300 come next; for lists they take 14 kB. A row has 6 x 256 scores of a codebook, 6,144 bytes: 18 are too many.
    assert len([n_bytes for n_bytes in refused if n_bytes > 1 << 27]) == 3
    assert [n_bytes // 6144 for n_bytes in refused if n_bytes < 1 << 27] == [300, 150, 75, 37, 18]


class Doubles(TorchDispatchMode):
    """Collects the operations that give float64."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Note the operation and do it."""
        made = func(*args, **(kwargs or {}))
        if any(getattr(one, "dtype", None) == torch.float64 for one in (made if isinstance(made, tuple) else (made,))):
            self.seen.add(func.overloadpacket.__name__)
        return made


def test_a_device_needs_no_float64(monkeypatch):
    """Apple's GPU has none: float64 appears only in what is drawn on the CPU, splits and OPQ's first rotation."""
    monkeypatch.setattr("ragopt.index.torch_training.empty_index", short_opq)
    rows, queries = corpus_of(n=600)
    rows[300:] = rows[0]  # empty clusters, to be split
    with Doubles() as doubles:
        for text in ("OPQ4_12,IVF12,PQ12x4fs,Refine(SQ8)", "PCAR12,PQ6np,Refine(PQ12np)", "RR24,PQ12x4fs"):
            index = torch_trained(text, rows, "l2")
            add_with_torch(index, [(0, rows)], device="cpu")
    assert doubles.seen == {"rand", "randn", "linalg_qr", "slice"}
    with Doubles() as doubles:
        for metric in ("ip", "l2"):
            device_neighbours(
                [(0, rows)], queries, k=3, n=600, metric=metric, gather=lambda ids: rows[ids], device="cpu"
            )
    assert doubles.seen == set()


def test_a_sample_that_does_not_fit_is_an_error(monkeypatch):
    """A device that cannot hold the sample gives an error with its size, not torch's."""
    rows, _ = corpus_of(n=600)

    def full(*_given):
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr("ragopt.index.torch_training.in_parts", full)
    with pytest.raises(InputError) as caught:
        torch_trained("PQ6np", rows)
    assert caught.value.failed == (
        "The device cpu has too little memory for 600 training vectors of 24 dimensions, 57.6 kB a copy"
    )


def test_without_torch_the_extra_is_named(monkeypatch):
    """Where torch is not installed, training and adding say which extra brings it."""
    rows, _ = corpus_of(n=300)
    index = train_index(parse_factory("PQ6np", DIM), rows, metric="ip", seed=0)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="Training on the device cpu needs"):
        torch_trained("PQ6np", rows)
    with pytest.raises(MissingExtra, match="Encoding on the device cpu needs"):
        add_with_torch(index, [(0, rows)], device="cpu", memory_bytes=BUDGET)
