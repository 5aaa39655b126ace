"""Bytes kept in object storage: the bill of every tier, and the cheapest that answers in time.

How a tier is billed: storage_tier_lines.py; what it asks for besides prices: storage_tier_facts.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import Charges, total, without_zeros
from ragopt.bill.storage_tier_facts import TIERS, Retrieval, Tier
from ragopt.bill.storage_tier_lines import Kept, reading_lines, storage_lines, writing_lines
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.records import BillLine, Part

CHEAPEST = "cheapest"
NOT_BILLED = "not billed: "
"""How `TierBill.why_not` begins where a price is missing."""
ELSEWHERE = "cloudflare"
"""Provider of R2, whose tiers any other provider's services can use: nothing is charged for what leaves R2."""


@dataclass(frozen=True, slots=True)
class TierBill:
    """What a month in one tier costs.

    Attributes:
        tier: its name.
        provider: who sells it.
        region: where its prices hold.
        usd_per_month: sum of the lines; None where it cannot be billed or answers too late.
        lines: every line of at least a cent.
        retrieval: the way that reads come back: the cheapest of those that are quick enough and have a price.
        hours: until the first byte, at most.
        why_not: why there is no bill; empty where there is one.
        by_name_only: why `cheapest` leaves the tier out; empty where it does not.
        usd_fixed: USD per month without any read, not rounded; None without a bill.
        usd_per_read: USD for reading everything once, not rounded; None where a price of reading is missing.
        ways_without_price: other ways to read it that are quick enough but lack a price, each with what is missing.
    """

    tier: str
    provider: str
    region: str
    usd_per_month: Decimal | None
    lines: tuple[BillLine, ...]
    retrieval: str
    hours: Decimal
    why_not: str = ""
    by_name_only: str = ""
    usd_fixed: Decimal | None = None
    usd_per_read: Decimal | None = None
    ways_without_price: tuple[str, ...] = ()


def tier_charges(  # noqa: PLR0913, PLR0917 - what is kept, where, and how it is called on the bill
    n_bytes: int,
    reads_per_month: Decimal,
    object_bytes: int,
    writes_per_month: Decimal,
    most_retrieval_hours: Decimal,
    provider: str,
    region: str,
    book: PriceBook,
    tier: str = CHEAPEST,
    *,
    part: Part,
    what: str,
    loads_per_month: Decimal = Decimal(0),
) -> Charges:
    """Return the charges for bytes kept in one tier, or in the provider's cheapest that answers in time.

    Args:
        n_bytes: bytes kept.
        reads_per_month: times a month that all of them are read.
        object_bytes: bytes of one stored object.
        writes_per_month: times a month that all of them are rewritten.
        most_retrieval_hours: hours that a read may wait for.
        provider: whose tiers, and where readers and writers run.
        region: its region.
        book: prices.
        tier: a name, or `cheapest`: of the provider's own tiers, without those that have to be asked for by name.
        part: which part of the service is kept.
        what: what is kept, in words.
        loads_per_month: 1 / horizon spreads the first upload over it; `usd_before_minimum` is the bill without it.

    Returns:
        The tier's lines; notes name the tiers that `cheapest` could not compare, and ways of reading without a price.

    Raises:
        InputError: an unknown tier, one that answers too late, or a figure out of range.
        PriceError: a price of the tier is missing; with `cheapest`, no tier can be billed.
    """

    def compared(writes: Decimal) -> tuple[TierBill, ...]:
        return compare_tiers(
            n_bytes, reads_per_month, object_bytes, writes, most_retrieval_hours, provider, region, book, part=part,
            what=what,
        )  # fmt: skip

    every = compared(writes_per_month + loads_per_month)
    chosen = _cheapest(every, f"{provider} {region}", what) if tier == CHEAPEST else _by_name(tier, every, provider)
    recurring = chosen.usd_per_month
    if loads_per_month:
        recurring = next(bill.usd_per_month for bill in compared(writes_per_month) if bill.tier == chosen.tier)
    notes = not_compared(every, what) if tier == CHEAPEST else ()
    if reads_per_month:
        notes += ways_not_compared(every if tier == CHEAPEST else (chosen,), what)
    return Charges(chosen.lines, recurring or Decimal("0.00"), notes)


def not_compared(bills: Iterable[TierBill], what: str) -> tuple[str, ...]:
    """Name the tiers that a choice of the cheapest leaves out because a price is missing; empty when there are none."""
    missing = [bill for bill in bills if bill.why_not.startswith(NOT_BILLED) and not bill.by_name_only]
    if not missing:
        return ()
    reasons = "; ".join(bill.why_not.removeprefix(NOT_BILLED) for bill in missing)
    return (f"{what}: {', '.join(bill.tier for bill in missing)} not compared: {reasons}.",)


def ways_not_compared(bills: Iterable[TierBill], what: str) -> tuple[str, ...]:
    """Name the ways of reading a tier that were left out because a price is missing; its bill is that of another way.

    A tier without any way that has a price is named by `not_compared` instead.
    """
    return tuple(f"{what} in {bill.tier}: retrieval {way}." for bill in bills for way in bill.ways_without_price)


def compare_tiers(  # noqa: PLR0913, PLR0917 - as tier_charges
    n_bytes: int,
    reads_per_month: Decimal,
    object_bytes: int,
    writes_per_month: Decimal,
    most_retrieval_hours: Decimal,
    provider: str,
    region: str,
    book: PriceBook,
    *,
    part: Part = "documents",
    what: str = "Documents",
) -> tuple[TierBill, ...]:
    """Bill the same bytes in every tier of a provider and of R2, the cheapest first, those without a bill last.

    Arguments are those of `tier_charges`.

    Raises:
        InputError: a provider without known tiers, or a figure out of range.
    """
    _check_figures(
        n_bytes=Decimal(n_bytes),
        reads_per_month=reads_per_month,
        object_bytes=Decimal(object_bytes),
        writes_per_month=writes_per_month,
        most_retrieval_hours=most_retrieval_hours,
    )
    tiers = [tier for tier in TIERS.values() if tier.provider in (provider, ELSEWHERE)]
    if not any(tier.provider == provider for tier in tiers):
        raise InputError(
            f"No storage tiers are known for provider {provider!r}",
            allowed=", ".join(sorted({tier.provider for tier in TIERS.values()})),
            next_step="Choose one of these, or add its tiers to ragopt/bill/storage_tier_facts.py",
        )
    kept = Kept(
        n_bytes,
        reads_per_month,
        object_bytes,
        writes_per_month,
        most_retrieval_hours,
        provider,
        region,
        book,
        part,
        what,
    )
    # sorted() is stable: equal bills stay in the order of the facts, from the hottest tier.
    return tuple(
        sorted(
            (_bill(kept, tier) for tier in tiers),
            key=lambda bill: (bill.usd_per_month is None, bill.usd_per_month or 0),
        )
    )


def _check_figures(**figures: Decimal) -> None:
    for name, value in figures.items():
        least = 1 if name == "object_bytes" else 0
        if not (value.is_finite() and value >= least):
            raise InputError(f"{name} is {value}", allowed=f"{least} or more", next_step=f"Correct {name}")


def _bill(kept: Kept, tier: Tier) -> TierBill:
    """The tier's bill with the cheapest of its ways to read that are quick enough and have a price."""
    found: list[TierBill] = []
    missing: dict[str, str] = {}
    for way in tier.retrievals:
        if way.hours <= kept.most_hours:
            try:
                reading_lines(kept, tier, way, Decimal(1))
            except PriceError as error:
                missing[way.name] = error.failed
            try:
                found.append(_bill_one_way(kept, tier, way))
            except PriceError as error:
                missing[way.name] = error.failed
    if found:
        # Ties go to the quicker way.
        best = min(found, key=lambda bill: (bill.usd_per_read is None, bill.usd_per_read or 0, bill.hours))
        left_out = tuple(f"{name} not compared: {why}" for name, why in missing.items() if name != best.retrieval)
        return replace(best, ways_without_price=left_out)
    unbilled = NOT_BILLED + next(iter(missing.values())) if missing else ""
    fastest = min(tier.retrievals, key=lambda way: way.hours)
    late = f"its first byte takes up to {fastest.hours:f} hours, more than {kept.most_hours:f}"
    return TierBill(
        tier.name,
        *kept.place_of(tier),
        None,
        (),
        fastest.name,
        fastest.hours,
        unbilled or late,
        _reason(kept, tier),
    )


def _bill_one_way(kept: Kept, tier: Tier, way: Retrieval) -> TierBill:
    fixed = storage_lines(kept, tier) + writing_lines(kept, tier)
    lines = without_zeros(fixed + (reading_lines(kept, tier, way, kept.reads) if kept.reads else []))
    per_read = None
    try:
        per_read = _exact(reading_lines(kept, tier, way, Decimal(1)))
    except PriceError:
        if kept.reads:
            raise  # where nothing is read, the bill stands without the price of reading
    return TierBill(
        tier.name,
        *kept.place_of(tier),
        total(lines),
        lines,
        way.name,
        way.hours,
        by_name_only=_reason(kept, tier),
        usd_fixed=_exact(fixed),
        usd_per_read=per_read,
    )


def _reason(kept: Kept, tier: Tier) -> str:
    """Why `cheapest` leaves a tier out: R2 is an ordinary choice for someone who is at Cloudflare anyway."""
    return "" if tier.provider == kept.provider == ELSEWHERE else tier.by_name_only


def _exact(lines: Iterable[BillLine]) -> Decimal:
    """USD before each line is rounded to the cent."""
    return sum((line.quantity * line.usd_per_unit for line in lines), Decimal(0))


def _cheapest(every: tuple[TierBill, ...], place: str, what: str) -> TierBill:
    own = [bill for bill in every if not bill.by_name_only]
    best = next((bill for bill in own if bill.usd_per_month is not None), None)
    if best is None:
        raise _nothing_billed(own, place, what)
    return best


def _by_name(name: str, every: tuple[TierBill, ...], provider: str) -> TierBill:
    found = next((bill for bill in every if bill.tier == name), None)
    if found is None:
        raise InputError(
            f"A service at {provider} has no storage tier {name!r}",
            allowed=", ".join([CHEAPEST, *(bill.tier for bill in every)]),
            next_step="Choose one of the allowed tiers",
        )
    if found.usd_per_month is not None:
        return found
    if found.why_not.startswith(NOT_BILLED):
        raise PriceError(
            f"Tier {name} is {found.why_not}", next_step="Add this [[price]] entry, or choose another tier"
        )
    raise InputError(
        f"Tier {name} cannot be used: {found.why_not}",
        next_step="Choose a tier that answers sooner, or let reads wait longer (most_retrieval_hours)",
    )


def _nothing_billed(own: list[TierBill], place: str, what: str) -> PriceError:
    reasons = "; ".join(f"{bill.tier}: {bill.why_not}" for bill in own)
    return PriceError(
        f"No storage tier of {place} can be billed for {what} ({reasons})",
        next_step="Add the [[price]] entries that are named here, or let reads wait longer (most_retrieval_hours)",
    )
