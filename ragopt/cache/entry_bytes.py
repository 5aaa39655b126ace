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

SCORE_BYTES = 4
"""A number of a vector: float32, as embedders give them."""

EXPIRING_BYTES = 144
"""What an entry of the caches of `ragopt.open` takes beyond key and table: version, time and size as Python objects.
With it an entry comes out as `Index.cache_stats` counts it, 336 of which are `ragopt.serve.byte_cache.ENTRY_BYTES`."""

HIT_OBJECT_BYTES = 440
"""A hit without the bytes of its text, title and metadata: id, score and the Python objects of all. Measured on
indexes of the tiny corpus and of squad-100k: with these figures the bytes that `Index.cache_stats` counts for an entry
of each cache are met within 6 % (2026-11-26, CPython 3.11; ids and titles of 8 to 30 characters)."""

VECTOR_OBJECT_BYTES = 288
"""A numpy array beside its numbers, the question's text and the key that holds it: 90 characters of English (measured
as above)."""

RESULT_KEY_BYTES = 312
"""What a result is kept under: question, filter, k, tenant and the tuple of the hits (measured as above)."""

BYTES_PER_TOKEN = 4
"""English text of a language model's token ("about 4 characters", OpenAI, "What are tokens and how to count them?"), as
in `text_bytes_per_chunk` of `ragopt/bill/workload_fields.py`."""


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


def chunk_entry_bytes(text_bytes: Size, *, metadata_bytes: int = 0) -> Size:
    """Bytes of a chunk in the cache that `ragopt.open` keeps.

    Args:
        text_bytes: of its text in UTF-8: int, or int64 (n,).
        metadata_bytes: of its columns beside id, document, title and text.

    Raises:
        InputError: a payload below 0 bytes.

    >>> chunk_entry_bytes(1000)
    1800
    """
    return entry_bytes(text_bytes + metadata_bytes + HIT_OBJECT_BYTES) + EXPIRING_BYTES


def embedding_entry_bytes(dim: int) -> int:
    """Bytes of a cached query embedding of `dim` float32 numbers in the cache that `ragopt.open` keeps.

    >>> embedding_entry_bytes(384)
    2184
    """
    return entry_bytes(dim * SCORE_BYTES + VECTOR_OBJECT_BYTES) + EXPIRING_BYTES


def result_entry_bytes(k: int, *, text_bytes_per_hit: float = 0.0, metadata_bytes: int = 0) -> int:
    """Bytes of a cached search result in the cache that `ragopt.open` keeps: `k` hits with their texts.

    >>> result_entry_bytes(10, text_bytes_per_hit=1000)
    15072
    """
    hits = round(k * (HIT_OBJECT_BYTES + text_bytes_per_hit + metadata_bytes))
    return entry_bytes(hits + RESULT_KEY_BYTES) + EXPIRING_BYTES


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
