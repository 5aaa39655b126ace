"""Shards of codes put together into the file that FAISS would write of the whole index, without holding the codes.

The result has every byte of `faiss.write_index` for the index built in memory. `faiss.contrib.ondisk.merge_ondisk`
writes lists only, into a second file that the index names by its absolute path, and a reader then cannot map it.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import storage_errors
from ragopt.errors import IndexFormatError
from ragopt.index.code_shard import CODES_FILE, ListShard
from ragopt.index.factory import Factory, parse_factory
from ragopt.index.file_pieces import file_pieces, refine_ends
from ragopt.index.inner import list_sizes, upper_levels
from ragopt.index.listed_codes import ListForm, list_form
from ragopt.index.size import index_bytes
from ragopt.index.template import leaves

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from ragopt.records import IndexBytes

COPY_BYTES = 1 << 20
"""Read and written at once where bytes are only copied."""

GROUP_BYTES = 8 << 20
"""Lists put together in memory at once: with 16 shards a read of one shard is then half a megabyte, and with all
copies a merge takes a few times this. Chosen, not measured."""


def write_joined(
    out: BinaryIO, factory: Factory, trained: NDArray[np.uint8], n: int, shards: Sequence[Path]
) -> None:  # fmt: skip
    """Write the file of an index of n vectors from its shards.

    Args:
        out: an open file, written to from where it stands.
        factory: what the index is; its rescoring tier, if any, is left out.
        trained: the serialized empty index, uint8.
        n: vectors in it.
        shards: folders that `write_shard` filled, in row order; every one but the last of a multiple of 32 rows.

    Raises:
        IndexFormatError: FAISS writes the index in a way that is not known here.
        StorageError: the disk is full or cannot be written.
        FileNotFoundError: a shard is gone.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    if not factory.nlist:
        pieces = file_pieces(factory, trained, n)
        _write(out, pieces.before)
        for shard in shards:
            copy_file(shard / CODES_FILE, out)
    else:
        index: Any = faiss.deserialize_index(trained)
        form = list_form(leaves(index)[0])
        del index
        lists = _Lists(form, [ListShard(shard, form.row_bytes) for shard in shards])
        pieces = file_pieces(factory, trained, n, lists.sizes.sum(axis=0, dtype=np.int64))
        _write(out, pieces.before)
        for part in lists.parts():
            _write(out, part)
    _write(out, pieces.after)


def write_refined(
    out: BinaryIO, base: Path, factory: Factory, metric: int, n: int, tier: tuple[NDArray[np.uint8], Sequence[Path]]
) -> None:
    """Write the file of an index with a rescoring tier: the codes' file as it is, and the tier from its shards.

    Args:
        out: an open file, written to from where it stands.
        base: the file that FAISS writes of the codes' index.
        factory: of the whole index.
        metric: FAISS's number.
        n: vectors in it.
        tier: the serialized empty index of the tier, uint8, and its shards; see `write_joined`.

    Raises:
        See `write_joined`.
    """
    ends = refine_ends(factory.dim, metric, n)
    _write(out, ends.before)
    copy_file(base, out)
    write_joined(out, parse_factory(factory.refine_text, factory.dim), tier[0], n, tier[1])
    _write(out, ends.after)


def copy_file(source: Path, out: BinaryIO) -> None:
    """Append a file's bytes to an open one. Raises StorageError, FileNotFoundError."""
    with source.open("rb", buffering=0) as handle, storage_errors(_name(out)):
        shutil.copyfileobj(handle, out, COPY_BYTES)


def checked_file(factory: Factory, n: int, path: Path, codes: Path) -> IndexBytes:
    """Give the bytes of a written index by formula after comparing them with the file's length.

    Args:
        factory: of the whole index.
        n: vectors in it.
        path: the file.
        codes: the file of the codes alone, which is opened memory-mapped where its length depends on the vectors.

    Raises:
        IndexFormatError: formula and file disagree, so that no size in a bill could be trusted.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    sizes = levels = None
    if factory.nlist or factory.is_graph:
        index = faiss.read_index(str(codes), faiss.IO_FLAG_MMAP_IFC)
        sizes, levels = list_sizes(index), upper_levels(index)
    expected = index_bytes(factory, n, list_sizes=sizes, upper_levels=levels)
    written = path.stat().st_size
    if written != expected.file_bytes:
        raise IndexFormatError(
            f"{path}, {factory} with {n} vectors, has {written} bytes, the formula says {expected.file_bytes}",
            next_step="Report this with the version of FAISS: ragopt's size formula does not know this version",
        )
    return expected


class _Lists:
    """The lists of all shards, one behind the other, shard behind shard within a list."""

    def __init__(self, form: ListForm, shards: Sequence[ListShard]) -> None:
        self.form, self.shards = form, shards
        self.sizes = np.stack([shard.sizes().astype(np.int32) for shard in shards])

    def parts(self) -> Iterator[NDArray[np.uint8] | bytes]:
        """What the file has of the lists behind their head."""
        most_rows = max(1, GROUP_BYTES // (self.form.row_bytes + 8))
        begun = np.zeros(len(self.shards), dtype=np.int64)
        ends = np.cumsum(self.sizes.sum(axis=0, dtype=np.int64))
        first = 0
        while first < self.form.nlist:
            before = ends[first - 1] if first else 0
            stop = max(first + 1, int(np.searchsorted(ends, before + most_rows, side="right")))
            is_long = ends[stop - 1] - before > most_rows
            yield from self._long(first, begun, most_rows) if is_long else self._group(first, stop, begun)
            begun += self.sizes[:, first:stop].sum(axis=1)
            first = stop

    def _group(self, first: int, stop: int, begun: NDArray[np.int64]) -> Iterator[NDArray[np.uint8] | bytes]:
        """Some short lists: every shard is read once, and its rows go to their places."""
        sizes = self.sizes[:, first:stop].astype(np.int64)
        of_lists = sizes.sum(axis=0)
        edges = np.concatenate([[0], np.cumsum(of_lists)])
        codes = np.empty((edges[-1], self.form.row_bytes), dtype=np.uint8)
        ids = np.empty(edges[-1], dtype="<i8")
        # Where the rows of each shard begin in each list.
        starts = edges[:-1] + np.cumsum(sizes, axis=0) - sizes
        for shard, its_sizes, its_starts, its_first in zip(self.shards, sizes, starts, begun.tolist(), strict=True):
            n = int(its_sizes.sum())
            if n:
                here = np.cumsum(its_sizes) - its_sizes
                places = np.repeat(its_starts - here, its_sizes) + np.arange(n)
                codes[places], ids[places] = shard.codes(its_first, n), shard.ids(its_first, n)
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            of_codes = (self.form.before_codes(end - start), self.form.laid_out(codes[start:end]))
            of_ids = (self.form.before_ids(end - start), ids[start:end].view(np.uint8))
            yield from of_ids + of_codes if self.form.ids_first else of_codes + of_ids

    def _long(self, number: int, begun: NDArray[np.int64], most_rows: int) -> Iterator[NDArray[np.uint8] | bytes]:
        """A list that alone is too long to be held: piece by piece."""
        sizes = self.sizes[:, number].tolist()
        spans = [
            (shard, its_first + done, min(most_rows, n - done))
            for shard, its_first, n in zip(self.shards, begun.tolist(), sizes, strict=True)
            for done in range(0, n, most_rows)
        ]
        of_codes = itertools.chain([self.form.before_codes(sum(sizes))], self._laid_out(spans))
        of_ids = itertools.chain(
            [self.form.before_ids(sum(sizes))], (shard.ids(first, n).view(np.uint8) for shard, first, n in spans)
        )
        yield from itertools.chain(of_ids, of_codes) if self.form.ids_first else itertools.chain(of_codes, of_ids)

    def _laid_out(self, spans: Iterable[tuple[ListShard, int, int]]) -> Iterator[NDArray[np.uint8]]:
        """The codes of one list, whole blocks at a time."""
        held = np.empty((0, self.form.row_bytes), dtype=np.uint8)
        for shard, first, n in spans:
            held = np.concatenate([held, shard.codes(first, n)])
            whole = len(held) // self.form.block * self.form.block
            yield self.form.laid_out(held[:whole])
            held = held[whole:].copy()
        yield self.form.laid_out(held)


def _write(out: BinaryIO, data: NDArray[np.uint8] | bytes) -> None:
    with storage_errors(_name(out)):
        out.write(data if isinstance(data, bytes) else np.ascontiguousarray(data).data)


def _name(out: BinaryIO) -> Path:
    return Path(out.name)
