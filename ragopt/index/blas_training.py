"""Let FAISS train with BLAS: ten times sooner, the same codebooks.

FAISS 1.15.1 compares vectors one by one where rows x dimensions stay under `distance_compute_blas_threshold`, 128,000
by default. The parts of a product quantizer do; what that costs is in eval/results/2026-11-24-pq-training.json.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

THRESHOLD = 20
"""FAISS's own default in earlier versions, in rows (faiss/utils/distances.cpp); any small number does."""

_lock = threading.Lock()
_depth = 0
_before = THRESHOLD


@contextlib.contextmanager
def blas_training() -> Iterator[None]:
    """Lower FAISS's process-wide threshold while any thread trains, and give it back after the last one.

    Single searches are faster without BLAS, so the setting must not outlive the training.
    """
    global _depth, _before  # noqa: PLW0603 - FAISS's setting is one for the process, so is this count
    import faiss  # noqa: PLC0415 - loaded when first used

    with _lock:
        if _depth == 0:
            _before = faiss.cvar.distance_compute_blas_threshold
            faiss.cvar.distance_compute_blas_threshold = THRESHOLD
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                faiss.cvar.distance_compute_blas_threshold = _before
