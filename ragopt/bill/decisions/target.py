"""When to move from one target to the next as vectors or queries grow."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ragopt.bill.decisions.crossovers import Crossover, Crossovers, crossovers
from ragopt.bill.decisions.target_bills import TargetBills
from ragopt.bill.described import MOST_BYTES, MOST_CPU_MS, check_dim
from ragopt.bill.footprint import Footprint
from ragopt.bill.scan_cost import scan_cpu_ms
from ragopt.bill.targets import TARGETS, target_of
from ragopt.bill.workload_fields import FIELDS
from ragopt.errors import InputError, PriceError
from ragopt.records import IndexBytes

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload

Growing = Literal["vectors", "queries"]

N_VECTORS_MODELLED = 1_000_000
"""Vectors at which an index that was never built has its CPU time taken from the scan table."""

LEAST_BYTES = Decimal("0.001")
"""As `describe_by_bytes` takes it: fewer than a bit in a hundred vectors is no code."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A target that has no bill in a part of the range, or in all of it, with the reason.

    Attributes:
        target: its name.
        low: smallest size of the grid where this reason held.
        high: largest one.
        reason: why.
    """

    target: str
    low: int
    high: int
    reason: str


@dataclass(frozen=True, slots=True)
class TargetDecision:
    """The answer.

    Attributes:
        by: what grows.
        result: grid of bills and changes of the lowest.
        skipped: targets without a bill somewhere in the range.
        notes: assumptions.
        sentence: the answer in one sentence.
    """

    by: Growing
    result: Crossovers
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    sentence: str


def modelled_footprint(dim: int, bytes_per_vector: Decimal, cpu_ms: Decimal | None) -> tuple[Footprint, str]:
    """An index that nobody measured: so many bytes of RAM per vector, CPU time given or that of a full scan of them.

    Args:
        dim: dimension of the vectors.
        bytes_per_vector: RAM code bytes of one vector.
        cpu_ms: CPU milliseconds per query at a million vectors; None takes the scan table's row `Flat`.

    Returns:
        The footprint and a note on where its CPU time comes from.

    Raises:
        InputError: a figure that no index has.
    """
    check_dim(dim)
    if not (bytes_per_vector.is_finite() and LEAST_BYTES <= bytes_per_vector <= MOST_BYTES):
        raise InputError(f"--bytes is {bytes_per_vector} bytes per vector", allowed=f"{LEAST_BYTES} to {MOST_BYTES:,}",
                         next_step="Give --bytes of the index")  # fmt: skip
    if cpu_ms is not None and not (cpu_ms.is_finite() and 0 < cpu_ms <= MOST_CPU_MS):
        raise InputError(f"--cpu-ms is {cpu_ms}", allowed=f"above 0, at most {MOST_CPU_MS:,}",
                         next_step="Measure a search")  # fmt: skip
    size = float(bytes_per_vector)
    scan = scan_cpu_ms("Flat", dim, "", N_VECTORS_MODELLED, code_bytes=size)
    taken = scan if cpu_ms is None else float(cpu_ms)
    note = (
        f"CPU time is that of scanning every vector's {size:g} bytes, {scan:.2f} ms per query and million vectors; an "
        "index that compares fewer takes less (--cpu-ms)."
        if cpu_ms is None
        else f"CPU time is {cpu_ms:f} ms per query at a million vectors, as given, and grows with the vectors."
    )
    sizes = IndexBytes(size, 0, 0.0, int(size * N_VECTORS_MODELLED))
    return Footprint(sizes, N_VECTORS_MODELLED, taken, taken, taken, dim=dim), note


def decide_target(  # noqa: PLR0913 - the index, the service, the prices and the range
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    *,
    low: int,
    high: int,
    by: Growing = "vectors",
    targets: Sequence[str] | None = None,
    notes: tuple[str, ...] = (),
) -> TargetDecision:
    """Bill an index at every target over a range of vectors or queries and find where the cheapest changes.

    Args:
        footprint: the index.
        workload: everything else; with `by="queries"` its peak grows in proportion to the queries.
        book: prices.
        low: smallest number of vectors, or of queries a month.
        high: largest.
        by: what grows.
        targets: names of those that compete; None: all.
        notes: what to say beside the answer.

    Raises:
        InputError: an unknown target, a range that holds nothing, or a size out of the workload's bounds.
        PriceError: no target can be billed anywhere in the range.
    """
    names = tuple(TARGETS) if targets is None else tuple(target_of(name).name for name in targets)
    # Bills are compared, not their ranges: without an interval of CPU time each packing is worked out once, not thrice.
    exact = dataclasses.replace(
        footprint, cpu_ms_low=footprint.cpu_ms_per_query, cpu_ms_high=footprint.cpu_ms_per_query
    )
    found = TargetBills(exact, lambda size: _grown(workload, by, size), book, names)
    result = crossovers(found.at, low, high, may_lead=found.may_lead)
    skipped = tuple(one for name in names for one in _skipped(name, found.missing.get(name, {})))
    asked = found.first_asked()
    if not result.leaders:
        why = [f"{one.target}: {one.reason}" for one in skipped] + [f"{name}: needs consent" for name in asked]
        raise PriceError(f"No target can be billed ({'; '.join(why)})", next_step="Add the prices that are named here")
    told = (*notes, *_notes(result, by), *_consent(asked, result, by), *_peaks(result, found.unsized))
    return TargetDecision(by, result, skipped, (_setting(footprint, workload, by), *told), _sentence(result, by))


def _setting(footprint: Footprint, workload: Workload, by: Growing) -> str:
    fixed = (
        f"{workload.queries_per_month:,} queries a month, peak {workload.peak_qps:f} a second"
        if by == "vectors"
        else f"{workload.n_vectors:,} vectors, peak of {workload.peak_qps:f} queries a second per "
        f"{workload.queries_per_month:,} a month"
    )
    size = footprint.index_bytes.ram_bytes_per_vector
    return (
        f"{fixed}, {footprint.dim} dimensions, {size:g} bytes of codes in RAM and {workload.metadata_bytes:,} of "
        f"metadata per vector, {workload.n_replicas} {'replica' if workload.n_replicas == 1 else 'replicas'}, "
        f"{workload.provider} {workload.region}."
    )


def _notes(result: Crossovers, by: Growing) -> tuple[str, ...]:
    notes = ["The peak grows in proportion to the queries."] if by == "queries" else []
    vendors = [name for name in result.leaders if not TARGETS[name].serves_the_index]
    if vendors:
        notes.append(f"{', '.join(vendors)}: a vendor builds its own index, whose recall was not measured.")
    return tuple(notes)


def _consent(asked: Mapping[str, int], result: Crossovers, by: Growing) -> tuple[str, ...]:
    unit = "vectors" if by == "vectors" else "queries a month"
    return tuple(
        f"{name} needs the vendor's consent "
        + ("over the whole range" if size == result.low else f"from {size:,} {unit} on")
        + ", and is not taken as cheapest there."
        for name, size in asked.items()
    )


def _peaks(result: Crossovers, unsized: Mapping[str, str]) -> tuple[str, ...]:
    """Of targets that are cheapest somewhere: whose bill does not say what load they answer."""
    return tuple(f"{name}: {unsized[name]}" for name in result.leaders if name in unsized)


def _skipped(name: str, reasons: dict[int, str]) -> list[Skipped]:
    """One entry per reason; reasons that differ in their figures only are one, told as at the smallest size."""
    found: dict[str, Skipped] = {}
    for size, reason in sorted(reasons.items()):
        kind = re.sub(r"[\d.,]+", "#", reason)
        first = found.get(kind)
        found[kind] = Skipped(name, size, size, reason) if first is None else dataclasses.replace(first, high=size)
    return list(found.values())


def _grown(workload: Workload, by: Growing, size: int) -> Workload:
    if by == "vectors":
        return dataclasses.replace(workload, n_vectors=size)
    if not workload.queries_per_month:
        raise InputError("queries_per_month is 0, so that its peak cannot grow with the queries",
                         allowed="1 or more", next_step="Give the queries that --peak-qps belongs to")  # fmt: skip
    least = FIELDS["peak_qps"].low
    peak = workload.peak_qps * size / workload.queries_per_month
    return dataclasses.replace(workload, queries_per_month=size, peak_qps=max(peak, Decimal(str(least))))


def _sentence(result: Crossovers, by: Growing) -> str:
    unit = "vectors" if by == "vectors" else "queries a month"
    ends = f"from {count_text(result.low)} to {count_text(result.high)} {unit}"
    changes = durable(result)
    if not changes:
        return f"{ends[0].upper()}{ends[1:]} the cheapest target is {result.leaders[0]} throughout."
    steps = [f"{change.source or 'none'} up to {count_text(change.at)}" for change in changes]
    return f"{ends[0].upper()}{ends[1:]} the cheapest target is {', '.join(steps)}, {changes[-1].to} beyond."


def durable(result: Crossovers) -> tuple[Crossover, ...]:
    """The changes without those that are taken back before the size has doubled (steps of one VM more)."""
    kept: list[Crossover] = []
    for change in result.changes:
        if kept and change.to == kept[-1].source and change.at < 2 * kept[-1].at:
            kept.pop()
        else:
            kept.append(change)
    return tuple(kept)


def count_text(count: int) -> str:
    """A count to two significant digits, or to the last whole k, M or B.

    >>> count_text(1_234_567), count_text(950), count_text(136_400)
    ('1.2 M', '950', '136 k')
    """
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            value = count / size
            return f"{value:.0f} {letter}" if value >= 9.95 else f"{value:.2g} {letter}"
    return str(count)
