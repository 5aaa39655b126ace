"""Bring blocks of vectors onto a device, the next one while the device works on the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.index.torch_loaded import load_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Tensor = Any
    """A torch tensor; torch is not imported for types."""

BUFFERS = 2
"""Blocks in page-locked memory: one is filled while the other is copied."""


def on_device(
    blocks: Iterable[tuple[int, NDArray[np.float32]]], *, device: Any, most_rows: Callable[[], int]
) -> Iterator[tuple[int, Tensor]]:
    """Cut blocks into pieces and copy them to a device.

    On CUDA the copy runs beside the device's work, from page-locked memory and on a stream of its own: ask for the next
    piece after the work on the last one is queued and before its result is read.

    Args:
        blocks: (first row, float32 (m, dim)).
        device: a torch device.
        most_rows: asked before each piece how many rows it may have.

    Yields:
        (first row, float32 tensor (rows, dim) on the device), in the order of the blocks.
    """
    torch = load_torch("Searching on a device")
    stage = _CudaStage(torch, device) if torch.device(device).type == "cuda" else None
    for start, block in blocks:
        first = 0
        while first < len(block):
            rows = block[first : first + most_rows()]
            yield start + first, stage.copied(rows) if stage else torch.tensor(rows, device=device)
            first += len(rows)


class _CudaStage:
    """Page-locked buffers in front of a CUDA device, and the stream that empties them."""

    def __init__(self, torch: Any, device: Any) -> None:
        self._torch, self._device = torch, device
        self._stream = torch.cuda.Stream(device)
        self._buffers: list[Any] = [None] * BUFFERS
        self._emptied: list[Any] = [None] * BUFFERS
        self._turn = 0

    def copied(self, rows: NDArray[np.float32]) -> Tensor:
        """Queue the copy of some rows; work queued afterwards on the current stream waits for it."""
        torch, turn = self._torch, self._turn
        self._turn = (turn + 1) % BUFFERS
        if self._emptied[turn] is not None:
            self._emptied[turn].synchronize()
        buffer = self._buffers[turn]
        if buffer is None or buffer.shape[0] < len(rows):
            buffer = self._buffers[turn] = torch.empty(rows.shape, dtype=torch.float32, pin_memory=True)
        np.copyto(buffer.numpy()[: len(rows)], rows)
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            there = buffer[: len(rows)].to(self._device, non_blocking=True)
            self._emptied[turn] = self._stream.record_event()
        current.wait_event(self._emptied[turn])
        # The memory may be used again only after the work of the stream that reads it.
        there.record_stream(current)
        return there
