"""Load torch when a device is asked for, and size blocks by a budget of bytes."""

from __future__ import annotations

import os
from typing import Any

from ragopt.errors import MissingExtra

CUBLAS_VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
"""Of cuBLAS from CUDA 10.2 on: eight buffers of 4,096 KiB make its products the same every time (cuBLAS, Results
Reproducibility)."""


def load_torch(what: str) -> Any:
    """The torch module.

    Args:
        what: the work that needs it, as the start of a sentence.

    Raises:
        MissingExtra: torch is not installed.
    """
    try:
        import torch  # noqa: PLC0415 - loaded when first used
    except ImportError as error:
        raise MissingExtra.for_extra(what, "gpu") from error
    # Read when CUDA starts. Without it a matrix product of one thread is an error while another adds in a fixed order
    # (torch.use_deterministic_algorithms, torch 2.13); a larger workspace than the default's changes no result.
    os.environ.setdefault(CUBLAS_VARIABLE, ":4096:8")
    return torch


def rows_within(memory_bytes: int, bytes_per_row: int) -> int:
    """Rows whose working memory fits a budget; at least one.

    >>> rows_within(1000, 300), rows_within(10, 300)
    (3, 1)
    """
    return max(1, memory_bytes // max(1, bytes_per_row))
