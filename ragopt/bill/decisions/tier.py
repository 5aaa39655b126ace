"""Which storage tier: the cheapest for how often the data is read, and from how many reads on the next one is.

A month in a tier costs `fixed + reads x per_read`, exactly: storage, overhead and rewrites do not depend on the reads,
and requests, retrieval and restored copies are proportional to them. So the cheapest tier, as a function of the reads,
is the lower envelope of straight lines, and two neighbours on it cost the same at

    reads = (fixed of the hotter - fixed of the colder) / (per_read of the colder - per_read of the hotter)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from ragopt.bill.decisions.checkpoints import six_digits
from ragopt.bill.storage_tier import TierBill, compare_tiers, not_compared, ways_not_compared
from ragopt.bill.storage_tier_facts import TIERS
from ragopt.bill.storage_tier_lines import GROUP
from ragopt.bill.workload_fields import FIELDS, check_value
from ragopt.errors import PriceError
from ragopt.units import format_bytes, to_cents

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook

REWRITES = "times a month that all of it is rewritten"


@dataclass(frozen=True, slots=True)
class Line:
    """A tier's cost as a function of the reads, not rounded."""

    tier: str
    usd_fixed: Decimal
    usd_per_read: Decimal

    def usd(self, reads: Decimal) -> Decimal:
        """Cost of a month with so many reads."""
        return self.usd_fixed + reads * self.usd_per_read


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where two neighbours on the lower envelope cost the same.

    Attributes:
        colder: cheaper below.
        hotter: cheaper above.
        reads_per_month: at which both cost `usd_per_month`.
        usd_per_month: of both there.
    """

    colder: str
    hotter: str
    reads_per_month: Decimal
    usd_per_month: Decimal


@dataclass(frozen=True, slots=True)
class TierDecision:
    """The answer, with the bill of every tier.

    Attributes:
        tier: the cheapest of those that were allowed.
        usd_per_month: its bill.
        reads_per_month: the reads that were asked for.
        document_bytes, object_bytes, writes_per_month, most_retrieval_hours: what was asked for, too.
        break_evens: between neighbours, from few reads to many.
        bills: every tier, the cheapest first, those without a bill last with the reason.
        notes: assumptions and cautions, and tiers of the provider and ways of reading them that lack a price.
        sentence: the answer, with what would be cheaper but is not chosen unasked.
    """

    tier: str
    usd_per_month: Decimal
    reads_per_month: Decimal
    document_bytes: int
    object_bytes: int
    writes_per_month: Decimal
    most_retrieval_hours: Decimal
    break_evens: tuple[BreakEven, ...]
    bills: tuple[TierBill, ...]
    notes: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Documents:
    """What is kept, in objects of which size, read and rewritten whole how often, and how long a read may wait."""

    document_bytes: int
    object_bytes: int
    reads_per_month: Decimal
    writes_per_month: Decimal = Decimal(0)
    most_retrieval_hours: Decimal = Decimal(0)

    def check(self) -> None:
        """Make sure that every figure is within the bounds of a workload. Raises InputError."""
        often = FIELDS["document_reads_per_month"]
        for field, value, option in (
            (FIELDS["document_bytes"], self.document_bytes, "--document-bytes"),
            (FIELDS["document_object_bytes"], self.object_bytes, "--object-bytes"),
            (often, self.reads_per_month, "--reads-per-month"),
            (replace(often, unit=REWRITES), self.writes_per_month, "--writes-per-month"),
            (FIELDS["most_retrieval_hours"], self.most_retrieval_hours, "--most-retrieval-hours"),
        ):
            check_value(field, value, option)


def decide_tier(
    documents: Documents, provider: str, region: str, book: PriceBook, *, any_tier: bool = False
) -> TierDecision:
    """Choose the cheapest tier of a provider for how often the data is read.

    Args:
        documents: what is kept.
        provider: whose tiers, and where readers run.
        region: its region.
        book: prices.
        any_tier: whether tiers that usually have to be asked for by name compete: one zone only, another provider.

    Raises:
        InputError: a figure out of range or an unknown provider.
        PriceError: no tier can be billed.
    """
    documents.check()
    bills = compare_tiers(
        documents.document_bytes,
        documents.reads_per_month,
        documents.object_bytes,
        documents.writes_per_month,
        documents.most_retrieval_hours,
        provider,
        region,
        book,
    )
    allowed = [bill for bill in bills if bill.usd_per_month is not None and (any_tier or not bill.by_name_only)]
    if not allowed:
        reasons = "; ".join(f"{bill.tier}: {bill.why_not}" for bill in bills if bill.why_not)
        raise PriceError(f"No storage tier of {provider} {region} can be billed ({reasons})",
                         next_step="Add the [[price]] entries that are named here to "
                         "ragopt/bill/prices/object_storage.toml")  # fmt: skip
    best = allowed[0]
    envelope = lower_envelope(_lines(allowed))
    decision = TierDecision(
        tier=best.tier,
        usd_per_month=best.usd_per_month or Decimal(0),
        reads_per_month=documents.reads_per_month,
        document_bytes=documents.document_bytes,
        object_bytes=documents.object_bytes,
        writes_per_month=documents.writes_per_month,
        most_retrieval_hours=documents.most_retrieval_hours,
        break_evens=break_evens(envelope),
        bills=bills,
        notes=(
            *not_compared(bills, "Documents"),
            *ways_not_compared(bills, "Documents"),
            *_notes(best),
            *_cautions(best, documents, book),
        ),
        sentence="",
    )
    return replace(decision, sentence=_sentence(decision, provider, region))


def lower_envelope(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines that are least somewhere at 0 reads or more, from few reads to many; of equal lines the first."""
    if not lines:
        return ()
    envelope = [min(lines, key=lambda line: (line.usd_fixed, line.usd_per_read))]
    while True:
        here = envelope[-1]
        flatter = [line for line in lines if line.usd_per_read < here.usd_per_read]
        if not flatter:
            return tuple(envelope)
        # Of lines that meet `here` at the same point, the flattest is the least after it.
        envelope.append(min(flatter, key=lambda line: (_meeting(here, line), line.usd_per_read)))


def break_evens(envelope: Sequence[Line]) -> tuple[BreakEven, ...]:
    """Where neighbours on the envelope meet."""
    found = []
    for colder, hotter in pairwise(envelope):
        reads = _meeting(colder, hotter)
        found.append(BreakEven(colder.tier, hotter.tier, six_digits(reads), to_cents(colder.usd(reads))))
    return tuple(found)


def _meeting(colder: Line, hotter: Line) -> Decimal:
    return (hotter.usd_fixed - colder.usd_fixed) / (colder.usd_per_read - hotter.usd_per_read)


def _lines(bills: Sequence[TierBill]) -> list[Line]:
    return [
        Line(bill.tier, bill.usd_fixed, bill.usd_per_read)
        for bill in bills
        if bill.usd_fixed is not None and bill.usd_per_read is not None
    ]


def _notes(best: TierBill) -> tuple[str, ...]:
    notes = []
    if best.by_name_only:
        notes.append(f"{best.tier}: {best.by_name_only}.")
    if best.usd_per_read is None:
        notes.append(f"A price of reading {best.tier} is missing, so that it has no break-even.")
    return tuple(notes)


def _cautions(best: TierBill, documents: Documents, book: PriceBook) -> list[str]:
    """What the book says of the prices that the chosen tier is billed with."""
    tier = TIERS[best.tier]
    way = next(way for way in tier.retrievals if way.name == best.retrieval)
    items = [f"{tier.name}-storage"]
    if documents.writes_per_month:
        items.append(f"{tier.name}-put")
    if documents.reads_per_month:
        items += [way.bytes_item, *way.request_items]
    return [
        f"Price {price.item}: {price.caution}."
        for price in book
        if price.caution
        and (price.provider, price.region, price.group) == (best.provider, best.region, GROUP)
        and price.item in items
    ]


def _sentence(decision: TierDecision, provider: str, region: str) -> str:
    of_those = " of the tiers that have a price" if not_compared(decision.bills, "") else ""
    start = (
        f"{format_bytes(decision.document_bytes)} read {decision.reads_per_month:f} times a month are cheapest in "
        f"{decision.tier} for {provider} {region}{of_those}, at USD {decision.usd_per_month:,} a month"
    )
    above = next((even for even in decision.break_evens if even.colder == decision.tier), None)
    below = next((even for even in decision.break_evens if even.hotter == decision.tier), None)
    ends = []
    if below is not None:
        ends.append(f"below {below.reads_per_month:.2g} reads a month {below.colder} is cheaper")
    if above is not None:
        ends.append(f"above {above.reads_per_month:.2g} reads a month {above.hotter} is cheaper")
    told = f"{start}; {' and '.join(ends)}." if ends else f"{start}, however often they are read."
    return " ".join((told, *_cheaper_unasked(decision)))


def _cheaper_unasked(decision: TierDecision) -> tuple[str, ...]:
    return tuple(
        f"{bill.tier} would cost USD {bill.usd_per_month:,}, but is not chosen unasked: {bill.by_name_only}."
        for bill in decision.bills
        if bill.by_name_only and bill.usd_per_month is not None and bill.usd_per_month < decision.usd_per_month
    )
