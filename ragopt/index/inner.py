"""Reach into a FAISS index: what lies below a rescoring tier and a transform, and what its file length depends on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import faiss
    import numpy as np
    from numpy.typing import NDArray


def inner_index(index: Any) -> Any:
    """The index of the first search itself, without a rescoring tier and a transform around it."""
    import faiss  # noqa: PLC0415 - loaded when first used

    inner: Any = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        return inner_index(inner.base_index)
    if isinstance(inner, faiss.IndexPreTransform):
        return inner_index(inner.index)
    return inner


def first_transform(index: Any) -> Any:
    """The first linear map before the codes, None when there is none."""
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    if isinstance(outer, faiss.IndexRefine):
        outer = faiss.downcast_index(outer.base_index)
    if not isinstance(outer, faiss.IndexPreTransform):
        return None
    chain: Any = outer.chain
    return faiss.downcast_VectorTransform(chain.at(0))


def before_codes(index: Any) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The transforms that an index without a rescoring tier applies before its codes or lists."""
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    if not isinstance(outer, faiss.IndexPreTransform):
        return lambda rows: rows
    parts: Any = outer.chain
    chain = [faiss.downcast_VectorTransform(parts.at(number)) for number in range(parts.size())]

    def into(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        for transform in chain:
            rows = transform.apply(rows)
        return rows

    return into


def below_pca(index: Any) -> tuple[Any, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
    """Take the PCA off an index: what lies below it, and the map that its vectors and queries go through first.

    Returns:
        The inner index, owned by the outer one, and a function from float32 (n, dim) to float32 (n, dim_out).
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    return faiss.downcast_index(outer.index), before_codes(outer)


def transform_fingerprint(index: Any) -> str:
    """SHA-256 of the first linear map before the codes."""
    import faiss  # noqa: PLC0415 - loaded when first used

    transform = first_transform(index)
    digest = hashlib.sha256(faiss.vector_to_array(transform.A).tobytes())
    digest.update(faiss.vector_to_array(transform.b).tobytes())
    return digest.hexdigest()


def refined_parts(index: Any) -> tuple[Any, Any]:
    """The codes' index and the rescoring tier's of an index, both owned by it; None for a tier that is not there."""
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    if not isinstance(outer, faiss.IndexRefine):
        return outer, None
    return faiss.downcast_index(outer.base_index), faiss.downcast_index(outer.refine_index)


def list_sizes(index: faiss.Index) -> list[int] | None:
    """Vectors in each inverted list of an index, None when it has no lists."""
    import faiss  # noqa: PLC0415 - loaded when first used

    inner = inner_index(index)
    if not isinstance(inner, faiss.IndexIVF):
        return None
    lists: Any = inner.invlists
    return [int(lists.list_size(number)) for number in range(inner.nlist)]


def upper_levels(index: faiss.Index) -> int | None:
    """Levels above the lowest, summed over the vectors of an HNSW graph; None when the index is no graph."""
    import faiss  # noqa: PLC0415 - loaded when first used

    inner = inner_index(index)
    if not isinstance(inner, faiss.IndexHNSW):
        return None
    return int(faiss.vector_to_array(inner.hnsw.levels).sum(dtype="int64")) - int(inner.ntotal)
