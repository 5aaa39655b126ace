"""The bill of one index everywhere it can live, beside what the service costs wherever it lives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.bill.default_spreads import default_spreads
from ragopt.bill.lines import total
from ragopt.bill.old_prices import old_price_warnings
from ragopt.bill.projection import ENDS, OUTGROWS, bill_by_month, step_note, stops
from ragopt.bill.ranged import Drawing, draw_shared, ranged
from ragopt.bill.reasoning import needs_consent
from ragopt.bill.service import embedding_lines, shared_charges
from ragopt.bill.targets import TARGETS, bill_index, target_of
from ragopt.bill.tornado import Swing, tornado
from ragopt.bill.uncertain_inputs import Inputs
from ragopt.bill.whole_billing import bill_with_shared
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.monte_carlo import BillRange
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import Bill, BillLine

RECOMMENDED, SERVES, CHEAPEST = "recommended by the run", "the cheapest that serves the index", "the cheapest"
"""Why a target's bill is explained."""


@dataclass(frozen=True, slots=True)
class WholeBill:
    """What a retrieval service costs in an average month.

    Attributes:
        workload: what was billed.
        footprint: the index that was billed.
        targets: one bill per target that can be billed, cheapest first.
        shared: lines that are the same at every target: text, documents, reranking, generation, egress.
        not_billed: target name to the reason why there is no bill.
        warnings: prices that are old.
        book: the prices that it was made with. given: fields of the workload that somebody stated or measured.
        today: the day that prices are as old as.
        with_shared: by target, its bill with the shared lines and the range of both together.
        shared_notes: what a reader of the shared lines should know.
        notes: how the footprint was found, where it was not measured.
        recommended: the target that a run recommends for this index; empty for another index.
        cache: the caches to put around it, as the run's ``recommendation.json`` holds them: for a replayed log's
            requests, by the prices and the workload that the log was replayed with, whatever else this bill is for;
            None where there are none.
    """

    workload: Workload
    footprint: Footprint
    targets: tuple[Bill, ...]
    shared: tuple[BillLine, ...]
    not_billed: Mapping[str, str]
    warnings: tuple[str, ...]
    book: PriceBook = field(repr=False, compare=False)
    given: frozenset[str]
    today: dt.date
    with_shared: Mapping[str, BillRange] = field(default_factory=dict)
    shared_notes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recommended: str = ""
    cache: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        """Show how many targets, the cheapest one's bill, the shared lines and what is missing, in one line."""
        return (
            f"<WholeBill {self.workload.n_vectors:,} vectors at {len(self.targets)} targets; cheapest: "
            f"{self.cheapest!r}; shared USD {self.shared_usd_per_month:,.2f} per month; "
            f"{len(self.not_billed)} targets not billed; {len(self.warnings)} warnings>"
        )

    @property
    def cheapest(self) -> Bill:
        """The least bill of those that can simply be bought for the whole horizon; the least of all where none can."""
        return _least(self.targets)

    @property
    def explained(self) -> tuple[Bill, str]:
        """The bill that is worth explaining, and why it: of the target that a run recommends, where that was billed.

        Else of the cheapest target that serves the index, as its quality was measured; else of the cheapest.
        """
        of_run = [bill for bill in self.targets if bill.target == self.recommended]
        if of_run:
            return of_run[0], RECOMMENDED
        serving = [bill for bill in self.targets if TARGETS[bill.target].serves_the_index]
        return (_least(serving), SERVES) if serving else (self.cheapest, CHEAPEST)

    @property
    def shared_usd_per_month(self) -> Decimal:
        """Sum of the shared lines."""
        return total(self.shared)


def _least(bills: Sequence[Bill]) -> Bill:
    """The first of bills, cheapest first, that can simply be bought for the whole horizon; the first where none can."""
    return next((bill for bill in bills if not needs_consent(bill) and not stops(bill)), bills[0])


def bill_everywhere(  # noqa: PLR0913 - what is billed, for what, with which prices, where, on which day
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    *,
    targets: Sequence[str] = (),
    given: frozenset[str] = frozenset(),
    seed: int = 0,
    today: dt.date | None = None,
    warned_on: dt.date | None = None,
    notes: tuple[str, ...] = (),
) -> WholeBill:
    """Bill one index at every target, or at those that are named.

    Args:
        footprint: the index.
        workload: what it has to serve; the bill is for an average month of its horizon.
        book: prices.
        targets: names; empty for all. A target that was named and cannot be billed is an error.
        given: fields of the workload that somebody stated or measured.
        seed: of the range's draws.
        today: the day that prices are as old as; the day it is unless given.
        warned_on: the day that prices are called old on; `today` unless given.
        notes: how the footprint was found.

    Raises:
        InputError: an unknown target, a named one that makes no sense for this index, or a workload that contradicts
            itself.
        PriceError: a price that a named target, the embedding or a shared line needs is missing.
    """
    day = today or dt.datetime.now(tz=dt.UTC).date()
    for name in targets:
        target_of(name)
    shared = shared_charges(workload, book, dim=footprint.dim)
    embedding_lines(workload, book)  # what is wrong with it is told once, not as every target's reason
    found, not_billed = _bill_each(footprint, workload, book, targets)
    drawing = Drawing(Inputs(footprint, workload, book), given, day, seed)
    drawn = draw_shared(drawing)
    pairs = [ranged(bill, drawing, drawn) for bill in found]
    bills = sorted((bill for bill, _ in pairs), key=lambda bill: (bill.usd_per_month, bill.target))
    lines = [*shared.lines, *(line for bill in bills for line in bill.lines)]
    return WholeBill(
        workload,
        footprint,
        tuple(bills),
        shared.lines,
        not_billed,
        old_price_warnings(lines, warned_on or day),
        book,
        given,
        day,
        with_shared={both.target: both for _, both in pairs},
        shared_notes=shared.notes,
        notes=notes,
    )


def whole_tornado(whole: WholeBill, target: str = "") -> tuple[Swing, ...]:
    """Find the five inputs that move a target's bill with the shared lines most; unless given, the `explained` one.

    Raises:
        InputError: an unknown target, or one that does not take this index.
    """
    name = target or whole.explained[0].target
    spreads = default_spreads(
        whole.footprint, whole.workload, whole.book, targets=[name], today=whole.today, given=whole.given,
        billing=bill_with_shared,
    )  # fmt: skip
    return tornado(whole.footprint, whole.workload, whole.book, target=name, spreads=spreads, billing=bill_with_shared)


def _with_step_note(bill: Bill, footprint: Footprint, workload: Workload, book: PriceBook) -> Bill:
    """Add to a growing workload's bill that its months cost otherwise than its average month, where they do."""
    if not workload.growth_vectors_per_month:
        return bill
    note = step_note(bill.usd_per_month, bill_by_month(footprint, workload, book, target=bill.target))
    kept = [one for one in bill.notes if not (note.startswith(ENDS) and one.startswith(OUTGROWS))]  # said once
    return replace(bill, notes=(*kept, note)) if note else bill


def _bill_each(
    footprint: Footprint, workload: Workload, book: PriceBook, targets: Sequence[str]
) -> tuple[list[Bill], dict[str, str]]:
    """The bill of every target that can be billed, and for the others why they cannot."""
    found: list[Bill] = []
    not_billed: dict[str, str] = {}
    for name, target in TARGETS.items():
        if targets and name not in targets:
            continue
        reason = target.why_not(footprint, workload.at_average())
        if reason and not targets:
            not_billed[name] = reason
            continue
        try:
            bill = bill_index(footprint, workload, book, target=name)
            found.append(_with_step_note(bill, footprint, workload, book))
        except PriceError as error:
            if targets:
                raise
            not_billed[name] = str(error)
    if not found:
        raise InputError(
            "No target can be billed: " + "; ".join(f"{name}: {why}" for name, why in not_billed.items()),
            next_step="Correct the workload, or give the missing prices with --prices",
        )
    return found, not_billed
