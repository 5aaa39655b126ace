"""Length and bytes of a serialized FAISS index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragopt.errors import IndexFormatError
from ragopt.index.inner import list_sizes, upper_levels
from ragopt.index.size import index_bytes

if TYPE_CHECKING:
    import faiss

    from ragopt.index.factory import Factory
    from ragopt.records import IndexBytes

WRITE_BLOCK = 1 << 20


def serialized_length(index: faiss.Index) -> int:
    """Bytes that FAISS would write for this index, counted without keeping them."""
    import faiss  # noqa: PLC0415 - loaded when first used

    length = 0

    def count(data: bytes) -> int:
        nonlocal length
        length += len(data)
        return len(data)

    # FAISS's type stubs leave this class out.
    writer: Any = vars(faiss)["PyCallbackIOWriter"](count, WRITE_BLOCK)
    faiss.write_index(index, writer)
    del writer
    return length


def checked_bytes(factory: Factory, index: faiss.Index) -> IndexBytes:
    """Give the bytes of a filled index by formula after comparing them with what FAISS writes.

    Raises:
        IndexFormatError: formula and file disagree, so that no size in a bill could be trusted.
    """
    predicted = index_bytes(factory, int(index.ntotal), list_sizes=list_sizes(index), upper_levels=upper_levels(index))
    written = serialized_length(index)
    if written != predicted.file_bytes:
        raise IndexFormatError(
            f"{factory} with {index.ntotal} vectors of {factory.dim} dimensions is written as {written} bytes, "
            f"the formula says {predicted.file_bytes}",
            next_step="Report this with the version of FAISS: ragopt's size formula does not know this version",
        )
    return predicted
