"""From a measured trial to its bills, by the run's cost model."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ragopt.bill.described import finest_scalar, lists_probed
from ragopt.bill.footprint import Footprint
from ragopt.bill.retrieved import results_per_query
from ragopt.bill.scan_cost import scan_cpu_ms
from ragopt.bill.targets import bills
from ragopt.bill.workload import Workload
from ragopt.errors import InputError
from ragopt.index.factory import parse_factory
from ragopt.index.size import index_bytes
from ragopt.sweep.groups import PROBING_SEARCH, shortlist_depth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload_fields import Value
    from ragopt.records import Bill, IndexBytes, Trial, TrialResult
    from ragopt.sweep.codec_timing import CodecTiming
    from ragopt.sweep.measured import Measured
    from ragopt.sweep.settings import CostModel


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
        embedding: by model, its name in the token prices; a model without one is not billed for embedding.
        given: fields of the workload that the user stated or the corpus gave: known better than defaults.
        today: the day that prices are as old as.
    """

    workload: Workload
    book: PriceBook
    cost_model: CostModel
    n_vectors: int
    k: int
    embedding: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    today: dt.date = field(default_factory=lambda: dt.datetime.now(tz=dt.UTC).date())
    _least: dict[tuple[Trial, IndexBytes, float], Decimal] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

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

    def bills(
        self, trial: Trial, sizes: IndexBytes, cpu: CpuPerQuery, build_seconds: float | None = None
    ) -> Mapping[str, Bill]:
        """Bills of one trial at every target that serves it and makes sense for it."""
        k = max(self.k, results_per_query(self.workload))
        footprint = footprint_of(trial, sizes, cpu, n_vectors=self.n_vectors, k=k, build_seconds=build_seconds)
        return bills(footprint, self.workload_for(trial.space.model), self.book)

    def workload_for(self, model: str) -> Workload:
        """The workload with what it costs to embed with a model."""
        priced = self.embedding.get(model, "")
        if self.workload.embedding_model or not priced:
            return self.workload
        return replace(self.workload, embedding_model=priced)

    def cheapest(self, trial: Trial, sizes: IndexBytes, cpu_ms: float) -> Decimal:
        """Least bill of a trial over its targets, with so much CPU time for a search; every round of a race asks."""
        asked = (trial, sizes, cpu_ms)
        if asked not in self._least:
            found = self.bills(trial, sizes, CpuPerQuery(cpu_ms, cpu_ms, cpu_ms))
            self._least[asked] = min(bill.usd_per_month for bill in found.values())
        return self._least[asked]


def code_bytes_per_vector(sizes: IndexBytes, trial: Trial) -> float:
    """Bytes of one code, without the 8-byte id that inverted lists keep beside it."""
    return sizes.ram_bytes_per_vector - (8 if "IVF" in trial.factory else 0)


def footprint_of(
    trial: Trial, sizes: IndexBytes, cpu: CpuPerQuery, *, n_vectors: int, k: int, build_seconds: float | None = None
) -> Footprint:
    """What the bill needs to know of one trial's index with `n_vectors` vectors, searched for `k` results."""
    factory = parse_factory(trial.factory, trial.space.dim)
    return Footprint(
        sizes,
        n_vectors,
        cpu.value,
        cpu.low,
        cpu.high,
        rescored_per_query=shortlist_depth(trial, k),
        dim=trial.space.dim,
        scalar=finest_scalar(factory),
        lists_probed=lists_probed(factory, trial.search),
        build_seconds=build_seconds,
    )


def footprint_of_result(result: TrialResult, *, n_vectors: int, k: int) -> Footprint:
    """The same of a finished trial. Raises InputError: it was not measured, so nothing can be billed."""
    cpu = (result.cpu_ms_per_query, result.cpu_ms_low, result.cpu_ms_high)
    if result.index_bytes is None or any(value is None for value in cpu):
        raise InputError(f"{result.trial} was not measured ({result.reason or result.status})",
                         next_step="Choose a trial of the run that was")  # fmt: skip
    value, low, high = (float(one or 0) for one in cpu)
    seconds = None if result.build_seconds is None else (result.train_seconds or 0) + result.build_seconds
    return footprint_of(result.trial, result.index_bytes, CpuPerQuery(value, low, high),
                        n_vectors=n_vectors, k=k, build_seconds=seconds)  # fmt: skip


def workload_of(given: Mapping[str, Value], n_vectors: int, measured: Mapping[str, Value] | None = None) -> Workload:
    """Fill in what was measured, then the workload's own defaults, where the user said nothing.

    Args:
        given: fields that the user gave, by name.
        n_vectors: vectors in the corpus, taken where the user gave none.
        measured: fields read off the corpus: tokens and bytes of a chunk, tokens of a question.
    """
    told = {"n_vectors": n_vectors, **(measured or {}), **given}
    return Workload(**told)  # type: ignore[arg-type]  # Workload checks every value
