import os
import shutil
import tempfile
from pathlib import Path

import faiss
import numpy as np
import pytest

from ragopt.errors import InputError, SpecError
from ragopt.index.build import train_index
from ragopt.index.factory import parse_factory
from ragopt.index.saved import INDEX_FILE, open_index, save_index
from ragopt.index.serialized import checked_bytes
from ragopt.measure.tier_reads import PAGE, tier_reads
from ragopt.records import Space, Trial

DIM, N, DEPTH, K = 64, 20_000, 20, 5
SHM = Path("/dev/shm")  # noqa: S108 - the file system in memory that is to be recognised


def saved(folder, factory="SQ4,Refine(Flat)", n=N):
    """A saved index of random vectors, and its vectors and queries."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, DIM)).astype(np.float32)
    parsed = parse_factory(factory, DIM)
    index = train_index(parsed, vectors[:2000], metric="ip", seed=0)
    index.add(vectors)
    save_index(
        folder,
        index,
        trial=Trial(Space("random", DIM, "none"), factory),
        metric="ip",
        index_bytes=checked_bytes(parsed, index),
        rotation=None,
        seconds={},
    )
    with (folder / INDEX_FILE).open("rb+") as handle:
        # A page that is not written yet cannot be dropped; a sweep's indexes are flushed by the artifact store.
        os.fsync(handle.fileno())
    return vectors, rng.normal(size=(12, DIM)).astype(np.float32)


def same(rows):
    return rows


def pages_of(folder, vectors, queries):
    """Whole pages of the tier that each query's rescored rows lie on, worked out from the file and plain FAISS."""
    size, row = (folder / INDEX_FILE).stat().st_size, DIM * 4
    first = size - 4 - N * row  # the tier's vectors and IndexRefine's k_factor end the file
    np.testing.assert_array_equal(np.fromfile(folder / INDEX_FILE, np.float32, N * DIM, offset=first), vectors.ravel())
    index = faiss.read_index(str(folder / INDEX_FILE))
    whole = range(-(-first // PAGE), (first + N * row) // PAGE)
    found = []
    for rows in faiss.downcast_index(index).base_index.search(queries, DEPTH)[1]:
        ends = [(first + int(number) * row, first + (int(number) + 1) * row - 1) for number in rows]
        found.append({page for pair in ends for page in (pair[0] // PAGE, pair[1] // PAGE) if page in whole})
    return found


def test_a_cold_query_waits_for_each_page_of_its_rows(tmp_path):
    """Major faults and bytes are those of the pages that the rescored rows lie on, worked out from their offsets."""
    vectors, queries = saved(tmp_path)
    reads = tier_reads(tmp_path, f"k_factor_rf={DEPTH // K}", same, queries, K)
    if not reads.cold_verified:
        pytest.skip(f"the folder of temporary files cannot be dropped from RAM: {reads.reason}")
    pages = np.mean([len(some) for some in pages_of(tmp_path, vectors, queries)])
    assert reads.major_faults_per_query == pytest.approx(pages, abs=1e-9)
    assert reads.bytes_read_per_query in (None, pytest.approx(pages * PAGE, abs=1e-6))
    assert reads.reason == ""
    assert reads.n_queries == reads.cold.n_queries == reads.warm.n_queries == len(queries)
    assert reads.cold.p50 > reads.warm.p50


def test_pages_mapped_by_another_open_index_are_dropped_too(tmp_path):
    """The same index, open and searched in this process, does not keep the tier in RAM, and still answers."""
    _, queries = saved(tmp_path)
    other = open_index(tmp_path).index
    before = other.search(queries, K)
    reads = tier_reads(tmp_path, "k_factor_rf=4", same, queries, K)
    if not reads.cold_verified:
        pytest.skip(f"the folder of temporary files cannot be dropped from RAM: {reads.reason}")
    after = other.search(queries, K)
    np.testing.assert_array_equal(before[1], after[1])
    np.testing.assert_array_equal(before[0], after[0])


@pytest.mark.skipif(not SHM.is_dir(), reason="there is no /dev/shm")
def test_a_file_system_in_memory_has_no_cold_figure():
    """Where pages cannot be dropped there is no cold figure, and the reason says how many stayed."""
    folder = Path(tempfile.mkdtemp(dir=SHM))
    try:
        _, queries = saved(folder)
        reads = tier_reads(folder, "k_factor_rf=4", same, queries, K)
    finally:
        shutil.rmtree(folder)
    assert (reads.cold, reads.major_faults_per_query, reads.bytes_read_per_query) == (None, None, None)
    assert not reads.cold_verified
    assert f"{N * DIM * 4 // PAGE - 1} pages" in reads.reason or f"{N * DIM * 4 // PAGE} pages" in reads.reason
    assert "memory file system" in reads.reason
    assert reads.warm.n_queries == len(queries)


def test_each_query_is_projected_alone(tmp_path):
    """The projection gets one query row a call, every query of the caller, and the caller's array is unchanged."""
    _, queries = saved(tmp_path)
    before, seen = queries.copy(), []

    def project(rows):
        seen.append(rows.copy())
        return rows

    tier_reads(tmp_path, "k_factor_rf=2", project, queries, K)
    assert {rows.shape for rows in seen} == {(1, DIM)}
    assert {rows.tobytes() for rows in seen} == {row.tobytes() for row in before}
    np.testing.assert_array_equal(queries, before)


@pytest.mark.parametrize("factory", ["SQ4,Refine(SQ8)", "PQ8x4fs,Refine(SQfp16)", "PCAR32,SQ8,Refine(Flat)",
                                     "IVF16,SQ4,Refine(SQfp16)"])  # fmt: skip
def test_finds_the_tier_of_every_codec(tmp_path, factory):
    """Whatever codes lie before it, the tier is found in the file and leaves RAM where pages can."""
    _, queries = saved(tmp_path, factory)
    reads = tier_reads(tmp_path, "k_factor_rf=4", same, queries, K)
    assert reads.cold_verified == (reads.cold is not None) == (reads.reason == "")
    assert reads.cold_verified or "pages of the rescoring tier stay in RAM" in reads.reason


def test_an_index_without_a_tier_is_refused(tmp_path):
    """Codes alone have nothing to read from a disk."""
    _, queries = saved(tmp_path, "SQ4")
    with pytest.raises(SpecError, match=r"SQ4 has no rescoring tier.*Refine"):
        tier_reads(tmp_path, "", same, queries, K)


def test_a_tier_smaller_than_a_page_is_refused(tmp_path):
    """Ten vectors fill no page of their own, and the error says how many bytes they have."""
    _, queries = saved(tmp_path, "SQ4,Refine(SQ8)", n=10)
    with pytest.raises(SpecError, match=f"has {10 * DIM} bytes"):
        tier_reads(tmp_path, "k_factor_rf=1", same, queries, K)


def test_one_query_has_no_spread(tmp_path):
    """Fewer than two queries are an error before anything is opened."""
    with pytest.raises(InputError, match="with 1 queries"):
        tier_reads(tmp_path, "", same, np.zeros((1, DIM), np.float32), K)
