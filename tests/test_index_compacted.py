"""Putting the alive rows of several indexes together: codes as they were, answers as before, more can be added."""

import itertools

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
from ragopt.index.row_codes import set_codes
from ragopt.index.template import leaves, template_of

DIM, N_ROWS = 16, 300
CUTS = (0, 170, 209, 300)
"""Parts of 170, 39 and 91 rows: none ends where a FastScan block of 32 does."""
FLAT = ["Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", "SQtqmse1", "SQtqmse2", "SQtqmse3", "SQtqmse4", "PQ4np",
        "PQ8x4fs", "PQ1x4fs", "RaBitQ", "RaBitQ2", "RaBitQ4", "RaBitQfs", "RaBitQfs4", "RQ2x8", "RQ4x4fs", "RQ3x4fs",
        "PRQ2x2x8", "PRQ2x2x4fs", "PCAR8,SQ8", "PCA8,RaBitQ", "RR16,RaBitQ", "PCAR8,PQ4x4fs", "OPQ4_8,PQ4np",
        "OPQ4_8,PQ4x4fs", "SQ4,Refine(SQ8)", "PQ8x4fs,Refine(SQfp16)", "PCAR8,PQ4x4fs,Refine(SQ8)", "RaBitQ,RFlat",
        "RaBitQfs,Refine(SQ8)", "PQ4np,Refine(PQ8np)", "RQ2x8,Refine(SQ8)"]  # fmt: skip
LISTS = ["IVF4,Flat", "IVF4,SQ8", "IVF4,SQ4", "IVF4,PQ4np", "IVF4,PQ8x4fs", "IVF4,RaBitQ", "IVF4,RaBitQ4",
         "IVF4,RaBitQfs", "IVF4,RaBitQfs4", "IVF4,RQ2x8", "IVF4,PRQ2x2x8", "IVF4,RQ4x4fs", "IVF4,PRQ2x2x4fs",
         "IVF4,PQ8x4fs,Refine(SQ8)", "IVF4,RaBitQ,RFlat", "PCAR8,IVF4,SQ8", "OPQ4_8,IVF4,PQ4x4fs"]  # fmt: skip
GRAPHS = ["HNSW8", "HNSW8,SQ8", "PCAR8,HNSW8,SQ4", "HNSW8,SQ8,Refine(SQfp16)"]
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


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """These indexes are so small that FAISS's threads mostly wait for one another."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


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
    """The three parts, each with its dead rows; the second as it was built, the others as they are read."""
    built = [filled(trained(text, metric), ROWS[first:last]) for first, last in itertools.pairwise(CUTS)]
    parts = [copy_of(built[0]), built[1], copy_of(built[2])]
    return [(part, DEAD[first:last]) for part, (first, last) in zip(parts, itertools.pairwise(CUTS), strict=True)]


def search_of(text):
    """Parameters with which an index ranks all rows."""
    values = ["nprobe=4"] * ("IVF" in text) + ["efSearch=300"] * ("HNSW" in text)
    return ",".join(values + ["k_factor_rf=300"] * (parse_factory(text, DIM).refine is not None))


def codes_of(leaf):
    """The code of every row as FAISS itself unpacks it, in lists behind the number of the list.

    Decoded rows would not do: FAISS 1.15.1 ends on decoding FastScan codes in lists that it has read.
    """
    if isinstance(leaf, faiss.IndexHNSW):
        return codes_of(faiss.downcast_index(leaf.storage))
    if not isinstance(leaf, faiss.IndexIVF):
        codes = leaf.codes.get() if isinstance(leaf, faiss.IndexFastScan) else leaf.codes.data()
        return unpacked_by_faiss(leaf, codes, leaf.ntotal)
    lists = faiss.downcast_InvertedLists(leaf.invlists)
    rows, codes = [], []
    for number in range(leaf.nlist):
        if n := lists.list_size(number):
            rows.append(faiss.rev_swig_ptr(lists.get_ids(number), n).copy())
            own = unpacked_by_faiss(leaf, lists.get_codes(number), n)
            codes.append(np.insert(own, 0, number, axis=1))
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(leaf.ntotal))
    return np.concatenate(codes)[np.argsort(np.concatenate(rows))]


def unpacked_by_faiss(leaf, codes, n):
    packer = leaf.get_CodePacker()
    if packer.nvec == 1:
        return faiss.rev_swig_ptr(codes, n * leaf.code_size).reshape(n, -1).copy()
    unpacked = np.zeros((n, packer.code_size), np.uint8)
    for row in range(n):
        packer.unpack_1_c(codes, row, faiss.swig_ptr(unpacked[row]))
    return unpacked


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


@pytest.mark.parametrize(("text", "metric"), [*ALL, ("HNSW8,PQ4np", "l2")])
def test_codes_stay_as_they_are(text, metric, trained):
    """Every alive row has its code, and its list, in its new place, bit for bit; dead rows and the parts are gone."""
    parts = parts_of(trained, text, metric)
    of_parts = [[codes_of(leaf)[~dead] for leaf in leaves(index)] for index, dead in parts]
    before = [np.concatenate(codes) for codes in zip(*of_parts, strict=True)]
    assert all(len(np.unique(codes, axis=0)) > 1 for codes in before)
    result = compacted(parts)
    assert result.ntotal == (~DEAD).sum()
    for leaf, theirs in zip(leaves(result), before, strict=True):
        np.testing.assert_array_equal(codes_of(leaf), theirs)
    assert [index.ntotal for index, _ in parts] == [0, 0, 0]


@pytest.mark.parametrize("text", [text for text in FLAT if parse_factory(text, DIM).transform is None])
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


def test_a_graph_keeps_codes_that_encoding_would_not_give_again():
    """Its codes are copied, not made of the decoded vectors: far from zero float32 rounds these into other steps."""
    rows = ROWS / 10 + np.float32(1e5)
    index = filled(train_index(parse_factory("HNSW8,SQ8", DIM), rows, metric="l2", seed=0), rows)
    codec = faiss.downcast_index(inner_index(index).storage)
    codes = np.random.default_rng(5).integers(0, 256, (N_ROWS, DIM), dtype=np.uint8)
    assert (codec.sa_encode(codec.sa_decode(codes)) != codes).any()
    set_codes(codec, codes)
    result = compacted([(index, DEAD)])
    np.testing.assert_array_equal(codes_of(inner_index(result)), codes[~DEAD])


@pytest.mark.parametrize("text", GRAPHS)
def test_what_is_added_to_a_compacted_graph_is_found(text, trained):
    """Each vector that is added finds itself first, numbered behind the rows that were put together."""
    result = filled(compacted(parts_of(trained, text)), MORE)
    exact = filled(trained(text), ROWS[~DEAD], MORE)
    search = search_of(text)
    for index in (result, exact):
        set_search(index, search)
    found = result.search(MORE, 3)
    check_answers(found, allowed_search(exact, MORE, 3, np.ones(exact.ntotal, dtype=bool), search=search))
    assert (found[1] >= (~DEAD).sum()).any()


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
    for mine, theirs in zip(leaves(filled(template, MORE)), leaves(filled(fresh, MORE)), strict=True):
        np.testing.assert_array_equal(codes_of(mine), codes_of(theirs))


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


def test_one_index_given_twice_is_refused(trained):
    """Its first use empties it, so that the second would find other rows than its dead ones are of."""
    index = filled(trained("IVF4,SQ8"), ROWS)
    with pytest.raises(InputError, match="Part 1 is the same index as one before it"):
        compacted([(index, DEAD), (index, DEAD)])
    assert index.ntotal == N_ROWS


def test_no_parts_are_refused():
    """There is no index of no training."""
    with pytest.raises(InputError, match="Nothing to put together"):
        compacted([])


@pytest.mark.parametrize("n_first", [20, 300])
@pytest.mark.parametrize(
    ("first", "second"), [("SQ8", "SQ4"), ("SQ8", "SQ8"), ("PQ8x4fs", "PQ8x4fs"), ("IVF4,SQ8", "IVF4,SQ8"),
                          ("PCAR8,SQ8", "PCAR8,SQ8"), ("IVF4,SQ8", "SQ8"), ("SQ8", "IVF4,SQ8"),
                          ("SQ8", "SQ8,Refine(SQ8)"), ("SQ8,Refine(SQ8)", "SQ8"), ("PCAR16,SQ8", "SQ8"),
                          ("HNSW8,SQ8", "HNSW4,SQ8"),
                          ("HNSW8,SQ8", "SQ8"), ("IVF4,SQ8", "IVF8,SQ8"), ("IVF4,PQ8x4fs", "IVF4,PQ8x4fs")],
)  # fmt: skip
def test_parts_of_another_training_are_refused(first, second, n_first, trained):
    """Codes of another quantizer would decode to other vectors, so that they are never put together."""
    other = train_index(parse_factory(second, DIM), 2 * rows_of(9), metric="ip", seed=1)
    with pytest.raises(IndexFormatError, match="Part 1 of a compaction was not trained together"):
        compacted([(filled(trained(first), ROWS[:n_first]), DEAD[:n_first]), (filled(other, ROWS[:50]), DEAD[:50])])
