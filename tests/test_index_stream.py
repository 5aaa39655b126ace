"""Streamed files: shards of codes joined on disk are byte for byte what FAISS writes of the index in memory."""

import functools
import subprocess
import sys

import faiss
import numpy as np
import pytest

from ragopt.artifacts import whole_folder
from ragopt.errors import ArtifactError, IndexFormatError
from ragopt.index import file_pieces, joined_file
from ragopt.index.build import add_blocks, faiss_metric, train_index, with_refine
from ragopt.index.code_shard import CODES_FILE, IDS_FILE, ListShard, write_shard
from ragopt.index.codec import SQ_BITS
from ragopt.index.factory import parse_factory
from ragopt.index.file_pieces import streams
from ragopt.index.joined_file import checked_file, write_joined, write_refined
from ragopt.index.listed_codes import BlockLists, RowLists, list_form
from ragopt.index.serialized import checked_bytes
from ragopt.index.template import leaves
from ragopt.measure.latency import one_thread
from tests.helpers import ROOT

N, DIM, BLOCK, SHARD = 1500, 16, 256, 512
FLAT = ["Flat", *SQ_BITS, "PQ4np", "PQ1np", "RaBitQ", "RaBitQ4", "RQ2x8", "PRQ2x1x8"]
BLOCKED = ["PQ4x4fs", "PQ1x4fs", "RaBitQfs", "RaBitQfs3", "RQ3x4fs", "PRQ2x2x4fs"]
LISTED = [f"IVF16,{codec}" for codec in ("Flat", "SQ8", "SQ4", "PQ4np", "RaBitQ", "RaBitQ4", "RQ2x8", "PRQ2x1x8")]
LISTED_BLOCKS = [f"IVF16,{codec}" for codec in BLOCKED]
WRAPPED = ["PCAR8,PQ4np", "PCA8,SQ8", "RR16,RaBitQ", "OPQ4,PQ4x4fs", "PCAR8,IVF16,PQ4np", "OPQ4,IVF16,PQ4x4fs"]
FEW_IN_LISTS = ["IVF1,PQ4np", "IVF1,PQ4x4fs", "IVF900,SQ8", "IVF900,PQ4x4fs"]


@pytest.fixture(scope="module", autouse=True)
def single_thread():
    """Threads that wait for each other take most of the time of trainings as small as these."""
    with one_thread():
        yield


@functools.cache
def drawn_vectors():
    rng = np.random.default_rng(3)
    drawn = rng.normal(size=(20, DIM))[rng.integers(0, 20, N)] + 0.4 * rng.normal(size=(N, DIM))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors():
    """Unit vectors around 20 centres, so that lists differ in length."""
    return drawn_vectors()


@functools.cache
def trained_bytes(text, metric="ip"):
    index = train_index(parse_factory(text, DIM), drawn_vectors()[:1000], metric=metric, seed=1)
    return faiss.serialize_index(index)


def trained_on(text, metric="ip"):
    """A trained, empty index of its own."""
    return faiss.deserialize_index(trained_bytes(text, metric))


def blocks_of(vectors, first, stop):
    return [(start, vectors[start : min(start + BLOCK, stop)]) for start in range(first, stop, BLOCK)]


def shards_of(folder, trained, vectors, rows=SHARD):
    folders = []
    for first in range(0, len(vectors), rows):
        folders.append(folder / f"shard-{first}")
        folders[-1].mkdir(parents=True)
        stop = min(first + rows, len(vectors))
        write_shard(folders[-1], trained, blocks_of(vectors, first, stop), first_row=first)
    return folders


def joined(folder, factory, trained, vectors):
    folders = shards_of(folder, trained, vectors)
    with (folder / "joined").open("wb") as out:
        write_joined(out, factory, trained, len(vectors), folders)
    return (folder / "joined").read_bytes()


def written_by_faiss(index, path):
    faiss.write_index(index, str(path))
    return path.read_bytes()


@pytest.mark.parametrize("text", FLAT + BLOCKED + LISTED + LISTED_BLOCKS + WRAPPED + FEW_IN_LISTS)
def test_a_streamed_file_is_the_file_that_faiss_writes(vectors, text, tmp_path, monkeypatch):
    """Every kind of codes, flat and in lists, with a last shard that is no whole block: the same bytes.

    Lists too: all of them put together in memory at once, or each too long for that.
    """
    index, trained, factory = trained_on(text), trained_bytes(text), parse_factory(text, DIM)
    add_blocks(index, blocks_of(vectors, 0, N))
    expected = written_by_faiss(index, tmp_path / "whole")
    assert joined(tmp_path / "grouped", factory, trained, vectors) == expected
    if factory.nlist:
        monkeypatch.setattr(joined_file, "GROUP_BYTES", 500)
        assert joined(tmp_path / "long", factory, trained, vectors) == expected


@pytest.mark.parametrize("text", ["SQ8", "PQ4np", "PQ4x4fs", "RaBitQ", "RaBitQfs", "IVF16,PQ4np", "IVF16,RaBitQfs"])
def test_euclidean_distances_stream_too(vectors, text, tmp_path):
    """With l2 the file is FAISS's as well."""
    index, trained = trained_on(text, "l2"), trained_bytes(text, "l2")
    add_blocks(index, blocks_of(vectors, 0, N))
    found = joined(tmp_path, parse_factory(text, DIM), trained, vectors)
    assert found == written_by_faiss(index, tmp_path / "whole")


@pytest.mark.parametrize("n", [1, 31, 32, 33, 512, 513])
@pytest.mark.parametrize("text", ["SQ8", "PQ4x4fs", "IVF16,PQ4np", "IVF16,PQ4x4fs"])
def test_any_number_of_vectors(vectors, text, n, tmp_path):
    """One vector, a block, a block and one, a shard, a shard and one; most lists are empty."""
    index, trained = trained_on(text), trained_bytes(text)
    add_blocks(index, blocks_of(vectors[:n], 0, n))
    found = joined(tmp_path, parse_factory(text, DIM), trained, vectors[:n])
    assert found == written_by_faiss(index, tmp_path / "whole")


@pytest.mark.parametrize("text", ["PCAR8,PQ4np,Refine(SQ8)", "IVF16,PQ4x4fs,RFlat", "HNSW8,SQ8,Refine(PQ8np)"])
def test_a_rescoring_tier_is_streamed_behind_the_codes(vectors, text, tmp_path):
    """The codes' file, streamed or of a graph in memory, and the tier's shards give FAISS's IndexRefine."""
    factory = parse_factory(text, DIM)
    base, tier = trained_on(factory.base_text), trained_on(factory.refine_text)
    trained = trained_bytes(factory.refine_text)
    for index in (base, tier):
        add_blocks(index, blocks_of(vectors, 0, N))
    written_by_faiss(base, tmp_path / "base")
    parts = (trained, shards_of(tmp_path, trained, vectors))
    with (tmp_path / "joined").open("wb") as out:
        write_refined(out, tmp_path / "base", factory, faiss_metric("ip"), N, parts)
    refined = with_refine(base, tier)
    assert (tmp_path / "joined").read_bytes() == written_by_faiss(refined, tmp_path / "whole")
    assert checked_file(factory, N, tmp_path / "joined", tmp_path / "base") == checked_bytes(factory, refined)


def test_only_a_graph_does_not_stream():
    """A plan of memory asks which codes have to be in it."""
    texts = FLAT + BLOCKED + LISTED + LISTED_BLOCKS + WRAPPED
    assert all(streams(parse_factory(text, DIM)) for text in texts)
    assert not any(streams(parse_factory(text, DIM)) for text in ("HNSW8,SQ8", "HNSW8,SQ8,Refine(SQfp16)"))


def test_a_shard_keeps_the_rows_of_every_list(vectors, tmp_path):
    """Lists of a shard lie one behind the other, by size, with the rows' numbers in the whole corpus as ids."""
    trained = trained_bytes("IVF4,SQ8")
    _, second, _ = shards_of(tmp_path, trained, vectors)
    shard = ListShard(second, DIM)
    assert (shard.sizes().sum(), shard.codes(0, SHARD).shape) == (SHARD, (SHARD, DIM))
    assert sorted(shard.ids(0, SHARD).tolist()) == list(range(512, 1024))
    ends = np.cumsum(shard.sizes())
    for first, end in zip([0, *ends[:-1]], ends, strict=True):
        assert (np.diff(shard.ids(int(first), int(end - first))) > 0).all()


def test_a_shard_that_was_cut_is_refused(vectors, tmp_path):
    """A shard that lost bytes after it was whole names its folder, and makes no index."""
    factory = parse_factory("IVF4,SQ8", DIM)
    trained = trained_bytes("IVF4,SQ8")
    folders = shards_of(tmp_path, trained, vectors)
    (folders[1] / IDS_FILE).write_bytes((folders[1] / IDS_FILE).read_bytes()[:-8])
    with (tmp_path / "out").open("wb") as out, pytest.raises(ArtifactError, match=r"ids\.bin ends too early.*rm -r"):
        write_joined(out, factory, trained, N, folders)


def test_a_file_of_another_length_is_refused(vectors, tmp_path):
    """Flat shards that lost a code are found by the length that the formula gives."""
    factory = parse_factory("SQ8", DIM)
    trained = trained_bytes("SQ8")
    folders = shards_of(tmp_path, trained, vectors)
    (folders[0] / CODES_FILE).write_bytes((folders[0] / CODES_FILE).read_bytes()[:-DIM])
    with (tmp_path / "out").open("wb") as out:
        write_joined(out, factory, trained, N, folders)
    n_bytes = (tmp_path / "out").stat().st_size
    with pytest.raises(IndexFormatError, match=f"has {n_bytes} bytes, the formula says {n_bytes + DIM}"):
        checked_file(factory, N, tmp_path / "out", tmp_path / "out")


def test_a_file_that_faiss_writes_otherwise_is_refused(monkeypatch):
    """Were the codes not found where FAISS is asked to write them, no file would be made."""
    trained = trained_bytes("SQ8")
    monkeypatch.setattr(file_pieces, "_marked_flat", lambda _leaf, _row_bytes: b"not what the index holds")
    with pytest.raises(IndexFormatError, match=r"writes SQ8 in a way that is not known here"):
        file_pieces.file_pieces(parse_factory("SQ8", DIM), trained, N)


def test_lists_of_rows_have_a_dense_and_a_sparse_table():
    """FAISS writes all sizes when more than half of the lists are filled, else pairs of list and size."""
    lists = RowLists(4, 3)
    numbers = [
        np.frombuffer(lists.head(np.array(sizes))[24:], "<u8").tolist() for sizes in ([1, 2, 0, 5], [0, 2, 0, 5])
    ]
    assert numbers == [[4, 1, 2, 0, 5], [4, 1, 2, 3, 5]]
    assert [lists.head(np.array(sizes))[20:24] for sizes in ([1, 2, 0, 5], [0, 2, 0, 5])] == [b"full", b"sprs"]


def test_rows_come_out_of_blocks_as_they_went_in():
    """RaBitQ's codes and what it keeps behind them survive blocks of 32; free places are zero."""
    index = trained_on("IVF4,RaBitQfs")
    form = list_form(leaves(index)[0])
    assert isinstance(form, BlockLists)
    rows = np.random.default_rng(0).integers(0, 256, (45, form.row_bytes), dtype=np.uint8)
    blocks = form.laid_out(rows)
    assert blocks.shape == (2, form.block_bytes)
    np.testing.assert_array_equal(form.rows_of(blocks.reshape(-1), 45), rows)
    assert not form.rows_of(blocks.reshape(-1), 64)[45:].any()


MEMORY = """
import sys, pathlib
import faiss, numpy as np
from ragopt.index.factory import parse_factory
from ragopt.index.joined_file import write_joined
from ragopt.index.listed_codes import list_form
from ragopt.measure.memory import PeakMemory

folder, n_rows, n_shards, nlist, m = pathlib.Path(sys.argv[1]), 100_000, int(sys.argv[2]), 64, 16
factory = parse_factory(f"IVF{nlist},PQ{m}np", 32)
index = faiss.index_factory(32, str(factory), faiss.METRIC_INNER_PRODUCT)
rng = np.random.default_rng(0)
index.train(rng.standard_normal((2000, 32)).astype(np.float32))
trained = faiss.serialize_index(index)
folders = []
for number in range(n_shards):
    shard = folder / str(number)
    shard.mkdir()
    folders.append(shard)
    sizes = np.bincount(rng.integers(0, nlist, n_rows), minlength=nlist)
    rng.integers(0, 256, n_rows * m, dtype=np.uint8).tofile(shard / "codes.bin")
    (number * n_rows + np.arange(n_rows)).tofile(shard / "ids.bin")
    sizes.tofile(shard / "list_sizes.bin")
with (folder / "out").open("wb") as out, PeakMemory() as before:
    write_joined(out, factory, trained, n_rows, folders[:1])
with (folder / "out").open("wb") as out, PeakMemory() as peak:
    write_joined(out, factory, trained, n_rows * n_shards, folders)
print(peak.anonymous_bytes - before.anonymous_bytes, (folder / "out").stat().st_size)
"""


def test_memory_of_joining_does_not_grow_with_the_codes(tmp_path):
    """Shards of 72 MB are joined in 40 MB more than one of 2.4 MB is."""
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""}
    answer = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path), "30"], capture_output=True, text=True,
                            check=False, env=environment)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    more, size = map(int, answer.stdout.split())
    assert size > 72_000_000
    assert more < 40_000_000


def test_a_folder_is_whole_or_not_there(tmp_path):
    """What a killed attempt left beside it is thrown away, and a failure leaves no folder."""
    (tmp_path / "part.tmp").mkdir()
    (tmp_path / "part.tmp" / "half").write_text("old")
    with pytest.raises(ZeroDivisionError):
        whole_folder(tmp_path / "part", lambda folder: (folder / "half").write_text(str(1 / 0)))
    assert not (tmp_path / "part").exists()
    whole_folder(tmp_path / "part", lambda folder: (folder / "all").write_text("new") and None)
    assert [path.name for path in (tmp_path / "part").iterdir()] == ["all"]
