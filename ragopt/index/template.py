"""An empty copy of an index: the same trained quantizers, ready to be filled with other vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.build import use_reservoirs
from ragopt.index.row_codes import set_codes

if TYPE_CHECKING:
    import faiss


def template_of(index: faiss.Index) -> faiss.Index:
    """Make an empty, trained index that gives every vector the code which `index` gives it.

    Codes of a memory-mapped index are not read, save those that FAISS reads on opening (FastScan). The levels of a
    graph are drawn anew, from FAISS's own seed.

    Args:
        index: FAISS index, owned or memory-mapped; not changed.

    Returns:
        An empty FAISS index that owns its memory, with the search parameters of `index`.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    if any(isinstance(leaf, faiss.IndexRaBitQFastScan) for leaf in leaves(outer)):
        # FAISS 1.15.1 cannot clone it; its codes are in memory anyhow.
        copied = faiss.deserialize_index(faiss.serialize_index(outer))
    else:
        copied = faiss.clone_index(outer)
    make_empty(copied)
    # Read back, every part owns its memory: a clone's may be views on the file that `index` maps.
    template = faiss.deserialize_index(faiss.serialize_index(copied))
    use_reservoirs(template)
    return template


def leaves(index: Any) -> list[Any]:
    """The parts of an index that hold vectors: one, and the rescoring tier's behind it if there is one."""
    import faiss  # noqa: PLC0415 - loaded when first used

    inner: Any = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        return [*leaves(inner.base_index), *leaves(inner.refine_index)]
    return leaves(inner.index) if isinstance(inner, faiss.IndexPreTransform) else [inner]


def set_ntotal(index: Any, n: int) -> None:
    """Say how many vectors an index holds, at the transforms and the rescoring tier around its leaves."""
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    outer.ntotal = n
    if isinstance(outer, faiss.IndexRefine):
        set_ntotal(outer.base_index, n)
        set_ntotal(outer.refine_index, n)
    elif isinstance(outer, faiss.IndexPreTransform):
        set_ntotal(outer.index, n)


def make_empty(index: Any) -> None:
    """Take all vectors out of an index or out of the clone of a mapped one, which FAISS's own reset would end in.

    FAISS 1.15.1 ends the process where a reset meets memory that the index does not own, so such memory is replaced.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    for leaf in leaves(index):
        if isinstance(leaf, faiss.IndexHNSW):
            storage: Any = faiss.downcast_index(leaf.storage)
            _no_codes(storage)
            graph: Any = leaf.hnsw
            graph.neighbors = vars(faiss)["MaybeOwnedVectorInt32"]()
            graph.reset()
        elif isinstance(leaf, faiss.IndexIVF) and not isinstance(leaf, faiss.IndexIVFFastScan):
            lists: Any = faiss.ArrayInvertedLists(leaf.nlist, leaf.code_size)
            leaf.replace_invlists(lists, True)
            lists.this.disown()
        elif isinstance(leaf, faiss.IndexFlatCodes):
            _no_codes(leaf)
        else:
            leaf.reset()
            if isinstance(leaf, faiss.IndexFastScan):
                flat: Any = leaf
                flat.ntotal2 = 0  # places for vectors; FAISS's reset leaves the number as it was
    set_ntotal(index, 0)


def _no_codes(index: Any) -> None:
    set_codes(index, np.empty((0, index.code_size), dtype=np.uint8))
