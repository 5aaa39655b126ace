"""The vectors of eval/device.py: clustered unit vectors, drawn on a device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

DIM = 384
BLOCK_ROWS = 16_384  # of ragopt's vector store

TOPICS, TOPICS_POWER, SPECTRUM, SPREAD, NOISE = 3.0, 0.7, 0.6, 0.3, 0.03
"""The distribution of eval/clustered_vectors.py, where these are explained; drawn here by torch, so other rows."""


def clustered(n: int, n_queries: int, *, device: torch.device, seed: int) -> tuple[Vectors, Vectors]:
    """Corpus and held-out queries of clustered unit vectors, made on the device, in this machine's memory."""
    generator = torch.Generator(device).manual_seed(seed)
    normal = {"generator": generator, "device": device}
    spectrum = torch.arange(1, DIM + 1, device=device) ** -SPECTRUM
    spectrum /= spectrum.norm()
    topics = torch.randn(max(1, round(TOPICS * n**TOPICS_POWER)), DIM, **normal) * spectrum * math.sqrt(1 - SPREAD)
    around = (SPREAD * spectrum.square() + NOISE / DIM).sqrt()
    rotation = torch.linalg.qr(torch.randn(DIM, DIM, **normal))[0]
    made = np.empty((n + n_queries, DIM), np.float32)
    for first in range(0, len(made), BLOCK_ROWS):
        rows = min(BLOCK_ROWS, len(made) - first)
        topic = torch.randint(len(topics), (rows,), **normal)
        drawn = (torch.randn(rows, DIM, **normal) * around + topics[topic]) @ rotation
        made[first : first + rows] = (drawn / drawn.norm(dim=1, keepdim=True)).cpu().numpy()
    return made[:n], made[n:]
