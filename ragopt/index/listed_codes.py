"""Inverted lists as FAISS writes them: codes row by row (``ilar``) or in FastScan's blocks of 32 (``ilbl``).

A list in memory here is codes row by row, uint8 (m, row_bytes), and ids, int64 (m,), whatever the file's form is. The
file has the codes of a list and then its ids, or, with blocks, the ids first.
Field order: faiss/impl/index_write.cpp and faiss/invlists/BlockInvertedLists.cpp, FAISS 1.15.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.fast_scan_blocks import BLOCK, packed, unpacked

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _length(n: int) -> bytes:
    return struct.pack("<Q", n)


@dataclass(frozen=True, slots=True)
class RowLists:
    """Lists of codes row by row, FAISS's ArrayInvertedLists.

    Attributes:
        nlist: inverted lists.
        row_bytes: of one code.
    """

    nlist: int
    row_bytes: int
    block: int = 1
    ids_first: bool = False

    def head(self, sizes: NDArray[np.int64]) -> bytes:
        """What the file has before the first list; `sizes` int64 (nlist,)."""
        filled = np.flatnonzero(sizes)
        dense = len(filled) > self.nlist // 2
        form = b"full" if dense else b"sprs"
        table = sizes if dense else np.column_stack([filled, sizes[filled]])
        fields = b"ilar" + struct.pack("<QQ", self.nlist, self.row_bytes) + form
        return fields + _length(table.size) + table.astype("<u8").tobytes()

    def before_codes(self, _n: int) -> bytes:
        """What stands before the codes of a list: nothing."""
        return b""

    def before_ids(self, _n: int) -> bytes:
        """What stands before the ids of a list: nothing."""
        return b""

    def laid_out(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Codes uint8 (m, row_bytes) as the file has them."""
        return codes

    def rows_of(self, stored: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
        """Codes uint8 (n, row_bytes) of a list in memory."""
        return stored.reshape(n, self.row_bytes)


@dataclass(frozen=True, slots=True)
class BlockLists:
    """Lists in FastScan's blocks, FAISS's BlockInvertedLists.

    Attributes:
        nlist: inverted lists.
        code_size: that FAISS writes; nothing here follows from it.
        n_pairs: bytes of the two-part 4-bit codes of one vector.
        block_bytes: of 32 vectors: their codes and, behind them, what RaBitQ keeps of each vector.
    """

    nlist: int
    code_size: int
    n_pairs: int
    block_bytes: int
    block: int = BLOCK
    ids_first: bool = True

    @property
    def row_bytes(self) -> int:
        """Of one vector out of its block."""
        return self.block_bytes // BLOCK

    def head(self, _sizes: NDArray[np.int64]) -> bytes:
        """What the file has before the first list, whatever the sizes."""
        return b"ilbl" + struct.pack("<QQQQ", self.nlist, self.code_size, BLOCK, self.block_bytes)

    def before_codes(self, n: int) -> bytes:
        """What stands before the codes of a list of n vectors."""
        return _length(-(-n // BLOCK) * self.block_bytes)

    def before_ids(self, n: int) -> bytes:
        """What stands before the ids of a list of n vectors."""
        return _length(n)

    def laid_out(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Codes uint8 (m, row_bytes) in blocks, free places zero."""
        n_blocks = -(-len(codes) // BLOCK)
        blocks = np.zeros((n_blocks, self.block_bytes), dtype=np.uint8)
        if not n_blocks:
            return blocks
        edge = self.n_pairs * BLOCK
        blocks[:, :edge] = packed(codes[:, : self.n_pairs]).reshape(n_blocks, edge)
        behind = np.zeros((n_blocks * BLOCK, self.row_bytes - self.n_pairs), dtype=np.uint8)
        behind[: len(codes)] = codes[:, self.n_pairs :]
        blocks[:, edge:] = behind.reshape(n_blocks, self.block_bytes - edge)
        return blocks

    def rows_of(self, stored: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
        """Codes uint8 (n, row_bytes) of a list in memory."""
        blocks = stored.reshape(-1, self.block_bytes)
        edge = self.n_pairs * BLOCK
        codes = unpacked(np.ascontiguousarray(blocks[:, :edge]), self.n_pairs, np.arange(n))
        behind = blocks[:, edge:].reshape(len(blocks) * BLOCK, self.row_bytes - self.n_pairs)[:n]
        return np.hstack([codes, behind])


ListForm = RowLists | BlockLists


def list_form(leaf: Any) -> ListForm:
    """The form of an index with inverted lists (FAISS IndexIVF)."""
    import faiss  # noqa: PLC0415 - loaded when first used

    lists: Any = faiss.downcast_InvertedLists(leaf.invlists)
    is_blocks = isinstance(lists, vars(faiss)["BlockInvertedLists"])  # FAISS's type stubs leave it out
    if is_blocks:
        return BlockLists(lists.nlist, lists.code_size, leaf.M2 // 2, lists.block_size)
    return RowLists(lists.nlist, lists.code_size)


def stored_list(leaf: Any, number: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A list's codes, as they lie in memory, and ids; valid as long as the index is and nothing is added."""
    import faiss  # noqa: PLC0415 - loaded when first used

    lists: Any = faiss.downcast_InvertedLists(leaf.invlists)
    n = lists.list_size(number)
    if not n:  # faiss makes float32 of a pointer to nothing
        return np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.int64)
    form = list_form(leaf)
    n_bytes = -(-n // form.block) * form.block * form.row_bytes
    return faiss.rev_swig_ptr(lists.get_codes(number), n_bytes), faiss.rev_swig_ptr(lists.get_ids(number), n)
