"""What one entry of each cache takes in memory: key, payload, and what a cache adds to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Size = TypeVar("Size", int, NDArray[np.int64])

KEY_BYTES = 16
"""A key is taken to be a digest of 128 bits of all that it depends on: text, tenant, filter, k, index version, model.

Of a thousand million of them two are alike with a chance of 1.5e-21 (n^2 / 2^129, the birthday bound).
"""

ENTRY_OVERHEAD_BYTES = 200
"""Resident memory of a cachebox entry beyond key and payload, both being Python bytes: table, order, object headers.

eval/cache_entry_bytes.py on 2026-11-26, cachebox 6.2.10, CPython 3.11, 0.5 to 1.8 million entries: LRU 168 to 179,
LFU 192 to 203 bytes. Python's own part of it is about 95. Other caches (Redis, Memcached) were not measured.
"""

ID_BYTES = 8
"""The id of a hit: FAISS and LanceDB count rows in 64 bits."""

SCORE_BYTES = 4
"""The score of a hit and a number of a vector: float32, as embedders and indexes give them."""

BYTES_PER_TOKEN = 4
"""English text of a language model's token ("about 4 characters", OpenAI, "What are tokens and how to count them?")."""


def entry_bytes(payload_bytes: Size) -> Size:
    """Bytes of entries by those of their payloads; for chunks, the payload is the text in UTF-8.

    Args:
        payload_bytes: int, or int64 (n,).

    Raises:
        InputError: a payload below 0 bytes.

    >>> entry_bytes(3000)
    3216
    """
    least = int(np.min(payload_bytes, initial=0))
    if least < 0:
        raise InputError(
            f"A cache entry cannot hold {least} bytes", allowed="0 or more", next_step="Check the lengths in the log"
        )
    return payload_bytes + (KEY_BYTES + ENTRY_OVERHEAD_BYTES)


def embedding_entry_bytes(dim: int) -> int:
    """Bytes of a cached query embedding of `dim` float32 numbers.

    >>> embedding_entry_bytes(384)
    1752
    """
    return entry_bytes(dim * SCORE_BYTES)


def result_entry_bytes(k: int, *, text_bytes_per_hit: float = 0.0) -> int:
    """Bytes of a cached search result: ids and scores of `k` hits, with their texts where those are kept too.

    >>> result_entry_bytes(10), result_entry_bytes(10, text_bytes_per_hit=1000)
    (336, 10336)
    """
    return entry_bytes(round(k * (ID_BYTES + SCORE_BYTES + text_bytes_per_hit)))


def answer_entry_bytes(tokens_out: Size) -> Size:
    """Bytes of cached answers by their tokens.

    Args:
        tokens_out: int, or int64 (n,).

    Raises:
        InputError: a length below 0.

    >>> answer_entry_bytes(150)
    816
    """
    return entry_bytes(tokens_out * BYTES_PER_TOKEN)
