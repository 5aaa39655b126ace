"""How much memory a step may take on a device: from what is free, halved where the device runs out of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ragopt.errors import DeviceFull
from ragopt.index.torch_loaded import load_torch
from ragopt.units import MIB, format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FREE_SHARE = 0.5
"""Share of a device's free memory taken for a block and its scores; what is kept beside them needs some too."""

DEFAULT_BYTES = 256 * MIB
"""Budget where a device does not say what is free: small beside any machine, large beside a block of 16,384 rows."""

FULL_WORDS = ("MPS backend out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What plain RuntimeErrors of torch say of a full device: Apple's allocator (aten/src/ATen/mps/MPSAllocator.mm), and
cuBLAS, which allocates for itself (CUDA's cublasStatus_t)."""


def free_bytes(device: Any) -> int | None:
    """Memory that torch may still take on a device, None where the device does not say.

    What torch holds for later use counts as free: it takes from there first.
    """
    torch = load_torch(f"Work on the device {device}")
    there = torch.device(device)
    if there.type == "cuda":
        held = torch.cuda.memory_reserved(there) - torch.cuda.memory_allocated(there)
        return int(torch.cuda.mem_get_info(there)[0]) + int(held)
    if there.type == "mps":
        return max(0, int(torch.mps.recommended_max_memory()) - int(torch.mps.current_allocated_memory()))
    return None


def budget_bytes(device: Any, memory_bytes: int = 0) -> int:
    """Bytes that a step may take on a device: those that are given, or for 0 half of what the device says is free."""
    if memory_bytes:
        return memory_bytes
    free = free_bytes(device)
    return DEFAULT_BYTES if free is None else max(1, int(FREE_SHARE * free))


def is_full(torch: Any, error: RuntimeError) -> bool:
    """Whether an error says that a device has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in FULL_WORDS)


def too_little(device: Any, asked: str) -> DeviceFull:
    """The error for work that a device cannot hold.

    Args:
        device: a torch device or its name.
        asked: what it should have held, with its size.
    """
    free = free_bytes(device)
    return DeviceFull(
        f"The device {device} has too little memory for {asked}",
        allowed="" if free is None else f"what fits the {format_bytes(free)} that are free there",
        next_step="Free memory on the device, or run on the CPU with --device cpu",
    )


@contextlib.contextmanager
def told_when_full(device: Any, asked: str) -> Iterator[None]:
    """Turn a full device into a clear error, for what cannot be done in smaller steps.

    Args:
        device: a torch device or its name.
        asked: what the device shall hold, with its size.

    Raises:
        DeviceFull: the device has too little memory.
    """
    torch = load_torch(f"Work on the device {device}")
    try:
        yield
    except RuntimeError as error:
        if not is_full(torch, error):
            raise
        raise too_little(device, asked) from error


class RowBudget:
    """How many rows a step may take on a device now; halved, as often as needed, where it runs out of memory."""

    def __init__(self, device: Any, row_bytes: int, asked: str, *, memory_bytes: int = 0, most_rows: int = 0) -> None:
        """Start from a budget.

        Args:
            device: a torch device or its name.
            row_bytes: what one row of the step takes there.
            asked: what one row is, for the error that it does not fit.
            memory_bytes: bound on a step; 0 asks the device (`budget_bytes`).
            most_rows: rows of a step at most; 0 for as many as fit.
        """
        self._torch = load_torch(f"Work on the device {device}")
        self._device, self._row_bytes, self._asked = device, max(1, row_bytes), asked
        rows = max(1, budget_bytes(device, memory_bytes) // self._row_bytes)
        self._rows = min(rows, most_rows) if most_rows else rows

    @property
    def rows(self) -> int:
        """Rows that a step may have now; at least one."""
        return self._rows

    @property
    def memory_bytes(self) -> int:
        """Bytes that a step may take now."""
        return self._rows * self._row_bytes

    def fits(self, work: Callable[..., None], *given: Any) -> bool:
        """Do some work; False when the device ran out of memory, and what the work had taken there is free again."""
        try:
            work(*given)
        except RuntimeError as error:
            if not is_full(self._torch, error):
                raise
        else:
            return True
        # Behind the handler: an error that is being handled holds the tensors of the calls that it came through.
        kind = self._torch.device(self._device).type
        if kind in ("cuda", "mps"):
            getattr(self._torch, kind).empty_cache()
        return False

    def halve(self, n_rows: int) -> None:
        """Take half of so many rows from now on.

        Raises:
            DeviceFull: there is no half of one row.
        """
        if n_rows <= 1:
            raise too_little(self._device, f"{self._asked}, {format_bytes(self._row_bytes)}")
        self._rows = min(self._rows, n_rows // 2)

    def pieces(self, n: int, work: Callable[[slice], None]) -> None:
        """Do some work over n rows in steps that fit.

        Args:
            n: rows.
            work: called with the rows of each step in turn; where it runs out of memory it has to leave all as it was.

        Raises:
            DeviceFull: a single row does not fit.
        """
        first = 0
        while first < n:
            step = slice(first, min(first + self._rows, n))
            if self.fits(work, step):
                first = step.stop
            else:
                self.halve(step.stop - first)

    def whole(self, n: int, work: Callable[[int], None]) -> None:
        """Do some work over n rows that itself goes by blocks, and all again with smaller blocks where it has to be.

        Args:
            n: rows.
            work: called with the rows that a block may have.

        Raises:
            DeviceFull: blocks of a single row do not fit.
        """
        while not self.fits(work, self._rows):
            self.halve(min(self._rows, n))
