"""CPU time of a search from a table instead of a clock, so that two runs agree to the byte (`--cost-model scan`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.errors import InputError, SpecError
from ragopt.index import codec_size
from ragopt.index.factory import parse_factory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.index.codec import Codec
    from ragopt.index.factory import Factory


@dataclass(frozen=True, slots=True)
class ScanCost:
    """Nanoseconds of one thread: ns = ns_per_query + n_scanned x (ns_per_vector + ns_per_byte x code_bytes)."""

    ns_per_query: float
    ns_per_vector: float
    ns_per_byte: float


# Every figure below: eval/scan_cost.py, stored in eval/results/2026-11-25-scan-cost.json (`fit`, `fit_refine`,
# `fit_graph`, `rotation`): faiss 1.15.1 with AVX2, one thread, one query per call, inner product, k = 10; the tests
# compare them. `measured` in that file tells which rows were measured when.
SCAN = {
    "Flat": ScanCost(0.0, 0.4768, 0.0303),
    "SQ8": ScanCost(5100.3, 0.453, 0.09169),
    "SQ6": ScanCost(4223.5, 1.3586, 0.21592),
    "SQ4": ScanCost(4858.0, 1.4796, 0.30694),
    "SQfp16": ScanCost(0.0, 0.0, 0.03589),
    "SQbf16": ScanCost(0.0, 0.0, 0.03839),
    "SQtqmse1": ScanCost(27075.3, 3.1679, 2.99596),
    "SQtqmse2": ScanCost(11641.5, 1.2431, 1.52609),
    "SQtqmse3": ScanCost(11596.3, 0.0, 1.05881),
    "SQtqmse4": ScanCost(26331.0, 2.6385, 0.76517),
    "PQ": ScanCost(6639.7, 1.3041, 0.27344),
    "PQx4fs": ScanCost(5286.8, 0.0506, 0.03715),
    "RQ": ScanCost(100369.6, 1.1854, 1.3302),
    "PRQ": ScanCost(29105.0, 2.5153, 1.05654),
    "RaBitQ": ScanCost(4410.4, 2.9004, 0.17316),
    "RaBitQ2": ScanCost(38035.7, 3.307, 0.12456),
    "RaBitQ3": ScanCost(116766.0, 0.9274, 0.24529),
    "RaBitQ4": ScanCost(145948.7, 2.2049, 0.18127),
    "RaBitQ5": ScanCost(126620.3, 3.2233, 0.15735),
    "RaBitQ6": ScanCost(127884.9, 4.0925, 0.13155),
    "RaBitQ7": ScanCost(135044.7, 4.2072, 0.10848),
    "RaBitQ8": ScanCost(114270.1, 3.9142, 0.10077),
    "RaBitQfs": ScanCost(7424.5, 1.022, 0.05303),
    "RaBitQfs2": ScanCost(35833.1, 2.0203, 0.08974),
    "RaBitQfs3": ScanCost(137870.1, 0.6054, 0.21279),
    "RaBitQfs4": ScanCost(120237.4, 0.0, 0.21085),
    "RaBitQfs5": ScanCost(128343.5, 1.4116, 0.15033),
    "RaBitQfs6": ScanCost(121147.3, 0.345, 0.14735),
    "RaBitQfs7": ScanCost(117938.4, 1.3032, 0.11671),
    "RaBitQfs8": ScanCost(93379.1, 0.0, 0.1269),
}

NS_PER_RESCORED_VECTOR = {"PQx4fs": 200.8, "other": 497.3}
"""By how the first search keeps its candidates: FastScan in a reservoir, every other codec in a heap."""

NS_PER_RESCORED_DIM = {
    "Flat": 0.267,
    "SQ8": 0.386,
    "SQfp16": 0.221,
    "SQ4": 0.409,
    "SQ6": 0.527,
    "SQbf16": 0.275,
    "SQtqmse1": 0.551,
    "SQtqmse2": 0.581,
    "SQtqmse3": 0.649,
    "SQtqmse4": 0.761,
}
"""Per rescored vector and dimension of the rescoring tier."""

NS_PER_ROTATION_MAC = 0.0762
"""Per multiply-add of rotating the query; the middle one of the three sizes measured."""

SHARE_COMPARED = 0.837
"""Of the 2 x links x efSearch neighbours that a walk through a graph could meet, those that it compares."""

NS_PER_HOP = 26.7
"""What comparing a code in a graph costs beyond a scanned one: it lies anywhere in memory."""

EF_SEARCH = 16
"""FAISS's default, as ragopt/index/search_parameters.py sets it."""

_SEARCH_KEYS = ("nprobe", "k_factor", "k_factor_rf")


def scan_cpu_ms(factory: str, dim: int, search: str, n_vectors: int, *, code_bytes: float, k: int = 10) -> float:
    """CPU milliseconds per query on one thread, from the table; the same on every machine.

    The sum of: rotations (d_in x d_out), the centroids of an IVF index (scanned as Flat vectors), the share
    nprobe / nlist of the codes, and k x k_factor rescored vectors. A graph compares a share of the 2 x links x efSearch
    neighbours that it could meet, and no more codes than there are.

    Args:
        factory: FAISS factory string.
        dim: dimension of the vectors that the factory takes in.
        search: FAISS ParameterSpace string: nprobe, k_factor_rf or k_factor, 1 where not given; efSearch of a graph,
            16 where not given.
        n_vectors: vectors in the index.
        code_bytes: bytes of one vector's code in RAM; for a graph, where these hold its links too, the factory's own
            code length is taken.
        k: neighbours asked for.

    Raises:
        SpecError: a factory that cannot be read, or a part that the table has no figure for.
        InputError: a dimension, count or size that is not above 0.
    """
    for name, value in {"dim": dim, "n_vectors": n_vectors, "code_bytes": code_bytes, "k": k}.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value}", allowed="above 0", next_step="Give the index's own figure")
    parsed = parse_factory(factory, dim)
    settings = _settings_of(search, parsed)
    depth = min(k * settings.get("k_factor_rf", settings.get("k_factor", 1.0)), n_vectors)
    nanoseconds = _first_search_ns(parsed, settings, n_vectors, code_bytes, depth)
    if parsed.transform:
        nanoseconds += dim * parsed.codec_dim * NS_PER_ROTATION_MAC
    if parsed.refine:
        # Reservoirs are those of the PQ and additive forms: RaBitQ's FastScan keeps a heap.
        base = "PQx4fs" if parsed.codec.is_fast_scan and parsed.codec.family != "RaBitQfs" else "other"
        nanoseconds += depth * (NS_PER_RESCORED_VECTOR[base] + dim * NS_PER_RESCORED_DIM[_refine_name(parsed)])
    return nanoseconds / 1e6


def _first_search_ns(
    parsed: Factory, settings: Mapping[str, float], n_vectors: int, code_bytes: float, depth: float
) -> float:
    name = _scan_name(parsed.codec)
    if parsed.is_graph:
        # A walk keeps as many candidates as it must return, however small efSearch is (IndexHNSW::search).
        candidates = max(settings.get("efSearch", EF_SEARCH), depth)
        n_compared = min(SHARE_COMPARED * 2 * parsed.links * candidates, n_vectors)
        return n_compared * NS_PER_HOP + _scan_ns(
            name, n_compared, codec_size.code_bytes(parsed.codec, parsed.codec_dim)
        )
    if parsed.nlist:
        centroids = _scan_ns("Flat", parsed.nlist, 4.0 * parsed.codec_dim)
        n_scanned = n_vectors * min(settings.get("nprobe", 1.0), parsed.nlist) / parsed.nlist
        return centroids + _scan_ns(name, n_scanned, code_bytes)
    return _scan_ns(name, n_vectors, code_bytes)


def _scan_ns(family: str, n_scanned: float, code_bytes: float) -> float:
    cost = SCAN[family]
    return cost.ns_per_query + n_scanned * (cost.ns_per_vector + cost.ns_per_byte * code_bytes)


def _scan_name(codec: Codec) -> str:
    """The table's row of a codec. FAISS scans every 4-bit FastScan code with the same lines of code."""
    if codec.family in ("RaBitQ", "RaBitQfs"):
        return codec.family + (str(codec.bits) if codec.bits > 1 else "")
    if codec.family in ("Flat", "SQ"):
        return codec.text
    return "PQx4fs" if codec.is_fast_scan else codec.family


def _refine_name(parsed: Factory) -> str:
    if parsed.refine_text not in NS_PER_RESCORED_DIM:
        raise _unknown(f"Refine({parsed.refine_text})", parsed)
    return parsed.refine_text


def _settings_of(search: str, parsed: Factory) -> dict[str, float]:
    known = (*_SEARCH_KEYS, "efSearch") if parsed.is_graph else _SEARCH_KEYS
    settings = {}
    for text in filter(None, (part.strip() for part in search.split(","))):
        key, _, value = text.partition("=")
        if key.strip() not in known:
            raise _unknown(text, parsed)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 1):
            raise SpecError(f"The search parameter {text!r} has no value of 1 or more", next_step="Write nprobe=16")
        settings[key.strip()] = number
    return settings


def _unknown(part: str, parsed: Factory) -> SpecError:
    return SpecError(
        f"The scan cost table has no figure for {part!r} of {parsed.text!r}",
        allowed=f"Refine of {', '.join(NS_PER_RESCORED_DIM)}; nprobe, k_factor_rf and k_factor; efSearch for HNSW",
        next_step="Leave it out of the grid, or write another part",
    )
