"""Texts and tokens that a model embeds in a second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder


@dataclass(frozen=True, slots=True)
class EmbeddingSpeed:
    """What embedding some texts took.

    Attributes:
        n_texts: embedded in each round. n_tokens: of them, as the model reads them, without padding.
        seconds: wall time of each round, tokenizing included.
        token_budget: tokens of a batch at the end, padding included: smaller than at first when memory ran out.
    """

    n_texts: int
    n_tokens: int
    seconds: tuple[float, ...]
    token_budget: int

    @property
    def texts_per_second(self) -> float:
        """Of the middle round."""
        return self.n_texts / self._middle

    @property
    def tokens_per_second(self) -> float:
        """Of the middle round."""
        return self.n_tokens / self._middle

    @property
    def _middle(self) -> float:
        return sorted(self.seconds)[len(self.seconds) // 2]


def embedding_speed(embedder: SentenceTransformerEmbedder, texts: Sequence[str], *, rounds: int = 3) -> EmbeddingSpeed:
    """Embed the texts once to warm up and then `rounds` times, in calls of `texts_per_call`.

    Args:
        embedder: on any device, in any precision; several devices are started by the first round.
        texts: at least one.
        rounds: at least one.
    """
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        for first in range(0, len(texts), embedder.texts_per_call):
            embedder.embed_documents(texts[first : first + embedder.texts_per_call])
        seconds.append(time.perf_counter() - began)
    return EmbeddingSpeed(len(texts), embedder.n_tokens(texts), tuple(seconds[1:]), embedder.token_budget)
