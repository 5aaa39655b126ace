"""How much a step takes on a device, and what happens when that is too much."""

import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.errors import InputError
from ragopt.index import torch_memory
from ragopt.index.torch_blocks import on_device
from ragopt.index.torch_memory import DEFAULT_BYTES, RowBudget, budget_bytes, is_full, told_when_full

torch = pytest.importorskip("torch")


def a_torch(**parts):
    """A torch that answers what is asked of it about memory."""
    return types.SimpleNamespace(device=torch.device, OutOfMemoryError=torch.OutOfMemoryError, **parts)


CUDA = a_torch(
    cuda=types.SimpleNamespace(
        mem_get_info=lambda _device: (1000, 9000),
        memory_reserved=lambda _device: 700,
        memory_allocated=lambda _device: 300,
        empty_cache=lambda: None,
    )
)
MPS = a_torch(mps=types.SimpleNamespace(recommended_max_memory=lambda: 5000, current_allocated_memory=lambda: 1000))


@pytest.mark.parametrize(("module", "device", "expected"), [(CUDA, "cuda:1", 700), (MPS, "mps", 2000),
                                                            (torch, "cpu", DEFAULT_BYTES)])  # fmt: skip
def test_a_budget_is_half_of_what_is_free(module, device, expected, monkeypatch):
    """On CUDA 1,000 bytes free and 700 - 300 held for later give 700; on Apple 5,000 - 1,000 give 2,000."""
    monkeypatch.setattr(torch_memory, "load_torch", lambda _what: module)
    assert budget_bytes(device) == expected
    assert budget_bytes(device, 123) == 123


def full_above(most, seen):
    def work(rows):
        n = rows.stop - rows.start if isinstance(rows, slice) else rows
        if n > most:
            raise torch.OutOfMemoryError("injected")
        seen.append(rows)

    return work


@given(n=st.integers(0, 200), most=st.integers(1, 50), rows=st.integers(1, 300))
def test_pieces_cover_every_row_once(n, most, rows):
    """However little fits, each row is worked on once and in order, and no step is larger than what fits."""
    seen = []
    budget = RowBudget("cpu", 10, "one row", memory_bytes=10 * rows)
    budget.pieces(n, full_above(most, seen))
    assert [row for step in seen for row in range(step.start, step.stop)] == list(range(n))
    assert all(step.stop - step.start <= min(most, rows) for step in seen)


def test_a_budget_halves_from_what_was_asked():
    """Of 1,000 rows allowed and 100 there, 50 come next, then 25, 12, 6 and 3; and so it stays."""
    seen = []
    budget = RowBudget("cpu", 10, "one row", memory_bytes=10_000)
    budget.whole(100, lambda rows: full_above(3, seen)(min(rows, 100)))
    assert (budget.rows, budget.memory_bytes, seen) == (3, 30, [3])


def test_most_rows_bounds_a_step():
    """However much memory is there, a step has no more rows than were allowed; however little, it has one."""
    assert RowBudget("cpu", 10, "one row", memory_bytes=10_000, most_rows=7).rows == 7
    assert RowBudget("cpu", 10, "one row", memory_bytes=3).rows == 1


def test_one_row_that_does_not_fit_is_an_error(monkeypatch):
    """The error says what was asked, what is free and what to do."""
    monkeypatch.setattr(torch_memory, "load_torch", lambda _what: CUDA)
    budget = RowBudget("cuda:1", 2_500, "the scores of one row")
    with pytest.raises(InputError) as caught:
        budget.pieces(9, full_above(0, []))
    assert str(caught.value) == (
        "The device cuda:1 has too little memory for the scores of one row, 2.5 kB. "
        "Allowed: what fits the 1.4 kB that are free there. "
        "Free memory on the device, or run on the CPU with --device cpu."
    )


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.50 GiB, other allocations: 448.00 KiB)"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"), False),
    ],
)
def test_a_full_device_is_told_from_other_errors(error, full):
    """Torch's own error and the two that come as plain RuntimeErrors count; anything else goes on as it is."""
    assert is_full(torch, error) is full

    def raises():
        raise error

    budget = RowBudget("cpu", 10, "one row")
    if full:
        assert not budget.fits(raises)
        with (
            pytest.raises(InputError, match="The device cpu has too little memory for a copy"),
            told_when_full("cpu", "a copy"),
        ):
            raises()
    else:
        with pytest.raises(RuntimeError) as caught:
            budget.fits(raises)
        assert caught.value is error
        with pytest.raises(RuntimeError) as caught, told_when_full("cpu", "a copy"):
            raises()
        assert caught.value is error


def test_a_copy_that_does_not_fit_is_halved(monkeypatch):
    """Where the device has no memory for a piece itself, smaller ones follow, and every row arrives once."""
    real = torch.tensor

    def tensor(rows, **given):
        if len(rows) > 4:
            raise torch.OutOfMemoryError("injected")
        return real(rows, **given)

    monkeypatch.setattr(torch, "tensor", tensor)
    rows = np.arange(20, dtype=np.float32).reshape(10, 2)
    budget = RowBudget("cpu", 8, "one row")
    found = [(first, piece.tolist()) for first, piece in on_device([(30, rows)], device="cpu", budget=budget)]
    assert [first for first, _ in found] == [30, 32, 34, 36, 38]
    assert [row for _, piece in found for row in piece] == rows.tolist()
