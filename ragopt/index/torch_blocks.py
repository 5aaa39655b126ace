"""Bring blocks of vectors onto a device, the next one while the device works on the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ragopt.index.torch_loaded import load_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from ragopt.index.torch_memory import RowBudget

    Tensor = Any
    """A torch tensor; torch is not imported for types."""

BUFFERS = 2
"""Blocks in page-locked memory: one is filled while the other is copied."""

MOST_ROWS = 65_536
"""Rows of a piece at most: 100 MB of 384 dimensions, enough for a device to run at its speed."""


class Worker(Protocol):
    """What is done with each piece, in two steps, so that a copy can run between them."""

    def look(self, vectors: Tensor) -> None:
        """Queue the work on a piece; without the memory for it, nothing."""

    def take(self, first: int, vectors: Tensor) -> None:
        """Wait for the work on the piece, done anew in smaller parts where `look` had no memory, and keep its result.

        Args:
            first: the piece's first row.
            vectors: the piece that `look` was called with last.
        """


def work_through(
    blocks: Iterable[tuple[int, NDArray[np.float32]]],
    worker: Worker,
    *,
    device: Any,
    budget: RowBudget,
    done: Callable[[int, int], None],
) -> None:
    """Give every piece of some blocks to a worker; the next piece is copied while the device works on the last.

    Args:
        blocks: (first row, float32 (m, dim)); read ahead by one piece.
        worker: what to do with a piece.
        device: a torch device.
        budget: of the rows of a piece; shared with the worker, which may halve it.
        done: called with (first row, rows) after each piece.
    """
    pieces = on_device(blocks, device=device, budget=budget)
    piece = next(pieces, None)
    while piece is not None:
        first, vectors = piece
        worker.look(vectors)
        piece = next(pieces, None)
        worker.take(first, vectors)
        done(first, len(vectors))


def on_device(
    blocks: Iterable[tuple[int, NDArray[np.float32]]], *, device: Any, budget: RowBudget
) -> Iterator[tuple[int, Tensor]]:
    """Cut blocks into pieces and copy them to a device.

    On CUDA the copy runs beside the device's work, from page-locked memory and on a stream of its own: ask for the next
    piece after the work on the last one is queued and before its result is read.

    Args:
        blocks: (first row, float32 (m, dim)).
        device: a torch device.
        budget: of the rows of a piece, asked before each; halved where the device has no memory for a piece.

    Yields:
        (first row, float32 tensor (rows, dim) on the device), in the order of the blocks.

    Raises:
        InputError: the device has no memory for a single row.
    """
    torch = load_torch("Work on a device")
    stage = (_CudaStage if torch.device(device).type == "cuda" else _Stage)(torch, device)
    for start, block in blocks:
        first = 0
        while first < len(block):
            rows = block[first : first + budget.rows]
            if budget.fits(stage.copy, rows):
                yield start + first, stage.taken()
                first += len(rows)
            else:
                budget.halve(len(rows))


class _Stage:
    """The way onto a device without streams."""

    def __init__(self, torch: Any, device: Any) -> None:
        self._torch, self._device = torch, device
        self._there: Tensor = None

    def copy(self, rows: NDArray[np.float32]) -> None:
        """Copy some rows, on the CPU too: torch warns of arrays that it may not write into."""
        self._there = self._torch.tensor(np.asarray(rows, np.float32), device=self._device)

    def taken(self) -> Tensor:
        """The rows that were copied last, which are held here no longer."""
        there, self._there = self._there, None
        return there


class _CudaStage(_Stage):
    """Page-locked buffers in front of a CUDA device, and the stream that empties them."""

    def __init__(self, torch: Any, device: Any) -> None:
        super().__init__(torch, device)
        self._stream = torch.cuda.Stream(device)
        self._buffers: list[Any] = [None] * BUFFERS
        self._emptied: list[Any] = [None] * BUFFERS
        self._turn = 0

    def copy(self, rows: NDArray[np.float32]) -> None:
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
        self._there = there
