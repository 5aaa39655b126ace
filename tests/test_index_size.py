import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.errors import IndexFormatError
from ragopt.index.build import SharedPca, add_blocks, list_sizes, train_index, with_refine
from ragopt.index.codec_size import FLOAT, code_bytes, opened_table_bytes
from ragopt.index.factory import parse_factory
from ragopt.index.inner import inner_index, upper_levels
from ragopt.index.serialized import checked_bytes, serialized_length
from ragopt.index.size import HEADER, even_lists, index_bytes
from ragopt.records import IndexBytes
from ragopt.sweep.grid import default_grid

N_TRAIN = 320
"""Enough for 8-bit codebooks (256) and IVF256; few enough that the whole grid trains in seconds."""

ROWS = np.random.default_rng(3).normal(size=(1000, 96)).astype(np.float32)
GRID = sorted(
    {(trial.space.dim, trial.factory) for dim in (64, 96) for trial in default_grid("any", dim, 1_000_000)}
)  # fmt: skip
OTHERS = [
    *("SQ6", "SQfp16", "SQbf16", "SQtqmse1", "SQtqmse2", "SQtqmse3", "SQtqmse4"),
    *(f"RaBitQ{bits}" for bits in range(2, 9)),
    *("PQ1x4fs", "PQ3x4fs", "PQ1np", "PQ7x8np"),
    *("RaBitQfs", *(f"RaBitQfs{bits}" for bits in range(2, 9))),
    *("RQ1x8", "RQ3x8", "PRQ1x3x8", "RQ3x4fs", "RQ4x4fs", "PRQ1x3x4fs"),
]
"""What a recipe may ask for beside the default grid, at a dimension that fills no byte."""


def rows_of(dim):
    return np.ascontiguousarray(ROWS[:, :dim])


@pytest.fixture(scope="module")
def pca():
    """One decomposition per dimension."""
    return {dim: SharedPca(rows_of(dim)[:N_TRAIN]) for dim in (16, 64, 96)}


def trained(text, dim, pca=None):
    factory = parse_factory(text, dim)
    return factory, train_index(factory, rows_of(dim)[:N_TRAIN], metric="ip", seed=0, pca=pca)


def assert_written_as_predicted(factory, index):
    predicted = index_bytes(factory, index.ntotal, list_sizes=list_sizes(index), upper_levels=upper_levels(index))
    assert predicted.file_bytes == len(faiss.serialize_index(index)) == serialized_length(index)
    per_vector = predicted.ram_bytes_per_vector + predicted.disk_bytes_per_vector
    # Rounded: the links of a graph are an average over its vectors.
    in_file = predicted.ram_fixed_bytes - opened_table_bytes(factory.codec)
    assert in_file + round(index.ntotal * per_vector) == predicted.file_bytes


@pytest.mark.parametrize("text", ["RQ4x8", "RQ8x4fs", "PCAR16,RQ3x8", "PRQ2x2x8", "PRQ2x4x4fs"])
def test_tables_that_no_file_holds_are_counted(text):
    """Opening a residual quantizer makes tables of its codebooks' products: their bytes are those of the formula."""
    factory, index = trained(text, 32)
    opened = faiss.deserialize_index(faiss.serialize_index(index))
    whole = faiss.downcast_AdditiveQuantizer(inner_index(opened).aq)
    parts = [whole]
    if factory.codec.splits:
        parts = [faiss.downcast_AdditiveQuantizer(whole.subquantizer(part)) for part in range(factory.codec.splits)]
    held = 4 * sum(part.codebook_cross_products.size() for part in parts)
    assert opened_table_bytes(factory.codec) == held > 0


def check_growing(factory, index, rows):
    """Compare formula and file at 0, 1, 33 and all of the rows."""
    for start, stop in ((0, 0), (0, 1), (1, 33), (33, len(rows))):
        if stop > start:
            index.add(rows[start:stop])
        assert_written_as_predicted(factory, index)


@pytest.mark.parametrize(("dim", "text"), GRID, ids=str)
def test_formula_equals_file_for_the_default_grid(dim, text, pca):
    """Every factory of the default grid is written as the formula says, empty, with 1, 33 and 1,000 vectors."""
    factory, index = trained(text, dim, pca.get(dim))
    check_growing(factory, index, rows_of(dim))


@pytest.mark.parametrize("frame", ["{}", "IVF5,{}", "RR14,{}", "PCA14,IVF3,{},Refine(SQ6)", "{},RFlat"])
@pytest.mark.parametrize("codec", OTHERS)
def test_formula_equals_file_for_other_codecs(codec, frame, pca):
    """Codecs outside the grid, odd dimensions and every kind of frame around them are written as predicted."""
    dim = 16 if "14" in frame else 7 if codec == "PQ7x8np" else 15
    text = frame.format(codec)
    if codec == "PQ3x4fs" and dim == 16:
        text = text.replace("PQ3x4fs", "PQ7x4fs")
    factory, index = trained(text, dim, pca.get(dim))
    check_growing(factory, index, rows_of(dim)[:100])


@pytest.mark.parametrize(
    "text", ["OPQ4,SQ8", "OPQ4_8,PQ4x4fs,Refine(Flat)", "OPQ4,PQ4np", "OPQ2_8,PRQ2x2x8", "OPQ4,HNSW8,SQ4"]
)
def test_formula_equals_file_for_opq(text):
    """An OPQ with and without a smaller output is written as predicted."""
    factory, index = trained(text, 16)
    check_growing(factory, index, rows_of(16)[:100])


@pytest.mark.parametrize("frame", ["{}", "IVF4,{}", "PCA14,{},RFlat"])
@pytest.mark.parametrize("codec", ["PRQ2x2x8", "PRQ7x1x8", "PRQ2x3x4fs"])
def test_formula_equals_file_for_split_sums(codec, frame, pca):
    """A product of residual quantizers is written with its codebooks twice, whole and by split."""
    factory, index = trained(frame.format(codec), 16 if "14" in frame else 14, pca.get(16 if "14" in frame else 14))
    check_growing(factory, index, rows_of(factory.dim)[:100])


@pytest.mark.parametrize("codec", ["", ",Flat", "_SQ8", ",SQ4", ",SQ6", ",SQfp16", ",SQtqmse3"])
@pytest.mark.parametrize("links", [2, 3, 10, 32, 100])
def test_formula_equals_file_for_graphs(links, codec, pca):
    """A graph is written as predicted once its levels are known, whatever its links, codes and frame."""
    for frame in ("{}", "PCA8,{},Refine(SQ8)"):
        factory, index = trained(frame.format(f"HNSW{links}{codec}"), 16, pca[16])
        check_growing(factory, index, rows_of(16)[:150])


def test_graph_over_pq_is_written_as_predicted():
    """FAISS has HNSW over PQ for L2 only, with a polysemous-free codebook below."""
    factory = parse_factory("HNSW8,PQ4np", 16)
    index = train_index(factory, rows_of(16)[:N_TRAIN], metric="l2", seed=0)
    check_growing(factory, index, rows_of(16)[:150])


def test_links_by_hand():
    """M = 8: 16 links below and 8 on each of 1/7 upper levels, 4 bytes each, a level and an offset, beside the code."""
    expected = index_bytes(parse_factory("HNSW8,SQ8", 16), 7000)
    assert expected.ram_bytes_per_vector == 16 + 4 + 8 + 4 * (16 + 8 / 7)
    # 9,000 upper levels instead of the 1,000 that 7,000 vectors have on average.
    known = index_bytes(parse_factory("HNSW8,SQ8", 16), 7000, upper_levels=9000)
    assert known.file_bytes - expected.file_bytes == 8000 * 8 * 4
    assert (
        known.ram_fixed_bytes == expected.ram_fixed_bytes == index_bytes(parse_factory("HNSW8,SQ8", 16), 0).file_bytes
    )


def test_real_levels_agree_with_the_expected_ones():
    """20,000 vectors have the upper levels that the formula expects within 5 standard deviations, and one seed."""
    factory, rows = parse_factory("HNSW4,SQ4", 2), np.zeros((20_000, 2), np.float32)
    rows[:, 0] = np.arange(20_000)
    index = train_index(factory, rows, metric="l2", seed=0)
    index.hnsw.prepare_level_tab(20_000)
    levels = faiss.vector_to_array(index.hnsw.levels).astype(np.int64) - 1
    # A geometric count with ratio 1/4 has mean 1/3 and variance (1/4) / (3/4)^2 = 4/9.
    assert abs(levels.sum() - 20_000 / 3) < 5 * (20_000 * 4 / 9) ** 0.5


@pytest.mark.parametrize("codec", ["Flat", "SQ8", "PQ8x4fs", "RaBitQ", "RaBitQ4", "RaBitQfs2", "RQ2x8", "RQ4x4fs"])
@pytest.mark.parametrize("filled", [0, 1, 4, 5, 6, 10])
def test_formula_knows_empty_lists(codec, filled):
    """A table of lists is written sparse up to one half filled, dense above; the formula follows, on real lists."""
    factory, index = trained(f"IVF10,{codec}", 16)
    nearest = faiss.downcast_index(index).quantizer.search(rows_of(16), 1)[1][:, 0]
    lists = np.unique(nearest)[:filled]
    add_blocks(index, [(0, rows_of(16)[np.isin(nearest, lists)])])
    sizes = list_sizes(index)
    assert sum(size > 0 for size in sizes) == filled
    assert_written_as_predicted(factory, index)


def test_code_bytes_by_hand():
    """Known code lengths: float32, SQ, PQ, and the RaBitQ figures of FAISS's own tests."""
    known = [
        ("Flat", 384, 1536),
        ("SQ8", 384, 384),
        ("SQ4", 15, 8),
        ("SQ6", 15, 12),
        ("SQfp16", 384, 768),
        ("PQ96np", 384, 96),
        ("PQ96x4fs", 384, 48),
        ("PQ3x4fs", 15, 2),
        ("RaBitQ", 128, 24),  # 128 / 8 + 8; faiss tests/test_rabitq.py
        ("RaBitQ4", 128, 84),  # 16 + 8 + 3 x 128 / 8 + 12; faiss tests/test_rabitq.py
        ("RaBitQ2", 384, 116),
        ("RaBitQ", 384, 56),
        ("RaBitQfs", 384, 56),
        ("RaBitQfs2", 384, 116),
        ("RQ16x8", 384, 16),
        ("PRQ4x4x8", 384, 16),
        ("RQ32x4fs", 384, 16),
        ("PRQ4x3x4fs", 384, 6),
        ("SQtqmse1", 384, 48),
    ]
    for text, dim, size_bytes in known:
        assert code_bytes(parse_factory(text, dim).codec, dim) == size_bytes, text


def test_split_by_hand():
    """Codes and ids are RAM per vector, the rescoring tier is disk, everything else is fixed."""
    assert index_bytes(parse_factory("Flat", 384), 1000) == IndexBytes(1536.0, 45, 0.0, 1_536_045)
    sizes = index_bytes(parse_factory("PCAR128,IVF16,PQ32np,Refine(SQ8)", 384), 1000)
    assert (sizes.ram_bytes_per_vector, sizes.disk_bytes_per_vector) == (40.0, 384.0)
    # 33 vectors of 8 x 4 bits fill two FastScan blocks of 32: 31 x 4 bytes are padding, hence fixed.
    one_block, two_blocks = (index_bytes(parse_factory("PQ8x4fs", 16), n) for n in (32, 33))
    assert two_blocks.ram_fixed_bytes - one_block.ram_fixed_bytes == 31 * 4
    assert two_blocks.file_bytes - one_block.file_bytes == 32 * 4


def test_even_lists_by_hand():
    """Lists differ by at most one vector and add up."""
    assert even_lists(10, 4) == (3, 3, 2, 2)
    assert even_lists(2, 4) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("base", "tier"),
    [
        ("PCAR8,PQ4x4fs", "SQ8"),
        ("IVF4,RaBitQ4", "Flat"),
        ("PQ4np", "SQfp16"),
        ("RQ2x8", "SQ8"),
        ("RaBitQfs2", "SQfp16"),
    ],
)
def test_joined_parts_have_the_bytes_of_the_whole(base, tier, pca):
    """An IndexRefine put together from two built parts is written as their sum, one header and one float."""
    sizes, parts = [], []
    for text in (base, tier):
        factory, index = trained(text, 16, pca[16])
        index.add(rows_of(16))
        sizes.append(checked_bytes(factory, index))
        parts.append(index)
    joined = with_refine(*parts)
    del parts
    whole = parse_factory(f"{base},Refine({tier})", 16)
    codes, vectors = sizes
    assert checked_bytes(whole, joined) == IndexBytes(
        codes.ram_bytes_per_vector,
        codes.ram_fixed_bytes + vectors.ram_fixed_bytes + HEADER + FLOAT,
        vectors.ram_bytes_per_vector,
        codes.file_bytes + vectors.file_bytes + HEADER + FLOAT,
    )
    assert joined.search(rows_of(16)[:2], 3)[1].shape == (2, 3)


@given(
    text=st.sampled_from(sorted({text for dim, text in GRID if dim == 96})),
    n=st.integers(0, 5000),
    more=st.integers(1, 3000),
)
def test_more_vectors_are_never_fewer_bytes(text, n, more):
    """Adding vectors never shrinks the file, and per-vector bytes do not depend on their number."""
    factory = parse_factory(text, 96)
    fewer, many = index_bytes(factory, n), index_bytes(factory, n + more)
    assert many.file_bytes >= fewer.file_bytes
    assert many.ram_bytes_per_vector == fewer.ram_bytes_per_vector
    assert many.disk_bytes_per_vector == fewer.disk_bytes_per_vector
    assert fewer.ram_fixed_bytes >= 0


def test_a_disagreement_is_an_error():
    """A formula that is not that of the index names both figures instead of billing one of them."""
    _, index = trained("SQ8", 16)
    index.add(rows_of(16)[:10])
    with pytest.raises(IndexFormatError) as caught:
        checked_bytes(parse_factory("SQ4", 16), index)
    written = len(faiss.serialize_index(index))
    assert (
        f"SQ4 with 10 vectors of 16 dimensions is written as {written} bytes, the formula says {written - 80}"
        in str(caught.value)
    )


def test_list_sizes_reach_through_every_wrapper():
    """Lists are found under a transform and a rescoring tier; an index without lists has none."""
    factory, index = trained("PCA8,IVF4,SQ8,Refine(SQ8)", 16)
    index.add(rows_of(16)[:50])
    assert factory.nlist == len(list_sizes(index)) == 4
    assert sum(list_sizes(index)) == 50
    assert list_sizes(trained("PCA8,SQ8", 16)[1]) is None
