"""Two ways to serve from object storage: LanceDB with an index of its own, FAISS with inverted lists read by ranges."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from ragopt.bill.beside_index import BESIDE, beside_bytes, beside_note
from ragopt.bill.footprint import Demand, Footprint, demand_of
from ragopt.bill.object_storage_bill import ObjectService, charges_of
from ragopt.bill.object_storage_reads import (
    CACHE_BYTES,
    CPU_MS_PER_GET,
    CPU_MS_PER_QUERY,
    FIRST_BYTE_MS,
    GETS_PER_SECOND,
    GETS_WITHOUT_CACHE,
    METADATA_CACHE_BYTES,
    REFINE_FACTOR,
    ROUNDS_CACHED,
    LanceTable,
    append_requests,
    uploads,
)
from ragopt.bill.reasoning import COMPRESSION
from ragopt.bill.rebuild import rebuild_note
from ragopt.bill.retrieved import results_per_query
from ragopt.units import GIB

if TYPE_CHECKING:
    from ragopt.bill.lines import Charges
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload


@dataclass(frozen=True, slots=True)
class LanceOnObjects:
    """LanceDB on VMs, its table and its own IVF_PQ index in object storage.

    Attributes:
        cache_bytes: limit of LanceDB's index cache on each VM; partitions that it does not hold are read by each query.
        refine_factor: vectors rescored per result, read from the table.
    """

    cache_bytes: int = CACHE_BYTES
    refine_factor: int = REFINE_FACTOR

    name = "lancedb-object-storage"
    summary = "LanceDB on VMs with its own IVF_PQ: index cache in RAM, index and float32 vectors in object storage"
    rescoring_in_ram = False
    serves_the_index = False

    def why_not(self, footprint: Footprint, workload: Workload) -> str:
        """Say why LanceDB makes no sense for an index; empty when it does."""
        if footprint.dim is None:
            return "the dimension of its vectors is unknown, and LanceDB stores the vectors themselves"
        missed = 1 - LanceTable.of(workload, footprint.dim).cached_share(self.cache_bytes)
        return _too_slow(ROUNDS_CACHED + (1 if missed else 0), workload)

    def charges(self, footprint: Footprint, workload: Workload, book: PriceBook, cpu_ms: float) -> Charges:
        """Return the charges of an average month; `cpu_ms` is FAISS's and has no say here.

        Raises:
            PriceError: a price is missing, or no VM type holds the cache.
        """
        del cpu_ms
        # why_not has refused an unknown dimension.
        table = LanceTable.of(workload, footprint.dim or 0)
        first = dataclasses.replace(table, n_vectors=workload.n_vectors_first)
        missed = 1 - table.cached_share(self.cache_bytes)
        again = 0 if self.cache_bytes else GETS_WITHOUT_CACHE
        n_found = results_per_query(workload)
        gets = table.gets_per_query(n_found, n_found * self.refine_factor, missed) + again
        held = table.ram_bytes(self.cache_bytes)
        batch = workload.vectors_per_write if workload.write_path == "upsert" else None
        return charges_of(
            ObjectService(
                demand=_demand(
                    held + METADATA_CACHE_BYTES, workload.peak_qps * (CPU_MS_PER_QUERY + gets * CPU_MS_PER_GET) / 1000
                ),
                ram_formula=f"{held / GIB:.2f} GiB of index cache and 1 GiB of metadata cache",
                stored=(
                    ("float32 vectors, metadata and keys", Decimal(table.data_bytes)),
                    ("LanceDB's index", Decimal(table.index_bytes)),
                ),
                gets_per_query=gets,
                gets_formula=f"2 reads x {table.n_probed} partitions x {missed:.3f} not cached "
                f"+ {n_found} results x {self.refine_factor} rescored + {n_found} rows x {table.n_columns}"
                + (f" + {again} to open the index anew" if again else ""),
                loads_per_month=_loads_per_month(workload),
                gets_per_load=table.gets_per_build,
                puts_per_load=table.requests_per_load(batch),
                gets_of_first_load=first.gets_per_build,
                puts_of_first_load=first.requests_per_load(batch),
                puts_of_growth=append_requests(workload.growth_vectors_per_month, workload.vectors_per_write),
                notes=self._notes(workload, table, gets),
            ),
            workload,
            book,
        )

    def _notes(self, workload: Workload, table: LanceTable, gets: Decimal) -> tuple[str, ...]:
        share = table.cached_share(self.cache_bytes)
        cached = (
            f"LanceDB's index cache of {Decimal(self.cache_bytes) / GIB:.2f} GiB holds {share:.0%} of the partitions "
            "(it counts the codebook with each), all probed equally often; until it is full, queries read more."
        )
        if share < 1:
            n_rounds = ROUNDS_CACHED + (table.n_probed * (1 - share)).to_integral_value(ROUND_CEILING)
            cached += (
                f" On two cores LanceDB read the others nearly one after another: expect some {n_rounds} reads in a "
                f"row, {n_rounds * FIRST_BYTE_MS:,} ms."
            )
        return (
            f"{COMPRESSION}its own codes are dim / 16 bytes in RAM: only fewer dimensions save there and in the store.",
            (
                f"LanceDB builds an IVF_PQ of its own: {table.n_partitions:,} partitions, {table.n_probed} searched, "
                f"{self.refine_factor} vectors rescored per result; its recall was not measured."
            ),
            cached,
            "Reads per query are an upper bound, one per vector and row; LanceDB reads neighbours in the file at once.",
            (
                "CPU time per query is LanceDB's own, without TLS; building its index is not billed, and table "
                "versions that a re-index replaced are taken to be removed."
            ),
            *_too_often(workload, gets),
            *_limit_note(workload),
        )


@dataclass(frozen=True, slots=True)
class FaissListsOnObjects:
    """A FAISS IVF index whose quantizer is in RAM and whose inverted lists are read from one object by ranges.

    FAISS brings no such reader: it takes the probed lists as an `InvertedLists` that the service fills from one ranged
    read per list (eval/object_reads_faiss.py does it, and finds what the index in RAM finds).

    Attributes:
        cache_bytes: inverted lists that each VM keeps in RAM; 0 is the upper bound of reads.
    """

    cache_bytes: int = 0

    name = "faiss-object-storage"
    summary = "FAISS on VMs, coarse quantizer in RAM, each probed inverted list read from object storage"
    rescoring_in_ram = False
    serves_the_index = True

    def why_not(self, footprint: Footprint, workload: Workload) -> str:
        """Say why an index cannot be served from lists in object storage; empty when it can."""
        if footprint.lists_probed is None:
            return "it is not said how many inverted lists a query reads (an index without IVF reads all of it)"
        if footprint.index_bytes.disk_bytes_per_vector > 0:
            return "the index has a rescoring tier, of which every vector would be a read of its own"
        return _too_slow(1, workload)

    def charges(self, footprint: Footprint, workload: Workload, book: PriceBook, cpu_ms: float) -> Charges:
        """Return the charges of an average month.

        Raises:
            PriceError: a price is missing, or no VM type holds the quantizer and the cache.
        """
        whole = demand_of(footprint, workload, cpu_ms, rescoring_in_ram=True)
        lists_bytes = whole.file_growing_bytes
        held = min(Decimal(self.cache_bytes), lists_bytes)
        share = held / lists_bytes if lists_bytes else Decimal(1)
        probed = footprint.lists_probed or 0  # why_not has refused an unknown number
        gets = probed * (1 - share)
        waiting = _waiting(workload) * Decimal(str(footprint.index_bytes.ram_bytes_per_vector))
        waits = f", and a share of {waiting / GIB:.2f} GiB of vectors that wait for a re-index" if waiting else ""
        first = lists_bytes * workload.n_vectors_first / workload.n_vectors
        return charges_of(
            ObjectService(
                demand=_demand(
                    held + whole.fixed_bytes,
                    whole.cpu_seconds_per_second + workload.peak_qps * gets * CPU_MS_PER_GET / 1000,
                    waiting,
                ),
                ram_formula=f"{whole.fixed_bytes / GIB:.2f} GiB of centroids and codebooks and {held / GIB:.2f} GiB "
                f"of lists{waits}",
                stored=(
                    ("inverted lists, centroids and codebooks", lists_bytes + whole.fixed_bytes),
                    (BESIDE, beside_bytes(workload)),
                ),
                gets_per_query=gets,
                gets_formula=f"{probed} lists x {1 - share:.3f} not cached",
                loads_per_month=_loads_per_month(workload),
                gets_per_load=Decimal(0),  # an index is built from vectors that lie elsewhere
                puts_per_load=uploads(lists_bytes + whole.fixed_bytes),
                gets_of_first_load=Decimal(0),
                puts_of_first_load=uploads(first + whole.fixed_bytes),
                puts_of_growth=Decimal(0),
                notes=self._notes(footprint, workload, share, gets),
                built=footprint,
            ),
            workload,
            book,
        )

    def _notes(self, footprint: Footprint, workload: Workload, share: Decimal, gets: Decimal) -> tuple[str, ...]:
        waiting = (
            "Vectors added between re-indexes wait in RAM, split between the VMs of a replica, all of which a query "
            "asks for them; no write is billed for them, and searching them is taken to cost what it does in lists."
        )
        told = (
            f"{COMPRESSION}bytes are stored, not held: short codes save little, fewer probed lists save reads.",
            (
                "FAISS brings no reader of object storage: the service reads the probed lists, one range each, "
                "and hands them to the index."
            ),
            f"{share:.0%} of the lists are cached, every list asked for equally often.",
            waiting if workload.growth_vectors_per_month else "",
            rebuild_note(footprint, workload),
            beside_note(workload),
            *_too_often(workload, gets),
            *_limit_note(workload),
        )
        return tuple(note for note in told if note)


def _waiting(workload: Workload) -> Decimal:
    """Vectors that no list holds yet: what is added between two re-indexes, or all that was added so far if less.

    So far is until the end of the month that is billed; on average over the horizon, half of what it adds.
    """
    growth = Decimal(workload.growth_vectors_per_month)
    so_far = workload.n_vectors - workload.n_vectors_first + growth
    loads = _loads_per_month(workload)
    return min(so_far, growth / loads) if loads else so_far


def _limit_note(workload: Workload) -> tuple[str, ...]:
    if workload.p99_limit_ms is None:
        return ()
    return (
        (
            f"The p99 limit of {workload.p99_limit_ms:f} ms is held against the store's least latency alone: the CPU "
            "time of a search and queueing are not in it."
        ),
    )


def _demand(fixed_bytes: int | Decimal, cpu_seconds_per_second: Decimal, waiting_bytes: Decimal = Decimal(0)) -> Demand:
    """Every VM holds the cache; vectors that wait are shared out between the VMs. No tier is read from a volume."""
    nothing = Decimal(0)
    return Demand(waiting_bytes, nothing, Decimal(fixed_bytes), cpu_seconds_per_second, nothing)


def _loads_per_month(workload: Workload) -> Decimal:
    return workload.reindexes_per_month + workload.reembeddings_per_month


def _too_slow(n_rounds: int, workload: Workload) -> str:
    least_ms = n_rounds * FIRST_BYTE_MS
    if workload.p99_limit_ms is None or workload.p99_limit_ms >= least_ms:
        return ""
    return (
        f"a query waits for {n_rounds} reads one after another, at least {least_ms} ms at {FIRST_BYTE_MS} ms each, "
        f"and its p99 may take {workload.p99_limit_ms:f} ms"
    )


def _too_often(workload: Workload, gets_per_query: Decimal) -> tuple[str, ...]:
    per_second = workload.peak_qps * gets_per_query
    if per_second <= GETS_PER_SECOND:
        return ()
    return (
        (
            f"The peak is {per_second:,.0f} reads a second; S3 promises {GETS_PER_SECOND:,} per prefix, more after "
            "it has divided the prefix by itself or the objects lie under several."
        ),
    )
