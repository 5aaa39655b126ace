"""Encode vectors with torch, on any device, by what a trained FAISS index holds, and add them to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.code_adding import add_codes
from ragopt.index.inner import first_transform, inner_index, refined_parts
from ragopt.index.template import set_ntotal
from ragopt.index.torch_kmeans import FLOAT_BYTES, in_parts, nearest
from ragopt.index.torch_loaded import load_torch, rows_within
from ragopt.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import faiss
    from numpy.typing import NDArray

    Tensor = Any
    """A torch tensor; torch is not imported for types."""

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

    def residuals(self, rows: Tensor, lists: Tensor) -> Tensor:
        """Each row less the centroid of its list."""
        return rows - self._centroids[lists]


class TorchEncoder:
    """What gives a vector its list and its code, copied to a device from a trained index."""

    def __init__(self, index: faiss.Index, *, device: Any, memory_bytes: int) -> None:
        """Copy transform, list centroids and codebooks.

        Args:
            index: trained FAISS index of product-quantizer codes of 4 or 8 bits, without a rescoring tier.
            device: a torch device or its name.
            memory_bytes: bound on one block of rows with its scores on the device.

        Raises:
            MissingExtra: torch is not installed.
        """
        import faiss  # noqa: PLC0415 - loaded when first used

        inner, transform = inner_index(index), first_transform(index)
        self._device = device
        self._map = None if transform is None else TorchMap(transform, device=device)
        self._lists = TorchLists(inner, device=device) if isinstance(inner, faiss.IndexIVF) else None
        self._by_residual = self._lists is not None and bool(inner.by_residual)
        quantizer = inner.pq
        centroids = faiss.vector_to_array(quantizer.centroids)
        self._codebooks = _to_device(centroids.reshape(quantizer.M, quantizer.ksub, quantizer.dsub), device)
        self._bits = int(quantizer.nbits)
        # Half of the budget is for scores. The other holds rows as they came, turned, less a centroid, and in parts.
        self._memory_bytes = memory_bytes // 2
        self._step = rows_within(self._memory_bytes, (index.d + 3 * inner.d) * FLOAT_BYTES)

    def encode(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64] | None, NDArray[np.uint8]]:
        """Encode vectors block by block.

        Args:
            vectors: float32 (n, dim).

        Returns:
            The list of each vector, int64 (n,), None without lists; and its code, uint8 (n, code bytes): one byte a
            part with 8 bits, two parts a byte with 4, the even one in the lower half, as FAISS packs them.
        """
        torch = load_torch("Encoding on a device")
        code_bytes = (len(self._codebooks) * self._bits + 7) // 8
        lists, codes = [np.empty(0, np.int64)], [np.empty((0, code_bytes), np.uint8)]
        for first in range(0, len(vectors), self._step):
            rows = torch.tensor(np.asarray(vectors[first : first + self._step], np.float32), device=self._device)
            number, code = self._encoded(rows)
            codes.append(code.cpu().numpy())
            if number is not None:
                lists.append(number.cpu().numpy())
        return (np.concatenate(lists) if self._lists else None), np.concatenate(codes)

    def _encoded(self, rows: Tensor) -> tuple[Tensor | None, Tensor]:
        torch = load_torch("Encoding on a device")
        if self._map is not None:
            rows = self._map.apply(rows)
        numbers = None
        if self._lists is not None:
            numbers = self._lists.of(rows, memory_bytes=self._memory_bytes)
            if self._by_residual:
                rows = self._lists.residuals(rows, numbers)
        parts = in_parts(rows, len(self._codebooks))
        best = nearest(parts, self._codebooks, spherical=False, memory_bytes=self._memory_bytes).T.to(torch.uint8)
        if self._bits == 8:
            return numbers, best.contiguous()
        if best.shape[1] % 2:
            best = torch.nn.functional.pad(best, (0, 1))
        return numbers, best[:, ::2] | best[:, 1::2] << 4


def residuals(index: Any, rows: Tensor, *, memory_bytes: int) -> Tensor:
    """Each row (n, dim), on its device, less the centroid of its list in a FAISS IndexIVF."""
    lists = TorchLists(index, device=rows.device)
    return lists.residuals(rows, lists.of(rows, memory_bytes=memory_bytes))


def add_with_torch(
    index: faiss.Index,
    blocks: Iterable[tuple[int, NDArray[np.float32]]],
    *,
    device: Any,
    memory_bytes: int,
    progress: Callable[[int, int], None] | None = None,
    n: int = 0,
) -> None:
    """Add vectors block by block, encoded on a device; as `add_blocks`, which encodes with FAISS on the CPU.

    Args:
        index: trained FAISS index of a factory for which `torch_trains` holds; it is filled. A rescoring tier of other
            codes than PQ is filled by FAISS.
        blocks: (first row, float32 (m, dim)) in row order.
        device: a torch device or its name.
        memory_bytes: bound on one block of rows with its scores on the device.
        progress: called with (vectors added, `n`).
        n: vectors in all, for `progress`.

    Raises:
        MissingExtra: torch is not installed.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    base, tier = refined_parts(index)
    given = {"device": device, "memory_bytes": memory_bytes}
    coded = [_Coded(inner_index(base), TorchEncoder(base, **given))]
    if isinstance(tier, faiss.IndexPQ):
        coded.append(_Coded(tier, TorchEncoder(tier, **given)))
    for start, block in blocks:
        if len(block):
            for one in coded:
                one.add(block)
            if tier is not None and len(coded) == 1:
                tier.add(block)
        if progress:
            progress(start + len(block), n)
    for one in coded:
        one.write()
    set_ntotal(index, inner_index(base).ntotal)


class _Coded:
    """An index of codes, which are held back until they are worth writing into many lists."""

    def __init__(self, index: Any, encoder: TorchEncoder) -> None:
        self._index, self._encoder = index, encoder
        self._held: list[tuple[NDArray[np.int64] | None, NDArray[np.uint8]]] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """Encode a block, and write what is held if it is much."""
        self._held.append(self._encoder.encode(block))
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
