"""What a query reads from object storage, and what a load writes there: requests and bytes, as they were counted.

Every measured constant is a figure of eval/results/2026-11-26-object-reads.json; docs: method-object-storage.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.units import GIB, MIB

if TYPE_CHECKING:
    from ragopt.bill.workload import Workload

PARTITION_ROWS = 8192
"""Rows that LanceDB 0.40 aims at in a partition of IVF_PQ of its own accord."""

NPROBES = 20
"""Partitions that LanceDB 0.40 searches of its own accord (its Python documentation of `nprobes`)."""

REFINE_FACTOR = 10
"""Vectors rescored per result. An assumption: ragopt's own first depth (footprint.py), since LanceDB's recall is not
measured here. On 22,067 MiniLM vectors its IVF_PQ needed 19 for a recall of .99 (eval/results, frontier of 2026-11-25).
"""

ROW_ID_BYTES = 8
"""LanceDB holds a row id in 8 bytes of RAM (measured: session bytes less codes); in its file about 2, taken as 8."""

GETS_PER_PARTITION = 2
"""Codes and row ids of a partition are two reads; where partitions lie side by side one read takes several."""

ROUNDS_CACHED = 3
"""Reads that wait for one another in a query whose partitions are all cached (measured with delayed answers)."""

CACHE_BYTES = 6 * GIB
"""LanceDB's index cache as it comes (github.com/lancedb/lance, docs/src/guide/performance.md, read 2026-11-26)."""

METADATA_CACHE_BYTES = 1 * GIB
"""LanceDB's metadata cache as it comes, from the same page; taken to be full."""

PART_BYTES = 5 * MIB
"""Parts of LanceDB's uploads (measured: 9 for 45.8 MB); also the least part that S3 takes but for the last one."""

REQUESTS_PER_LOAD = 12
"""Requests priced as PUT of writing a table and its index, besides the parts: manifests, listings, begin and end."""

REQUESTS_PER_APPEND = 4
"""Requests priced as PUT of appending 100 rows: three PUTs and a listing."""

ROUNDS_PARTITIONS = 5
"""The same when partitions are read too, all at once: their part of the index, then their codes."""

CPU_MS_PER_QUERY = Decimal(3)
"""CPU time of a LanceDB query without reads, rounded up."""

CPU_MS_PER_GET = Decimal("0.1")
"""CPU time that each read adds to it, rounded up; over HTTP without TLS. Taken for FAISS with reads of its own too."""

FIRST_BYTE_MS = 100
"""Least latency of a read: AWS states roughly 100 to 200 ms for small objects on S3 Standard
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html). Taken for other providers too."""

GETS_PER_SECOND = 5500
"""Reads a second that S3 promises per prefix (the same page)."""


@dataclass(frozen=True, slots=True)
class LanceTable:
    """A LanceDB table of float32 vectors with its IVF_PQ index, made with LanceDB's own settings.

    Attributes:
        n_vectors: rows.
        dim: dimension of the vectors.
        payload_bytes: metadata and key of a row.
    """

    n_vectors: int
    dim: int
    payload_bytes: int

    @classmethod
    def of(cls, workload: Workload, dim: int) -> LanceTable:
        """Return the table of a workload."""
        return cls(workload.n_vectors, dim, workload.metadata_bytes + workload.key_bytes)

    @property
    def n_partitions(self) -> int:
        """Partitions of the index."""
        return max(1, self.n_vectors // PARTITION_ROWS)

    @property
    def code_bytes(self) -> int:
        """Bytes of a code: one per 16 dimensions, per 8 where 16 do not divide them, else 1 (LanceDB's own rule)."""
        return self.dim // 16 if self.dim % 16 == 0 else self.dim // 8 if self.dim % 8 == 0 else 1

    @property
    def index_bytes(self) -> int:
        """Codes, row ids, a centroid per partition and the codebook of 256 entries: in the cache, and in the files."""
        growing = self.n_vectors * (self.code_bytes + ROW_ID_BYTES)
        return growing + 4 * self.dim * (self.n_partitions + 256)

    @property
    def data_bytes(self) -> int:
        """Vectors and payload in the table's data files."""
        return self.n_vectors * (4 * self.dim + self.payload_bytes)

    def cached_share(self, cache_bytes: int) -> Decimal:
        """Share of the index that a cache holds; partitions are taken to be asked for equally often."""
        return min(Decimal(1), Decimal(cache_bytes) / self.index_bytes)

    def gets_per_query(self, k: int, rescored: int, cached_share: Decimal) -> Decimal:
        """Reads of one query: partitions that are not cached, vectors to rescore, rows to return.

        = 2 x min(nprobes, partitions) x (1 - cached share) + rescored + k, an upper bound: one read takes several
        records that lie within some kilobytes of each other (docs/method-object-storage.md has the measured error).
        """
        partitions = GETS_PER_PARTITION * min(NPROBES, self.n_partitions) * (1 - cached_share)
        n_rescored = min(rescored, self.n_vectors)
        return partitions + n_rescored + min(k, self.n_vectors)

    def requests_per_load(self, vectors_per_write: int | None) -> Decimal:
        """Requests priced as PUT that write table and index once: in parts of a bulk load, or in appends of rows."""
        index_parts = Decimal(self.index_bytes) / PART_BYTES
        if vectors_per_write is None:
            return Decimal(self.data_bytes) / PART_BYTES + index_parts + REQUESTS_PER_LOAD
        return append_requests(self.n_vectors, vectors_per_write) + index_parts + REQUESTS_PER_LOAD


def append_requests(n_vectors: int, vectors_per_write: int) -> Decimal:
    """Requests priced as PUT of adding vectors in batches."""
    return Decimal(-(-n_vectors // vectors_per_write) * REQUESTS_PER_APPEND)


def uploads(n_bytes: Decimal) -> Decimal:
    """Requests priced as PUT of one object in parts: the parts, and the two that begin and end the upload."""
    return n_bytes / PART_BYTES + 2
