"""What the caches of an opened index have done."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, repr=False)
class CacheCounts:
    """One cache since the index was opened; all zero for one that is off.

    Attributes:
        hits, misses: of what was looked up: a question of a search or `embed_queries`, or a line of the table. One that
            comes twice in a call is looked up once.
        evictions: entries that went because others needed their room.
        expired: entries that were looked up after their time, each of them a miss too.
        bypassed: entries that were not kept because they are larger than the whole cache.
        n_entries: kept now. size_bytes: of these, keys and overhead included. capacity_bytes: never exceeded; 0 is off.
    """

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    expired: int = 0
    bypassed: int = 0
    n_entries: int = 0
    size_bytes: int = 0
    capacity_bytes: int = 0

    def __repr__(self) -> str:
        """Show it in one line.

        >>> CacheCounts()
        off
        >>> CacheCounts(hits=3, misses=1, n_entries=1, size_bytes=400, capacity_bytes=1000)
        3 of 4 hit, 1 entries of 400 of 1,000 bytes, 0 evicted, 0 expired, 0 bypassed
        """
        if not self.capacity_bytes:
            return "off"
        return (
            f"{self.hits:,} of {self.hits + self.misses:,} hit, {self.n_entries:,} entries of {self.size_bytes:,} of "
            f"{self.capacity_bytes:,} bytes, {self.evictions:,} evicted, {self.expired:,} expired, "
            f"{self.bypassed:,} bypassed"
        )


@dataclass(frozen=True, slots=True, repr=False)
class CacheStats:
    """All of them: query vectors, answers, lines of the table."""

    embedding: CacheCounts = field(default_factory=CacheCounts)
    result: CacheCounts = field(default_factory=CacheCounts)
    chunk: CacheCounts = field(default_factory=CacheCounts)

    def __repr__(self) -> str:
        """Show them in one line."""
        return f"CacheStats(embedding: {self.embedding!r}; result: {self.result!r}; chunk: {self.chunk!r})"
