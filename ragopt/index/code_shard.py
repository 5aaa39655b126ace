"""The codes of some rows in a folder: what a build larger than memory makes piece by piece, and can be resumed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import storage_errors
from ragopt.embed.vector_file import write_all
from ragopt.errors import ArtifactError
from ragopt.index.build import add_blocks
from ragopt.index.listed_codes import list_form, stored_list
from ragopt.index.row_codes import stored_codes
from ragopt.index.template import leaves, set_ntotal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    Blocks = Iterable[tuple[int, NDArray[np.float32]]]
    Add = Callable[[Any, Blocks], None]

CODES_FILE, IDS_FILE, SIZES_FILE = "codes.bin", "ids.bin", "list_sizes.bin"
ID = COUNT = np.dtype("<i8")


def write_shard(
    folder: Path, trained: NDArray[np.uint8], blocks: Blocks, *, first_row: int, add: Add = add_blocks
) -> None:  # fmt: skip
    """Encode some rows and write their codes; with inverted lists, list by list, with the rows' numbers as ids.

    Args:
        folder: existing folder.
        trained: the serialized empty index, uint8; without a rescoring tier, no graph.
        blocks: (first row, float32 (m, dim)) in row order, the same blocks that an index in memory would be given.
        first_row: number of the first of them; a multiple of 32 for codes in FastScan's blocks.
        add: adds blocks to an index.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    index: Any = faiss.deserialize_index(trained)
    (leaf,) = leaves(index)
    is_lists = isinstance(leaf, faiss.IndexIVF)
    if is_lists:  # FAISS numbers what is added from ntotal on
        set_ntotal(index, first_row)
        leaf.ntotal = first_row
    add(index, blocks)
    with storage_errors(folder):
        if is_lists:
            _write_lists(folder, leaf)
        else:
            with (folder / CODES_FILE).open("wb", buffering=0) as handle:
                write_all(handle, stored_codes(leaf))


def _write_lists(folder: Path, leaf: Any) -> None:
    form, sizes = list_form(leaf), np.zeros(leaf.nlist, dtype=np.int64)
    with (folder / CODES_FILE).open("wb") as codes_file, (folder / IDS_FILE).open("wb") as ids_file:
        for number in range(leaf.nlist):
            codes, ids = stored_list(leaf, number)
            sizes[number] = len(ids)
            if len(ids):
                codes_file.write(np.ascontiguousarray(form.rows_of(codes, len(ids))).data)
                ids_file.write(ids.astype(ID, copy=False).data)
    (folder / SIZES_FILE).write_bytes(sizes.astype(COUNT).data)


@dataclass(frozen=True, slots=True)
class ListShard:
    """Rows of inverted lists in a folder.

    Attributes:
        folder: where `write_shard` wrote.
        row_bytes: of one code.
    """

    folder: Path
    row_bytes: int

    def sizes(self) -> NDArray[np.int64]:
        """Vectors in each list, int64 (nlist,)."""
        return np.fromfile(self.folder / SIZES_FILE, COUNT)

    def codes(self, first: int, n: int) -> NDArray[np.uint8]:
        """Codes of n vectors from place `first` on, in the order of lists, uint8 (n, row_bytes)."""
        return _read(self.folder / CODES_FILE, np.dtype(np.uint8), first * self.row_bytes, n * self.row_bytes).reshape(
            n, self.row_bytes
        )

    def ids(self, first: int, n: int) -> NDArray[np.int64]:
        """Row numbers of n vectors from place `first` on, int64 (n,)."""
        return _read(self.folder / IDS_FILE, ID, first * ID.itemsize, n)


def _read(path: Path, kind: np.dtype[Any], offset: int, n: int) -> NDArray[Any]:
    found: NDArray[Any] = np.fromfile(path, kind, n, offset=offset)
    if len(found) != n:
        raise ArtifactError(f"{path} ends too early", next_step=f"Delete that folder: rm -r {path.parent}")
    return found
