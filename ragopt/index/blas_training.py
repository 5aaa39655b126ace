"""Let FAISS train with BLAS: ten times sooner, the same codebooks.

FAISS 1.15.1 compares vectors one by one where rows x dimensions stay under `distance_compute_blas_threshold`, 128,000
by default. The parts of a product quantizer do; what that costs is in eval/results/2026-11-24-pq-training.json.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ragopt.index.process_setting import ProcessSetting

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

THRESHOLD = 20
"""FAISS's own default in earlier versions, in rows (faiss/utils/distances.cpp); any small number does."""

_threshold = ProcessSetting()


def blas_training() -> AbstractContextManager[None]:
    """Lower FAISS's process-wide threshold while any thread trains, and give it back after the last one.

    Single searches are faster without BLAS, so the setting must not outlive the training.
    """
    return _threshold.held(_lower)


def _lower() -> Callable[[], None]:
    import faiss  # noqa: PLC0415 - loaded when first used

    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = THRESHOLD
    return partial(setattr, faiss.cvar, "distance_compute_blas_threshold", before)
