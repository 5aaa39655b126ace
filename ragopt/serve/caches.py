"""The caches in front of an opened index, and the version that their entries belong to."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, NamedTuple

from ragopt.serve.byte_cache import ByteCache, Clock
from ragopt.serve.cache_counts import CacheCounts, CacheStats
from ragopt.serve.chunk_cache import ChunkCache
from ragopt.serve.query_vector_cache import QueryVectorCache, model_key
from ragopt.serve.result_cache import ResultCache

if TYPE_CHECKING:
    from ragopt.cache.settings import CacheSettings, RunTimePolicy
    from ragopt.embed.embedder import Embedder
    from ragopt.records import Metric
    from ragopt.serve.query_vector_cache import Model
    from ragopt.serve.snapshot import Snapshot


class Served(NamedTuple):
    """A version that is served, and its number among all that this index has served.

    The number and not the folder's own: a folder that is put in the place of another may have the same version, and
    even the same device and inode once nobody holds the former.
    """

    snapshot: Snapshot
    number: int


class Caches:
    """Those that the settings switch on. Threads may share them.

    Args:
        settings: at least one capacity above 0.
        clock: what tells the time of entries that expire.

    Raises:
        MissingExtra: cachebox is not installed.
    """

    def __init__(self, settings: CacheSettings, *, clock: Clock = time.monotonic) -> None:
        def entries(capacity_bytes: int, policy: RunTimePolicy | None) -> ByteCache | None:
            if not capacity_bytes:
                return None
            return ByteCache(capacity_bytes, policy=policy or settings.policy, ttl_s=settings.ttl_s, clock=clock)

        self._embedding = entries(settings.embedding_bytes, settings.embedding_policy)
        self._result = entries(settings.result_bytes, settings.result_policy)
        self._chunk = entries(settings.chunk_bytes, settings.chunk_policy)
        self.vectors = QueryVectorCache(self._embedding) if self._embedding else None
        self.results = ResultCache(self._result) if self._result else None
        self.chunks = ChunkCache(self._chunk) if self._chunk else None
        self._numbers = itertools.count(1)
        self._served: Served | None = None
        self._model: Model | None = None

    def serve(self, snapshot: Snapshot) -> None:
        """Drop what belongs to the version before; one caller at a time."""
        # First the number: what a search under way puts in from here on is of a version that does not count any more.
        self._served = Served(snapshot, next(self._numbers))
        for entries in (self._result, self._chunk):
            if entries is not None:
                entries.begin(self._served.number)

    def number_of(self, snapshot: Snapshot) -> int | None:
        """Number of a version; None for one that is not served any more, or not yet."""
        served = self._served
        return served.number if served is not None and served.snapshot is snapshot else None

    def model(self, embedder: Embedder, metric: Metric) -> Model:
        """A model as part of a key: the same object every time, so that entries share it."""
        key, before = model_key(embedder, metric), self._model
        if before is not None and before == key:
            return before
        self._model = key
        return key

    def stats(self) -> CacheStats:
        """What each has done so far."""
        kept = (self._embedding, self._result, self._chunk)
        return CacheStats(*(CacheCounts() if entries is None else entries.counts() for entries in kept))

    def clear(self) -> None:
        """Drop every entry; counts go on."""
        for entries in (self._embedding, self._result, self._chunk):
            if entries is not None:
                entries.clear()
