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
    rabitq = ["RaBitQ", *(f"RaBitQ{bits}" for bits in range(2, 9))]
    return plain + rabitq + [f"PQ{part}{suffix}" for part in parts for suffix in ("np", "x8np", "x4fs")]


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
    base = transform + lists + draw(st.sampled_from(codecs(dim)))
    rescorers = [f"Refine({codec})" for codec in codecs(DIM) if not codec.endswith("fs") and "RaBitQ" not in codec]
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


@pytest.mark.parametrize(
    ("text", "failed", "help_"),
    [
        ("PQ7np", "96 dimensions do not split into 7 equal parts", "parts 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96."),
        ("PCAR10,PQ4x4fs", "10 dimensions do not split into 4 equal parts", "parts 1, 2, 5, 10."),
        ("SQ8,Refine(PQ7np)", "96 dimensions do not split into 7", "parts 1, 2, 3"),
        ("PQ32", "'PQ32' is not one of the two forms", "Write PQ32np: without np FAISS trains polysemous codes"),
        ("PQ32x4", "'PQ32x4' is not one of the two forms", "PQ32np (8 bits) and PQ32x4fs (4 bits)"),
        ("PQ32x5np", "'PQ32x5np' is not one of the two forms", "PQ32x4fs (4 bits)"),
        ("HNSW32", "'HNSW32' has no byte formula", "PQ<M>np, PQ<M>x4fs, RaBitQ, RaBitQ2-8"),
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
        ("IVF4,PCA8,SQ8", "its parts cannot be read", "[PCA|PCAR|RR|OPQ,][IVF<n>,]codec"),
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


@given(text=st.text(alphabet="PCARQIVFSHflatnpxe0123456789(), _", max_size=16), dim=st.integers(1, 64))
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
