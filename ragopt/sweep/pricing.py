"""From a measured trial to its bills, by the run's cost model."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from ragopt.bill.footprint import Footprint
from ragopt.bill.scan_cost import scan_cpu_ms
from ragopt.bill.targets import bills
from ragopt.bill.workload import Workload
from ragopt.index.factory import parse_factory
from ragopt.index.size import index_bytes
from ragopt.sweep.groups import PROBING_SEARCH, shortlist_depth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from ragopt.bill.price_book import PriceBook
    from ragopt.records import Bill, IndexBytes, Trial
    from ragopt.sweep.codec_timing import CodecTiming
    from ragopt.sweep.measured import Measured
    from ragopt.sweep.settings import CostModel, Scale


@dataclass(frozen=True, slots=True)
class CpuPerQuery:
    """CPU milliseconds of one search on one thread, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pricing:
    """How a run turns measurements into money.

    Attributes:
        workload: the service that is billed. book: dated prices.
        cost_model: `measured` takes the CPU time measured here, `scan` a fixed table, the same on every machine.
        n_vectors: vectors in the measured index. k: results that every search asks for.
    """

    workload: Workload
    book: PriceBook
    cost_model: CostModel
    n_vectors: int
    k: int

    def check(self, trial: Trial) -> None:
        """Make sure that the table of scan costs, by which trials are raced, knows a trial. Raises SpecError."""
        self._scanned(trial, index_bytes(parse_factory(trial.factory, trial.space.dim), self.n_vectors))

    def _scanned(self, trial: Trial, sizes: IndexBytes) -> float:
        code_bytes = code_bytes_per_vector(sizes, trial)
        return scan_cpu_ms(
            trial.factory, trial.space.dim, trial.search, self.n_vectors, code_bytes=code_bytes, k=self.k
        )

    def cpu(self, measured: Measured) -> CpuPerQuery:
        """CPU time of one search by the cost model. Raises SpecError: the table knows no such codec."""
        timing = measured.timing
        if self.cost_model == "measured":
            return CpuPerQuery(timing.cpu_ms_per_query, timing.cpu_ms_low, timing.cpu_ms_high)
        value = self._scanned(measured.trial, measured.index_bytes)
        return CpuPerQuery(value, value, value)

    def estimated_cpu(self, trial: Trial, sizes: IndexBytes, timing: CodecTiming | None) -> CpuPerQuery:
        """CPU time of one search of an index that was not built.

        The table's figure; where the codes were timed over a block of candidates on this machine, times the ratio of
        that time to the table's figure for that block: the table gives the shape, the machine the scale.
        """
        value = self._scanned(trial, sizes)
        if timing is None:
            return CpuPerQuery(value, value, value)
        factory = parse_factory(trial.factory, trial.space.dim)
        search = f"{PROBING_SEARCH}={timing.nprobe}" if factory.nlist else ""
        by_table = scan_cpu_ms(factory.base_text, trial.space.dim, search, timing.n_vectors,
                               code_bytes=code_bytes_per_vector(sizes, trial), k=self.k)  # fmt: skip
        return CpuPerQuery(*(value * ms / by_table for ms in (timing.cpu_ms, timing.low, timing.high)))

    def scan_ms(self, trial: Trial, sizes: IndexBytes) -> float:
        """CPU time of one search by the fixed table, whatever the cost model: races are the same on every machine."""
        return self._scanned(trial, sizes)

    def bills(self, trial: Trial, sizes: IndexBytes, cpu: CpuPerQuery) -> Mapping[str, Bill]:
        """Bills of one trial at every target that makes sense for it."""
        depth = shortlist_depth(trial, self.k)
        return bills(
            Footprint(sizes, self.n_vectors, cpu.value, cpu.low, cpu.high, rescored_per_query=depth),
            self.workload,
            self.book,
        )

    def cheapest(self, trial: Trial, sizes: IndexBytes, cpu_ms: float) -> Decimal:
        """Least bill of a trial over its targets, with so much CPU time for a search."""
        found = self.bills(trial, sizes, CpuPerQuery(cpu_ms, cpu_ms, cpu_ms))
        return min(bill.usd_per_month for bill in found.values())


def code_bytes_per_vector(sizes: IndexBytes, trial: Trial) -> float:
    """Bytes of one code, without the 8-byte id that inverted lists keep beside it."""
    return sizes.ram_bytes_per_vector - (8 if "IVF" in trial.factory else 0)


def workload_of(scale: Scale, n_vectors: int) -> Workload:
    """Fill in the workload's own defaults where the user said nothing; vectors default to the corpus."""
    plain = Workload(n_vectors=n_vectors if scale.n_vectors is None else scale.n_vectors)
    given = {field.name: value for field in fields(scale) if (value := getattr(scale, field.name)) is not None}
    return replace(plain, **given)
