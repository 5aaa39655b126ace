"""CPU time of a search from a table instead of a clock, so that two runs agree to the byte (`--cost-model scan`)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ragopt.errors import InputError, SpecError


@dataclass(frozen=True, slots=True)
class ScanCost:
    """Nanoseconds of one thread: ns = ns_per_query + n_scanned x (ns_per_vector + ns_per_byte x code_bytes)."""

    ns_per_query: float
    ns_per_vector: float
    ns_per_byte: float


# Every figure below: eval/scan_cost.py, stored in eval/results/2026-11-23-scan-cost.json (`fit`, `fit_refine`,
# `rotation`): faiss 1.15.1 with AVX2, one thread, one query per call, inner product, k = 10; the tests compare them.
SCAN = {
    "Flat": ScanCost(0.0, 0.0, 0.0604),
    "SQ8": ScanCost(9740.4, 0.9944, 0.17986),
    "SQ4": ScanCost(0.0, 10.0157, 0.64692),
    "SQfp16": ScanCost(0.0, 0.4486, 0.08641),
    "PQ": ScanCost(22070.4, 1.7655, 0.59114),
    "PQx4fs": ScanCost(9411.9, 0.4276, 0.06456),
    "RaBitQ": ScanCost(7149.6, 6.4831, 0.27235),
    "RaBitQ2": ScanCost(41077.3, 5.6039, 0.21853),
    "RaBitQ4": ScanCost(210882.8, 6.2698, 0.35987),
}

NS_PER_RESCORED_VECTOR = {"PQx4fs": 246.4, "other": 486.3}
"""By how the first search keeps its candidates: FastScan in a reservoir, every other codec in a heap."""

NS_PER_RESCORED_DIM = {"Flat": 0.457, "SQ8": 0.813, "SQfp16": 0.754, "SQ4": 0.805}
"""Per rescored vector and dimension of the rescoring tier."""

NS_PER_ROTATION_MAC = 0.1304
"""Per multiply-add of rotating the query; the middle one of the three sizes measured."""

_CODECS = (
    (re.compile(r"Flat"), "Flat"),
    (re.compile(r"SQ8"), "SQ8"),
    (re.compile(r"SQ4"), "SQ4"),
    (re.compile(r"SQfp16"), "SQfp16"),
    (re.compile(r"PQ\d+(x8)?(np)?"), "PQ"),
    (re.compile(r"PQ\d+x4fsr?"), "PQx4fs"),
    (re.compile(r"RaBitQ1?"), "RaBitQ"),
    (re.compile(r"RaBitQ2"), "RaBitQ2"),
    (re.compile(r"RaBitQ4"), "RaBitQ4"),
)
_ROTATION = re.compile(r"(?:PCAW?R?|RR)(\d+)|OPQ\d+(?:_(\d+))?")
_IVF = re.compile(r"IVF(\d+)")
_REFINE = re.compile(r"Refine\((\w+)\)|RFlat|Refine")
_FREE = ("IDMap", "IDMap2", "L2norm")
_SEARCH_KEYS = ("nprobe", "k_factor", "k_factor_rf")


def scan_cpu_ms(factory: str, dim: int, search: str, n_vectors: int, *, code_bytes: float, k: int = 10) -> float:
    """CPU milliseconds per query on one thread, from the table; the same on every machine.

    The sum of: rotations (d_in x d_out), the centroids of an IVF index (scanned as Flat vectors), the share
    nprobe / nlist of the codes, and k x k_factor rescored vectors.

    Args:
        factory: FAISS factory string.
        dim: dimension of the vectors that the factory takes in.
        search: FAISS ParameterSpace string: nprobe, k_factor_rf or k_factor; 1 where not given.
        n_vectors: vectors in the index.
        code_bytes: bytes of one vector's code in RAM.
        k: neighbours asked for.

    Raises:
        SpecError: a part that the table has no figure for; `--cost-model measured` bills any index.
        InputError: a dimension, count or size that is not above 0.
    """
    for name, value in {"dim": dim, "n_vectors": n_vectors, "code_bytes": code_bytes, "k": k}.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value}", allowed="above 0", next_step="Give the index's own figure")
    parts = _Parts.parse(factory, dim)
    settings = _settings_of(search, factory)
    nanoseconds = parts.rotation_macs * NS_PER_ROTATION_MAC
    n_scanned = float(n_vectors)
    if parts.nlist:
        n_scanned *= min(settings.get("nprobe", 1.0), parts.nlist) / parts.nlist
        nanoseconds += _scan_ns("Flat", parts.nlist, 4.0 * parts.dim_out)
    nanoseconds += _scan_ns(parts.family, n_scanned, code_bytes)
    if parts.refine:
        depth = min(k * settings.get("k_factor_rf", settings.get("k_factor", 1.0)), n_vectors)
        base = parts.family if parts.family in NS_PER_RESCORED_VECTOR else "other"
        nanoseconds += depth * (NS_PER_RESCORED_VECTOR[base] + dim * NS_PER_RESCORED_DIM[parts.refine])
    return nanoseconds / 1e6


def _scan_ns(family: str, n_scanned: float, code_bytes: float) -> float:
    cost = SCAN[family]
    return cost.ns_per_query + n_scanned * (cost.ns_per_vector + cost.ns_per_byte * code_bytes)


@dataclass(frozen=True, slots=True)
class _Parts:
    family: str
    nlist: int
    dim_out: int
    rotation_macs: int
    refine: str

    @classmethod
    def parse(cls, factory: str, dim: int) -> _Parts:
        family, refine, nlist, macs, dim_out = "", "", 0, 0, dim
        for text in factory.split(","):
            part = text.strip()
            if part in _FREE:
                continue
            if (match := _ROTATION.fullmatch(part)) and not (family or nlist):
                d_out = int(match[1] or match[2] or dim_out)
                macs += dim_out * d_out
                dim_out = d_out
            elif (match := _IVF.fullmatch(part)) and int(match[1]) and not (family or nlist):
                nlist = int(match[1])
            elif (match := _REFINE.fullmatch(part)) and family and not refine:
                refine = match[1] or "Flat"
                if refine not in NS_PER_RESCORED_DIM:
                    raise _unknown(part, factory)
            elif not family:
                family = _family_of(part, factory)
            else:
                raise _unknown(part, factory)
        if not family:
            raise _unknown("a factory without a codec", factory)
        return cls(family, nlist, dim_out, macs, refine)


def _family_of(part: str, factory: str) -> str:
    for pattern, family in _CODECS:
        if pattern.fullmatch(part):
            return family
    raise _unknown(part, factory)


def _settings_of(search: str, factory: str) -> dict[str, float]:
    settings = {}
    for text in filter(None, (part.strip() for part in search.split(","))):
        key, _, value = text.partition("=")
        if key.strip() not in _SEARCH_KEYS:
            raise _unknown(text, factory)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 1):
            raise SpecError(f"The search parameter {text!r} has no value of 1 or more", next_step="Write nprobe=16")
        settings[key.strip()] = number
    return settings


def _unknown(part: str, factory: str) -> SpecError:
    return SpecError(
        f"The scan cost table has no figure for {part!r} of {factory!r}",
        allowed=f"codecs {', '.join(SCAN)}; Refine of {', '.join(NS_PER_RESCORED_DIM)}; PCA, OPQ or RR before them, "
        "IVF<nlist>; nprobe, k_factor_rf and k_factor",
        next_step="Use --cost-model measured, which times every index",
    )
