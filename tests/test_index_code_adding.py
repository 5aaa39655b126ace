import itertools

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.index.build import add_blocks, train_index
from ragopt.index.code_adding import add_codes
from ragopt.index.factory import parse_factory
from ragopt.index.inner import inner_index
from ragopt.index.template import template_of

N, DIM = 300, 20
TEXTS = ("PQ5np", "PQ5x4fs", "PQ4x4fs", "IVF7,PQ5np", "IVF7,PQ5x4fs", "IVF7,PQ4x4fs", "IVF1,PQ5np")

_trained = {}


def trained(text):
    """One trained, empty index of a kind, with rows to add."""
    if text not in _trained:
        rows = np.random.default_rng(1).normal(size=(N, DIM)).astype(np.float32)
        _trained[text] = train_index(parse_factory(text, DIM), rows, metric="l2", seed=0), rows
    return _trained[text]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_added_codes_give_the_file_of_added_vectors(data):
    """Codes that FAISS made, added in pieces of any size, give to the last byte the file of an index of the vectors."""
    index, rows = trained(data.draw(st.sampled_from(TEXTS)))
    n = data.draw(st.integers(0, N))
    edges = sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=4))})
    whole, pieces = template_of(index), template_of(index)
    add_blocks(whole, [(0, rows[:n])])
    for start, stop in itertools.pairwise(edges):
        codes, lists = index.sa_encode(rows[start:stop]), None
        if isinstance(index, faiss.IndexIVF):
            lists = index.quantizer.search(rows[start:stop], 1)[1][:, 0]
            codes = codes[:, index.coarse_code_size() :]
        add_codes(pieces, codes, lists)
    assert inner_index(pieces).ntotal == n
    assert faiss.serialize_index(pieces).tobytes() == faiss.serialize_index(whole).tobytes()


def test_codes_for_lists_need_their_lists():
    """An index with lists refuses codes without them."""
    index, rows = trained("IVF7,PQ5np")
    with pytest.raises(ValueError, match="needs the list of each code"):
        add_codes(template_of(index), index.sa_encode(rows[:3])[:, 1:])
