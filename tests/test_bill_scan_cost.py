"""The scan cost model: exact sums from the stored table, and errors for what the table has no figure for."""

import json
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.bill.scan_cost import (
    NS_PER_HOP,
    NS_PER_RESCORED_DIM,
    NS_PER_RESCORED_VECTOR,
    NS_PER_ROTATION_MAC,
    SCAN,
    SHARE_COMPARED,
    scan_cpu_ms,
)
from ragopt.errors import InputError, SpecError
from ragopt.index.codec_size import code_bytes as code_bytes_of
from ragopt.index.factory import parse_factory
from tests.test_index_factory import codecs

RESULTS = Path(__file__).parent.parent / "eval" / "results" / "2026-11-25-scan-cost.json"


def test_the_table_is_the_stored_measurement():
    """Every figure in the code is the one in eval/results, so that nobody edits one without measuring."""
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert {name: (cost.ns_per_query, cost.ns_per_vector, cost.ns_per_byte) for name, cost in SCAN.items()} == {
        name: (row["ns_per_query"], row["ns_per_vector"], row["ns_per_byte"]) for name, row in stored["fit"].items()
    }
    assert stored["fit_refine"] == {"ns_per_vector": NS_PER_RESCORED_VECTOR, "ns_per_dim": NS_PER_RESCORED_DIM}
    assert stored["fit_graph"] == {"share_compared": SHARE_COMPARED, "ns_per_hop": NS_PER_HOP}
    assert statistics.median(row["ns_per_mac"] for row in stored["rotation"]) == NS_PER_ROTATION_MAC


def test_the_table_foretells_searches_it_was_not_fitted_to():
    """IVF and rescored searches of the stored measurement are within a factor of two of the model, both ways."""
    for row in json.loads(RESULTS.read_text(encoding="utf-8"))["checks"]:
        codec = parse_factory(row["factory"], row["dim"])
        code_bytes = code_bytes_of(codec.codec, codec.codec_dim)
        model_ms = scan_cpu_ms(row["factory"], row["dim"], row["search"], row["n_vectors"], code_bytes=code_bytes)
        assert 0.5 < model_ms / (row["min_ns"] / 1e6) < 2, row


def test_the_table_foretells_walks_through_graphs():
    """Walks of the stored measurement are within a factor of two of the model, whatever links, codes and candidates."""
    for row in json.loads(RESULTS.read_text(encoding="utf-8"))["graph"]:
        search = f"efSearch={row['efSearch']}"
        model_ms = scan_cpu_ms(row["factory"], row["dim"], search, row["n_vectors"], code_bytes=row["code_bytes"])
        assert 0.5 < model_ms / (row["min_ns"] / 1e6) < 2, row


@pytest.mark.parametrize("codec", codecs(24))
def test_every_codec_has_a_figure(codec):
    """Whatever the factory reader reads can be billed: a search of twice the vectors costs more."""
    once, twice = (scan_cpu_ms(codec, 24, "", n, code_bytes=8) for n in (10_000, 20_000))
    assert twice > once > 0


def test_a_walk_is_candidates_times_links():
    """A walk of 64 candidates through 32 links: share x 64 x 64 codes of 128 B, each a scanned code and a hop."""
    cost = SCAN["SQ8"]
    n_compared = SHARE_COMPARED * 2 * 32 * 64
    expected_ns = cost.ns_per_query + n_compared * (NS_PER_HOP + cost.ns_per_vector + 128 * cost.ns_per_byte)
    found = scan_cpu_ms("HNSW32,SQ8", 128, "efSearch=64", 10**6, code_bytes=404)
    assert found == pytest.approx(expected_ns / 1e6, rel=1e-12)
    # 16 is FAISS's default; ten times 10 results to rescore need 100 candidates; 1,000 vectors are all there are.
    by_default = scan_cpu_ms("HNSW32,SQ8", 128, "", 10**6, code_bytes=404)
    assert by_default == scan_cpu_ms("HNSW32,SQ8", 128, "efSearch=16", 10**6, code_bytes=404)
    rescored = [scan_cpu_ms("HNSW32,SQ8,RFlat", 128, f"efSearch={ef},k_factor_rf=10", 10**6, code_bytes=1)
                for ef in (5, 100)]  # fmt: skip
    assert rescored[0] == rescored[1]
    few = [scan_cpu_ms("HNSW32,SQ8", 128, f"efSearch={ef}", 1000, code_bytes=1) for ef in (10_000, 20_000)]
    assert few[0] == few[1]


def test_a_flat_scan_is_bytes_times_nanoseconds():
    """A million float32 vectors of 256 d: per-query cost plus 10^6 x (per vector + 1,024 x per byte)."""
    cost = SCAN["Flat"]
    expected_ns = cost.ns_per_query + 10**6 * (cost.ns_per_vector + 1024 * cost.ns_per_byte)
    assert scan_cpu_ms("Flat", 256, "", 10**6, code_bytes=1024) == pytest.approx(expected_ns / 1e6, rel=1e-12)


def test_every_part_of_a_factory_adds_its_cost():
    """Rotation 384 x 128, 1,024 centroids of 512 B, 16/1,024 of 10^6 codes of 32 B, 250 vectors rescored at 384 d."""
    flat, codes = SCAN["Flat"], SCAN["PQx4fs"]
    expected_ns = (
        384 * 128 * NS_PER_ROTATION_MAC
        + flat.ns_per_query + 1024 * (flat.ns_per_vector + 512 * flat.ns_per_byte)
        + codes.ns_per_query + 15_625 * (codes.ns_per_vector + 32 * codes.ns_per_byte)
        + 250 * (NS_PER_RESCORED_VECTOR["PQx4fs"] + 384 * NS_PER_RESCORED_DIM["SQfp16"])
    )  # fmt: skip
    found = scan_cpu_ms(
        "PCAR128,IVF1024,PQ64x4fs,Refine(SQfp16)", 384, "nprobe=16,k_factor_rf=25", 10**6, code_bytes=32
    )
    assert found == pytest.approx(expected_ns / 1e6, rel=1e-12)


def test_depth_grows_with_k_and_stops_at_the_corpus():
    """Rescoring k x k_factor vectors costs the same for 10 x 20 and 20 x 10, and never more than n_vectors."""
    args = ("SQ8,RFlat", 64, "k_factor_rf=20", 10**6)
    assert scan_cpu_ms(*args, code_bytes=64) == scan_cpu_ms(
        "SQ8,Refine(Flat)", 64, "k_factor_rf=10", 10**6, code_bytes=64, k=20
    )
    small = ("SQ8,RFlat", 64, "k_factor_rf=20", 100)
    assert scan_cpu_ms(*small, code_bytes=64) == scan_cpu_ms(
        "SQ8,RFlat", 64, "k_factor_rf=10", 100, code_bytes=64
    )  # 200 asked for, 100 there


@pytest.mark.parametrize(
    ("factory", "search", "part"),
    [
        ("SQ8,Refine(PQ16np)", "", r"Refine\(PQ16np\)"),
        ("SQ8", "efSearch=16", "efSearch=16"),
        ("IVF64,SQ8", "quantizer_nprobe=2", "quantizer_nprobe=2"),
    ],
)
def test_an_unknown_part_is_named(factory, search, part):
    """What the table has no figure for is a SpecError that names it and says to leave it out."""
    with pytest.raises(SpecError, match=f"no figure for '{part}' of .*Leave it out"):
        scan_cpu_ms(factory, 128, search, 1000, code_bytes=16)


@pytest.mark.parametrize(
    "factory", ["IVF1024_HNSW32,PQ16np", "IVF0,SQ8", "PQ16x10", "Refine(SQ8)", "SQ8,SQ8", "PCA64", "", "RaBitQ9"]
)
def test_there_is_one_reader_of_factories(factory):
    """What the index room cannot read is refused here in its own words."""
    with pytest.raises(SpecError) as expected:
        parse_factory(factory, 128)
    with pytest.raises(SpecError) as found:
        scan_cpu_ms(factory, 128, "", 1000, code_bytes=16)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("search", ["nprobe=0", "nprobe=", "nprobe=x", "nprobe=nan", "k_factor_rf=0.5"])
def test_a_search_parameter_without_a_value_is_refused(search):
    """The values of nprobe and k_factor are numbers of at least 1."""
    with pytest.raises(SpecError, match="has no value of 1 or more"):
        scan_cpu_ms("IVF64,SQ8", 128, search, 1000, code_bytes=16)


@pytest.mark.parametrize("changes", [{"n_vectors": 0}, {"dim": 0}, {"code_bytes": -1.0}, {"code_bytes": float("nan")}])
def test_sizes_must_be_above_zero(changes):
    """A size that no index has is an InputError."""
    args = {"dim": 128, "n_vectors": 1000, "code_bytes": 16.0, **changes}
    with pytest.raises(InputError):
        scan_cpu_ms("SQ8", args["dim"], "", args["n_vectors"], code_bytes=args["code_bytes"])


@given(st.sampled_from(sorted(SCAN)), st.integers(1, 10**9), st.integers(1, 10**6), st.floats(1, 4096))
def test_more_vectors_never_cost_less(family, n_vectors, more, code_bytes):
    """Every family's time grows with the vectors."""
    factory = {"PQ": "PQ16np", "PQx4fs": "PQ16x4fs", "RQ": "RQ16x8", "PRQ": "PRQ4x4x8"}.get(family, family)
    before = scan_cpu_ms(factory, 128, "", n_vectors, code_bytes=code_bytes)
    assert scan_cpu_ms(factory, 128, "", n_vectors + more, code_bytes=code_bytes) > before > 0


def test_a_probe_of_every_list_is_a_full_scan_and_its_centroids():
    """An nprobe above nlist counts as nlist."""
    full = scan_cpu_ms("SQ8", 128, "", 1000, code_bytes=128)
    centroids = SCAN["Flat"].ns_per_query + 64 * (SCAN["Flat"].ns_per_vector + 512 * SCAN["Flat"].ns_per_byte)
    found = scan_cpu_ms("IVF64,SQ8", 128, "nprobe=100", 1000, code_bytes=128)
    assert found == pytest.approx(full + centroids / 1e6)
