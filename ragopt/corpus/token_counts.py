"""Tokens and bytes of chunks and questions, counted on a sample: what models and vector databases are billed by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ragopt.corpus.chunks import Chunks

N_SAMPLED = 1000
"""Texts counted: their mean is known to about 2 % where lengths spread by 60 % (0.6 / sqrt(1000))."""


def mean_tokens(texts: Sequence[str], tokenizer: Tokenizer) -> int:
    """Mean tokens of some texts, special tokens not counted, rounded up; 1 at the least."""
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return max(1, math.ceil(sum(len(found.ids) for found in encodings) / len(texts)))


def tokens_per_chunk(chunks: Chunks, tokenizer: Tokenizer) -> int:
    """Mean tokens of up to N_SAMPLED chunks, evenly spaced, as they are embedded."""
    step = max(1, chunks.n_chunks // N_SAMPLED)
    return mean_tokens(chunks.texts(range(0, chunks.n_chunks, step)), tokenizer)


def key_bytes(chunks: Chunks) -> int:
    """Mean UTF-8 bytes of a chunk's id, rounded up: the key of its vector in a database."""
    return _mean_bytes(spaced(chunks.chunk_ids()))


def metadata_bytes(chunks: Chunks) -> int:
    """Mean UTF-8 bytes of a chunk's document id and title, rounded up: what a service needs beside a vector to cite."""
    ids, titles = spaced(chunks.document_ids()), spaced(chunks.titles())
    return _mean_bytes([document_id + title for document_id, title in zip(ids, titles, strict=True)])


def _mean_bytes(texts: Sequence[str]) -> int:
    return math.ceil(sum(len(text.encode()) for text in texts) / len(texts))


def spaced(texts: Sequence[str]) -> list[str]:
    """Up to about N_SAMPLED texts, evenly spaced."""
    return list(texts[:: max(1, len(texts) // N_SAMPLED)])
