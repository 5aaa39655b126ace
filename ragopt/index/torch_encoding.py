"""Encode vectors with torch, on any device, by what a trained FAISS index holds, and add them to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.code_adding import add_codes
from ragopt.index.inner import first_transform, inner_index, refined_parts
from ragopt.index.template import set_ntotal
from ragopt.index.torch_blocks import MOST_ROWS, work_through
from ragopt.index.torch_kmeans import FLOAT_BYTES, assigned, in_parts, nearest, scores_budget
from ragopt.index.torch_loaded import load_torch
from ragopt.index.torch_memory import RowBudget, told_when_full
from ragopt.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import faiss
    from numpy.typing import NDArray

    Tensor = Any
    """A torch tensor; torch is not imported for types."""

    Codes = tuple[NDArray[np.int64] | None, NDArray[np.uint8]]
    """List numbers, None without lists, and codes of some vectors."""

HELD_BYTES = 32 * MIB
"""Codes held before they are written: 700,000 of 48 bytes. Appending to a list of FastScan's blocks takes 70
microseconds, so that 16,384 rows at a time into 1,024 lists would take 4 s a million (0.4 s so; 2026-11-26)."""


class TorchMap:
    """A trained FAISS LinearTransform on a device."""

    def __init__(self, transform: Any, *, device: Any) -> None:
        """Copy its matrix and, if it has one, its shift."""
        import faiss  # noqa: PLC0415 - loaded when first used

        matrix = faiss.vector_to_array(transform.A).reshape(transform.d_out, transform.d_in)
        self._matrix = _to_device(matrix, device)
        self._shift = _to_device(faiss.vector_to_array(transform.b), device) if transform.have_bias else None

    def apply(self, rows: Tensor) -> Tensor:
        """Map float32 rows (n, dim) to (n, dim_out), as the transform does."""
        turned = rows @ self._matrix.T
        return turned if self._shift is None else turned + self._shift


class TorchLists:
    """The centroids of inverted lists on a device."""

    def __init__(self, index: Any, *, device: Any) -> None:
        """Copy the centroids of a FAISS IndexIVF with a flat quantizer."""
        import faiss  # noqa: PLC0415 - loaded when first used

        self._centroids = _to_device(index.quantizer.reconstruct_n(0, index.nlist), device)
        self._spherical = index.metric_type == faiss.METRIC_INNER_PRODUCT

    def of(self, rows: Tensor, *, memory_bytes: int) -> Tensor:
        """The list of each row (n, dim), int64 (n,)."""
        return nearest(rows[None], self._centroids[None], spherical=self._spherical, memory_bytes=memory_bytes)[0]

    def of_sample(self, rows: Tensor, *, memory_bytes: int) -> Tensor:
        """As `of`, scored in smaller blocks where the device runs out of memory; 0 bytes ask the device."""
        budget = scores_budget(self._centroids[None], memory_bytes)
        return assigned(rows[None], self._centroids[None], spherical=self._spherical, budget=budget)[0]

    def residuals(self, rows: Tensor, lists: Tensor) -> Tensor:
        """Each row less the centroid of its list."""
        return rows - self._centroids[lists]


class TorchEncoder:
    """What gives a vector its list and its code, copied to a device from a trained index."""

    def __init__(self, index: faiss.Index, *, device: Any, memory_bytes: int = 0) -> None:
        """Copy transform, list centroids and codebooks.

        Args:
            index: trained FAISS index of product-quantizer codes of 4 or 8 bits, without a rescoring tier.
            device: a torch device or its name.
            memory_bytes: bound on one block of rows with its scores on the device; 0 asks the device for what is free.
                Halved, as often as needed, when it runs out of memory.

        Raises:
            InputError: the device has too little memory for them.
            MissingExtra: torch is not installed.
        """
        import faiss  # noqa: PLC0415 - loaded when first used

        load_torch(f"Encoding on the device {device}")
        inner, transform = inner_index(index), first_transform(index)
        self._device, self._memory_bytes = device, memory_bytes
        quantizer = inner.pq
        centroids = faiss.vector_to_array(quantizer.centroids)
        with told_when_full(device, f"the centroids and codebooks of an index of {index.d} dimensions"):
            self._map = None if transform is None else TorchMap(transform, device=device)
            self._lists = TorchLists(inner, device=device) if isinstance(inner, faiss.IndexIVF) else None
            self._codebooks = _to_device(centroids.reshape(quantizer.M, quantizer.ksub, quantizer.dsub), device)
        self._by_residual = self._lists is not None and bool(inner.by_residual)
        self._bits = int(quantizer.nbits)
        # Rows as they came, the next ones behind them, turned, less a centroid, and in parts; as much again for scores.
        self.row_bytes = 2 * (2 * index.d + 3 * inner.d) * FLOAT_BYTES

    def encode(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64] | None, NDArray[np.uint8]]:
        """Encode vectors block by block.

        Args:
            vectors: float32 (n, dim).

        Returns:
            The list of each vector, int64 (n,), None without lists; and its code, uint8 (n, code bytes): one byte a
            part with 8 bits, two parts a byte with 4, the even one in the lower half, as FAISS packs them.

        Raises:
            InputError: the device has too little memory for a single vector.
        """
        code_bytes = (len(self._codebooks) * self._bits + 7) // 8
        lists, codes = [np.empty(0, np.int64)], [np.empty((0, code_bytes), np.uint8)]

        def keep(_number: int, found: Codes) -> None:
            codes.append(found[1])
            if found[0] is not None:
                lists.append(found[0])

        encode_through([(0, vectors)], [self], device=self._device, memory_bytes=self._memory_bytes, keep=keep)
        return (np.concatenate(lists) if self._lists else None), np.concatenate(codes)

    def encoded(self, rows: Tensor, *, memory_bytes: int) -> tuple[Tensor | None, Tensor]:
        """List numbers and codes of rows (n, dim) on the device, there; `memory_bytes` bounds their scores."""
        torch = load_torch("Encoding on a device")
        if self._map is not None:
            rows = self._map.apply(rows)
        numbers = None
        if self._lists is not None:
            numbers = self._lists.of(rows, memory_bytes=memory_bytes)
            if self._by_residual:
                rows = self._lists.residuals(rows, numbers)
        parts = in_parts(rows, len(self._codebooks))
        best = nearest(parts, self._codebooks, spherical=False, memory_bytes=memory_bytes).T.to(torch.uint8)
        if self._bits == 8:
            return numbers, best.contiguous()
        if best.shape[1] % 2:
            best = torch.nn.functional.pad(best, (0, 1))
        return numbers, best[:, ::2] | best[:, 1::2] << 4


class _Encoding:
    """The worker that encodes pieces with one or more encoders and hands their codes on."""

    def __init__(self, encoders: list[TorchEncoder], budget: RowBudget, keep: Callable[[int, Codes], None]) -> None:
        self._encoders, self._budget, self._keep = encoders, budget, keep
        self._found: list[tuple[Tensor | None, Tensor]] = []

    def look(self, vectors: Tensor) -> None:
        """Queue the encoding of a piece; without the memory for it, nothing but ask for less."""
        n = len(vectors)
        if n <= self._budget.rows and not self._budget.fits(self._queue, vectors) and n > 1:
            self._budget.halve(n)

    def take(self, first: int, vectors: Tensor) -> None:  # noqa: ARG002 - the pieces come in order
        """Hand on the codes of the piece, encoded in smaller parts where it did not fit."""
        if self._found:
            self._hand_on()
        else:
            self._budget.pieces(len(vectors), lambda part: self._at_once(vectors[part]))

    def _at_once(self, vectors: Tensor) -> None:
        self._queue(vectors)
        self._hand_on()

    def _queue(self, vectors: Tensor) -> None:
        scores_bytes = self._budget.memory_bytes // 2
        self._found = [encoder.encoded(vectors, memory_bytes=scores_bytes) for encoder in self._encoders]

    def _hand_on(self) -> None:
        found, self._found = self._found, []
        for number, (lists, codes) in enumerate(found):
            self._keep(number, (None if lists is None else lists.cpu().numpy(), codes.cpu().numpy()))


def encode_through(
    blocks: Iterable[tuple[int, NDArray[np.float32]]],
    encoders: list[TorchEncoder],
    *,
    device: Any,
    memory_bytes: int = 0,
    keep: Callable[[int, Codes], None],
    done: Callable[[int, int], None] = lambda _first, _rows: None,
) -> None:
    """Encode blocks of vectors piece by piece; the next piece is copied while the device encodes the last.

    Args:
        blocks: (first row, float32 (m, dim)); read ahead by one piece.
        encoders: what encodes each piece, on the same device.
        device: a torch device or its name.
        memory_bytes: bound on one piece with its scores; 0 asks the device for what is free. Halved, as often as
            needed, when it runs out of memory.
        keep: called for each piece and encoder with the encoder's number and what it found.
        done: called with (first row, rows) after each piece.

    Raises:
        InputError: the device has too little memory for a single vector.
    """
    row_bytes = sum(encoder.row_bytes for encoder in encoders)
    asked = "one vector and what encodes it"
    budget = RowBudget(device, row_bytes, asked, memory_bytes=memory_bytes, most_rows=MOST_ROWS)
    work_through(blocks, _Encoding(encoders, budget, keep), device=device, budget=budget, done=done)


def residuals(index: Any, rows: Tensor, *, memory_bytes: int) -> Tensor:
    """Each row (n, dim), on its device, less the centroid of its list in a FAISS IndexIVF; 0 bytes ask the device."""
    lists = TorchLists(index, device=rows.device)
    return lists.residuals(rows, lists.of_sample(rows, memory_bytes=memory_bytes))


def add_with_torch(
    index: faiss.Index,
    blocks: Iterable[tuple[int, NDArray[np.float32]]],
    *,
    device: Any,
    memory_bytes: int = 0,
    progress: Callable[[int, int], None] | None = None,
    n: int = 0,
) -> None:
    """Add vectors block by block, encoded on a device; as `add_blocks`, which encodes with FAISS on the CPU.

    Args:
        index: trained FAISS index of a factory for which `torch_trains` holds; it is filled. A rescoring tier of other
            codes than PQ is filled by FAISS.
        blocks: (first row, float32 (m, dim)) in row order; read ahead by one piece.
        device: a torch device or its name.
        memory_bytes: bound on one piece with its scores on the device; 0 asks the device for what is free. Halved, as
            often as needed, when it runs out of memory.
        progress: called with (vectors encoded, `n`).
        n: vectors in all, for `progress`.

    Raises:
        InputError: the device has too little memory for a single vector.
        MissingExtra: torch is not installed.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    base, tier = refined_parts(index)
    coded = [base, tier] if isinstance(tier, faiss.IndexPQ) else [base]
    encoders = [TorchEncoder(one, device=device) for one in coded]
    filled = [_Filled(inner_index(one)) for one in coded]

    def done(first: int, rows: int) -> None:
        if progress:
            progress(first + rows, n)

    encode_through(
        blocks if tier is None or len(coded) == 2 else _added_to(tier, blocks),
        encoders,
        device=device,
        memory_bytes=memory_bytes,
        keep=lambda number, found: filled[number].add(found),
        done=done,
    )
    for one in filled:
        one.write()
    set_ntotal(index, inner_index(base).ntotal)


def _added_to(
    tier: Any, blocks: Iterable[tuple[int, NDArray[np.float32]]]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The blocks, each added to a rescoring tier by FAISS as it passes."""
    for first, block in blocks:
        if len(block):
            tier.add(block)
        yield first, block


class _Filled:
    """An index of codes, which are held back until they are worth writing into many lists."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self._held: list[Codes] = []

    def add(self, found: Codes) -> None:
        """Hold the codes of a piece, and write what is held if it is much."""
        self._held.append(found)
        if sum(codes.nbytes for _, codes in self._held) >= HELD_BYTES:
            self.write()

    def write(self) -> None:
        """Add what is held to the index."""
        if self._held:
            lists = [numbers for numbers, _ in self._held if numbers is not None]
            codes = np.concatenate([codes for _, codes in self._held])
            add_codes(self._index, codes, np.concatenate(lists) if lists else None)
            self._held = []


def _to_device(values: NDArray[np.float32], device: Any) -> Tensor:
    return load_torch(f"Encoding on the device {device}").tensor(values, device=device)
