"""Caches for tests: a clock whose hands the test turns, and an embedder that notes what it embeds."""

from __future__ import annotations

import threading
from pathlib import Path

from ragopt.cache.settings import CacheSettings
from ragopt.serve.caches import Caches
from ragopt.serve.opened import Index
from ragopt.serve.snapshot import open_snapshot
from tests.small_served import HashEmbedder

ROOMY = CacheSettings(embedding_bytes=1 << 22, result_bytes=1 << 22, chunk_bytes=1 << 22)


class Hands:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """The hands."""
        return self.now_s


class NotingEmbedder(HashEmbedder):
    """Notes every question that it embeds, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def embed_queries(self, texts):
        """Note and embed."""
        with self._lock:
            self.asked += texts
        return super().embed_documents(texts)


def opened_cached(folder: Path, settings: CacheSettings = ROOMY, clock: Hands | None = None) -> Index:
    """A folder with the hashing model and caches, on a clock of the test's own."""
    return Index(open_snapshot(folder, "quick"), embedder=NotingEmbedder(),
                 caches=Caches(settings, clock=clock or Hands()))  # fmt: skip
