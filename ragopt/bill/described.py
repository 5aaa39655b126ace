"""The footprint of an index that was described, not measured: by a factory string, or by its bytes per vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.bill.footprint import DEFAULT_RESCORED_PER_QUERY, Footprint, Scalar
from ragopt.bill.scan_cost import SCAN, scan_cpu_ms
from ragopt.errors import InputError
from ragopt.index.factory import Factory, parse_factory
from ragopt.index.size import index_bytes
from ragopt.records import IndexBytes

if TYPE_CHECKING:
    from ragopt.index.codec import Codec

LIST_ID_BYTES = 8
"""An inverted list keeps an int64 id beside each code (faiss/invlists/InvertedLists.h)."""


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
    factory = parse_factory(text, dim)
    sizes = index_bytes(factory, n_vectors)
    code_bytes = sizes.ram_bytes_per_vector - (LIST_ID_BYTES if factory.nlist else 0)
    cpu_ms = scan_cpu_ms(text, dim, search, n_vectors, code_bytes=code_bytes, k=k)
    depth = next((int(float(part.partition("=")[2]) * k) for part in search.split(",") if "k_factor" in part), k)
    return Footprint(sizes, n_vectors, cpu_ms, cpu_ms, cpu_ms, rescored_per_query=depth, dim=dim,
                     scalar=finest_scalar(factory), lists_probed=lists_probed(factory, search))  # fmt: skip


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
    if dim < 1 or ram_bytes <= 0:
        raise InputError(f"An index of {ram_bytes} bytes per vector and {dim} dimensions cannot be billed",
                         allowed="both above 0", next_step="Give --bytes and --dim of the index")  # fmt: skip
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
