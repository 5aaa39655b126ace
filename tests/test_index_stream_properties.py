"""Streamed files, for any number of vectors, shards and lists put together at once."""

import functools
import tempfile
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.index import joined_file
from ragopt.index.build import train_index
from ragopt.index.code_shard import write_shard
from ragopt.index.factory import parse_factory
from ragopt.index.joined_file import write_joined
from ragopt.measure.latency import one_thread

DIM = 8


@pytest.fixture(scope="module", autouse=True)
def single_thread():
    """Threads that wait for each other take most of the time of indexes as small as these."""
    with one_thread():
        yield


@functools.cache
def trained_bytes(text):
    sample = np.random.default_rng(0).normal(size=(400, DIM)).astype(np.float32)
    return faiss.serialize_index(train_index(parse_factory(text, DIM), sample, metric="l2", seed=0))


@settings(max_examples=60, deadline=None)
@given(
    text=st.sampled_from(["SQ6", "PQ4x4fs", "IVF7,SQ4", "IVF7,PQ2x4fs", "IVF7,RaBitQfs"]),
    n=st.integers(1, 300),
    blocks_a_shard=st.integers(1, 5),
    group_bytes=st.integers(1, 4000),
    n_distinct=st.integers(1, 300),
    seed=st.integers(0, 2**16),
)
def test_any_cut_gives_the_bytes_of_faiss(text, n, blocks_a_shard, group_bytes, n_distinct, seed):
    """However rows are cut into shards, lists into groups, and however many vectors are equal: FAISS's own file."""
    rng, trained = np.random.default_rng(seed), trained_bytes(text)
    vectors = rng.normal(size=(n_distinct, DIM)).astype(np.float32)[rng.integers(0, n_distinct, n)]
    blocks = [(first, vectors[first : first + 32]) for first in range(0, n, 32)]
    index = faiss.deserialize_index(trained)
    for _, block in blocks:
        index.add(block)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(joined_file, "GROUP_BYTES", group_bytes)
        folders = []
        for number in range(0, len(blocks), blocks_a_shard):
            folders.append(Path(name) / str(number))
            folders[-1].mkdir()
            write_shard(folders[-1], trained, blocks[number : number + blocks_a_shard], first_row=32 * number)
        with (Path(name) / "joined").open("wb") as out:
            write_joined(out, parse_factory(text, DIM), trained, n, folders)
        assert (Path(name) / "joined").read_bytes() == faiss.serialize_index(index).tobytes()
