"""Tokens in a chunk and in a question, counted on a sample: what an embedding and a generator are billed by."""

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


def spaced(texts: Sequence[str]) -> list[str]:
    """Up to about N_SAMPLED texts, evenly spaced."""
    return list(texts[:: max(1, len(texts) // N_SAMPLED)])
