import faiss
import numpy as np
import pytest

from ragopt.errors import InputError
from ragopt.index.build import add_blocks, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.inner import inner_index
from ragopt.index.template import template_of
from ragopt.index.torch_encoding import TorchEncoder, add_with_torch

torch = pytest.importorskip("torch")

N, DIM = 3000, 24


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, DIM))
    return (centres[rng.integers(60, size=N)] + 0.6 * rng.normal(size=(N, DIM))).astype(np.float32)


def parts_of(codes, bits):
    """One number a part: bytes, or their lower and upper halves in turn."""
    return codes if bits == 8 else (codes[:, :, None] >> np.array([0, 4]) & 15).reshape(len(codes), -1)


@pytest.mark.parametrize("memory_bytes", [1 << 12, 1 << 24])
@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("text", ["PQ6np", "PQ12x4fs", "IVF20,PQ6np", "IVF300,PQ6np", "IVF20,PQ12x4fs", "PCA12,PQ6np",
                                  "PCAR12,IVF20,PQ12x4fs", "RR24,IVF20,PQ6np"])  # fmt: skip
def test_codes_are_those_of_faiss(text, metric, memory_bytes, rows):
    """From FAISS's centroids at least 99.99 % of list numbers and codes are FAISS's own, in blocks of any size."""
    index = train_index(parse_factory(text, DIM), rows, metric=metric, seed=0)
    few = rows if memory_bytes > 1 << 20 else rows[:400]
    lists, codes = TorchEncoder(index, device="cpu", memory_bytes=memory_bytes).encode(few)
    theirs = index.sa_encode(few)
    n_coarse = theirs.shape[1] - codes.shape[1]
    bits = inner_index(index).pq.nbits
    assert (parts_of(codes, bits) == parts_of(theirs[:, n_coarse:], bits)).mean() >= 0.9999
    if lists is None:
        assert n_coarse == 0
    else:
        assert (lists == theirs[:, :n_coarse] @ (256 ** np.arange(n_coarse))).mean() >= 0.9999


@pytest.mark.parametrize("held_bytes", [1, 1 << 20])
@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("text", ["PQ6np", "PQ12x4fs", "IVF20,PQ6np", "IVF20,PQ12x4fs,Refine(SQ8)", "PQ6np,RFlat",
                                  "PCAR12,PQ6np,Refine(PQ12np)"])  # fmt: skip
def test_a_filled_index_is_that_of_faiss(text, metric, held_bytes, rows, monkeypatch):
    """Filled by blocks, codes held back or not, it has FAISS's file, save for a code in ten thousand: two as near."""
    index = train_index(parse_factory(text, DIM), rows, metric=metric, seed=0)
    monkeypatch.setattr("ragopt.index.torch_encoding.HELD_BYTES", held_bytes)
    ours = template_of(index)
    add_blocks(index, [(0, rows)])
    seen = []
    blocks = [(0, rows[:1000]), (1000, rows[1000:1000]), (1000, rows[1000:])]
    add_with_torch(
        ours, blocks, device="cpu", memory_bytes=1 << 20, n=N, progress=lambda done, n: seen.append((done, n))
    )
    assert ours.ntotal == N
    assert seen == sorted(set(seen))
    assert seen[-1] == (N, N)
    assert (1000, N) in seen  # no piece spans two blocks
    mine, theirs = faiss.serialize_index(ours), faiss.serialize_index(index)
    assert len(mine) == len(theirs)
    assert (mine == theirs).mean() >= 0.9999


def short_of_memory(monkeypatch, fails_above):
    """Let encoding fail above so many rows; returns the numbers of rows that were asked for."""
    real, asked = TorchEncoder.encoded, []

    def encoded(self, rows, *, memory_bytes):
        asked.append(len(rows))
        if len(rows) > fails_above:
            raise torch.OutOfMemoryError("injected")
        return real(self, rows, memory_bytes=memory_bytes)

    monkeypatch.setattr(TorchEncoder, "encoded", encoded)
    return asked


@pytest.mark.parametrize("fails_above", [1, 7, 100])
@pytest.mark.parametrize("text", ["IVF20,PQ12x4fs", "PCAR12,PQ6np,Refine(PQ12np)", "PQ6np,RFlat"])
def test_out_of_memory_halves_the_piece(text, fails_above, rows, monkeypatch):
    """A device that holds few rows at once fills the same index, and is not asked for as many rows again."""
    whole = train_index(parse_factory(text, DIM), rows, metric="l2", seed=0)
    halved = template_of(whole)
    add_with_torch(whole, [(0, rows[:300]), (300, rows[300:500])], device="cpu")
    asked = short_of_memory(monkeypatch, fails_above)
    add_with_torch(halved, [(0, rows[:300]), (300, rows[300:500])], device="cpu")
    mine, theirs = faiss.serialize_index(halved), faiss.serialize_index(whole)
    assert len(mine) == len(theirs)
    assert (mine == theirs).mean() >= 0.9999
    too_many = [n_rows for n_rows in asked if n_rows > fails_above]
    assert too_many
    assert too_many == sorted(set(too_many), reverse=True)


def test_a_vector_that_does_not_fit_is_an_error(rows, monkeypatch):
    """When even one vector is too much, the error says what was asked and what to do."""
    index = train_index(parse_factory("PQ6np", DIM), rows, metric="l2", seed=0)
    short_of_memory(monkeypatch, 0)
    with pytest.raises(InputError) as caught:
        add_with_torch(index, [(0, rows)], device="cpu")
    # Twice (2 x 24 + 3 x 24) float32 of 4 bytes.
    assert caught.value.failed == ("The device cpu has too little memory for one vector and what encodes it, 960 B")
    assert "--device cpu" in caught.value.next_step


def test_codebooks_that_do_not_fit_are_an_error(rows, monkeypatch):
    """A device without memory for the codebooks gives an error, not torch's."""
    index = train_index(parse_factory("PQ6np", DIM), rows, metric="l2", seed=0)

    def full(*_given):
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr("ragopt.index.torch_encoding._to_device", full)
    with pytest.raises(InputError, match="too little memory for the centroids and codebooks of an index of 24 dim"):
        TorchEncoder(index, device="cpu")


def test_no_vectors_give_no_codes(rows):
    """Encoding nothing gives arrays without rows, of the right width."""
    index = train_index(parse_factory("IVF20,PQ6np", DIM), rows, metric="ip", seed=0)
    lists, codes = TorchEncoder(index, device="cpu", memory_bytes=1 << 20).encode(rows[:0])
    assert (lists.shape, codes.shape) == ((0,), (0, 6))
