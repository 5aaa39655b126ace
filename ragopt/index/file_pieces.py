"""An index's file without its codes: what FAISS writes before them and behind them, for any number of vectors.

FAISS itself writes both. A copy of the trained, empty index is told that it holds n vectors and given a few codes that
cannot be mistaken; the file is cut where those stand. So nothing is assumed of a quantizer, a transform or a header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import IndexFormatError
from ragopt.index.codec_size import LENGTH, code_bytes
from ragopt.index.fast_scan_blocks import BLOCK
from ragopt.index.listed_codes import list_form, stored_list
from ragopt.index.row_codes import set_codes
from ragopt.index.size import HEADER
from ragopt.index.template import leaves, set_ntotal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.index.factory import Factory


@dataclass(frozen=True, slots=True)
class FilePieces:
    """What stands before the codes, with their length or the table of list sizes, and what follows them."""

    before: bytes
    after: bytes


def streams(factory: Factory) -> bool:
    """Whether an index can be built into its file without being in memory: every one but a graph.

    A graph's links of one vector change with those that come later. Its rescoring tier streams all the same.
    """
    return not factory.is_graph


def file_pieces(
    factory: Factory, trained: NDArray[np.uint8], n: int, list_sizes: NDArray[np.int64] | None = None
) -> FilePieces:
    """Give the file of an index of n vectors without its codes.

    Args:
        factory: what the index is; its rescoring tier, if any, is no part of this.
        trained: the serialized empty index, uint8.
        n: vectors in it.
        list_sizes: vectors of each inverted list, int64 (nlist,); None without lists.

    Raises:
        IndexFormatError: this version of FAISS writes the index in another way than is known here.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    index: Any = faiss.deserialize_index(trained)
    (leaf,) = leaves(index)
    row_bytes = code_bytes(factory.codec, factory.codec_dim)
    mark = _marked_flat(leaf, row_bytes) if list_sizes is None else _marked_lists(leaf)
    set_ntotal(index, n)
    leaf.ntotal = n
    is_blocks = isinstance(leaf, faiss.IndexFastScan)
    n_places = -(-n // BLOCK) * BLOCK if is_blocks else n
    if is_blocks:
        leaf.ntotal2 = n_places
    written = faiss.serialize_index(index).tobytes()
    at = written.find(mark)
    if at < 0 or written.find(mark, at + 1) >= 0:
        raise _unknown(factory)
    after = written[at + len(mark) :]
    if list_sizes is not None:
        return FilePieces(written[:at] + list_form(leaf).head(list_sizes), after)
    unit = _unit(written[at - LENGTH : at], len(mark), factory)
    return FilePieces(written[: at - LENGTH] + struct.pack("<Q", n_places * row_bytes // unit), after)


def refine_ends(dim: int, metric: int, n: int) -> FilePieces:
    """What FAISS writes before and behind the two files of which that of an IndexRefine of n vectors consists.

    Args:
        dim: of the vectors that go in.
        metric: FAISS's number.
        n: vectors in each part.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    base, tier = faiss.IndexFlat(dim, metric), faiss.IndexFlat(dim, metric)
    outer: Any = faiss.IndexRefine(base, tier)
    outer.ntotal = n
    written = faiss.serialize_index(outer).tobytes()
    inner = faiss.serialize_index(base).tobytes() + faiss.serialize_index(tier).tobytes()
    return FilePieces(written[:HEADER], written[HEADER + len(inner) :])


def _random_bytes(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(n).integers(0, 256, n, dtype=np.uint8)


def _marked_flat(leaf: Any, row_bytes: int) -> bytes:
    """Give a flat index 32 vectors of random codes, which are returned."""
    import faiss  # noqa: PLC0415 - loaded when first used

    codes = _random_bytes(BLOCK * row_bytes)
    if isinstance(leaf, faiss.IndexFastScan):
        table: Any = leaf.codes
        table.resize(codes.size)
        faiss.memcpy(table.get(), faiss.swig_ptr(codes), codes.nbytes)
    else:
        set_codes(leaf, codes.reshape(BLOCK, row_bytes))
    return codes.tobytes()


def _marked_lists(leaf: Any) -> bytes:
    """Put 32 vectors of random codes and ids into the first list; all that the file then has of the lists."""
    form = list_form(leaf)
    leaf.invlists.resize(0, BLOCK)
    codes, ids = stored_list(leaf, 0)
    codes[:] = _random_bytes(codes.size)
    ids[:] = np.random.default_rng(0).integers(0, 1 << 62, BLOCK)
    sizes = np.zeros(form.nlist, dtype=np.int64)
    sizes[0] = BLOCK
    first = [form.before_codes(BLOCK) + codes.tobytes(), form.before_ids(BLOCK) + ids.tobytes()]
    rest = (form.before_codes(0) + form.before_ids(0)) * (form.nlist - 1)
    return form.head(sizes) + b"".join(reversed(first) if form.ids_first else first) + rest


def _unit(length: bytes, n_bytes: int, factory: Factory) -> int:
    """Bytes that one of the written length stands for: FAISS counts codes in bytes, those of IndexFlat in floats."""
    for unit in (1, 4):
        if struct.unpack("<Q", length)[0] * unit == n_bytes:
            return unit
    raise _unknown(factory)


def _unknown(factory: Factory) -> IndexFormatError:
    import faiss  # noqa: PLC0415 - loaded when first used

    return IndexFormatError(
        f"FAISS {faiss.__version__} writes {factory} in a way that is not known here",
        allowed="FAISS 1.15.1",
        next_step="Install faiss-cpu 1.15.1",
    )
