"""What changed between two runs, A and B, as frozen records; every difference is B minus A."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ragopt.compare.max_increase import MaxIncrease
    from ragopt.measure.intervals import Interval
    from ragopt.records import BillLine, Quality, Recommendation

Failure = Literal["quality", "nothing_comparable", "nothing_fits", "bill"]
"""Why a comparison fails a gate: quality fell, nothing can be compared, B meets no limits that A met, the bill rose."""

FAILED = 4
"""Exit code of a comparison that fails; 1 and 2 are errors, 3 is `nothing fits` of a single run."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs.

    Attributes:
        folder: as the user named it.
        ragopt_version: that swept it.
        billed_on: day of its bill, YYYY-MM-DD; empty in a run that does not say.
        cpu: processor of the machine that its latency was measured on.
        decision: its recommendation, or the closest trial where nothing fits.
    """

    folder: str
    ragopt_version: str
    billed_on: str
    cpu: str
    decision: Recommendation

    @property
    def fits(self) -> bool:
        """Whether its trial meets the limits that the run was given."""
        return self.decision.status == "ok"


@dataclass(frozen=True, slots=True)
class Changed:
    """A named value that differs; None where a run does not have it."""

    name: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class Pairing:
    """How the queries of the compared scores coincide.

    Attributes:
        n_a, n_b: queries of each.
        n_common: those that are in both, by the key of their text.
        reason: why the runs cannot be paired; empty when they can.
    """

    n_a: int
    n_b: int
    n_common: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QualityChange:
    """One quality in both runs.

    Attributes:
        name: `recall_vs_exact@10` for example.
        a, b: the figures of the runs; None where one has none.
        difference: mean of B minus A with its 95 % interval; None where the two cannot be compared.
        paired: whether the difference is over the same queries; otherwise it is of two independent means.
        comparable: whether the figures measure the same thing.
        reason: why not; empty when they do.
        notes: what a reader of the difference should know, one sentence each.
        over_all: where a run has queries that are not among the pairs, the difference of two means over all queries,
            judged as well; None elsewhere, and where judged figures over different queries cannot be compared.
    """

    name: str
    a: Quality | None
    b: Quality | None
    difference: Interval | None = None
    paired: bool = False
    comparable: bool = False
    reason: str = ""
    notes: tuple[str, ...] = ()
    over_all: Interval | None = None

    @property
    def fell(self) -> bool:
        """Whether all of an interval lies below zero, that of the pairs or that over all queries."""
        return any(one is not None and one.high < 0 for one in (self.difference, self.over_all))


@dataclass(frozen=True, slots=True)
class SizeChange:
    """Bytes of one place: `ram_bytes_per_vector`, `ram_fixed_bytes`, `disk_bytes_per_vector` or `file_bytes`."""

    name: str
    a: float
    b: float


@dataclass(frozen=True, slots=True)
class PartChange:
    """USD a month of one part of the bill, 0 where a bill has none of it."""

    part: str
    a: Decimal
    b: Decimal


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line of the bill in both runs; None where one has no such line."""

    part: str
    item: str
    a: BillLine | None
    b: BillLine | None


@dataclass(frozen=True, slots=True)
class PriceChange:
    """The same thing at the same target with another unit price, date or source."""

    target: str
    item: str
    a: BillLine
    b: BillLine


@dataclass(frozen=True, slots=True)
class BillChange:
    """The bills of the two recommendations.

    Attributes:
        a, b: USD a month.
        parts, lines: what they are made of.
        prices: unit prices that changed.
        workload: fields of the workload that changed.
        saving_a, saving_b: USD a month that each run's recommendation saves against its own float32 baseline.
        shared_a, shared_b: USD a month of what is the same at every target and not in the bill; None where a run does
            not say.
        limit: the most that the bill may rise by; None when nobody said.
    """

    a: Decimal
    b: Decimal
    parts: tuple[PartChange, ...]
    lines: tuple[LineChange, ...]
    prices: tuple[PriceChange, ...]
    workload: tuple[Changed, ...]
    saving_a: Decimal
    saving_b: Decimal
    shared_a: Decimal | None
    shared_b: Decimal | None
    limit: MaxIncrease | None

    @property
    def increase(self) -> Decimal:
        """USD a month that B bills more than A."""
        return self.b - self.a

    @property
    def allowed(self) -> Decimal | None:
        """USD a month that it may bill more; None without a limit."""
        return None if self.limit is None else self.limit.usd_of(self.a)

    @property
    def rose(self) -> bool:
        """Whether it rose beyond the limit."""
        return self.allowed is not None and self.increase > self.allowed


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        a, b: the runs.
        pairing: how their queries coincide.
        quality: by quality, those of A first.
        sizes: bytes of the recommended indexes.
        bill: of the recommendations.
        recommendation: parts of the recommendation that changed: space, factory, search, target.
        inputs: what else the runs were given and where they ran, by key of ``run.json``.
    """

    a: Side
    b: Side
    pairing: Pairing
    quality: tuple[QualityChange, ...]
    sizes: tuple[SizeChange, ...]
    bill: BillChange
    recommendation: tuple[Changed, ...]
    inputs: tuple[Changed, ...]

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Why a gate stays shut, in the order of their weight; empty when it opens.

        A comparison without a single comparable quality fails: it would let anything pass.
        """
        found: list[tuple[Failure, bool]] = [
            ("nothing_fits", self.a.fits and not self.b.fits),
            ("quality", any(one.fell for one in self.quality)),
            ("nothing_comparable", not any(one.comparable for one in self.quality)),
            ("bill", self.bill.rose),
        ]
        return tuple(name for name, is_so in found if is_so)

    @property
    def exit_code(self) -> int:
        """0, or `FAILED`."""
        return FAILED if self.failures else 0
