import faiss
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.errors import SpecError
from ragopt.index.factory import Codec, Transform, parse_factory
from ragopt.sweep.grid import default_grid

DIM = 24
PARTS = (1, 2, 3, 4, 6, 8, 12, 24)


def codecs(dim):
    """Every codec that parses in `dim` dimensions."""
    parts = [part for part in PARTS if dim % part == 0]
    plain = ["Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", *(f"SQtqmse{bits}" for bits in range(1, 5))]
    rabitq = [f"RaBitQ{form}{bits}" for form in ("", "fs") for bits in ("", *range(2, 9))]
    sums = [f"RQ{number}x{bits}" for number in (1, 5) for bits in ("8", "4fs")]
    sums += [f"PRQ{part}x3x{bits}" for part in parts for bits in ("8", "4fs")]
    return plain + rabitq + sums + [f"PQ{part}{suffix}" for part in parts for suffix in ("np", "x8np", "x4fs")]


def rescoring(dim):
    """Every codec that may rescore in `dim` dimensions: Flat, SQ and 8-bit PQ."""
    return [codec for codec in codecs(dim) if codec.startswith(("Flat", "SQ", "PQ")) and not codec.endswith("fs")]


@st.composite
def factories(draw):
    """A factory string for DIM dimensions with its base and rescoring parts."""
    transform, dim = draw(
        st.one_of(
            st.just(("", DIM)),
            st.builds(lambda kind, out: (f"{kind}{out},", out), st.sampled_from(["PCA", "PCAR", "RR"]),
                      st.integers(1, DIM)),
            st.just(("OPQ4,", DIM)),
            st.just(("OPQ4_12,", 12)),
        )
    )  # fmt: skip
    lists = draw(st.one_of(st.just(""), st.builds(lambda nlist: f"IVF{nlist},", st.integers(1, 9999))))
    graphs = [
        "HNSW8",
        *(f"HNSW{links}{comma}{codec}" for links in (2, 32) for comma in ",_" for codec in rescoring(dim)),
    ]
    base = transform + draw(
        st.one_of(st.builds(str.__add__, st.just(lists), st.sampled_from(codecs(dim))), st.sampled_from(graphs))
    )
    rescorers = [f"Refine({codec})" for codec in rescoring(DIM)]
    refine = draw(st.one_of(st.just(""), st.just("RFlat"), st.sampled_from(rescorers)))
    return base, refine


@given(parts=factories())
def test_printed_form_is_parsed_form(parts):
    """Any string of the grammar prints as it was written and splits into codes and rescoring tier."""
    base, refine = parts
    text = f"{base},{refine}" if refine else base
    factory = parse_factory(text, DIM)
    assert str(factory) == text
    assert factory.base_text == base
    assert factory.refine_text == ("Flat" if refine == "RFlat" else refine.removeprefix("Refine(").removesuffix(")"))
    assert parse_factory(factory.base_text, DIM).refine is None


@pytest.mark.parametrize("dim", [16, 60, 64, 96, 100, 256, 384, 768, 1024, 1536])
def test_default_grid_parses(dim):
    """Every factory of the default grid can be read for its space, IVF included, and prints as it was written."""
    trials = default_grid("any", dim, 1_000_000)
    assert any("IVF" in trial.factory for trial in trials)
    for trial in trials:
        assert str(parse_factory(trial.factory, trial.space.dim)) == trial.factory


def test_parts_by_hand():
    """Each part lands where it belongs, with its own dimension and bits."""
    factory = parse_factory("PCAR128,IVF256,PQ32x4fs,Refine(SQ8)", 384)
    assert (factory.dim, factory.codec_dim, factory.nlist) == (384, 128, 256)
    assert factory.transform == Transform("PCAR", 128)
    assert factory.codec == Codec("PQ32x4fs", "PQfs", 32, 4)
    assert factory.refine == Codec("SQ8", "SQ", 0, 8)
    assert parse_factory("OPQ8_64,PQ8np", 96).transform == Transform("OPQ", 64, 8)
    assert parse_factory("RaBitQ", 96).codec == Codec("RaBitQ", "RaBitQ", 0, 1)
    assert parse_factory("SQtqmse3", 96).codec.bits == 3
    assert parse_factory("RaBitQfs4", 96).codec == Codec("RaBitQfs4", "RaBitQfs", 0, 4)
    assert parse_factory("RQ5x8", 96).codec == Codec("RQ5x8", "RQ", 5, 8)
    assert parse_factory("RQ16x4fs", 96).codec == Codec("RQ16x4fs", "RQfs", 16, 4)
    assert parse_factory("PRQ4x3x8", 96).codec == Codec("PRQ4x3x8", "PRQ", 12, 8, splits=4)
    assert parse_factory("PRQ2x8x4fs", 96).codec == Codec("PRQ2x8x4fs", "PRQfs", 16, 4, splits=2)


@pytest.mark.parametrize(
    ("text", "links", "codec"),
    [("HNSW32", 32, "Flat"), ("HNSW32,Flat", 32, "Flat"), ("HNSW16_SQ4", 16, "SQ4"), ("HNSW8,PQ8np", 8, "PQ8np"),
     ("SQ8", 0, "SQ8"), ("IVF16,SQ8", 0, "SQ8")],
)  # fmt: skip
def test_a_graph_lies_over_a_codec(text, links, codec):
    """A comma, an underscore or nothing after HNSW<M> give a graph of M links over that codec, or over Flat."""
    factory = parse_factory(f"PCAR64,{text},Refine(SQ8)", 96)
    assert (factory.links, factory.is_graph, factory.codec.text) == (links, links > 0, codec)
    assert (factory.base_text, factory.codec_dim) == (f"PCAR64,{text}", 64)


@pytest.mark.parametrize("text", codecs(DIM))
def test_only_fastscan_cannot_score_one_vector(text):
    """Whether a codec scores single vectors is what plain FAISS's class of index says."""
    codec = parse_factory(text, DIM).codec
    index = faiss.index_factory(DIM, text, faiss.METRIC_INNER_PRODUCT)
    assert codec.scores_single is not isinstance(faiss.downcast_index(index), faiss.IndexFastScan)


@pytest.mark.parametrize(
    ("text", "failed", "help_"),
    [
        ("PQ7np", "96 dimensions do not split into 7 equal parts", "parts 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96."),
        ("PCAR10,PQ4x4fs", "10 dimensions do not split into 4 equal parts", "parts 1, 2, 5, 10."),
        ("SQ8,Refine(PQ7np)", "96 dimensions do not split into 7", "parts 1, 2, 3"),
        ("PQ32", "'PQ32' is not one of the two forms", "Write PQ32np: without np FAISS trains polysemous codes"),
        ("PQ32x4", "'PQ32x4' is not one of the two forms", "PQ32np (8 bits) and PQ32x4fs (4 bits)"),
        ("PQ32x5np", "'PQ32x5np' is not one of the two forms", "PQ32x4fs (4 bits)"),
        ("NSG32", "'NSG32' has no byte formula", "PQ<M>np, PQ<M>x4fs, RaBitQ, RaBitQ2-8"),
        ("LSQ8x8", "'LSQ8x8' has no byte formula", "Use one of these codecs"),
        ("LSH", "'LSH' has no byte formula", "Use one of these codecs"),
        ("HNSW", "'HNSW' has no byte formula", "Use one of these codecs"),
        ("HNSW1", "HNSW cannot keep 1 links per vector", "2 to 1024. Write HNSW32"),
        ("HNSW32,RaBitQ", "FAISS has no HNSW graph over RaBitQ", "Write HNSW32,SQ8"),
        ("HNSW32_RQ4x8", "FAISS has no HNSW graph over RQ4x8", "HNSW<M>,PQ<M>np for l2 vectors"),
        ("HNSW32,", "'' has no byte formula", "Use one of these codecs"),
        ("HNSW32,IVF4,SQ8", "its parts cannot be read", "[IVF<n>,|HNSW<M>,]codec"),
        ("IVF4,HNSW32", "'HNSW32' has no byte formula", "Use one of these codecs"),
        ("RQ8", "'RQ8' has no byte formula", "RQ<M>x8, RQ<M>x4fs, PRQ<n>x<M>x8, PRQ<n>x<M>x4fs"),
        ("RQ0x8", "'RQ0x8' has no byte formula", "Use one of these codecs"),
        ("RQ2x4x8", "'RQ2x4x8' has no byte formula", "Use one of these codecs"),
        ("PRQ2x8", "'PRQ2x8' has no byte formula", "Use one of these codecs"),
        ("RQ8x6", "'RQ8x6' is not one of the two forms", "RQ8x8 (8 bits) and RQ8x4fs (4 bits). Write RQ8x8"),
        ("PRQ2x4x8fs", "'PRQ2x4x8fs' is not one of the two forms", "PRQ2x4x8 (8 bits) and PRQ2x4x4fs (4 bits)"),
        ("PRQ7x2x8", "96 dimensions do not split into 7 equal parts", "Write PRQ with one of these numbers of parts"),
        ("SQ8,Refine(RQ8x8)", "FAISS cannot rescore with RQ8x8", "Write Refine(SQ8)"),
        ("SQ8,Refine(HNSW32)", "'HNSW32' has no byte formula", "Use one of these codecs"),
        ("PQ0np", "'PQ0np' has no byte formula", "Use one of these codecs"),
        ("PQ٤np", "'PQ٤np' has no byte formula", "Use one of these codecs"),
        ("RaBitQ9", "'RaBitQ9' has no byte formula", "RaBitQ2-8"),
        ("", "'' has no byte formula", "Use one of these codecs"),
        ("PCA97,SQ8", "PCA cannot map 96 dimensions to 97", "1 to 96"),
        ("PCAR0,SQ8", "PCAR cannot map 96 dimensions to 0", "1 to 96"),
        ("PCA8_4,SQ8", "PCA cannot map 96 dimensions to 8", "Write PCA<output dimension>"),
        ("RR128,SQ8", "RR cannot map 96 dimensions to 128", "1 to 96"),
        ("OPQ7,SQ8", "OPQ cannot map 96 dimensions to 96 in 7 parts", "an output of at most 96 that 7 divides"),
        ("OPQ8_104,SQ8", "OPQ cannot map 96 dimensions to 104 in 8 parts", "Write OPQ<parts>_<output dimension>"),
        ("IVF0,SQ8", "its parts cannot be read", "Write it like PCAR128,PQ32np,Refine(SQ8)"),
        ("IVF4,PCA8,SQ8", "its parts cannot be read", "[PCA|PCAR|RR|OPQ,][IVF<n>,|HNSW<M>,]codec"),
        ("SQ8,SQ8", "its parts cannot be read", "codec one of Flat, SQ8"),
        ("SQ8,Refine(SQ8", "its parts cannot be read", "[,Refine(codec)]"),
        ("SQ8,Refine(SQ8),RFlat", "its parts cannot be read", "[,Refine(codec)]"),
        ("Flat,", "its parts cannot be read", "codec one of"),
        ("rubbish", "'rubbish' has no byte formula", "Use one of these codecs"),
        ("PCAR8, PQ4np", "FAISS reads no spaces", "Write 'PCAR8,PQ4np'"),
        ("SQ8,Refine(RaBitQ4)", "FAISS cannot rescore with RaBitQ4", "Write Refine(SQ8)"),
        ("SQ8,Refine(PQ8x4fs)", "FAISS cannot rescore with PQ8x4fs", "Write Refine(SQ8), or Refine(PQ8np)"),
    ],
)
def test_says_what_cannot_be_read(text, failed, help_):
    """Each unreadable string is named with what failed, what is allowed and what to write."""
    with pytest.raises(SpecError) as caught:
        parse_factory(text, 96)
    message = str(caught.value)
    assert message.startswith(f"Cannot use the factory {text!r}: {failed}")
    assert help_ in message


@given(text=st.text(alphabet="PCARQIVFSHNWLflatnpxe0123456789(), _", max_size=16), dim=st.integers(1, 64))
def test_rubbish_is_a_spec_error(text, dim):
    """No string, however odd, ends in anything but a factory or a SpecError."""
    try:
        factory = parse_factory(text, dim)
    except SpecError:
        return
    assert str(factory) == text


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Flat", 1),
        ("SQ8,Refine(SQ4)", 1),
        ("RaBitQ4", 1),
        ("RR8,SQ8", 1),
        ("PQ4x4fs", 16),
        ("HNSW32,SQ8", 1),
        ("HNSW32,PQ4np", 256),
        ("RaBitQfs4", 1),
        ("RQ4x8", 256),
        ("PRQ2x2x4fs", 16),
        ("RQ4x8,Refine(SQ8)", 256),
        ("IVF30,PQ4x4fs", 30),
        ("PQ4np", 256),
        ("SQ8,Refine(PQ4np)", 256),
        ("IVF1000,PQ4np", 1000),
        ("PCA8,SQ8", 96),
        ("PCAR96,PQ4np", 256),
        ("OPQ4_8,SQ8", 256),
    ],
)
def test_fewest_training_rows(text, rows):
    """One row per centroid (16 or 256), per list, per input dimension of a PCA; 256 for OPQ's own codebook."""
    assert parse_factory(text, 96).min_train_rows == rows
