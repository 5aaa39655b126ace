"""How much memory training and opening an index takes, beside the vectors that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.index.codec_size import code_bytes
from ragopt.index.size import FASTSCAN_BLOCK, ID_BYTES, index_bytes

if TYPE_CHECKING:
    from ragopt.index.factory import Factory

OF_SAMPLE = {"IVF": 1.5, "PCA": 0.75, "PCAR": 0.75, "OPQ": 5.5, "RR": 0.25}
"""Anonymous memory that training took at most, as a multiple of the training sample, a seventh and more
added: lists 1.23 (residuals of every row), a PCA 0.48, OPQ 4.75 (16,384 x 384 float32, FAISS 1.15.1, one thread,
2026-11-26)."""

ADDITIVE_OF_SAMPLE = 36.0
"""RQ4x8 took 23.7 samples of 384 dimensions, PRQ4x4x8 31.6 of 64: a beam holds five codes of every row, each with its
residual (same measurement)."""

LIST_BYTES = 10_000
"""Of each inverted list while its centroids are trained: 5 to 8.4 kB beside the residuals, with 1,024 to 16,384 of
32 and 64 dimensions (same measurement)."""

LEAST_OF_SAMPLE = 0.25
"""PQ, SQ and RaBitQ took at most 0.14 samples (same measurement)."""


def training_bytes(factory: Factory, n_train: int) -> int:
    """Most bytes that training an index on a sample takes beside that sample."""
    sample = 4 * factory.dim * n_train
    times = OF_SAMPLE.get(factory.transform.kind, LEAST_OF_SAMPLE) if factory.transform else LEAST_OF_SAMPLE
    if factory.nlist:
        times = max(times, OF_SAMPLE["IVF"])
    if factory.codec.is_additive:
        times = max(times, ADDITIVE_OF_SAMPLE)
    return round(sample * times) + factory.nlist * LIST_BYTES + index_bytes(factory, 0).file_bytes


def opened_bytes(factory: Factory, n: int) -> int:
    """Bytes that an opened index of `n` vectors holds itself; what is mapped is the kernel's to take back.

    FAISS 1.15.1 reads the blocks of FastScan into memory whatever the flag.
    """
    fixed = index_bytes(factory, 0).ram_fixed_bytes
    if not factory.codec.is_fast_scan:
        return fixed
    # Every list's last block is half empty on average.
    padding = FASTSCAN_BLOCK * max(1, factory.nlist)
    ids = ID_BYTES * n if factory.nlist else 0
    return fixed + (n + padding) * code_bytes(factory.codec, factory.codec_dim) + ids
