"""Putting the alive rows of several indexes together: codes as they were, answers as before, more can be added."""

import faiss
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragopt.errors import IndexFormatError, InputError
from ragopt.index.allowed_search import allowed_search
from ragopt.index.build import add_blocks, set_search, train_index, use_reservoirs
from ragopt.index.compacted import compacted
from ragopt.index.factory import parse_factory
from ragopt.index.inner import inner_index
from ragopt.index.template import leaves, template_of

DIM, N_ROWS = 16, 300
CUTS = (0, 170, 209, 300)
"""Parts of 170, 39 and 91 rows: none ends where a FastScan block of 32 does."""
FLAT = ["Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "SQtqmse2", "PQ4np", "PQ8x4fs", "RaBitQ", "RaBitQ4", "RaBitQfs",
        "RaBitQfs4", "RQ2x8", "RQ4x4fs", "PRQ2x2x8", "PRQ2x2x4fs", "PCAR8,SQ8", "PCAR8,PQ4x4fs", "OPQ4_8,PQ4np",
        "SQ4,Refine(SQ8)", "PQ8x4fs,Refine(SQfp16)", "PCAR8,PQ4x4fs,Refine(SQ8)", "RaBitQ,RFlat",
        "PQ4np,Refine(PQ8np)"]  # fmt: skip
LISTS = ["IVF4,SQ8", "IVF4,PQ8x4fs", "IVF4,RaBitQ", "IVF4,RaBitQ4", "IVF4,RaBitQfs", "IVF4,RaBitQfs4", "IVF4,RQ2x8",
         "IVF4,RQ4x4fs", "IVF4,PQ8x4fs,Refine(SQ8)", "PCAR8,IVF4,SQ8"]  # fmt: skip
GRAPHS = ["HNSW8", "HNSW8,SQ8", "PCAR8,HNSW8,SQ4", "HNSW8,SQ8,Refine(SQfp16)"]
UNREADABLE = ("IVF4,RaBitQfs", "IVF4,RaBitQfs4", "IVF4,RQ4x4fs")
"""Lists that FAISS 1.15.1 does not decode as it encoded, or ends on decoding: only their answers are compared."""
OF_DEPTH = ("RaBitQ4", "RaBitQfs4")
"""Codes whose search depends on how many results it is asked for (`Codec.depends_on_depth`): asked for all, not."""


def rows_of(seed, n=N_ROWS):
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)


ROWS, MORE, QUERIES = rows_of(1), rows_of(2, 45), rows_of(3, 9)
DEAD = np.random.default_rng(4).random(N_ROWS) < 0.3


def copy_of(index):
    copied = faiss.deserialize_index(faiss.serialize_index(index))
    use_reservoirs(copied)
    return copied


@pytest.fixture(scope="module")
def trained():
    """An empty index of each factory, trained once."""
    kept = {}

    def get(text, metric="ip"):
        if (text, metric) not in kept:
            kept[text, metric] = train_index(parse_factory(text, DIM), ROWS, metric=metric, seed=0)
        return copy_of(kept[text, metric])

    return get


def filled(index, *blocks):
    add_blocks(index, ((0, block) for block in blocks))
    return index


def parts_of(trained, text, metric="ip"):
    """The three parts, each with its dead rows."""
    pairs = [(CUTS[number], CUTS[number + 1]) for number in range(3)]
    return [(filled(trained(text, metric), ROWS[first:last]), DEAD[first:last]) for first, last in pairs]


def search_of(text):
    """Parameters with which an index ranks all rows."""
    values = ["nprobe=4"] * ("IVF" in text) + ["efSearch=300"] * ("HNSW" in text)
    return ",".join(values + ["k_factor_rf=300"] * (parse_factory(text, DIM).refine is not None))


def decoded(index):
    """Decoded rows of every leaf, in order."""
    copied = copy_of(index) if "IVF" in type(inner_index(index)).__name__ else index
    for leaf in leaves(copied):
        if isinstance(leaf, faiss.IndexIVF):
            leaf.make_direct_map()
    return [leaf.reconstruct_n(0, leaf.ntotal) for leaf in leaves(copied)]


def merged(parts, text, k):
    """The k best scores over all parts, and their rows counted over the alive ones."""
    scores, rows, n_before = [], [], 0
    for index, dead in parts:
        set_search(index, search_of(text))
        found = allowed_search(index, QUERIES, k, ~dead, search=search_of(text))
        numbers = np.append(np.cumsum(~dead) - 1 + n_before, -1)
        scores.append(found[0])
        rows.append(numbers[found[1]])
        n_before += int((~dead).sum())
    sign = 1 if parts[0][0].metric_type == faiss.METRIC_L2 else -1
    scores, rows = np.concatenate(scores, axis=1), np.concatenate(rows, axis=1)
    order = np.argsort(sign * scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


def check_answers(found, expected):
    """Scores agree, and so do rows wherever no two scores of a query are equal."""
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-5, atol=2e-5)
    for score, mine, theirs in zip(expected[0], found[1], expected[1], strict=True):
        clear = (np.diff(score, append=np.inf) != 0) & (np.diff(score, prepend=np.inf) != 0)
        gaps = np.abs(np.diff(score)) > 1e-4
        clear &= np.append(gaps, False) & np.insert(gaps, 0, True)
        np.testing.assert_array_equal(mine[clear], theirs[clear])


ALL = [(text, "ip") for text in [*FLAT, *LISTS, *GRAPHS]] + [
    (text, "l2") for text in [*FLAT, *LISTS, *GRAPHS][::3] if "RQ" not in text
]


@pytest.mark.parametrize(("text", "metric"), [case for case in ALL if case[0] not in UNREADABLE])
def test_codes_stay_as_they_are(text, metric, trained):
    """Every alive row has its code in its new place: decoded it is what it was, bit for bit; dead rows are gone."""
    parts = parts_of(trained, text, metric)
    before = [np.concatenate(blocks) for blocks in
              zip(*([rows[~dead] for rows in decoded(index)] for index, dead in parts), strict=True)]  # fmt: skip
    result = compacted(parts)
    assert result.ntotal == (~DEAD).sum()
    for mine, theirs in zip(decoded(result), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert [index.ntotal for index, _ in parts] == [0, 0, 0]


@pytest.mark.parametrize("text", [text for text in FLAT if "PCA" not in text and "OPQ" not in text])
def test_bytes_are_those_of_an_index_of_the_alive_rows(text, trained):
    """A compacted index is written as one into which only the alive rows were ever added, also after adding more."""
    result, fresh = compacted(parts_of(trained, text)), filled(trained(text), ROWS[~DEAD])
    assert faiss.IndexFastScan not in type(inner_index(result)).__mro__ or inner_index(result).implem == 13
    # What FAISS leaves in free places of RaBitQ's blocks, its factors, is no part of any code.
    if "RaBitQfs" not in text:
        np.testing.assert_array_equal(faiss.serialize_index(result), faiss.serialize_index(fresh))
    filled(result, MORE)
    filled(fresh, MORE)
    if "RaBitQfs" not in text:
        np.testing.assert_array_equal(faiss.serialize_index(result), faiss.serialize_index(fresh))
    for mine, theirs in zip(result.search(QUERIES, 40), fresh.search(QUERIES, 40), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize(("text", "metric"), [case for case in ALL if "HNSW" not in case[0]])
def test_answers_are_those_of_the_parts(text, metric, more, trained):
    """Rows and scores are those of the parts merged by score; adding later gives what adding before would have."""
    parts = parts_of(trained, text, metric)
    added = [(filled(trained(text, metric), MORE), np.zeros(len(MORE), dtype=bool))] * more
    k = sum(int((~dead).sum()) for _, dead in parts + added) if any(codec in text for codec in OF_DEPTH) else 25
    expected = merged(parts + added, text, k)
    result = compacted(parts)
    if more:
        filled(result, MORE)
    set_search(result, search_of(text))
    check_answers(result.search(QUERIES, k), expected)


@pytest.mark.parametrize("text", GRAPHS)
def test_a_compacted_graph_finds_what_its_codes_rank_first(text, trained):
    """A walk finds the exhaustive ranking of the same codes no worse than the graph built of the same rows at once."""
    result, fresh = compacted(parts_of(trained, text)), filled(trained(text), ROWS[~DEAD])
    shares = []
    for index in (result, fresh):
        exact = allowed_search(index, QUERIES, 10, np.arange(index.ntotal) > 0, search="efSearch=300")[1]
        set_search(index, "efSearch=60" + ",k_factor_rf=4" * ("Refine" in text))
        found = index.search(QUERIES, 10)[1]
        shares.append(np.mean([np.isin(one, two).mean() for one, two in zip(exact, found, strict=True)]))
    assert shares[0] >= shares[1] - 0.05


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_and_any_dead_rows(data, trained):
    """Whatever is dead in however many parts, empty ones too, the result is an index of what is left."""
    text = data.draw(st.sampled_from(["SQ8", "PQ8x4fs", "RaBitQfs", "IVF4,PQ8x4fs", "IVF4,SQ8", "PQ8x4fs,Refine(SQ8)"]))
    cuts = sorted(data.draw(st.lists(st.integers(0, N_ROWS), max_size=4)))
    share = data.draw(st.sampled_from([0, 0.02, 0.5, 0.97, 1]))
    dead = np.random.default_rng(data.draw(st.integers(0, 99))).random(N_ROWS) < share
    pairs = list(zip([0, *cuts], [*cuts, N_ROWS], strict=True))
    result = compacted([(filled(trained(text), ROWS[first:last]), dead[first:last]) for first, last in pairs])
    filled(result, MORE)
    fresh = filled(trained(text), ROWS[~dead], MORE)
    for index in (result, fresh):
        set_search(index, search_of(text))
    check_answers(result.search(QUERIES, 30), fresh.search(QUERIES, 30))


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("text", [*FLAT, *LISTS, *GRAPHS])
def test_a_template_gives_the_same_codes(text, mapped, trained, tmp_path):
    """An empty copy, also of a mapped index, encodes as the index does, and leaves the index as it is."""
    index = filled(trained(text), ROWS)
    if mapped:
        faiss.write_index(index, str(tmp_path / "index"))
        index = faiss.read_index(str(tmp_path / "index"), faiss.IO_FLAG_MMAP_IFC)
    set_search(index, search_of(text))
    before = faiss.serialize_index(index)
    template = template_of(index)
    np.testing.assert_array_equal(before, faiss.serialize_index(index))
    assert template.ntotal == 0
    fresh = trained(text)
    set_search(fresh, search_of(text))
    if "HNSW" not in text:  # the levels of a graph are drawn from another seed
        np.testing.assert_array_equal(faiss.serialize_index(template), faiss.serialize_index(fresh))
        filled(template, MORE)
        np.testing.assert_array_equal(faiss.serialize_index(template), faiss.serialize_index(filled(fresh, MORE)))
        return
    for mine, theirs in zip(decoded(filled(template, MORE)), decoded(filled(fresh, MORE)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("text", ["Flat", "SQ8", "IVF4,SQ8", "HNSW8", "PCAR8,SQ8", "PQ8x4fs,Refine(SQ8)"])
def test_a_mapped_part_is_refused(text, trained, tmp_path):
    """FAISS would end the process on changing a mapped index; here it is an error, and nothing was changed."""
    faiss.write_index(filled(trained(text), ROWS), str(tmp_path / "index"))
    index = faiss.read_index(str(tmp_path / "index"), faiss.IO_FLAG_MMAP_IFC)
    with pytest.raises(InputError, match="Part 0 is memory-mapped"):
        compacted([(index, DEAD)])
    assert index.ntotal == N_ROWS


@pytest.mark.parametrize(
    ("dead", "words"),
    [(DEAD[:5], r"shape \(5,\) of part 0. Allowed: bool \(300,\)"), (DEAD.astype(int), "dead rows of type int64")],
)
def test_dead_rows_that_do_not_fit_are_refused(dead, words, trained):
    """Dead rows of another length or type name no rows of this part."""
    with pytest.raises(InputError, match=words):
        compacted([(filled(trained("SQ8"), ROWS), dead)])


def test_no_parts_are_refused():
    """There is no index of no training."""
    with pytest.raises(InputError, match="Nothing to put together"):
        compacted([])


@pytest.mark.parametrize(
    ("first", "second"), [("SQ8", "SQ4"), ("SQ8", "SQ8"), ("PQ8x4fs", "PQ8x4fs"), ("IVF4,SQ8", "IVF4,SQ8"),
                          ("PCAR8,SQ8", "PCAR8,SQ8"), ("IVF4,SQ8", "SQ8"), ("SQ8", "SQ8,Refine(SQ8)")],
)  # fmt: skip
def test_parts_of_another_training_are_refused(first, second, trained):
    """Codes of another quantizer would decode to other vectors, so that they are never put together."""
    other = train_index(parse_factory(second, DIM), 2 * rows_of(9), metric="ip", seed=1)
    with pytest.raises(IndexFormatError, match="Part 1 of a compaction was not trained together"):
        compacted([(filled(trained(first), ROWS), DEAD), (filled(other, ROWS[:50]), DEAD[:50])])
