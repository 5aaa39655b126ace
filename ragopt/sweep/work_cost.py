"""About how long the work of a sweep takes here: operation counts over this machine's measured matrix product."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.sweep.workers import n_workers

if TYPE_CHECKING:
    from ragopt.index.factory import Factory

SIDE = 768
"""Rows, columns and depth of the product that is timed: 0.9 GFlop, some 10 to 30 ms on one core."""

KMEANS_ROUNDS = 25
"""Of every codebook (ClusteringParameters and ProductQuantizer, FAISS 1.15)."""

KMEANS_SHARE, ENCODE_SHARE, SCAN_SHARE = 0.35, 0.25, 0.05
"""Multiply-adds a second as a share of the matrix product's, on 2 shared cores of an AMD EPYC, 22,067 x 384, 2026-11:
PQ48np and PQ96np trained in 1.4 and 2.4 s, PQ48np encoded in 0.1 s, 16-byte codes scanned at 11 ns a vector."""

RESIDUAL_TIMES = 16
"""RQ8x8 behind PCAR96 trained in 11 s where PQ8np took 0.5 to 0.7 (same machine); its beam keeps five codes."""

MANY_BIT_TIMES = 4
"""RaBitQ2 and RaBitQ4 encoded a vector of 384 dimensions in 25 and 46 microseconds, RaBitQ in 3.4 (same machine)."""

NS_PER_CANDIDATE = 150
"""Scoring one candidate of one query by its code (1,000 x 2,000 candidates in 0.29 to 0.36 s, same machine)."""

TYPICAL_RATE = 4e10
"""Multiply-adds a second of one thread of that machine: operations are divided by it where no clock may enter."""


def matmul_rate() -> float:
    """Multiply-adds a second of one thread in a float32 matrix product: the median of five on all, divided by them."""
    matrix = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        _ = matrix @ matrix
        seconds.append(time.perf_counter() - began)
    return float(SIDE**3 / np.median(seconds) / n_workers())


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of one thread; `rate` is in multiply-adds a second."""

    rate: float

    def training(self, factory: Factory, n_rows: int) -> float:
        """Seconds to train a codec on `n_rows` rows, its PCA included."""
        seconds = factory.dim**2 * n_rows / self.rate if factory.transform else 0.0
        if factory.codec.bits * factory.codec.parts:
            macs = KMEANS_ROUNDS * n_rows * factory.codec_dim * (1 << factory.codec.bits)
            seconds += macs * (RESIDUAL_TIMES if factory.codec.is_additive else 1) / (self.rate * KMEANS_SHARE)
        return seconds

    def encoding(self, factory: Factory, n_rows: int) -> float:
        """Seconds to encode `n_rows` vectors."""
        per_row = factory.codec_dim * (1 << factory.codec.bits if factory.codec.parts else 32)
        if factory.codec.depends_on_depth:
            per_row *= MANY_BIT_TIMES * factory.codec.bits
        times = RESIDUAL_TIMES / 2 if factory.codec.is_additive else 1
        rotation = factory.dim * factory.codec_dim if factory.transform else 0
        return n_rows * (per_row * times / (self.rate * ENCODE_SHARE) + rotation / self.rate)

    def scoring(self, factory: Factory, n_distinct: int, n_candidates: int) -> float:
        """Seconds to encode distinct candidates and to score every query's own."""
        return self.encoding(factory, n_distinct) + n_candidates * NS_PER_CANDIDATE / 1e9

    def searching(self, factory: Factory, n_vectors: int, n_queries: int) -> float:
        """Seconds of full scans."""
        per_vector = max(factory.codec.parts, factory.codec_dim // 8)
        return n_queries * n_vectors * per_vector / (self.rate * SCAN_SHARE)
