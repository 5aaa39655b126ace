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

CODEBOOK_ENTRIES = 256
"""Entries of a codebook of 8-bit codes."""

PARTITION_ROWS = 8192
"""LanceDB 0.40 makes n_vectors // 8,192 partitions of its own accord: 2 of 22,067 rows, 12 of 100,000 (measured)."""

NPROBES = 20
"""Partitions that LanceDB 0.40 searches of its own accord: its `explain_plan` says minimum and maximum_nprobes 20."""

REFINE_FACTOR = 10
"""Vectors rescored per result. An assumption: ragopt's own first depth (footprint.py), since LanceDB's recall is not
measured here. On 22,067 MiniLM vectors its IVF_PQ needed 19 for a recall of .99 (eval/results, frontier of 2026-11-25).
"""

ROW_ID_BYTES = 8
"""Bytes of a row id in the cache (measured: session bytes less codes); in the file 2 or 3, taken for 8."""

GETS_PER_PARTITION = 2
"""Codes and row ids of a partition are two reads (measured: exactly, from 5 to 50 partitions)."""

GETS_WITHOUT_CACHE = 26
"""Reads of manifests and of the index's head that each query repeats without any cache (measured: 24 to 26)."""

ROUNDS_CACHED = 3
"""Reads that wait for one another in a query whose partitions are all cached (measured with delayed answers)."""

CACHE_BYTES = 6 * GIB
"""LanceDB's index cache as it comes (https://github.com/lancedb/lance/blob/main/docs/src/guide/performance.md, read
2026-11-26)."""

METADATA_CACHE_BYTES = 1 * GIB
"""LanceDB's metadata cache as it comes, from the same page; taken to be full."""

PART_BYTES = 5 * MIB
"""Parts of LanceDB's uploads (measured: 9 for 45.8 MB); also the least part that S3 takes but for the last one."""

REQUESTS_PER_LOAD = 16
"""Requests priced as PUT of writing a table and its index, besides the parts: manifests, listings, begin and end (12 to
16 measured)."""

REQUESTS_PER_APPEND = 4
"""Requests priced as PUT of appending 100 rows: three PUTs and a listing (measured)."""

BUILD_READ_BYTES = 88_000
"""Bytes of vectors for each read of building an index with LanceDB's own partitions (measured: 88,000 in random
order, 408,000 in file order)."""

CPU_MS_PER_QUERY = Decimal(5)
"""CPU time of a LanceDB query whose partitions are cached, without rescoring: 2.0 to 4.7 ms on a machine with other
work, rounded up."""

CPU_MS_PER_GET = Decimal("0.15")
"""CPU time that each read adds: 0.07 to 0.15 ms on that machine; HTTP without TLS. Taken for FAISS's reads too."""

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
        metadata_bytes: metadata of a row, in a column of its own.
        key_bytes: key of a row.
    """

    n_vectors: int
    dim: int
    metadata_bytes: int = 0
    key_bytes: int = 0

    @classmethod
    def of(cls, workload: Workload, dim: int) -> LanceTable:
        """Return the table of a workload."""
        return cls(workload.n_vectors, dim, workload.metadata_bytes, workload.key_bytes)

    @property
    def n_partitions(self) -> int:
        """Partitions of the index."""
        return max(1, self.n_vectors // PARTITION_ROWS)

    @property
    def code_bytes(self) -> int:
        """Bytes of a code: one per 16 dimensions, per 8 where 16 do not divide them, else 1 (LanceDB's own rule)."""
        return self.dim // 16 if self.dim % 16 == 0 else self.dim // 8 if self.dim % 8 == 0 else 1

    @property
    def code_rows_bytes(self) -> int:
        """Codes and row ids."""
        return self.n_vectors * (self.code_bytes + ROW_ID_BYTES)

    @property
    def head_bytes(self) -> int:
        """Centroids and codebook, which every search needs."""
        return 4 * self.dim * (self.n_partitions + CODEBOOK_ENTRIES)

    @property
    def index_bytes(self) -> int:
        """The whole index, in RAM and in its files."""
        return self.code_rows_bytes + self.head_bytes

    @property
    def cache_weight_bytes(self) -> Decimal:
        """What LanceDB's cache counts for the whole index: its rows, and the codebook with every partition.

        The codebook is one piece of RAM that all partitions share, but the cache counts it for each of them. So 6 GiB
        are full with 80 million vectors of 384 dimensions, of which 2.6 GB lie in RAM (measured: one more partition
        for each 0.40 MB of limit, where codes and ids of a partition were 10 kB and the codebook 0.39 MB).
        """
        n_partitions = max(Decimal(1), Decimal(self.n_vectors) / PARTITION_ROWS)
        return self.code_rows_bytes + 4 * self.dim * CODEBOOK_ENTRIES * n_partitions

    @property
    def data_bytes(self) -> int:
        """Vectors, metadata and keys in the table's data files."""
        return self.n_vectors * (4 * self.dim + self.metadata_bytes + self.key_bytes)

    def cached_share(self, cache_bytes: int) -> Decimal:
        """Share of the partitions that a cache of this limit holds, and so of the probes that it answers.

        Every partition is taken to be probed equally often; queries that repeat themselves find more in the cache.
        """
        return min(Decimal(1), cache_bytes / self.cache_weight_bytes)

    def ram_bytes(self, cache_bytes: int) -> Decimal:
        """Bytes of the index that a cache of this limit holds in RAM."""
        return self.code_rows_bytes * self.cached_share(cache_bytes) + self.head_bytes

    @property
    def n_probed(self) -> int:
        """Partitions that a query searches."""
        return min(NPROBES, self.n_partitions)

    @property
    def n_columns(self) -> int:
        """Columns that a result is read from: its key, and its metadata where there is any."""
        return 2 if self.metadata_bytes else 1

    def gets_per_query(self, k: int, rescored: int, missed_share: Decimal) -> Decimal:
        """Reads of one query: partitions that are not cached, vectors to rescore, rows to return.

        = 2 x probed partitions x missed share + rescored + k x columns, an upper bound: one read takes several records
        that lie within some kilobytes of each other (docs/method-object-storage.md has the measured error).
        """
        partitions = GETS_PER_PARTITION * self.n_probed * missed_share
        return partitions + min(rescored, self.n_vectors) + min(k, self.n_vectors) * self.n_columns

    @property
    def gets_per_build(self) -> Decimal:
        """Reads of vectors while the index is trained and filled, an upper bound."""
        return Decimal(4 * self.dim * self.n_vectors) / BUILD_READ_BYTES

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
