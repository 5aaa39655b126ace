"""What an index needs: bytes in RAM, bytes in a file and CPU time, at the size that the workload asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.bill.workload import Workload
    from ragopt.records import IndexBytes

Scalar = Literal["float32", "float16", "int8", "binary"]

DEFAULT_RESCORED_PER_QUERY = 100
"""k_factor_rf = 10 at k = 10: the depth at which every code of the first measurements keeps 95 % (an assumption)."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """One measured index.

    Attributes:
        index_bytes: where its bytes live.
        n_vectors_measured: vectors that were in it when it was measured.
        cpu_ms_per_query: CPU milliseconds per query on one thread, at `n_vectors_measured`.
        cpu_ms_low: lower end of the 95 % interval of `cpu_ms_per_query`.
        cpu_ms_high: upper end of that interval.
        rescored_per_query: vectors read from the rescoring tier per query (k_factor x k); only a target that keeps
            that tier on a disk bills reads for it.
        dim: dimension of the vectors that were indexed; a vendor keeps these vectors themselves. None: unknown.
        scalar: the finest scalar that the index keeps a vector in (`float32`, `float16`, `int8`, `binary`): what a
            vendor that sells it could store instead of float32.
        build_seconds: one thread's wall time of training, encoding and adding `n_vectors_measured`; None: not measured.
        lists_probed: inverted lists that a query reads (nprobe); None: the index has none, or nobody said.

    Raises:
        InputError: a negative or infinite figure, or an interval that does not hold its own middle.
    """

    index_bytes: IndexBytes
    n_vectors_measured: int
    cpu_ms_per_query: float
    cpu_ms_low: float
    cpu_ms_high: float
    rescored_per_query: int = DEFAULT_RESCORED_PER_QUERY
    dim: int | None = None
    scalar: Scalar = "float32"
    build_seconds: float | None = None
    lists_probed: int | None = None

    def __post_init__(self) -> None:
        """Refuse figures that no measurement can give."""
        sizes = self.index_bytes
        figures = {
            "cpu_ms_low": self.cpu_ms_low,
            "ram_bytes_per_vector": sizes.ram_bytes_per_vector,
            "ram_fixed_bytes": sizes.ram_fixed_bytes,
            "disk_bytes_per_vector": sizes.disk_bytes_per_vector,
            "file_bytes": sizes.file_bytes,
            "rescored_per_query": self.rescored_per_query,
        }
        for name, value in figures.items():
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} is {value}", allowed="0 or more", next_step="Measure the index again")
        if self.n_vectors_measured < 1:
            raise InputError(
                f"n_vectors_measured is {self.n_vectors_measured}", allowed="1 or more", next_step="Measure an index"
            )
        if self.lists_probed is not None and self.lists_probed < 1:
            raise InputError(
                f"lists_probed is {self.lists_probed}", allowed="1 or more, or None", next_step="Give nprobe"
            )
        if not (self.cpu_ms_low <= self.cpu_ms_per_query <= self.cpu_ms_high < math.inf):
            raise InputError(
                f"CPU time {self.cpu_ms_per_query} ms has the interval {self.cpu_ms_low} to {self.cpu_ms_high} ms",
                allowed="low <= middle <= high",
                next_step="Measure the CPU time again",
            )


@dataclass(frozen=True, slots=True)
class Demand:
    """What one replica needs at the workload's size.

    Attributes:
        ram_growing_bytes: bytes in RAM that are divided between the VMs of a replica.
        file_growing_bytes: bytes of the serialized index that are divided between them.
        fixed_bytes: codebooks, rotation and centroids, which every VM of a replica holds, in RAM and in its file.
        cpu_seconds_per_second: CPU seconds that the peak asks for in each second.
        reads_per_second: random 4 KiB reads from the rescoring tier at the peak; 0 when that tier is in RAM.
        search_ms: CPU milliseconds of one search on one thread, over all VMs of the replica together.
        most_search_ms: milliseconds that one VM's share of a search may take; None: as many as it takes.
    """

    ram_growing_bytes: Decimal
    file_growing_bytes: Decimal
    fixed_bytes: Decimal
    cpu_seconds_per_second: Decimal
    reads_per_second: Decimal
    search_ms: Decimal = Decimal(0)
    most_search_ms: Decimal | None = None


PAGE_BYTES = 4096
"""The unit of a memory-mapped read on x86-64 and Linux arm64 (getconf PAGESIZE)."""


def demand_of(footprint: Footprint, workload: Workload, cpu_ms: float, *, rescoring_in_ram: bool) -> Demand:
    """Scale a measured index to the workload.

    bytes = bytes per vector x n_vectors + fixed bytes; a file is never taken for shorter than it was measured.
    CPU time grows with n_vectors / n_vectors_measured: exact for a full scan's inner loop, high for what a query costs
    once (rotation, tables, rescoring) when the corpus grows, low for it when it shrinks. Docs: method-bill.md.

    A search's CPU time is the least that its latency can be: a p99 limit is held against it.

    Args:
        footprint: what was measured, at `n_vectors_measured`.
        workload: the size and the peak to scale to.
        cpu_ms: CPU milliseconds per query at `n_vectors_measured`; the footprint's middle, low or high figure.
        rescoring_in_ram: whether the rescoring tier is held in RAM too.
    """
    sizes = footprint.index_bytes
    ram, disk = Decimal(str(sizes.ram_bytes_per_vector)), Decimal(str(sizes.disk_bytes_per_vector))
    in_file = ram + disk
    search_ms = Decimal(str(cpu_ms)) * workload.n_vectors / footprint.n_vectors_measured
    fixed = max(Decimal(sizes.ram_fixed_bytes), sizes.file_bytes - in_file * footprint.n_vectors_measured)
    # A record at a random offset touches 1 + (bytes - 1) / page pages on average.
    pages = 0 if rescoring_in_ram or not disk else 1 + max(disk - 1, Decimal(0)) / PAGE_BYTES
    return Demand(
        ram_growing_bytes=(in_file if rescoring_in_ram else ram) * workload.n_vectors,
        file_growing_bytes=in_file * workload.n_vectors,
        fixed_bytes=fixed,
        cpu_seconds_per_second=workload.peak_qps * search_ms / 1000,
        reads_per_second=workload.peak_qps * footprint.rescored_per_query * pages,
        search_ms=search_ms,
        most_search_ms=workload.p99_limit_ms,
    )
