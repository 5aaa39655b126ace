"""Put the alive rows of several indexes together into one, every code as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import IndexFormatError, InputError
from ragopt.index.build import add_blocks, use_reservoirs
from ragopt.index.fast_scan_blocks import clear_free_places
from ragopt.index.row_codes import flat_codes, set_codes
from ragopt.index.search_parameters import set_search
from ragopt.index.template import leaves, make_empty, set_ntotal, template_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import faiss
    from numpy.typing import NDArray

    Part = tuple[faiss.Index, NDArray[np.bool_]]

__all__ = ["compacted", "template_of"]

GRAPH_ROWS = 8192
"""Decoded rows that are put into a graph at once: 12 MB of 384 dimensions. Chosen, not measured."""


def compacted(parts: Sequence[Part]) -> faiss.Index:
    """Make one index of the alive rows of several, in their order, numbered from 0.

    No vector is encoded again. Links of a graph are made anew between the decoded vectors, over the same codes.

    Args:
        parts: indexes of the same training, each with the rows that are dead, bool (ntotal,). They must own their
            memory (read without mapping), and are used up: empty afterwards, so that no code is held twice for long.

    Returns:
        A FAISS index that owns its memory, at FAISS's default search parameters, to which more vectors can be added.

    Raises:
        InputError: there are no parts, an index is memory-mapped, or its dead rows have another shape or type.
        IndexFormatError: the parts were not trained together; they may be used up by then.
    """
    _check(parts)
    smallest = min(parts, key=lambda part: int(part[0].ntotal))[0]
    result = template_of(smallest)
    set_search(result, "")
    empty = _bytes_of(result)
    alive = [np.flatnonzero(~dead) for _, dead in parts]
    for place, leaf in enumerate(leaves(result)):
        _fill(leaf, [leaves(index)[place] for index, _ in parts], alive)
    set_ntotal(result, sum(map(len, alive)))
    for number, (index, _) in enumerate(parts):
        make_empty(index)
        set_search(index, "")
        if not np.array_equal(_bytes_of(index), empty):
            raise _not_together(number)
    use_reservoirs(result)
    return result


def _bytes_of(index: faiss.Index) -> NDArray[np.uint8]:
    import faiss  # noqa: PLC0415 - loaded when first used

    written: NDArray[np.uint8] = faiss.serialize_index(index)
    return written


def _not_together(number: int) -> IndexFormatError:
    return IndexFormatError(
        f"Part {number} of a compaction was not trained together with the others",
        allowed="indexes of one template", next_step="Build the index again from the vectors",
    )  # fmt: skip


def _check(parts: Sequence[Part]) -> None:
    if not parts:
        raise InputError("Nothing to put together", allowed="one index or more", next_step="Give the parts")
    first = _shapes(parts[0][0])
    for number, (index, dead) in enumerate(parts):
        if dead.shape != (index.ntotal,) or dead.dtype != np.bool_:
            raise InputError(f"Cannot read dead rows of type {dead.dtype} and shape {dead.shape} of part {number}",
                             allowed=f"bool ({index.ntotal},)",
                             next_step="Give one truth value per row")  # fmt: skip
        if not all(map(owns_memory, leaves(index))):
            raise InputError(f"Part {number} is memory-mapped, and FAISS ends the process when it is changed",
                             allowed="indexes that own their memory",
                             next_step="Read it with faiss.read_index and no flag")  # fmt: skip
        if _shapes(index) != first:
            raise _not_together(number)


def _shapes(index: Any) -> list[tuple[int, int, int]]:
    return [(leaf.d, getattr(leaf, "code_size", 0), leaf.metric_type) for leaf in leaves(index)]


def owns_memory(leaf: Any) -> bool:
    """Whether a leaf can be changed: FAISS 1.15.1 ends the process on changing one that is memory-mapped."""
    import faiss  # noqa: PLC0415 - loaded when first used

    if isinstance(leaf, faiss.IndexHNSW):
        graph: Any = leaf.hnsw
        return bool(graph.neighbors.is_owned) and owns_memory(faiss.downcast_index(leaf.storage))
    if isinstance(leaf, faiss.IndexIVF) and not isinstance(leaf, faiss.IndexIVFFastScan):
        inverted: Any = leaf.invlists
        lists: Any = faiss.downcast_InvertedLists(inverted)
        return all(lists.codes.at(number).is_owned for number in range(leaf.nlist))
    return bool(leaf.codes.is_owned) if isinstance(leaf, faiss.IndexFlatCodes) else True


def _fill(result: Any, parts: list[Any], alive: list[NDArray[np.int64]]) -> None:
    """Fill one empty leaf with the alive rows of the same leaf of every part."""
    import faiss  # noqa: PLC0415 - loaded when first used

    if isinstance(result, faiss.IndexHNSW):
        _fill_graph(result, parts, alive)
    elif isinstance(result, faiss.IndexFlatCodes):
        # Not FAISS's merge_from: it refuses IndexFlat and IndexFlatIP, which is what a read IndexFlat becomes.
        set_codes(result, np.concatenate([flat_codes(part, rows) for part, rows in zip(parts, alive, strict=True)]))
    else:
        for number, (part, rows) in enumerate(zip(parts, alive, strict=True)):
            if len(rows):
                _keep(part, rows)
                _move(part, result, number)
        if isinstance(result, (faiss.IndexFastScan, faiss.IndexIVFFastScan)):
            clear_free_places(result)


def _keep(part: Any, rows: NDArray[np.int64]) -> None:
    """Take all other rows out of an index of lists or FastScan blocks, and number the kept ones from 0."""
    import faiss  # noqa: PLC0415 - loaded when first used

    n_before = part.ntotal
    if len(rows) == n_before:
        return
    kept = np.zeros(n_before, dtype=bool)
    kept[rows] = True
    part.remove_ids(vars(faiss)["IDSelectorBitmap"](np.packbits(~kept, bitorder="little")))
    if isinstance(part, faiss.IndexIVF):
        numbers = np.cumsum(kept) - 1
        lists: Any = part.invlists
        for number in range(part.nlist):
            if n := lists.list_size(number):
                ids = faiss.rev_swig_ptr(lists.get_ids(number), n)
                ids[:] = numbers[ids]


def _move(part: Any, result: Any, number: int) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    try:
        result.merge_from(part, result.ntotal if isinstance(result, faiss.IndexIVF) else 0)
    except RuntimeError as error:
        raise _not_together(number) from error


def _fill_graph(result: Any, parts: list[Any], alive: list[NDArray[np.int64]]) -> None:
    """Add the decoded rows to the graph, then put the parts' own codes below it.

    Decoding and encoding again gives the same code save for rounding, which putting them back leaves no room for.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    storage: Any = faiss.downcast_index(result.storage)
    of_parts: list[Any] = [faiss.downcast_index(part.storage) for part in parts]
    codes = np.concatenate([flat_codes(part, rows) for part, rows in zip(of_parts, alive, strict=True)])
    decoder: Any = faiss.clone_index(storage)
    set_codes(decoder, codes)
    add_blocks(result, ((first, decoder.reconstruct_n(first, min(GRAPH_ROWS, len(codes) - first)))
                        for first in range(0, len(codes), GRAPH_ROWS)))  # fmt: skip
    set_codes(storage, codes)
