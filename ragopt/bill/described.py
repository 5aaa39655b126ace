"""The footprint of an index that was described, not measured: by a factory string, or by its bytes per vector."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ragopt.bill.footprint import DEFAULT_RESCORED_PER_QUERY, Footprint, Scalar
from ragopt.bill.scan_cost import SCAN, scan_cpu_ms
from ragopt.errors import InputError
from ragopt.index.factory import Factory, parse_factory
from ragopt.index.size import index_bytes
from ragopt.records import IndexBytes

if TYPE_CHECKING:
    from ragopt.index.codec import Codec

MOST_DIM = 65_536
"""Twice the largest dimension that a vendor here sells (zilliz.toml, 32,768): more is a slip of the keyboard."""

MOST_BYTES = 10**6
"""As much as a vector's metadata may have (workload_fields.py); MOST_DIM float32 values are a quarter of it."""

MOST_CPU_MS = 10**9
"""A search of eleven days."""

LIST_ID_BYTES = 8
"""An inverted list keeps an int64 id beside each code (faiss/invlists/InvertedLists.h)."""


def check_dim(dim: object) -> None:
    """Make sure that a dimension is one. Raises InputError."""
    if not isinstance(dim, int) or isinstance(dim, bool) or not 1 <= dim <= MOST_DIM:
        raise InputError(f"--dim is {dim!r}", allowed=f"a whole number from 1 to {MOST_DIM:,}",
                         next_step="Give the dimension of the vectors")  # fmt: skip


def finest_scalar(factory: Factory) -> Scalar:
    """Return the finest scalar in which an index keeps a vector: that of its codes or of its rescoring tier."""
    order: tuple[Scalar, ...] = ("float32", "float16", "int8", "binary")
    kinds = [_scalar_of(codec) for codec in (factory.codec, factory.refine) if codec is not None]
    return min(kinds, key=order.index)


def _scalar_of(codec: Codec) -> Scalar:
    if codec.family == "Flat":
        return "float32"
    if codec.family == "SQ" and codec.bits == 16:
        return "float16"
    # Codes of several bits or of learned parts are finer than one bit a dimension: a vendor's int8 holds them.
    return "binary" if codec.family.startswith("RaBitQ") and codec.bits == 1 else "int8"


def describe_by_factory(text: str, dim: int, search: str, n_vectors: int, *, k: int = 10) -> Footprint:
    """Size and scan time of a factory string by their formulas; nothing is built.

    Args:
        text: FAISS factory string.
        dim: dimension of the vectors that it takes in.
        search: FAISS ParameterSpace string; empty for none.
        n_vectors: vectors in the index.
        k: neighbours asked for.

    Raises:
        SpecError: a factory or search that cannot be read.
        InputError: a dimension or count that is not above 0.
    """
    check_dim(dim)
    factory = parse_factory(text, dim)
    _check_lists(factory, search)
    sizes = index_bytes(factory, n_vectors)
    code_bytes = sizes.ram_bytes_per_vector - (LIST_ID_BYTES if factory.nlist else 0)
    cpu_ms = scan_cpu_ms(text, dim, search, n_vectors, code_bytes=code_bytes, k=k)
    depth = next((int(float(part.partition("=")[2]) * k) for part in search.split(",") if "k_factor" in part), k)
    return Footprint(sizes, n_vectors, cpu_ms, cpu_ms, cpu_ms, rescored_per_query=depth, dim=dim,
                     scalar=finest_scalar(factory), lists_probed=lists_probed(factory, search))  # fmt: skip


def _check_lists(factory: Factory, search: str) -> None:
    if not factory.nlist:
        return
    probed = next((part.partition("=")[2] for part in search.split(",") if part.strip().startswith("nprobe")), "")
    if not probed:
        raise InputError(f"How many of the {factory.nlist:,} lists of {factory.text} a search reads is not known",
                         next_step="Give --search nprobe=16, as it is searched")  # fmt: skip
    if float(probed) > factory.nlist:
        raise InputError(f"--search nprobe={probed} asks for more lists than the {factory.nlist:,} of {factory.text}",
                         allowed=f"1 to {factory.nlist:,}", next_step="Correct --search")  # fmt: skip


def lists_probed(factory: Factory, search: str) -> int | None:
    """Inverted lists that a search reads: nprobe, 1 where it is not given; None for an index without lists."""
    if not factory.nlist:
        return None
    given = dict(part.strip().partition("=")[::2] for part in search.split(",") if part.strip())
    return min(int(float(given.get("nprobe", "1"))), factory.nlist)


def describe_by_bytes(
    ram_bytes: float,
    disk_bytes: float,
    dim: int,
    n_vectors: int,
    *,
    cpu_ms: float | None = None,
) -> Footprint:
    """Footprint of an index of which only the bytes per vector are known.

    A vendor would store the finest scalar that has no more bits than the index.

    Args:
        ram_bytes: bytes per vector that a search reads from RAM.
        disk_bytes: bytes per vector of a rescoring tier; 0 for none.
        dim: dimension of the vectors.
        n_vectors: vectors in the index.
        cpu_ms: CPU milliseconds per query at that size; None takes a full scan of `ram_bytes` per vector, by the
            table of scan costs (`SCAN["Flat"]`): an upper bound for an index with lists or a graph.

    Raises:
        InputError: bytes or a dimension that no index has.
    """
    check_dim(dim)
    for name, value, least in (("--bytes", ram_bytes, 1e-3), ("--disk-bytes", disk_bytes, 0.0)):
        if not (math.isfinite(value) and least <= value <= MOST_BYTES):
            raise InputError(f"{name} is {value} bytes per vector", allowed=f"{least:g} to {MOST_BYTES:,}",
                             next_step=f"Give {name} of the index")  # fmt: skip
    if cpu_ms is not None and not (math.isfinite(cpu_ms) and 0 <= cpu_ms <= MOST_CPU_MS):
        raise InputError(f"--cpu-ms is {cpu_ms}", allowed=f"0 to {MOST_CPU_MS:,}", next_step="Measure a search")
    if cpu_ms is None:
        flat = SCAN["Flat"]
        cpu_ms = n_vectors * (flat.ns_per_vector + flat.ns_per_byte * ram_bytes) / 1e6
    sizes = IndexBytes(ram_bytes, 0, disk_bytes, int((ram_bytes + disk_bytes) * n_vectors))
    kept = _scalar_of_bytes(max(ram_bytes, disk_bytes), dim)
    return Footprint(sizes, n_vectors, cpu_ms, cpu_ms, cpu_ms, DEFAULT_RESCORED_PER_QUERY, dim, kept)


def _scalar_of_bytes(size_bytes: float, dim: int) -> Scalar:
    if size_bytes >= 4 * dim:
        return "float32"
    if size_bytes >= 2 * dim:
        return "float16"
    return "int8" if 8 * size_bytes > dim else "binary"
